//! `weir explain distro`: how the distributions differ.

use super::super::{Output, print};
use crate::exit::Outcome;
use std::fmt::Write as _;
use weir_distro::{
    Profile,
    settings::{Setting, settings},
};

/// How to print it.
#[derive(Debug, clap::Args)]
pub(super) struct Distro {
    /// Only the differences
    #[arg(long)]
    diff: bool,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Output>,
}

impl Distro {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let rows: Vec<Setting> = settings().into_iter().filter(|row| !self.diff || row.differs()).collect();
        let text = match self.output {
            None => table(&rows),
            Some(format) => format.write(&serde_json::to_value(&rows)?)?,
        };
        print(text.as_bytes())?;
        Ok(Outcome::Done)
    }
}

/// Shown where a profile lacks a setting.
const ABSENT: &str = "-";

fn table(rows: &[Setting]) -> String {
    let names: Vec<&str> = Profile::all().iter().map(|profile| profile.name.as_str()).collect();
    let value = |row: &Setting, name: &str| row.values.get(name).cloned().unwrap_or_else(|| ABSENT.to_owned());
    let heading = [String::new()].into_iter().chain(names.iter().map(|name| name.to_uppercase())).collect();
    let line = |row: &Setting| -> Vec<String> {
        [row.meaning.clone()].into_iter().chain(names.iter().map(|name| value(row, name))).collect()
    };
    let lines: Vec<Vec<String>> = [heading].into_iter().chain(rows.iter().map(line)).collect();
    let width = |column: usize| lines.iter().filter_map(|line| Some(line.get(column)?.chars().count())).max();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().enumerate().map(|(at, cell)| format!("{cell:<width$}", width = width(at).unwrap_or(0)));
        // Writing into a String cannot fail.
        _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}
