//! The `weir` program: a shim around [`weir::run`].

fn main() -> std::process::ExitCode {
    weir::run()
}
