//! Labels for machines that were booted straight into a custom pool (R-ROLLOUT-8).
//!
//! Such a machine registers as a plain worker: only the configuration it first booted into identifies its pool. Without that pool's
//! labels the worker pool would claim it and update it away from its purpose.

use crate::{
    objects::selector::{Labels, Selector, Test},
    view::{NodeView, PoolView},
};
use std::collections::BTreeMap;
use weir_api::keys::names;

/// A node to be labelled so that its pool claims it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopt {
    /// The node.
    pub node: String,
    /// The pool whose configuration it was booted into.
    pub pool: String,
    /// Labels to put on the node.
    pub labels: Labels,
}

/// The labels that a node needs if it was booted into a custom pool and does not have them yet.
///
/// A pool that is gone, or whose selector names no label, adopts no node: such machines stay where they are and are updated there.
pub(super) fn adopt(
    node: &NodeView<'_>,
    pools: &[PoolView<'_>],
    config_owners: &BTreeMap<&str, &str>,
) -> Option<Adopt> {
    if node.pool_labels_applied {
        return None;
    }
    let owner = *config_owners.get(node.first_pivot_config?)?;
    if owner == names::MASTER || owner == names::WORKER {
        return None;
    }
    let pool = pools.iter().find(|p| p.name == owner)?;
    let labels = derived(pool.selector.as_ref().ok()?, pool);
    (!labels.is_empty()).then(|| Adopt { node: node.name.to_owned(), pool: owner.to_owned(), labels })
}

fn derived(selector: &Selector, pool: &PoolView<'_>) -> Labels {
    let Selector::All(requirements) = selector else { return Labels::new() };
    let mut labels = Labels::new();
    for requirement in requirements {
        let value = match &requirement.test {
            Test::In(values) if values.len() == 1 => values.concat(),
            Test::Exists => String::new(),
            _ => continue,
        };
        labels.insert(requirement.key.clone(), value);
    }
    // A label that is given outright takes precedence over an expression for the same key.
    let stated = pool.object.spec.node_selector.iter().filter_map(|s| s.match_labels.as_ref()).flatten();
    labels.extend(stated.map(|(k, v)| (k.clone(), v.clone())));
    labels
}
