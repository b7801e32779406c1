//! A `MachineConfigPool` as the rules see it.

use super::{Annotations, ImageMode, Target, TargetImage};
use crate::{
    objects::selector::{Selector, SelectorError},
    view::unreadable,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use weir_api::{
    Condition, MachineConfigPool,
    condition::{ConditionStatus, ConditionType, TRUE, Typed as _, find, find_true},
    keys::{
        config::{SETTLED_FROM, UNSETTLED_SINCE},
        names,
        pool::RENDER_DEGRADED,
    },
};

/// A pool, its node selector validated.
#[derive(Clone, Debug)]
pub struct PoolView<'a> {
    /// Name of the pool.
    pub name: &'a str,
    /// Which nodes it selects. A pool whose selector is empty selects none (see [`Self::selects_all`]).
    pub selector: Result<Selector, SelectorError>,
    /// Target rendered MachineConfig; absent until the first one was rendered.
    pub target: Option<&'a str>,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether the pool object is being deleted.
    pub deleting: bool,
    /// How many nodes may be unavailable, as written.
    pub max_unavailable: Option<&'a IntOrString>,
    /// The stream the pool names itself.
    pub stream: Option<&'a str>,
    /// Since when the target has been settling; an invalid time counts as absent.
    pub unsettled_since: Option<Timestamp>,
    /// When the target counts as settled.
    pub settled_from: Option<Timestamp>,
    /// Its image mode; absent outside it, and where only the object is known.
    pub image_mode: Option<ImageMode<'a>>,
    /// The object, for fields that are copied from it.
    pub object: &'a MachineConfigPool,
}

impl<'a> PoolView<'a> {
    /// Reads a pool. Never fails: an invalid selector is represented.
    #[must_use]
    pub fn new(pool: &'a MachineConfigPool) -> Self {
        let spec = &pool.spec;
        let marks = Annotations::of(&pool.metadata);
        Self {
            name: pool.metadata.name.as_deref().unwrap_or_default(),
            selector: Selector::parse(spec.node_selector.as_ref()),
            target: spec.configuration.as_ref().map(|c| c.name()).filter(|name| !name.is_empty()),
            paused: spec.paused.unwrap_or_default(),
            deleting: pool.metadata.deletion_timestamp.is_some(),
            max_unavailable: spec.max_unavailable.as_ref(),
            unsettled_since: marks.time(UNSETTLED_SINCE),
            settled_from: marks.time(SETTLED_FROM),
            stream: spec.os_image_stream.as_ref().map(|s| s.name.as_str()).filter(|name| !name.is_empty()),
            image_mode: None,
            object: pool,
        }
    }

    /// What its nodes are to run.
    #[must_use]
    pub fn aim(&self) -> Target<'a> {
        let image = self.image_mode.map_or(TargetImage::OfConfig, |mode| mode.target());
        Target { config: self.target.unwrap_or_default(), image }
    }

    /// Whether the pool inherits from the worker pool: any that is not `master`, `worker` or `arbiter`.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        ![names::MASTER, names::WORKER, names::ARBITER].contains(&self.name)
    }

    /// Whether the selector is present and empty: it would select every node, and is taken to select none.
    #[must_use]
    pub fn selects_all(&self) -> bool {
        self.selector.as_ref().is_ok_and(Selector::is_everything)
    }

    /// The current conditions.
    #[must_use]
    pub fn conditions(&self) -> &'a [Condition] {
        self.object.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default()
    }

    /// Why the pool's target is currently unknown: a condition `RenderDegraded` that has a reason although it is
    /// not `True`, which only ours has, or is `True` because of an unreadable object.
    #[must_use]
    pub fn render_wait(&self) -> Option<&'a Condition> {
        find(self.conditions(), RENDER_DEGRADED)
            .filter(|held| held.reason == unreadable::CODE || (held.status != TRUE && !held.reason.is_empty()))
    }

    /// The condition of this type, while it is `True`.
    #[must_use]
    pub fn says(&self, type_: ConditionType) -> Option<&'a Condition> {
        find_true(self.conditions(), type_)
    }

    /// When the first condition of this type with this status last changed.
    #[must_use]
    pub fn since(&self, type_: ConditionType, status: ConditionStatus) -> Option<Timestamp> {
        let condition = self.conditions().iter().find(|condition| condition.says(type_, status))?;
        condition.last_transition_time.as_ref().map(|t| t.0)
    }

    /// Whether a rendered MachineConfig of this name was made for this pool, as far as its name shows.
    #[must_use]
    pub fn owns_config(&self, config: &str) -> bool {
        let last = self.object.status.as_ref().and_then(|s| s.configuration.as_ref()).map(|c| c.name());
        let hash =
            config.strip_prefix("rendered-").and_then(|c| c.strip_prefix(self.name)).and_then(|c| c.strip_prefix('-'));
        !config.is_empty()
            && (Some(config) == self.target || Some(config) == last || hash.is_some_and(|h| !h.contains('-')))
    }
}
