//! `weir diff`: what differs between two configurations of machines.

use super::{Output, harmless, manifest_source::Given, print, subject::Subject};
use crate::exit::Outcome;
use anyhow::Result;
use serde_json::{Value, json};
use similar::{Algorithm, TextDiff};
use std::{collections::BTreeSet, path::PathBuf, time::Duration};
use weir_ignition::diff::{Change, Contents, State};
use weir_rules::{
    plan::one_line,
    render::changes::{Changes, FieldChange, changes},
    world::{World, generated::difference::hidden},
};

/// Show what differs between two configurations of machines
///
/// Files and units are compared as they are on disk: another encoding is no difference. Lines of files that hold logins are
/// not shown.
#[derive(Debug, clap::Args)]
pub struct Diff {
    /// One configuration: `mcp/NAME` for what a pool is rendered to, `node/NAME` for what a node runs, the name of a
    /// MachineConfig, or `ignition/FILE` for an Ignition config, which is in no cluster
    #[arg(value_name = "FROM")]
    from: Subject,
    /// The other one [default: the same name, with --against]
    #[arg(value_name = "TO", required_unless_present = "against")]
    to: Option<Subject>,
    #[command(flatten)]
    given: Given,
    /// Where the other one is: files, folders or archives, such as a second must-gather
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "files")]
    against: Vec<PathBuf>,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// Lines shown around a difference, as most tools do.
const AROUND: usize = 3;
/// After this, a difference of long texts may be shown longer than it is.
const THOROUGH: Duration = Duration::from_secs(1);

impl Diff {
    pub(super) fn run(&self) -> Result<Outcome> {
        let to = self.to.as_ref().unwrap_or(&self.from);
        let (world, other) = match self.against.as_slice() {
            [] => (Subject::world(&[&self.from, to], &self.given, "diff")?, None),
            files => (Subject::world(&[&self.from], &self.given, "diff")?, Some(to.world_of(files)?)),
        };
        let text = self.compared(&world, other.as_ref().unwrap_or(&world), to)?;
        print(text.as_bytes())?;
        Ok(Outcome::Done)
    }

    fn compared(&self, world: &World, other: &World, to: &Subject) -> Result<String> {
        let (before, after) = (self.from.config(world)?, to.config(other)?);
        let found = changes(&before, &after)?;
        let name = |config: &weir_api::MachineConfig| config.metadata.name.clone().unwrap_or_default();
        let (from, to) = (name(&before), name(&after));
        match self.output {
            Some(output) => output.write(&data(&from, &to, &found)),
            None => Ok(harmless(text(&from, &to, &found))),
        }
    }
}

fn text(from: &str, to: &str, found: &Changes) -> String {
    if found.is_empty() {
        return format!("{from} and {to}: machines notice no difference\n");
    }
    let mut text = format!("from {from}\nto   {to}\n");
    for change in &found.fields {
        text.push_str(&field(change));
    }
    for change in &found.parts {
        text.push_str(&part(change));
    }
    text
}

/// A value as `before → after`; of a list what was added and removed, or else that the order differs.
fn field(change: &FieldChange) -> String {
    let FieldChange { field, before, after } = change;
    if before.len() <= 1 && after.len() <= 1 {
        let of = |values: &[String]| values.first().map_or_else(|| "(none)".to_owned(), |value| one_line(value));
        return format!("{field}: {} → {}\n", of(before), of(after));
    }
    let (old, new): (BTreeSet<&String>, BTreeSet<&String>) = (before.iter().collect(), after.iter().collect());
    let removed = before.iter().filter(|value| !new.contains(value)).map(|value| format!(" -{}", one_line(value)));
    let added = after.iter().filter(|value| !old.contains(value)).map(|value| format!(" +{}", one_line(value)));
    let lines: String = removed.chain(added).collect();
    if lines.is_empty() {
        format!("{field}: {} → {}\n", one_line(&before.join(" ")), one_line(&after.join(" ")))
    } else {
        format!("{field}:{lines}\n")
    }
}

fn part(change: &Change) -> String {
    let subject = one_line(&change.subject.to_string());
    match (&change.before, &change.after) {
        (None, after) => format!("{subject}: added\n{}", lines(&Contents::None, contents(after.as_ref()))),
        (before, None) => format!("{subject}: removed\n{}", lines(contents(before.as_ref()), &Contents::None)),
        (Some(before), Some(after)) => {
            let mut text = format!("{subject}: changed\n");
            for (name, before, after) in settings(before, after) {
                text.push_str(&format!("  {name}: {before} → {after}\n"));
            }
            text + &lines(&before.contents, &after.contents)
        }
    }
}

fn contents(state: Option<&State>) -> &Contents {
    state.map_or(&Contents::None, |state| &state.contents)
}

/// What differs beside the contents: name, before, after. Modes are written in octal, as everywhere on a machine.
fn settings(before: &State, after: &State) -> Vec<(String, String, String)> {
    let empty = serde_json::Map::new();
    let map = |state: &State| state.rest.as_object().cloned().unwrap_or_else(|| empty.clone());
    let (before, after) = (map(before), map(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let shown = |name: &str, value: Option<&Value>| match value {
        None | Some(Value::Null) => "(none)".to_owned(),
        Some(Value::Number(mode)) if name == "mode" => {
            mode.as_u64().map_or_else(|| mode.to_string(), |mode| format!("{mode:04o}"))
        }
        Some(value) => value.to_string(),
    };
    let differ = names.into_iter().filter(|name| before.get(*name) != after.get(*name));
    differ.map(|name| (name.clone(), shown(name, before.get(name)), shown(name, after.get(name)))).collect()
}

fn lines(before: &Contents, after: &Contents) -> String {
    let said = |contents: &Contents| match contents {
        Contents::None => "nothing".to_owned(),
        Contents::Text(text) => format!("{} bytes of text", text.len()),
        Contents::Binary(bytes) => format!("{} bytes that are no text", bytes.len()),
        Contents::Remote(url) => format!("what {url} gives"),
        Contents::Unreadable { why, .. } => why.to_string(),
    };
    let texts = match (before, after) {
        (Contents::Text(before), Contents::Text(after)) => Some((before.as_str(), after.as_str())),
        (Contents::None, Contents::Text(after)) => Some(("", after.as_str())),
        (Contents::Text(before), Contents::None) => Some((before.as_str(), "")),
        _ => None,
    };
    match texts {
        Some((before, after)) if before == after => String::new(),
        Some((before, after)) => {
            if let Some(why) = hidden(before).or_else(|| hidden(after)) {
                return format!("  (lines are not shown: {why})\n");
            }
            let compared =
                TextDiff::configure().algorithm(Algorithm::Myers).timeout(THOROUGH).diff_lines(before, after);
            let text = compared.unified_diff().context_radius(AROUND).to_string();
            text.lines().map(|line| format!("  {line}\n")).collect()
        }
        None if before == after => String::new(),
        None => format!("  {} → {}\n", said(before), said(after)),
    }
}

fn data(from: &str, to: &str, found: &Changes) -> Value {
    let fields = found.fields.iter();
    let fields = fields.map(|change| json!({"field": change.field, "before": change.before, "after": change.after}));
    let state = |state: &Option<State>| {
        state.as_ref().map(|state| {
            let contents = match &state.contents {
                Contents::None => Value::Null,
                Contents::Text(text) => match hidden(text) {
                    Some(why) => json!({ "hidden": why }),
                    None => json!({ "text": text }),
                },
                Contents::Binary(bytes) => json!({ "bytes": bytes.len() }),
                Contents::Remote(url) => json!({ "source": url }),
                Contents::Unreadable { source, why } => json!({"source": source, "error": why.to_string()}),
            };
            json!({"contents": contents, "settings": state.rest})
        })
    };
    let part = |change: &Change| json!({"what": change.subject.to_string(), "before": state(&change.before), "after": state(&change.after)});
    json!({"from": from, "to": to, "fields": fields.collect::<Vec<_>>(), "parts": found.parts.iter().map(part).collect::<Vec<_>>()})
}
