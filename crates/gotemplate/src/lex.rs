//! A template's text in tokens.
//!
//! L-1 `{{` begins an action anywhere in text, and `}}` ends it; nothing else does.
//! L-2 `{{-` and `-}}` with white space between the sign and the rest trim white space of the text next to them, through
//! comments. White space is space, tab, carriage return and line feed.
//! L-3 A comment is alone in its action, next to the delimiters or to their trim markers.
//!
//! Source: `text/template/parse/lex.go` of Go's standard library.

/// Kinds of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    LeftDelimiter,
    RightDelimiter,
    Space,
    Assign,
    Declare,
    Pipe,
    Comma,
    LeftParenthesis,
    RightParenthesis,
    Dot,
    Field,
    Variable,
    Identifier,
    Keyword,
    Bool,
    Nil,
    Number,
    Character,
    Quoted,
    Raw,
    /// Another printable character, which is never valid.
    Other,
    End,
}

/// A token: a range of the template's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// What is wrong, and at which byte.
pub(crate) type Fault = (usize, String);

const LEFT: &str = "{{";
const RIGHT: &str = "}}";
const KEYWORDS: [&str; 10] = ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"];

/// All tokens of a text; the last is [`Kind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer { text, position: 0, tokens: Vec::new() };
    lexer.text()?;
    lexer.push(Kind::End, lexer.position);
    Ok(lexer.tokens)
}

pub(crate) fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

struct Lexer<'t> {
    text: &'t str,
    position: usize,
    tokens: Vec<Token>,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.position..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.position += next.len_utf8();
        Some(next)
    }

    fn accept(&mut self, set: &str) -> bool {
        let is_in = self.peek().is_some_and(|c| set.contains(c));
        if is_in {
            self.next();
        }
        is_in
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    fn push(&mut self, kind: Kind, start: usize) {
        self.tokens.push(Token { kind, start, end: self.position });
    }

    fn fault<T>(&self, what: impl Into<String>) -> Result<T, Fault> {
        Err((self.position, what.into()))
    }

    /// Text up to the next action, and so on to the end.
    fn text(&mut self) -> Result<(), Fault> {
        loop {
            let start = self.position;
            let Some(length) = self.rest().find(LEFT) else {
                self.position = self.text.len();
                if self.position > start {
                    self.push(Kind::Text, start);
                }
                return Ok(());
            };
            let delimiter = start + length;
            let before = self.text.get(start..delimiter).unwrap_or_default();
            let trims = is_left_marker(self.text.get(delimiter + LEFT.len()..).unwrap_or_default());
            let kept = if trims { before.trim_end_matches(is_space) } else { before };
            self.position = start + kept.len();
            if !kept.is_empty() {
                self.push(Kind::Text, start);
            }
            self.position = delimiter;
            self.action(trims)?;
        }
    }

    fn action(&mut self, trims: bool) -> Result<(), Fault> {
        let start = self.position;
        let marker = if trims { 2 } else { 0 };
        if self.text.get(start + LEFT.len() + marker..).unwrap_or_default().starts_with("/*") {
            return self.comment(start + LEFT.len() + marker);
        }
        self.position += LEFT.len();
        self.push(Kind::LeftDelimiter, start);
        self.position += marker;
        let mut depth = 0_usize;
        while !self.right_delimiter(depth)? {
            self.token(&mut depth)?;
        }
        Ok(())
    }

    fn comment(&mut self, start: usize) -> Result<(), Fault> {
        self.position = start;
        let Some(length) = self.rest().get(2..).and_then(|rest| rest.find("*/")) else {
            return self.fault("unclosed comment");
        };
        self.position = start + 2 + length + 2;
        let Some(trims) = self.at_right_delimiter() else {
            return self.fault("comment ends before the closing delimiter");
        };
        self.position += if trims { 2 } else { 0 } + RIGHT.len();
        if trims {
            self.trim_left();
        }
        Ok(())
    }

    /// Whether the action ends here, and if so, whether it trims.
    fn at_right_delimiter(&self) -> Option<bool> {
        let rest = self.rest();
        if is_right_marker(rest) && rest.get(2..).is_some_and(|rest| rest.starts_with(RIGHT)) {
            return Some(true);
        }
        rest.starts_with(RIGHT).then_some(false)
    }

    fn right_delimiter(&mut self, depth: usize) -> Result<bool, Fault> {
        let Some(trims) = self.at_right_delimiter() else { return Ok(false) };
        if depth > 0 {
            return self.fault("unclosed left parenthesis");
        }
        self.position += if trims { 2 } else { 0 };
        let start = self.position;
        self.position += RIGHT.len();
        self.push(Kind::RightDelimiter, start);
        if trims {
            self.trim_left();
        }
        Ok(true)
    }

    fn trim_left(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.next();
        }
    }

    /// One token inside an action.
    fn token(&mut self, depth: &mut usize) -> Result<(), Fault> {
        let start = self.position;
        let Some(first) = self.next() else { return self.fault("unclosed action") };
        let kind = match first {
            c if is_space(c) => return self.space(start),
            '=' => Kind::Assign,
            ':' if self.accept("=") => Kind::Declare,
            ':' => return self.fault("expected :="),
            '|' => Kind::Pipe,
            ',' => Kind::Comma,
            '"' => return self.quoted('"', Kind::Quoted, start),
            '\'' => return self.quoted('\'', Kind::Character, start),
            '`' => {
                let Some(length) = self.rest().find('`') else { return self.fault("unterminated raw quoted string") };
                self.position += length + 1;
                Kind::Raw
            }
            '$' => return self.name(Kind::Variable, Kind::Variable, start),
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => return self.name(Kind::Field, Kind::Dot, start),
            c if matches!(c, '+' | '-' | '.') || c.is_ascii_digit() => {
                self.position = start;
                return self.number(start);
            }
            c if is_alphanumeric(c) => return self.identifier(start),
            '(' => {
                *depth += 1;
                Kind::LeftParenthesis
            }
            ')' if *depth == 0 => return self.fault("unexpected right parenthesis"),
            ')' => {
                *depth -= 1;
                Kind::RightParenthesis
            }
            c if c.is_ascii_graphic() => Kind::Other,
            c => return self.fault(format!("unrecognized character in action: {c:?}")),
        };
        self.push(kind, start);
        Ok(())
    }

    /// White space, except for one character that belongs to the trim marker after it.
    fn space(&mut self, start: usize) -> Result<(), Fault> {
        while self.at_right_delimiter().is_none() && self.peek().is_some_and(is_space) {
            self.next();
        }
        // The first character may itself begin the marker.
        self.push(Kind::Space, start);
        Ok(())
    }

    fn quoted(&mut self, quote: char, kind: Kind, start: usize) -> Result<(), Fault> {
        let what = if quote == '"' { "unterminated quoted string" } else { "unterminated character constant" };
        loop {
            match self.next() {
                Some('\\') => match self.next() {
                    None | Some('\n') => return self.fault(what),
                    Some(_) => {}
                },
                None | Some('\n') => return self.fault(what),
                Some(c) if c == quote => break,
                Some(_) => {}
            }
        }
        self.push(kind, start);
        Ok(())
    }

    /// The name behind a dot or a dollar sign, which may be empty.
    fn name(&mut self, kind: Kind, empty: Kind, start: usize) -> Result<(), Fault> {
        if self.at_terminator() {
            self.push(empty, start);
            return Ok(());
        }
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        self.terminated()?;
        self.push(kind, start);
        Ok(())
    }

    fn identifier(&mut self, start: usize) -> Result<(), Fault> {
        while self.peek().is_some_and(is_alphanumeric) {
            self.next();
        }
        self.terminated()?;
        let kind = match self.text.get(start..self.position).unwrap_or_default() {
            "true" | "false" => Kind::Bool,
            "nil" => Kind::Nil,
            word if KEYWORDS.contains(&word) => Kind::Keyword,
            _ => Kind::Identifier,
        };
        self.push(kind, start);
        Ok(())
    }

    fn terminated(&self) -> Result<(), Fault> {
        match self.peek() {
            Some(c) if !self.at_terminator() => self.fault(format!("bad character {c:?}")),
            _ => Ok(()),
        }
    }

    fn at_terminator(&self) -> bool {
        match self.peek() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(c) => is_space(c) || self.rest().starts_with(RIGHT),
        }
    }

    fn number(&mut self, start: usize) -> Result<(), Fault> {
        if !self.scan_number() {
            let text = self.text.get(start..self.position).unwrap_or_default();
            return self.fault(format!("bad number syntax: {text:?}"));
        }
        if matches!(self.peek(), Some('+' | '-')) {
            return self.fault("complex numbers are not supported");
        }
        self.push(Kind::Number, start);
        Ok(())
    }

    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEXADECIMAL: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEXADECIMAL;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if digits == DECIMAL && self.accept("eE") || digits == HEXADECIMAL && self.accept("pP") {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        let goes_on = self.peek().is_some_and(is_alphanumeric);
        if goes_on {
            self.next();
        }
        !goes_on
    }
}

/// `- ` behind a left delimiter.
fn is_left_marker(rest: &str) -> bool {
    let mut characters = rest.chars();
    characters.next() == Some('-') && characters.next().is_some_and(is_space)
}

/// ` -` in front of a right delimiter.
fn is_right_marker(rest: &str) -> bool {
    let mut characters = rest.chars();
    characters.next().is_some_and(is_space) && characters.next() == Some('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        tokens(text).unwrap().into_iter().map(|t| (t.kind, &text[t.start..t.end])).collect()
    }

    #[test]
    fn trim_markers_need_their_white_space() {
        use Kind::{End, LeftDelimiter, Number, RightDelimiter, Text};
        assert_eq!(
            kinds("a {{-3}} b"),
            [(Text, "a "), (LeftDelimiter, "{{"), (Number, "-3"), (RightDelimiter, "}}"), (Text, " b"), (End, "")]
        );
        assert_eq!(
            kinds("a {{- 3 -}} b"),
            [
                (Text, "a"),
                (LeftDelimiter, "{{"),
                (Kind::Space, " "),
                (Number, "3"),
                (RightDelimiter, "}}"),
                (Text, "b"),
                (End, "")
            ]
            .into_iter()
            .filter(|(kind, _)| *kind != Kind::Space)
            .collect::<Vec<_>>()
        );
        assert_eq!(kinds("a {{- /* c */ -}}\n b"), [(Text, "a"), (Text, "b"), (End, "")]);
    }
}
