//! Whether a pool is at rest, and if not, its state.
//!
//! R-SETTLED-1 A pool is at rest when it was rendered, all its changes were observed, and its status says Updated for its
//! target configuration.
//! R-SETTLED-2 A pool that is Degraded is not at rest, whatever else it says.

use crate::objects::counted::Count;
use std::fmt;
use weir_api::{
    MachineConfigPool,
    condition::{TRUE, is_true},
    keys::pool::{UPDATED, UPDATING},
};

/// The state of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It has no rendered MachineConfig yet.
    NotRendered,
    /// Its status has not observed its latest spec.
    NotSeen,
    /// Something is wrong with it.
    Degraded {
        /// The messages of its conditions.
        why: String,
    },
    /// Its nodes are updating, or it is paused.
    Moving {
        /// Nodes that run the target.
        updated: i32,
        /// Nodes of the pool.
        of: i32,
        /// The message of its status.
        said: String,
    },
    /// All of its nodes run what they should.
    AtRest {
        /// Nodes of the pool.
        nodes: i32,
    },
}

/// Reads a pool's progress.
#[must_use]
pub fn progress(pool: &MachineConfigPool) -> Progress {
    let target = pool.spec.configuration.as_ref().map(|c| c.name()).unwrap_or_default();
    let Some(status) = &pool.status else { return Progress::NotRendered };
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let degraded =
        conditions.iter().find(|c| c.type_.ends_with("Degraded") && c.status == TRUE && !c.message.is_empty());
    if let Some(condition) = degraded {
        return Progress::Degraded { why: condition.message.clone() };
    }
    if target.is_empty() {
        return Progress::NotRendered;
    }
    if status.observed_generation != pool.metadata.generation {
        return Progress::NotSeen;
    }
    let reached = status.configuration.as_ref().is_some_and(|c| c.name() == target);
    if is_true(conditions, UPDATED) && reached {
        return Progress::AtRest { nodes: status.machine_count };
    }
    let said = conditions.iter().find(|c| c.type_ == UPDATING).map(|c| c.message.clone()).unwrap_or_default();
    Progress::Moving { updated: status.updated_machine_count, of: status.machine_count, said }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRendered => f.write_str("waiting for its configuration"),
            Self::NotSeen => f.write_str("taking in a change"),
            Self::Degraded { why } => write!(f, "degraded: {why}"),
            Self::Moving { updated, of, said } => write!(f, "{updated} of {of} updated: {said}"),
            Self::AtRest { nodes } => write!(f, "updated, {}", Count(*nodes, "node")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(generation: i64, reached: &str, conditions: &[(&str, &str, &str)]) -> Value {
        let conditions: Vec<_> =
            conditions.iter().map(|(t, s, m)| json!({"type": t, "status": s, "message": m})).collect();
        json!({
            "metadata": {"generation": 2},
            "spec": {"configuration": {"name": "rendered-1"}},
            "status": {
                "observedGeneration": generation, "machineCount": 3, "updatedMachineCount": 1,
                "configuration": {"name": reached}, "conditions": conditions,
            },
        })
    }

    #[test]
    fn at_rest_only_when_everything_says_so() {
        let updated = ("Updated", "True", "");
        for (pool, expected) in [
            (json!({}), "waiting for its configuration"),
            (json!({"spec": {"configuration": {"name": "rendered-1"}}}), "waiting for its configuration"),
            (of(1, "rendered-1", &[updated]), "taking in a change"),
            (of(2, "rendered-1", &[updated]), "updated, 3 nodes"),
            (of(2, "rendered-0", &[updated]), "1 of 3 updated: "),
            (of(2, "rendered-0", &[("Updated", "False", ""), ("Updating", "True", "all")]), "1 of 3 updated: all"),
            (of(2, "rendered-1", &[updated, ("RenderDegraded", "True", "no such stream")]), "degraded: no such stream"),
        ] {
            let pool: MachineConfigPool = serde_json::from_value(pool).unwrap();
            assert_eq!(progress(&pool).to_string(), expected);
        }
    }
}
