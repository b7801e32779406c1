//! Runs the programs that the tests are, in three lanes beside each other.
//!
//! Most programs have many tests, of which several run at a time; one such program runs after the other. Some have one test that waits
//! most of the time: for a machine, for a command. Some need nothing but processors, and for minutes; these have the lowest priority,
//! so that whoever waits for something is not kept waiting by them.

use anyhow::{Context as _, Result, bail};
use cargo_metadata::Message;
use std::{
    io::{self, BufReader, Write as _},
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
};

/// Those that need nothing but processors. No test in them may depend on how long something takes.
const BUSY: [&str; 2] = ["hop", "lives"];
/// Those that wait most of the time.
const PATIENT: [&str; 2] = ["built", "documents"];

/// A program with tests.
#[derive(Debug)]
pub struct Program {
    name: String,
    path: String,
    /// Where it runs: the folder of its package.
    folder: PathBuf,
}

impl Program {
    /// A command in its folder, as cargo prepares it.
    fn command(&self, program: &str, environment: &[(&str, PathBuf)]) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("CARGO_MANIFEST_DIR", &self.folder);
        command.envs(environment.iter().map(|(key, value)| (key, value)));
        command
    }

    fn is_of(&self, lane: &[&str]) -> bool {
        lane.contains(&self.name.as_str())
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
            programs.push(Program { name: artifact.target.name, path: path.into_string(), folder: folder.into() });
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
    let lane = |names: &'static [&str]| programs.iter().filter(move |program| program.is_of(names));
    let others = programs.iter().filter(|program| !program.is_of(&BUSY) && !program.is_of(&PATIENT));
    let failed = thread::scope(|scope| -> Result<Vec<String>> {
        let lanes =
            [(&PATIENT, "env", &[][..]), (&BUSY, "nice", &["-n", "19"][..])].map(|(names, before, arguments)| {
                scope.spawn(move || {
                    lane(names).map(|program| (program, beside(program, before, arguments, environment))).collect()
                })
            });
        let mut failed = Vec::new();
        for program in others {
            eprintln!("{}", program.title());
            let status = program.command(&program.path, environment).status();
            if !status.with_context(|| program.path.clone())?.success() {
                failed.push(program.title());
            }
        }
        for lane in lanes {
            let Ok(lane): Result<Vec<_>, _> = lane.join() else { bail!("a thread panicked") };
            for (program, output) in lane {
                let output: Output = output?;
                eprintln!("{}", program.title());
                io::stdout().write_all(&output.stdout).context("writing what a test says")?;
                io::stderr().write_all(&output.stderr).context("writing what a test says")?;
                if !output.status.success() {
                    failed.push(program.title());
                }
            }
        }
        Ok(failed)
    })?;
    if failed.is_empty() {
        return Ok(());
    }
    bail!("tests failed in\n{}", failed.join("\n"))
}

/// Runs a program whose output is shown later, by a command that takes a command.
fn beside(program: &Program, by: &str, arguments: &[&str], environment: &[(&str, PathBuf)]) -> Result<Output> {
    let ran = program.command(by, environment).args(arguments).arg(&program.path).output();
    ran.with_context(|| format!("{by} {}", program.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn those_beside_the_others_exist() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for name in [BUSY, PATIENT].concat() {
            let places = [format!("sim/tests/{name}.rs"), format!("weir/tests/{name}/main.rs")];
            assert!(places.iter().any(|place| crates.join(place).is_file()), "{name}");
        }
    }
}
