//! The program under test as a process.

use anyhow::{Context as _, Result, bail};
use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

/// The longest time that a test waits for a process.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process whose output lines are read as they come. Killed when dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    said: Vec<String>,
}

impl Program {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let stdout = lines(child.stdout.take().context("stdout is piped")?);
        let stderr = lines(child.stderr.take().context("stderr is piped")?);
        Ok(Self { child, stdout, stderr, said: Vec::new() })
    }

    /// The next line on standard output.
    ///
    /// # Errors
    /// When there is none in time; the error includes its standard error.
    pub fn line(&mut self) -> Result<String> {
        match self.stdout.recv_timeout(PATIENCE) {
            Ok(line) => Ok(line),
            Err(_) => bail!("no line on standard output; on standard error:\n{}", self.rest()),
        }
    }

    /// Waits until a line on standard error contains the text.
    ///
    /// # Errors
    /// When none does in time, or the process ends before.
    pub fn until(&mut self, text: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.stderr.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = line.contains(text);
                    self.said.push(line);
                    if found {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("{text:?} was not said in time:\n{}", self.rest()),
                Err(RecvTimeoutError::Disconnected) => bail!("it ended before it said {text:?}:\n{}", self.rest()),
            }
        }
    }

    /// Asks it to stop like Ctrl-C, and waits for it.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn interrupt(&mut self) -> Result<ExitStatus> {
        self.signal("INT")?;
        self.wait()
    }

    /// Tells it that its terminal is gone, and waits for it.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn hang_up(&mut self) -> Result<ExitStatus> {
        self.signal("HUP")?;
        self.wait()
    }

    fn signal(&self, name: &str) -> Result<()> {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().context("sending a signal")?;
        if !sent.success() {
            bail!("sending SIG{name} to {id} failed");
        }
        Ok(())
    }

    /// Kills it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("ending the process")?;
        self.child.wait().context("waiting for the process").map(drop)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        // Its standard error closes when it ends, so there is no need to poll.
        while let Ok(line) = self.stderr.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.said.push(line);
        }
        match self.child.try_wait().context("waiting for the process")? {
            Some(status) => Ok(status),
            None if Instant::now() < deadline => self.child.wait().context("waiting for the process"),
            None => bail!("it did not end in time:\n{}", self.rest()),
        }
    }

    /// Everything it has written to standard error so far.
    pub fn rest(&mut self) -> String {
        self.said.extend(self.stderr.try_iter());
        self.said.join("\n")
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that it has taken, its own and the system's for it (proc(5)).
    ///
    /// # Errors
    /// When the system does not say.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = self.proc("stat")?;
        // What follows the name in parentheses begins with the third field; the times are the 14th and the 15th, in 1/100 s.
        let (_, fields) = stat.rsplit_once(')').context("no name")?;
        let times = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok());
        Ok(Duration::from_millis(times.sum::<u64>() * 10))
    }

    /// Bytes of memory that are resident.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn memory(&self) -> Result<u64> {
        self.kibibytes("VmRSS:")
    }

    /// Most bytes of memory that were resident at a time.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn peak_memory(&self) -> Result<u64> {
        self.kibibytes("VmHWM:")
    }

    fn kibibytes(&self, field: &str) -> Result<u64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
        let number: u64 = line.trim().trim_end_matches("kB").trim().parse().context("reading the process's memory")?;
        Ok(number * 1024)
    }

    fn proc(&self, file: &str) -> Result<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.id())).context("looking at the process")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
