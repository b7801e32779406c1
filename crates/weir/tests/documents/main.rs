//! What README.md, docs/user and docs/runbooks show is so: their commands work when they are pasted, and print what is shown.
//!
//! Every page has a folder of its own; its blocks are run in order, as CONTRIBUTING.md says. What a page takes for granted (a
//! cluster, a registry, a folder of manifests) is in `given`.
//!
//! A program of its own: it tries several pages at once, and what has little time, such as a story, would miss it beside this.

mod claims;
mod given;
mod markdown;
mod shell;

use anyhow::{Context as _, Result, bail, ensure};
use markdown::{Block, Kind, blocks, commands, is_shown};
use shell::Shell;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock},
    thread,
    time::Instant,
};

/// Pages that are tried at the same time: they mostly wait for simulated machines, and stories have little time.
const AT_ONCE: usize = 4;

/// What came of a page.
#[derive(Debug, Default)]
struct Report {
    /// Commands that were run.
    ran: usize,
    /// Commands that CI runs by itself.
    left: usize,
    /// Blocks that need a real cluster.
    marked: usize,
    failures: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// README.md and everything below docs/user and docs/runbooks, by path from the root.
fn pages() -> Result<BTreeMap<String, String>> {
    let mut pages = BTreeMap::from([("README.md".to_owned(), std::fs::read_to_string(root().join("README.md"))?)]);
    let mut folders = vec!["docs/user".to_owned(), "docs/runbooks".to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder))? {
            let entry = entry?;
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                folders.push(name);
            } else if name.ends_with(".md") {
                pages.insert(name, std::fs::read_to_string(entry.path())?);
            }
        }
    }
    Ok(pages)
}

#[test]
fn every_command_of_the_pages_works_and_prints_what_is_shown() -> Result<()> {
    for program in ["kubectl", "docker-registry", "jq"] {
        if std::process::Command::new(program).arg("--version").output().is_err() {
            weir_recorded::skip("the commands of the pages", &weir_recorded::Absent::Program(program));
            return Ok(());
        }
    }
    let pages = pages()?;
    let mut waiting: Vec<(&String, &String)> = pages.iter().collect();
    // The longest begin first; they are taken from the end.
    waiting.sort_by_key(|(_, text)| text.matches("weir").count());
    let waiting = Mutex::new(waiting);
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.pop());
    let work = || -> Vec<_> { std::iter::from_fn(next).map(|(name, text)| (name.clone(), page(name, text))).collect() };
    let mut checked = thread::scope(|scope| -> Result<Vec<_>> {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let done = workers.into_iter().map(|worker| worker.join().ok().context("a page panicked"));
        Ok(done.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    })?;
    checked.sort_by(|a, b| a.0.cmp(&b.0));
    let mut all = Report::default();
    for (name, (Report { ran, left, marked, failures }, seconds)) in checked {
        println!("{name:30} {ran:3} commands ran, {left} left to CI, {marked} blocks need a cluster ({seconds:.1} s)");
        all.ran += ran;
        all.left += left;
        all.marked += marked;
        all.failures.extend(failures);
    }
    println!("in all {} commands ran, {} are left to CI, {} blocks need a cluster", all.ran, all.left, all.marked);
    ensure!(all.failures.is_empty(), "{}", all.failures.join("\n"));
    ensure!(all.ran > 50, "the pages show more than {} commands", all.ran);
    Ok(())
}

fn page(name: &str, text: &str) -> (Report, f64) {
    let start = Instant::now();
    let mut report = Report::default();
    if let Err(error) = check(name, text, &mut report) {
        report.failures.push(format!("{name}: {error:#}"));
    }
    (report, start.elapsed().as_secs_f64())
}

fn check(name: &str, text: &str, report: &mut Report) -> Result<()> {
    let blocks = blocks(text)?;
    if !blocks.iter().any(|block| block.kind == Kind::Commands) {
        report.marked = blocks.iter().filter(|block| block.kind == Kind::Cluster).count();
        return Ok(());
    }
    let mut shell = Shell::new()?;
    // Held until the page is done: a registry, say.
    let _held = given::given(name, &mut shell).context("what the page takes for granted")?;
    for block in &blocks {
        if let Kind::File(file) = &block.kind {
            shell.file(file, &block.text)?;
        }
    }
    let mut printed = String::new();
    for block in &blocks {
        match &block.kind {
            Kind::Commands => printed = run(name, block, &mut shell, report),
            Kind::Output => {
                if !is_shown(&block.text, &printed) {
                    report.failures.push(format!("{name}:{}: it prints\n{printed}", block.line));
                }
            }
            Kind::Cluster => report.marked += 1,
            Kind::File(_) | Kind::Data => {}
        }
    }
    shell.close()
}

/// Runs the commands of a block; returns what the last one printed.
fn run(name: &str, block: &Block, shell: &mut Shell, report: &mut Report) -> String {
    let mut printed = String::new();
    for command in commands(block.line, &block.text) {
        let done = match left_to_ci(&command.text) {
            Some(there) => {
                report.left += 1;
                there.map(|()| String::new())
            }
            None => {
                report.ran += 1;
                once(shell, &command.text)
            }
        };
        match done {
            Ok(text) => printed = text,
            Err(error) => {
                report.failures.push(format!("{name}:{}: {}\n    {error:#}", command.line, command.text));
                printed.clear();
            }
        }
    }
    printed
}

/// Stories depend on nothing but their name: one that two pages tell is played once.
fn once(shell: &mut Shell, command: &str) -> Result<String> {
    static PLAYED: OnceLock<Mutex<BTreeMap<String, Result<String, String>>>> = OnceLock::new();
    let told = command.split(" #").next().unwrap_or_default().trim().to_owned();
    if !told.contains(" --story ") {
        return shell.run(command);
    }
    let mut played = PLAYED.get_or_init(Mutex::default).lock().ok().context("a story panicked")?;
    let outcome = played.entry(told).or_insert_with(|| shell.run(command).map_err(|error| format!("{error:#}")));
    outcome.clone().map_err(anyhow::Error::msg)
}

/// Commands that build, or run tests or benchmarks: whether what they name is there.
fn left_to_ci(command: &str) -> Option<Result<()>> {
    let words: Vec<&str> = command.split(" #").next().unwrap_or_default().split_whitespace().collect();
    let exists = |path: String| -> Result<()> {
        ensure!(root().join(&path).exists(), "there is no {path}");
        Ok(())
    };
    Some(match words[..] {
        ["cargo", "build", "--release"] | ["cargo", "xtask", "test" | "tidy"] => Ok(()),
        ["cargo", "install", "--path", "crates/weir"] | ["cargo", "xtask", "image", _] => Ok(()),
        ["cargo", "test", "-p", of, "--test", test] => {
            exists(format!("crates/{}/tests/{test}.rs", of.trim_start_matches("weir-")))
        }
        ["cargo", "run", "--", ..] => return None,
        ["cargo", ..] => (|| bail!("nobody knows this use of cargo"))(),
        _ => return None,
    })
}

#[test]
fn what_is_left_to_ci_must_be_there() {
    assert!(left_to_ci("cargo test -p weir-sim --test hop   # a minute").unwrap().is_ok());
    assert!(left_to_ci("cargo test -p weir --test no-such-test").unwrap().is_err());
    assert!(left_to_ci("cargo install weir").unwrap().is_err());
    assert!(left_to_ci("cargo run -- up").is_none());
    assert!(left_to_ci("cargo run --release -- up").unwrap().is_err(), "pages have one form");
    assert!(left_to_ci("kubectl get nodes").is_none());
}

#[test]
fn a_page_that_claims_what_is_not_so_fails() {
    let of = |text: &str| page("docs/user/none.md", text).0;
    let good = of("```sh\necho a\n```\n\n```text\na\n```\n```sh cluster\noc get nodes\n```\n");
    assert_eq!((good.ran, good.marked, good.failures.len()), (1, 1, 0), "{:?}", good.failures);
    assert_eq!(of("```sh\necho a\n```\n\n```text\nb\n```\n").failures.len(), 1);
    assert_eq!(of("```sh\nweir up --no-such-flag --until updated\nfalse\n```\n").failures.len(), 2);
    assert_eq!(of("```\nls\n```\n").failures.len(), 1, "a block without a mark");
}
