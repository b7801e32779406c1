//! The ways out that weir names: what a user who reads the conditions of the pools would do next. Only their words count; nothing here
//! asks the rules.

use super::script::{Intent, Operator};
use crate::history::Seen;
use serde_json::Value;
use std::fmt;

const POOL: &str = "MachineConfigPool";

/// Something that a user does because a condition says so.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Way {
    /// A change of an object.
    Change(Intent),
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Change(intent) => write!(f, "as named: {intent:?}"),
        }
    }
}

/// Everything that the conditions name now.
pub(super) fn named(seen: &Seen) -> Vec<Way> {
    let mut all = Vec::new();
    for (name, pool) in seen.all(POOL) {
        for condition in pool["status"]["conditions"].as_array().into_iter().flatten() {
            all.extend(of_condition(name, condition).into_iter().filter(|way| !all.contains(way)).collect::<Vec<_>>());
        }
    }
    all
}

fn of_condition(pool: &str, condition: &Value) -> Vec<Way> {
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    let (type_, on, message) = (text("type"), text("status") == "True", text("message"));
    let change = |intent: Intent| vec![Way::Change(intent)];
    let pool = pool.to_owned();
    if message.contains("--take-over") {
        return change(Intent::Operator(Operator::TakesOver));
    }
    match (type_, on) {
        ("ImageBuildDegraded", true) => change(Intent::Rebuild { pool }),
        ("Updating", _) if message.contains("OS image build being interrupted") => change(Intent::Rebuild { pool }),
        _ => Vec::new(),
    }
}
