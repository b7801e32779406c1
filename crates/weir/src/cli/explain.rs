//! `weir explain`: why things are as they are.

use crate::exit::Outcome;
use clap::{Args, Subcommand, ValueEnum};
use std::fmt::Write as _;
use weir_distro::{
    Profile,
    settings::{Setting, settings},
};

/// Say why things are as they are
#[derive(Debug, Args)]
pub struct Explain {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print what is particular to each distribution
    Distro(Distro),
}

#[derive(Debug, Args)]
struct Distro {
    /// Only what differs
    #[arg(long)]
    diff: bool,
    /// As data instead of text
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

impl Explain {
    /// Runs it.
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let What::Distro(Distro { diff, output }) = self.what;
        let rows: Vec<Setting> = settings().into_iter().filter(|row| !diff || row.differs()).collect();
        let text = match output {
            None => table(&rows),
            Some(Format::Json) => format!("{}\n", serde_json::to_string_pretty(&rows)?),
            Some(Format::Yaml) => weir_rules::goyaml::to_string(&serde_json::to_value(&rows)?)?,
        };
        super::print(text.as_bytes())?;
        Ok(Outcome::Done)
    }
}

/// What stands where a profile has no such setting.
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
