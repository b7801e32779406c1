//! Runs the programs that the tests are.
//!
//! Most of them wait: for a browser, a registry, another process. One runs after the other. A few need nothing but processors, and
//! for minutes; they run beside the others with the lowest priority, so that whoever waits is not kept waiting by them.

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;
use std::{
    io::{BufReader, Write as _},
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
};

/// Those that need nothing but processors. No test in them may depend on how long something takes.
const BUSY: [&str; 2] = ["hop", "lives"];

/// A program with tests.
#[derive(Debug)]
pub struct Program {
    name: String,
    path: PathBuf,
    /// Where it runs: the folder of its package.
    folder: PathBuf,
}

impl Program {
    fn is_busy(&self) -> bool {
        BUSY.contains(&self.name.as_str())
    }

    /// Prepared as cargo does it.
    fn prepare(&self, mut command: Command, environment: &[(&str, PathBuf)]) -> Command {
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command.envs(environment.iter().map(|(key, value)| (key, value)));
        command
    }

    fn title(&self) -> String {
        let package = self.folder.file_name().unwrap_or_default().to_string_lossy();
        format!("   {package}: {}", self.name)
    }
}

/// The programs that this command of cargo makes.
pub fn built(cargo: &mut Command) -> Result<Vec<Program>> {
    let mut child = cargo
        .args(["test", "--workspace", "--tests", "--no-run", "--message-format=json-render-diagnostics"])
        .stdout(Stdio::piped())
        .spawn()
        .context("running cargo")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let mut programs = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        let Message::CompilerArtifact(artifact) = message.context("reading what cargo says")? else { continue };
        if let (Some(path), true) = (artifact.executable, artifact.profile.test) {
            let folder = artifact.manifest_path.parent().context("a package has a folder")?;
            programs.push(Program { name: artifact.target.name, path: path.into(), folder: folder.into() });
        }
    }
    if !child.wait().context("waiting for cargo")?.success() {
        bail!("cargo test --no-run failed");
    }
    programs.sort_by(|a, b| (&a.folder, &a.name, &a.path).cmp(&(&b.folder, &b.name, &b.path)));
    Ok(programs)
}

/// Runs all of them, also after one that failed.
pub fn run(programs: &[Program], environment: &[(&str, PathBuf)]) -> Result<()> {
    let (busy, others): (Vec<_>, Vec<_>) = programs.iter().partition(|program| program.is_busy());
    let failed = thread::scope(|scope| -> Result<Vec<String>> {
        let beside =
            scope.spawn(|| busy.iter().map(|program| (program, niced(program, environment))).collect::<Vec<_>>());
        let mut failed = Vec::new();
        for program in others {
            eprintln!("{}", program.title());
            let status = program.prepare(Command::new(&program.path), environment).status();
            if !status.with_context(|| program.path.display().to_string())?.success() {
                failed.push(program.title());
            }
        }
        let Ok(beside) = beside.join() else { bail!("a thread panicked") };
        for (program, output) in beside {
            let output = output?;
            eprintln!("{}", program.title());
            std::io::stdout().write_all(&output.stdout).context("writing what a test says")?;
            std::io::stderr().write_all(&output.stderr).context("writing what a test says")?;
            if !output.status.success() {
                failed.push(program.title());
            }
        }
        Ok(failed)
    })?;
    if failed.is_empty() {
        return Ok(());
    }
    bail!("tests failed in\n{}", failed.join("\n"))
}

/// Runs a program with the lowest priority, where there is `nice`.
fn niced(program: &Program, environment: &[(&str, PathBuf)]) -> Result<Output> {
    let mut nice = Command::new("nice");
    nice.args(["-n", "19"]).arg(&program.path);
    let niced = program.prepare(nice, environment).output();
    let ran = niced.or_else(|_| program.prepare(Command::new(&program.path), environment).output());
    ran.with_context(|| program.path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn busy_programs_exist() {
        let sim = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/tests");
        for name in BUSY {
            assert!(sim.join(name).with_extension("rs").is_file(), "{name}");
        }
    }
}
