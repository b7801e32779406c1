//! The project's own tool: runs every test, keeps the tree tidy, runs benchmarks.
//!
//! | module | question |
//! |---|---|
//! | [`prerequisites`] | what the tests need from the machine, and how it is installed |
//! | [`programs`] | how the programs that the tests are run beside each other |
//! | [`tidy`] | does the tree keep the project's rules |
//! | [`generate`] | which files are generated from the code, and whether they are current |
//! | [`skipped`] | which tests were skipped, and whether they had to be |
//! | [`mod@bench`] | which benchmark runs which target |
//! | [`image`] | the image that runs weir in a cluster |
//! | [`boot`] | the one that boots an image: what it needs, and where it is |

mod bench;
mod boot;
mod generate;
mod image;
mod prerequisites;
mod programs;
mod rules_page;
mod skipped;
mod tidy;

use anyhow::{Context, Result, bail};
use cargo_metadata::MetadataCommand;
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
    /// Write the files that are generated from the code: CustomResourceDefinitions
    Gen {
        /// Write nothing; fail when a committed file is stale
        #[arg(long)]
        check: bool,
    },
    /// Give the controllers one defect after another, and print after how many simulated lives each was found
    Mutants,
    /// Build the image that `weir manifests --image` names, with buildah
    Image {
        /// Its name, such as registry.example.com/weir:1
        name: String,
    },
    /// Compare plans with what happens in 500 simulated lives
    Plans,
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
        Task::Gen { check } => {
            cargo(&root, &["build", "--quiet", "--package", "weir"])?;
            generate::run(&root, check)
        }
        Task::Mutants => cargo(&root, &["bench", "--package", "weir-sim", "--bench", "mutants"]),
        Task::Image { name } => image::run(&root, &name),
        Task::Plans => cargo(&root, &["bench", "--package", "weir-sim", "--bench", "plans"]),
        Task::Bench { name } => bench::run(&root, name),
    }
}

fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(Path::to_path_buf).context("the workspace root is two folders above xtask")
}

/// How many tests run at a time, for whoever runs them.
const TEST_THREADS: &str = "RUST_TEST_THREADS";

/// Twice as many tests at a time as there are processors: most of them wait for programs that they start.
fn at_a_time() -> usize {
    2 * std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn test(root: &Path) -> Result<()> {
    prerequisites::install(root);
    step("formatting");
    cargo(root, &["fmt", "--all", "--check"])?;
    step("tidy");
    tidy::check(root)?;
    step("lints and build");
    run_cargo(&mut linting(root), &["test", "--workspace", "--tests", "--benches", "--no-run"])?;
    step("generated files");
    generate::run(root, true)?;
    step("tests");
    let left_out = root.join("target/skipped.txt");
    skipped::forget(&left_out)?;
    let threads = std::env::var(TEST_THREADS).unwrap_or_else(|_| at_a_time().to_string());
    let environment =
        [(skipped::FILE, left_out.clone()), ("WEIR_AXE", prerequisites::axe(root)), (TEST_THREADS, threads.into())];
    let programs = programs::built(&mut linting(root))?;
    let tested = programs::run(&programs, &environment);
    let examples = run_cargo(&mut linting(root), &["test", "--workspace", "--doc"]);
    let reported = skipped::report(&left_out, in_ci());
    tested.and(examples).and(reported)
}

/// Cargo with clippy's driver for the crates of the workspace: it lints while compiling. `cargo clippy` sets the same
/// variables, but only checks, so everything would have to be compiled once more for the tests. Clippy's driver leaves
/// out some of rustc's optimisations, so release builds do not use it.
fn linting(root: &Path) -> Command {
    let mut command = cargo_in(root);
    command.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    command.env("CLIPPY_ARGS", "--deny__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__");
    if in_ci() {
        // A one-off compilation gains nothing from incremental data.
        command.env("CARGO_INCREMENTAL", "0");
    }
    command
}

fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// The program as last built in this profile.
fn program(root: &Path, folder: &str) -> Result<PathBuf> {
    let metadata = MetadataCommand::new().current_dir(root).no_deps().exec().context("running cargo metadata")?;
    Ok(metadata.target_directory.join(folder).join("weir").into())
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
    // `cargo run`, which started this, sets variables that say which package it runs. Build scripts of dependencies watch these, and
    // would run again whenever cargo is started in another way.
    let of_run = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_run)) {
        command.env_remove(name);
    }
    command
}

fn run_cargo(command: &mut Command, arguments: &[&str]) -> Result<()> {
    let status = command.args(arguments).status().context("running cargo")?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}
