//! A container node: systemd as the first process of a container whose root is a real ostree deployment.
//!
//! This is firmware and boot loader: it takes the newest boot entry, and starts that deployment with what an initramfs of ostree would have
//! prepared.

use anyhow::{Context as _, Result, bail, ensure};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Longest that a boot, or a shutdown, may take: it takes a second or two.
const LONGEST: Duration = Duration::from_secs(90);
/// How often it is looked whether something has happened that nothing announces.
const LOOK: Duration = Duration::from_millis(20);
/// States of systemd in which all that was to start has been tried.
const UP: [&str; 2] = ["running", "degraded"];

/// A node that runs; it is killed when dropped.
pub struct Node {
    container: Child,
    /// The first process in it, as this machine counts.
    init: String,
    /// What systemd says of itself.
    pub state: String,
}

/// Boots the newest deployment of a system root.
pub fn boot(sysroot: &Path, stateroot: &str, work: &Path) -> Result<Node> {
    let (options, deployment) = newest(sysroot)?;
    fs::write(work.join("cmdline"), format!("{options}\n"))?;
    fs::write(work.join("booted"), "")?;
    let bind = |from: &Path, to: &str, kind: &str| format!("--{kind}={}:{to}", from.display());
    let mut command = Command::new("systemd-nspawn");
    command.args(["--quiet", "--keep-unit", "--register=no", "--boot", "--console=pipe", "--link-journal=no"]);
    command.args(["--resolv-conf=off", "--timezone=off", "--machine=weir-bench"]).arg("--directory").arg(&deployment);
    command.args([
        bind(sysroot, "/sysroot", "bind"),
        bind(&sysroot.join("boot"), "/boot", "bind"),
        bind(&sysroot.join("ostree/deploy").join(stateroot).join("var"), "/var", "bind"),
        bind(&deployment.join("usr"), "/usr", "bind-ro"),
        bind(&work.join("cmdline"), "/run/cmdline", "bind-ro"),
        bind(&work.join("booted"), "/run/ostree-booted", "bind-ro"),
    ]);
    let console = File::create(work.join("console"))?;
    let errors = console.try_clone()?;
    let container = command.stdin(Stdio::null()).stdout(console).stderr(errors).spawn().context("systemd-nspawn")?;
    let mut node = Node { container, init: String::new(), state: String::new() };
    if let Err(error) = node.wait() {
        let said = fs::read_to_string(work.join("console")).unwrap_or_default();
        bail!("{error:#}; the console said:\n{said}");
    }
    Ok(node)
}

/// Kernel arguments and folder of the deployment that a boot loader would take.
fn newest(sysroot: &Path) -> Result<(String, PathBuf)> {
    let entries = sysroot.join("boot/loader/entries");
    let mut found = Vec::new();
    for entry in fs::read_dir(&entries).with_context(|| entries.display().to_string())? {
        let text = fs::read_to_string(entry?.path())?;
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).map(str::to_owned);
        let version: u32 = field("version").context("a boot entry without a version")?.parse()?;
        found.push((version, field("options").context("a boot entry without options")?));
    }
    let (_, options) = found.into_iter().max().context("no boot entry")?;
    let link =
        options.split(' ').find_map(|word| word.strip_prefix("ostree=/")).context("a boot entry without ostree=")?;
    let deployment = fs::canonicalize(sysroot.join(link)).with_context(|| link.to_owned())?;
    Ok((options, deployment))
}

impl Node {
    fn wait(&mut self) -> Result<()> {
        let end = Instant::now() + LONGEST;
        while self.init.is_empty() {
            self.check(end)?;
            self.init = first_of(self.container.id()).unwrap_or_default();
            sleep(LOOK);
        }
        // The kernel's own command line is this machine's.
        while !self.run(&["mount", "--bind", "/run/cmdline", "/proc/cmdline"])?.status.success() {
            self.check(end)?;
            sleep(LOOK);
        }
        while !UP.contains(&self.state.as_str()) {
            self.check(end)?;
            let said = self.run(&["systemctl", "is-system-running"])?;
            self.state = String::from_utf8_lossy(&said.stdout).trim().to_owned();
            sleep(LOOK);
        }
        Ok(())
    }

    fn check(&mut self, end: Instant) -> Result<()> {
        if let Some(status) = self.container.try_wait()? {
            bail!("the container ended by itself: {status}");
        }
        ensure!(Instant::now() < end, "it is not up after {LONGEST:?}, but {:?}", self.state);
        Ok(())
    }

    /// Runs a program in it.
    pub fn run(&self, command: &[&str]) -> Result<Output> {
        let mut all = Command::new("nsenter");
        all.args([
            "--target", &self.init, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd", "--",
        ]);
        all.args(command).output().context("nsenter")
    }

    /// What a program prints in it.
    pub fn ask(&self, command: &[&str]) -> Result<String> {
        let said = self.run(command)?;
        ensure!(said.status.success(), "{}: {}", command.join(" "), String::from_utf8_lossy(&said.stderr).trim());
        Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    /// Shuts it down.
    pub fn power_off(mut self) -> Result<()> {
        self.run(&["systemctl", "poweroff"])?;
        let end = Instant::now() + LONGEST;
        while self.container.try_wait()?.is_none() {
            ensure!(Instant::now() < end, "it does not shut down within {LONGEST:?}");
            sleep(LOOK);
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.container.try_wait(), Ok(None)) {
            _ = self.container.kill();
            _ = self.container.wait();
        }
    }
}

/// The process that runs systemd below systemd-nspawn.
fn first_of(nspawn: u32) -> Option<String> {
    let children = |of: &str| fs::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    let of = nspawn.to_string();
    let below: Vec<String> = children(&of).split_whitespace().map(str::to_owned).collect();
    let deeper = below.iter().flat_map(|one| children(one).split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let all: Vec<String> = below.iter().cloned().chain(deeper).collect();
    let is_systemd =
        |of: &String| fs::read_to_string(format!("/proc/{of}/comm")).is_ok_and(|name| name.trim() == "systemd");
    all.into_iter().find(is_systemd)
}
