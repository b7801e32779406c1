//! Lines on stderr.

/// A line on stderr for whoever runs the program.
///
/// Where stderr is closed, or the disk under it is full, the line is lost and the work goes on: `eprintln!` would end the process.
macro_rules! tell {
    ($($line:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($line)*);
    }};
}
