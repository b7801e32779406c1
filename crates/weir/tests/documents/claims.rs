//! What the pages say in tables and in the running text, as far as it can be looked up.

use super::{pages, root};
use anyhow::{Context as _, Result, ensure};
use std::{collections::BTreeSet, process::Command};

fn help(arguments: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).arg("--help").output()?;
    ensure!(output.status.success(), "weir {} --help: {}", arguments.join(" "), output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// The long options in a text, without their dashes.
fn options(text: &str) -> BTreeSet<String> {
    let is_of_it = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let parts = text.split("--").skip(1);
    let names = parts.map(|rest| rest.split(|c| !is_of_it(c)).next().unwrap_or_default().trim_end_matches('-'));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The options that a help lists, each at the beginning of a line, and their other names.
fn listed(help: &str) -> BTreeSet<String> {
    let lines = help.lines().map(str::trim_start);
    let lines = lines.filter(|line| line.starts_with('-') || line.starts_with("[alias: "));
    lines.flat_map(|line| options(line.split("  ").next().unwrap_or_default())).collect()
}

/// Subcommands that a help lists.
fn subcommands(help: &str) -> Vec<String> {
    let commands = help.split_once("Commands:\n").map(|(_, rest)| rest).unwrap_or_default();
    let lines = commands.lines().take_while(|line| line.starts_with("  "));
    let names = lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Options of the program and of everything below it.
fn all_options(path: &[&str], found: &mut BTreeSet<String>) -> Result<()> {
    let text = help(path)?;
    found.extend(listed(&text));
    for name in subcommands(&text) {
        all_options(&[path, &[&name]].concat(), found)?;
    }
    Ok(())
}

#[test]
fn the_table_of_weir_up_has_every_option_and_no_other() -> Result<()> {
    let page = std::fs::read_to_string(root().join("docs/user/up.md"))?;
    let (_, table) = page.split_once("| option |").context("the table of options")?;
    let first = |row: &str| row.split('|').nth(1).unwrap_or_default().to_owned();
    let shown: BTreeSet<String> =
        table.lines().skip(1).take_while(|row| row.starts_with('|')).flat_map(|row| options(&first(row))).collect();
    // What every subcommand has.
    let everywhere = listed(&help(&["crds"])?);
    let there: BTreeSet<String> =
        listed(&help(&["up"])?).into_iter().filter(|name| !everywhere.contains(name)).collect();
    assert_eq!(shown, there);
    Ok(())
}

#[test]
fn options_that_the_pages_name_are_there() -> Result<()> {
    let mut there = BTreeSet::new();
    all_options(&[], &mut there)?;
    ensure!(there.len() > 40 && there.contains("story") && there.contains("kubeconfig"), "{there:?}");
    let mut missing = Vec::new();
    for (name, text) in pages()? {
        // What stands in code and is weir's: of other programs' command lines nothing is known here.
        let spans = text.split('`').skip(1).step_by(2);
        let ours = spans.filter(|span| span.starts_with("weir ") || span.starts_with("--"));
        for span in ours.filter_map(|span| span.split('|').next()) {
            missing
                .extend(options(span).difference(&there).map(|option| format!("{name}: `{span}` has no --{option}")));
        }
    }
    // Of kubectl and of Containerfiles, in text about them.
    missing.retain(|line| {
        !["--prune-allowlist", "--replicas", "--chmod", "--chown"].iter().any(|other| line.ends_with(other))
    });
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

/// Whether the tree has a file of tests of this name, a module whose tests are called so, or a single test.
fn is_there(test: &str) -> bool {
    let name = test.strip_suffix("::tests").unwrap_or(test).rsplit("::").next().unwrap_or_default();
    let is_it = |at: &std::path::Path| {
        let stem = at.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem == name || (["mod", "tests", "main"].contains(&stem) && at.parent().is_some_and(|p| p.ends_with(name)))
    };
    let files = files(&root().join("crates"));
    let function = format!("fn {name}(");
    let holds = |at: &std::path::Path| {
        at.extension().is_some_and(|e| e == "rs")
            && std::fs::read_to_string(at).is_ok_and(|text| text.contains(&function))
    };
    files.iter().any(|file| is_it(file)) || files.iter().any(|file| holds(file))
}

/// Whether this is the name of a recorded case: two letters and a number, as in `kc-118`.
fn is_recorded(case: &str) -> bool {
    let is_name = |(kind, number): (&str, &str)| kind.len() == 2 && number.parse::<u16>().is_ok();
    let quoted = format!("\"{case}\"");
    case.split_once('-').is_some_and(is_name)
        && files(&root().join("tests/golden"))
            .iter()
            .any(|file| std::fs::read_to_string(file).is_ok_and(|text| text.contains(&quoted)))
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found
}

#[test]
fn every_difference_names_a_test_that_is_there() -> Result<()> {
    let page = std::fs::read_to_string(root().join("docs/user/differences.md"))?;
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    ensure!(rows.len() > 50, "{} rows", rows.len());
    let mut missing = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [_, _, _, tests] = cells[..] else {
            missing.push(format!("not four columns: {row}"));
            continue;
        };
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        let exists = |name: &str| match name.starts_with("crates/") {
            true => root().join(name).exists(),
            false => root().join(format!("stories/{name}.yaml")).exists() || is_recorded(name) || is_there(name),
        };
        missing.extend(named.iter().filter(|name| !exists(name)).map(|name| format!("no test {name}: {row}")));
        if named.is_empty() {
            missing.push(format!("no test: {row}"));
        }
    }
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

#[test]
fn a_test_that_is_not_there_is_found_missing() {
    assert!(is_there("catalog::tests") && is_there("rollout_faults"));
    assert!(is_there("a_test_that_is_not_there_is_found_missing"), "a single test");
    // Put together here, or this file would hold it.
    assert!(is_recorded("kc-118") && !is_recorded("kc-9999") && !is_recorded("ClusterVersion"));
    assert!(!is_there("no_such_rule::tests") && !is_there(&["no", "such", "test"].join("_")));
    assert_eq!(options("`--a-b=1` and --c, not -d"), ["a-b", "c"].map(str::to_owned).into());
}
