//! Whether the contents of a systemd unit are readable at all.
//!
//! Source: systemd.syntax(7), and for what is refused `unit/deserialize.go` of github.com/coreos/go-systemd: sections
//! and options are recognized, not interpreted.

/// Longest line that systemd reads, in bytes.
const LONGEST_LINE: usize = 2048;
/// Lookahead of the reference's reader, in bytes: longer lines go unnoticed when they begin near its end.
const WINDOW: usize = 4096;

/// What is wrong with the contents of a unit or drop-in.
pub(crate) fn check(contents: &str) -> Option<String> {
    let mut lexer = Lexer { text: contents, at: 0, seen: 0 };
    lexer.run().err().map(|error| format!("invalid unit content: {error}"))
}

struct Lexer<'t> {
    text: &'t str,
    /// Position of the next byte.
    at: usize,
    /// How far the reference's reader has read ahead.
    seen: usize,
}

#[derive(Clone, Copy)]
enum State {
    BeforeSections,
    InSection,
    Value,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), String> {
        let mut state = State::BeforeSections;
        loop {
            self.check_line()?;
            state = match state {
                State::Value => {
                    let line = self.line();
                    let continues = line.ends_with(b"\\");
                    if continues { State::Value } else { State::InSection }
                }
                State::BeforeSections | State::InSection => match self.next() {
                    None => return Ok(()),
                    Some('[') => self.section()?,
                    Some('#' | ';') => {
                        self.check_line()?;
                        self.comment();
                        state
                    }
                    Some(c) if matches!(state, State::BeforeSections) || c.is_whitespace() => state,
                    Some(c) => self.option(c)?,
                },
            };
        }
    }

    fn check_line(&self) -> Result<(), String> {
        let window =
            self.text.as_bytes().get(self.at..self.at + LONGEST_LINE).filter(|_| self.seen - self.at >= LONGEST_LINE);
        match window {
            Some(window) if !window.iter().any(|b| matches!(b, b'\r' | b'\n')) => {
                Err(format!("line too long (max {LONGEST_LINE} bytes)"))
            }
            _ => Ok(()),
        }
    }

    fn section(&mut self) -> Result<State, String> {
        self.check_line()?;
        let end = self.read_past(|b| b == b']').ok_or("unable to find end of section")?;
        self.at = end;
        self.check_line()?;
        let line = self.line();
        let garbage = String::from_utf8_lossy(line);
        match garbage.trim() {
            "" => Ok(State::InSection),
            garbage => Err(format!("found garbage after section name : {garbage:?}")),
        }
    }

    fn comment(&mut self) {
        loop {
            let line = self.line();
            let line = line.strip_suffix(b" ").unwrap_or(line);
            if !line.ends_with(b"\\") {
                return;
            }
        }
    }

    /// The name of an option whose first character has been consumed.
    fn option(&mut self, first: char) -> Result<State, String> {
        self.at -= first.len_utf8();
        self.check_line()?;
        while let Some(c) = self.next() {
            match c {
                '\n' | '\r' => {
                    return Err("unexpected newline encountered while parsing option name".to_owned());
                }
                '=' => return Ok(State::Value),
                _ => {}
            }
        }
        Err("EOF".to_owned())
    }

    fn next(&mut self) -> Option<char> {
        let next = self.text[self.at..].chars().next()?;
        if self.at + next.len_utf8() > self.seen {
            self.seen = self.text.len().min(self.at + WINDOW);
        }
        self.at += next.len_utf8();
        Some(next)
    }

    /// The bytes up to the end of the line, which is consumed.
    fn line(&mut self) -> &[u8] {
        let start = self.at;
        self.at = self.read_past(|b| b == b'\n').unwrap_or(self.text.len());
        let line = &self.text.as_bytes()[start..self.at];
        line.strip_suffix(b"\n").or_else(|| line.strip_suffix(b"\r")).unwrap_or(line)
    }

    /// Position after the next wanted byte, read ahead in windows as the reference does.
    fn read_past(&mut self, wanted: impl Fn(u8) -> bool) -> Option<usize> {
        let mut from = self.at;
        let mut start = self.at;
        loop {
            let found = self.text.as_bytes()[from..self.seen].iter().position(|&b| wanted(b));
            if let Some(found) = found {
                return Some(from + found + 1);
            }
            if self.seen == self.text.len() {
                return None;
            }
            from = self.seen;
            if self.seen - start >= WINDOW {
                start = self.seen;
            }
            self.seen = self.text.len().min(start + WINDOW);
        }
    }
}
