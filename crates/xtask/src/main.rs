//! The project's own tool: runs every test, keeps the tree tidy, runs benchmarks.
//!
//! | module | question |
//! |---|---|
//! | [`prerequisites`] | what the tests need from the machine, and how it gets there |
//! | [`tidy`] | does the tree keep the project's rules |
//! | [`generate`] | which files are made from the code, and are they fresh |
//! | [`skipped`] | what the tests left out, and whether they had to |
//! | [`mod@bench`] | which benchmark runs which target |

mod bench;
mod generate;
mod prerequisites;
mod skipped;
mod tidy;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build and check weir")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set up what the tests need, then run every check and every test
    Test,
    /// Check the rules of the tree: floors, names, words, function lengths
    Tidy,
    /// Write the files that are made from the code: CustomResourceDefinitions
    Gen {
        /// Write nothing; fail when what is committed is stale
        #[arg(long)]
        check: bool,
    },
    /// Run a benchmark and print its figures
    Bench {
        /// Which one
        name: bench::Name,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let root = root()?;
    match task {
        Task::Test => test(&root),
        Task::Tidy => tidy::check(&root),
        Task::Gen { check } => generate::run(&root, check),
        Task::Bench { name } => bench::run(&root, name),
    }
}

fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(Path::to_path_buf).context("the workspace root is two folders above xtask")
}

fn test(root: &Path) -> Result<()> {
    prerequisites::install();
    step("formatting");
    cargo(root, &["fmt", "--all", "--check"])?;
    step("lints");
    cargo(root, &["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])?;
    step("tidy");
    tidy::check(root)?;
    step("generated files");
    generate::run(root, true)?;
    step("tests");
    let left_out = root.join("target/skipped.txt");
    skipped::forget(&left_out)?;
    let tested = run_cargo(cargo_in(root).env(skipped::FILE, &left_out), &["test", "--workspace", "--no-fail-fast"]);
    let reported = skipped::report(&left_out, std::env::var_os("CI").is_some());
    tested.and(reported)
}

fn step(name: &str) {
    eprintln!("== {name}");
}

/// Runs cargo in the workspace root and fails when it fails.
fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    run_cargo(&mut cargo_in(root), arguments)
}

fn cargo_in(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

fn run_cargo(command: &mut Command, arguments: &[&str]) -> Result<()> {
    let status = command.args(arguments).status().context("running cargo")?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}
