//! What a reader of a page has: a folder, a terminal for what is run in between, and more for what runs on.

use anyhow::{Context as _, Result, bail, ensure};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;
use weir_testkit::Program;

/// A command that takes longer hangs. On an idle machine none takes a tenth of it.
const LONGEST_SECONDS: &str = "90";
/// What a page shows in place of what varies.
const VARIES: char = '…';

/// A reader's terminals.
pub struct Shell {
    folder: TempDir,
    environment: BTreeMap<String, String>,
    /// What stands on the page, and what stands for it here.
    replaced: Vec<(String, String)>,
    running: Vec<Running>,
}

struct Running {
    /// The subcommand.
    what: String,
    program: Program,
}

impl Shell {
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin)?;
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_weir"), bin.join("weir"))?;
        let path = std::env::var("PATH").unwrap_or_default();
        let own = |name: &str| folder.path().join(name).display().to_string();
        let environment = [
            ("PATH".to_owned(), format!("{}:{path}", bin.display())),
            // Neither the caches nor the clusters of whoever runs the tests.
            ("HOME".to_owned(), own("home")),
            ("KUBECACHEDIR".to_owned(), own("kubectl-cache")),
            ("KUBECONFIG".to_owned(), own("no-kubeconfig")),
        ];
        Ok(Self { environment: environment.into(), folder, replaced: Vec::new(), running: Vec::new() })
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, with what stands for parts of it.
    pub fn file(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        std::fs::write(&path, self.here(text)).with_context(|| format!("writing {name}"))
    }

    /// From now on `here` stands for what the page says.
    pub fn replace(&mut self, page: &str, here: &str) {
        self.replaced.push((page.to_owned(), here.to_owned()));
    }

    pub fn export(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    fn here(&self, text: &str) -> String {
        self.replaced.iter().fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
    }

    /// Runs a command of a page; returns what it prints, nothing for one that runs on.
    pub fn run(&mut self, text: &str) -> Result<String> {
        let text = self.here(&text.replace("cargo run -- ", "weir "));
        if let Some(assignment) = text.strip_prefix("export ") {
            let (name, value) = assignment.split_once('=').context("an assignment")?;
            self.export(name, value.split_whitespace().next().unwrap_or_default());
            return Ok(String::new());
        }
        ensure!(!before_comment(&text).contains(VARIES), "nothing is known that {VARIES} stands for");
        if text.contains("cargo ") {
            bail!("of cargo only `cargo run --` is known here, and what main.rs leaves to CI");
        }
        match runs_on(before_comment(&text)).map(str::to_owned) {
            Some(what) => self.start(what, &text).map(|()| String::new()),
            None => self.output(&text),
        }
    }

    fn output(&self, text: &str) -> Result<String> {
        let mut command = Command::new("timeout");
        command.args([LONGEST_SECONDS, "bash", "-eu", "-o", "pipefail", "-c", text]);
        let Output { status, stdout, stderr } = self.prepared(&mut command).output().context("running it")?;
        let said = String::from_utf8_lossy(&stderr);
        match status.code() {
            Some(0) => Ok(String::from_utf8_lossy(&stdout).into_owned()),
            Some(124) => bail!("it did not end: {said}"),
            _ => bail!("{status}: {said}"),
        }
    }

    fn prepared<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.current_dir(self.folder()).envs(&self.environment)
    }

    /// Starts what runs until Ctrl-C, as a reader would who has ended another of its kind before, and waits until it works.
    fn start(&mut self, what: String, text: &str) -> Result<()> {
        self.end(|running| running.what == what)?;
        let mut command = Command::new("bash");
        // Who runs the tests in the background ignores Ctrl-C, and so would what is started here.
        command.args(["-c", &format!("exec env --default-signal=INT {text}")]);
        let mut program = Program::start(self.prepared(&mut command))?;
        match what.as_str() {
            WATCH => {
                program.line()?;
                // It says nothing about itself when it is interrupted.
                program.interrupt()?;
                return Ok(());
            }
            "up" => {
                let kubeconfig = program.line()?;
                self.export("UP", &kubeconfig);
                self.replaced.retain(|(page, _)| page != "KUBECONFIG=…");
                self.replace("KUBECONFIG=…", &format!("KUBECONFIG={kubeconfig}"));
                program.until("every pool is updated")?;
            }
            "apiserver" => program.until("serving https://")?,
            "fleet" => program.until("nodes have joined")?,
            "run" => program.until("running against")?,
            // Its address is printed once it can be opened.
            "dashboard" => drop(program.line()?),
            other => bail!("nobody knows when weir {other} works"),
        }
        self.running.push(Running { what, program });
        Ok(())
    }

    /// Ctrl-C for those; each ends with 0, as the pages promise.
    fn end(&mut self, which: impl Fn(&Running) -> bool) -> Result<()> {
        // The last to be started is the first to end: it may need the others.
        for mut running in self.running.extract_if(.., |running| which(running)).collect::<Vec<_>>().into_iter().rev() {
            let ended = running.program.interrupt()?;
            ensure!(
                ended.success(),
                "weir {} ended with {ended} after Ctrl-C: {}",
                running.what,
                running.program.rest()
            );
        }
        Ok(())
    }

    /// Ctrl-C for everything that still runs.
    pub fn close(&mut self) -> Result<()> {
        self.end(|_| true)
    }

    /// The kubeconfig of the last `weir up`.
    pub fn kubeconfig(&self) -> Result<PathBuf> {
        self.environment.get("UP").map(PathBuf::from).context("no weir up was started")
    }
}

/// Stands for commands that print whatever changes.
const WATCH: &str = "watch";

/// The subcommand of a command that runs until Ctrl-C.
fn runs_on(text: &str) -> Option<&str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let has = |word: &str| words.contains(&word);
    match words[..] {
        ["kubectl" | "weir", ..] if has("-w") || has("--watch") => Some(WATCH),
        ["weir", "up", ..] if !has("--until") && !has("--story") => Some("up"),
        ["weir", what @ ("fleet" | "apiserver" | "run" | "dashboard"), ..] => Some(what),
        _ => None,
    }
}

fn before_comment(text: &str) -> &str {
    text.split_once(" #").map_or(text, |(command, _)| command)
}

#[test]
fn what_runs_on_is_told_from_what_ends() {
    for (text, expected) in [
        ("weir up --nodes worker=1", Some("up")),
        ("weir up --until updated", None),
        ("weir up --story okd-hop", None),
        ("weir run all --kubeconfig x", Some("run")),
        ("weir dashboard --from x", Some("dashboard")),
        ("kubectl get mcp -w", Some(WATCH)),
        ("kubectl get mcp", None),
        ("weir status --watch", Some(WATCH)),
        ("weir crds > crds.yaml", None),
    ] {
        assert_eq!(runs_on(text), expected, "{text}");
    }
}

#[test]
fn a_command_that_fails_or_is_not_understood_is_an_error() {
    let mut shell = Shell::new().unwrap();
    assert_eq!(shell.run("echo a | tr a b   # c").unwrap(), "b\n");
    for bad in ["false", "false | cat", "weir no-such-subcommand", "weir status --kubeconfig …", "cargo build"] {
        assert!(shell.run(bad).is_err(), "{bad}");
    }
}
