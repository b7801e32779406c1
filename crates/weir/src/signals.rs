//! Being asked to stop.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Resolves when the process is asked to stop: Ctrl-C, or `kill`. Asked a second time it ends at once.
///
/// # Errors
/// When signals cannot be listened for.
pub async fn asked_to_stop() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tokio::spawn(async move {
        interrupt.recv().await;
        std::process::exit(INTERRUPTED);
    });
    Ok(())
}

/// Exit code of a process that Ctrl-C ended (128 + SIGINT).
const INTERRUPTED: i32 = 130;
