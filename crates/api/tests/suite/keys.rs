//! Labels and annotations of the API are spelled as the notes on the reference spell them, and each has one home.

use std::collections::BTreeSet;

/// The constants, as they are written.
const KEYS: &str = include_str!("../../src/keys.rs");
/// What all keys of the machine config operator begin with.
const PREFIX: &str = "machineconfiguration.openshift.io/";
/// Notes, what they write for [`PREFIX`], and the heading below which the first column of tables leaves it out.
const NOTES: [(&str, &str, &str); 6] = [
    ("rollout.md", "P/", "### 2.1 Annotations on Node"),
    ("inspection.md", "…/", ""),
    ("operator.md", PREFIX, ""),
    ("node.md", "mco/", ""),
    ("image-mode.md", "…/", "## 4. Names, labels, annotations"),
    ("render.md", PREFIX, ""),
];
/// Keys that weir alone writes, without the prefix.
const OURS: [&str; 19] = [
    "accepted-findings",
    "adopted-from",
    "adopted-instead-of",
    "cordonedBy",
    "distribution",
    "drainStarted",
    "former-streams",
    "generated-from",
    "history-of",
    "notified",
    "paused-because",
    "paused-until",
    "pre-built-image-replaced",
    "retained-streams",
    "seeded-by",
    "settled-from",
    "told-server-ca",
    "unsettled-since",
    "update-answered",
];
/// Endings of what has a key's shape and is none: versions of the API, and paths of files that are cut short.
const NO_KEYS: [&str; 3] = ["v1", "v9", "usr"];

/// String literals with a `/`, in the order of the file.
fn constants() -> Vec<&'static str> {
    let code = KEYS.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    code.filter_map(|line| line.split('"').nth(1)).filter(|text| text.contains('/')).collect()
}

fn is_of_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

/// Keys that a text names, with their prefix in full.
fn named(text: &str, short: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for prefix in [short, PREFIX] {
        for (at, _) in text.match_indices(prefix) {
            let of_another = text[..at].chars().next_back().is_some_and(|c| is_of_key(c) || c == '/');
            let rest = &text[at + prefix.len()..];
            let name = rest.split(|c| !is_of_key(c)).next().unwrap_or_default().trim_end_matches('.');
            if !of_another && !name.is_empty() && !NO_KEYS.contains(&name) {
                found.insert(format!("{PREFIX}{name}"));
            }
        }
    }
    found
}

/// Keys in the first column of the tables below a heading.
fn first_column(text: &str, heading: &str) -> BTreeSet<String> {
    let lines = text.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with('#'));
    let cells = lines.filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    // Every second part is between backquotes.
    let keys = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    keys.map(|key| format!("{PREFIX}{key}")).collect()
}

#[test]
fn every_key_is_in_the_notes() {
    let Some(folder) = weir_recorded::reference("keys of the notes", "spec") else { return };
    let mut noted = BTreeSet::new();
    for (note, short, heading) in NOTES {
        let text = std::fs::read_to_string(folder.join(note)).unwrap();
        noted.extend(named(&text, short));
        if !heading.is_empty() {
            noted.extend(first_column(&text, heading));
        }
    }
    let names: Vec<&str> = constants().into_iter().filter_map(|key| key.strip_prefix(PREFIX)).collect();
    let unknown: Vec<&str> = names
        .iter()
        .filter(|name| !OURS.contains(name) && !noted.contains(&format!("{PREFIX}{name}")))
        .copied()
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    // Without keys to look at, none would be unknown.
    assert!(names.len() >= 30, "{names:#?}");
}

#[test]
fn every_key_has_one_home() {
    let mut seen = BTreeSet::new();
    let twice: Vec<&str> = constants().into_iter().filter(|key| !seen.insert(*key)).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert!(seen.len() > 40);
}
