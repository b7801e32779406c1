//! A `PodDisruptionBudget` as a drain sees it.

use crate::objects::selector::{Selector, SelectorError};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use super::PodView;

/// A budget, its selector validated.
#[derive(Clone, Debug)]
pub struct BudgetView<'a> {
    /// Namespace of the budget and of the pods it covers.
    pub namespace: &'a str,
    /// Name of the budget.
    pub name: &'a str,
    /// Which pods of its namespace it covers.
    pub selector: Result<Selector, SelectorError>,
    /// Pods that may currently be evicted, as last counted.
    pub allowed: i32,
}

impl<'a> BudgetView<'a> {
    /// Reads a budget. Never fails: an invalid selector is represented.
    #[must_use]
    pub fn new(budget: &'a PodDisruptionBudget) -> Self {
        Self {
            namespace: budget.metadata.namespace.as_deref().unwrap_or_default(),
            name: budget.metadata.name.as_deref().unwrap_or_default(),
            selector: Selector::parse(budget.spec.as_ref().and_then(|s| s.selector.as_ref())),
            allowed: budget.status.as_ref().map(|s| s.disruptions_allowed).unwrap_or_default(),
        }
    }

    /// Whether it covers the pod. One with an invalid selector covers none, as far as anybody can tell.
    #[must_use]
    pub fn covers(&self, pod: &PodView<'_>) -> bool {
        self.namespace == pod.namespace && self.selector.as_ref().is_ok_and(|s| s.matches(pod.labels))
    }
}
