//! Lines on stderr.

use crate::cli::in_line;
use std::io::{self, Write};

/// A line on stderr for whoever runs the program, whatever text of others is in it.
///
/// Where stderr is closed, or the disk under it is full, the line is lost and the work goes on: `eprintln!` would end the process.
macro_rules! tell {
    ($($line:tt)*) => { $crate::tell::line(&format!($($line)*)) };
}

/// Writes one.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stderr(), "{}", in_line(text));
}

/// Stderr for lines of a log, each of which comes in one piece: a line break within it is shown. What a terminal would obey is taken out
/// where the line is made, which may have colours.
pub(crate) struct Logged;

impl Write for Logged {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&one_line(written))?;
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn one_line(written: &[u8]) -> Vec<u8> {
    let line = written.strip_suffix(b"\n").unwrap_or(written);
    let mut shown = line.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\\n"[..]);
    shown.extend(&written[line.len()..]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_makes_no_further_lines_in_a_log() {
        assert_eq!(one_line(b"\x1b[33mWARN\x1b[0m a\nERROR b\n"), b"\x1b[33mWARN\x1b[0m a\\nERROR b\n");
        assert_eq!(one_line(b"a\n"), b"a\n");
        assert_eq!(one_line(b"a\n\n"), b"a\\n\n");
    }
}
