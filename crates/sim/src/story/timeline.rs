//! A story as text: the actions, what followed, what held.

use super::expect::about;
use crate::history::History;
use serde_json::Value;
use std::{collections::BTreeMap, fmt};
use tokio::time::Instant;
use weir_api::MachineConfigPool;
use weir_rules::status::settled::progress;

/// Takes a line.
pub type Tell = Box<dyn Fn(&str)>;

/// Reports it to somebody, or to nobody.
#[derive(Default)]
pub(super) struct Timeline {
    listener: Option<(Instant, Tell)>,
    /// How many changes were reported.
    told: usize,
    pools: BTreeMap<String, String>,
}

impl Timeline {
    /// One that gives every line to `tell`.
    pub(super) fn told(tell: Tell) -> Self {
        Self { listener: Some((Instant::now(), tell)), ..Self::default() }
    }

    /// A step begins.
    pub(super) fn step(&self, title: &str) {
        self.print(&format!("\n{:>7}  {title}", self.time()));
    }

    /// An expectation holds.
    pub(super) fn held(&self, words: &str) {
        self.print(&format!("{:>7}  ✓ {words}", self.time()));
    }

    /// Something else happened.
    pub(super) fn line(&self, text: &str) {
        self.print(&format!("{:>7}  {text}", self.time()));
    }

    /// How it ended.
    pub(super) fn end(&self, well: bool) {
        let text = if well { "everything held" } else { "not everything held" };
        self.print(&format!("\n{:>7}  {text}", self.time()));
    }

    /// What changed since the last call.
    pub(super) fn changes(&mut self, history: &History) {
        if self.listener.is_none() {
            return;
        }
        let seen = history.look();
        let mut lines = Vec::new();
        for change in seen.changes.iter().skip(self.told) {
            match (change.key.0, &change.after) {
                ("Event", Some(event)) => lines.push(event_line(event)),
                ("MachineConfigPool", Some(pool)) => lines.extend(self.pool_line(&change.key.1, pool)),
                _ => {}
            }
        }
        self.told = seen.changes.len();
        drop(seen);
        for line in lines {
            self.line(&format!("  {line}"));
        }
    }

    fn pool_line(&mut self, name: &str, pool: &Value) -> Option<String> {
        let text = progress(&serde_json::from_value::<MachineConfigPool>(pool.clone()).ok()?).to_string();
        let before = self.pools.insert(name.to_owned(), text.clone());
        (before.as_ref() != Some(&text)).then(|| format!("{name}: {text}"))
    }

    fn time(&self) -> String {
        self.listener.as_ref().map(|(start, _)| format!("{:.2}s", start.elapsed().as_secs_f64())).unwrap_or_default()
    }

    fn print(&self, line: &str) {
        if let Some((_, tell)) = &self.listener {
            tell(line);
        }
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline").field("told", &self.told).finish_non_exhaustive()
    }
}

fn event_line(event: &Value) -> String {
    let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
    format!("{} {} on {}: {}", text("type"), text("reason"), about(event), text("message"))
}
