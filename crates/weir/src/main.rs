//! The `weir` program: a shim around [`weir::run`], and the allocator of the program (docs/adr/0022).

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    weir::run()
}
