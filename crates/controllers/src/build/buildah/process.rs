//! A program as a child process: what it says is bounded, and none of its processes outlives its future.

use crate::build::builder::Log;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    io,
    os::fd::OwnedFd,
    process::{ExitStatus, Stdio},
    thread::sleep,
    time::Duration,
};
use tokio::{
    io::AsyncReadExt as _,
    net::unix::pipe::Receiver,
    process::{Child, Command},
    time::{Instant, sleep_until},
};
use weir_rules::build::output::Output;

/// Bytes of a line that are kept: far more than is told of it.
const LONGEST_LINE: usize = 8 << 10;
/// What is still in the pipe when the program has ended is read for this long: something that it left behind may hold the pipe open.
const DRAINED: Duration = Duration::from_millis(500);
/// A killed process is gone after some milliseconds. This is for a machine that does a lot beside it.
const GONE: Duration = Duration::from_secs(5);
const GONE_STEP: Duration = Duration::from_millis(5);

/// Why a program did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// It could not be started.
    #[error("it cannot be started: {0}")]
    Start(#[from] io::Error),
    /// It ended like this.
    #[error("{0}")]
    Ended(ExitStatus),
}

/// Runs a program to its end. Dropping the future kills it and everything in its process group.
pub(super) async fn run(mut command: Command, output: &mut Output, log: &Log) -> Result<(), Failed> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer).process_group(0);
    let mut running = Running(command.spawn()?);
    // The pipe ends when the last one who can write to it is gone: not us.
    drop(command);
    let mut lines =
        Lines { pipe: Receiver::from_owned_fd(OwnedFd::from(reader))?, line: Vec::new(), chunk: Vec::new() };
    let mut ended: Option<(ExitStatus, Instant)> = None;
    loop {
        let until = ended.map_or_else(Instant::now, |(_, until)| until);
        tokio::select! {
            biased;
            line = lines.next() => match line {
                Some(line) => log.line(&output.line(&line)),
                None => break,
            },
            status = running.0.wait(), if ended.is_none() => ended = Some((status?, Instant::now() + DRAINED)),
            () = sleep_until(until), if ended.is_some() => break,
        }
    }
    let status = match ended {
        Some((status, _)) => status,
        None => running.0.wait().await?,
    };
    if status.success() { Ok(()) } else { Err(Failed::Ended(status)) }
}

/// A program that is killed when it is no longer wanted.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Without an id it has been waited for.
        let Some(id) = self.0.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) else { return };
        // It fails when nobody is left.
        _ = kill_process_group(id, Signal::KILL);
        let end = std::time::Instant::now() + GONE;
        while matches!(self.0.try_wait(), Ok(None)) && std::time::Instant::now() < end {
            sleep(GONE_STEP);
        }
    }
}

/// The lines of a pipe.
struct Lines {
    pipe: Receiver,
    /// What there is of the current line.
    line: Vec<u8>,
    /// What was read and not looked at yet.
    chunk: Vec<u8>,
}

impl Lines {
    /// The next line, without its end; `None` at the end. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.chunk.iter().position(|byte| *byte == b'\n') {
                let rest = self.chunk.split_off(end + 1);
                let mut last = std::mem::replace(&mut self.chunk, rest);
                last.pop();
                self.keep(&last);
                return Some(self.take());
            }
            let chunk = std::mem::take(&mut self.chunk);
            self.keep(&chunk);
            match self.pipe.read_buf(&mut self.chunk).await {
                Ok(0) | Err(_) if self.line.is_empty() => return None,
                Ok(0) | Err(_) => return Some(self.take()),
                Ok(_) => {}
            }
        }
    }

    /// The rest of a line that is too long is not kept.
    fn keep(&mut self, bytes: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.line.len()).min(bytes.len());
        self.line.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    fn take(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned()
    }
}
