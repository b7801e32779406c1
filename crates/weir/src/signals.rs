//! Stop signals.

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What stops a process: Ctrl-C, `kill`, or the end of the terminal it was started from.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` for a process that is meant to outlive its terminal (`nohup`): SIGHUP is ignored, and stays ignored.
    hangup: Option<Signal>,
}

impl Signals {
    /// Starts listening.
    ///
    /// # Errors
    /// When signals cannot be listened for.
    pub fn listen() -> Result<Self> {
        // Listening would end the ignoring. If that cannot be determined, the signal counts as not ignored.
        let process = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let hangup = if is_ignored(&process, SignalKind::hangup()) {
            None
        } else {
            Some(signal(SignalKind::hangup()).context("listening for SIGHUP")?)
        };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("listening for Ctrl-C")?,
            terminate: signal(SignalKind::terminate()).context("listening for SIGTERM")?,
            hangup,
        })
    }

    /// Resolves when the process is asked to stop. A second Ctrl-C ends it at once.
    pub async fn asked(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = heard(self.hangup.as_mut()) => {}
        }
        tokio::spawn(async move {
            self.interrupt.recv().await;
            std::process::exit(INTERRUPTED);
        });
    }
}

/// Resolves when the process is asked to stop; it listens from the first poll on.
///
/// # Errors
/// When signals cannot be listened for.
pub async fn asked_to_stop() -> Result<()> {
    Signals::listen()?.asked().await;
    Ok(())
}

async fn heard(hangup: Option<&mut Signal>) {
    match hangup {
        Some(hangup) => _ = hangup.recv().await,
        None => std::future::pending().await,
    }
}

/// Whether a process ignores a signal, by its `/proc/PID/status` (proc_pid_status(5)).
fn is_ignored(status: &str, signal: SignalKind) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    mask & (1 << (signal.as_raw_value() - 1)) != 0
}

/// Exit code of a process ended by Ctrl-C (128 + SIGINT).
const INTERRUPTED: i32 = 130;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_stays_ignored() {
        let status = |mask: &str| format!("Name:\tweir\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        for (mask, ignored) in [("0000000000000001", true), ("0000000000001003", true), ("0000000000001000", false)] {
            assert_eq!(is_ignored(&status(mask), SignalKind::hangup()), ignored, "{mask}");
        }
        assert!(!is_ignored("", SignalKind::hangup()));
    }
}
