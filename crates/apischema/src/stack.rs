//! Work that recurses deeper than the stack of a worker thread allows.

use std::thread;

/// Runs `work` on a stack of that size, in bytes.
///
/// # Errors
/// If no thread can be started, or the work panics.
pub fn on_stack<T: Send>(size: usize, work: impl FnOnce() -> T + Send) -> Result<T, String> {
    thread::scope(|threads| {
        let started = thread::Builder::new().stack_size(size).spawn_scoped(threads, work);
        let running = started.map_err(|error| format!("no thread with a stack of {size} bytes: {error}"))?;
        running.join().map_err(|_| "it cannot be processed".to_owned())
    })
}
