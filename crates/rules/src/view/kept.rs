//! What is kept of objects, so that their views need not be made anew in every pass.
//!
//! R-KEPT-VIEW-1 What is kept of an object gives the very view that is made from the object itself. It is never updated: for another
//! object, or another version of it, it is made anew.
//!
//! A view takes its texts from dozens of places all over memory. Here they lie side by side: of thousands of nodes, one changed.

use super::{
    DaemonState, DegradedReport, DrainRequest, NodeReport, NodeView, Unready,
    node::{labels_of, taints_of},
};
use crate::objects::selector::Labels;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use std::sync::Arc;
use weir_api::MachineConfigNode;

/// An object with what is kept of it.
pub(crate) trait Kept<K> {
    fn new(object: &Arc<K>) -> Self;
    fn object(&self) -> &Arc<K>;
}

/// Makes anew what is not kept of the very same object at the same place.
pub(crate) fn renew<K, V: Kept<K>>(kept: &mut Vec<V>, objects: &[Arc<K>]) {
    kept.truncate(objects.len());
    for (held, object) in kept.iter_mut().zip(objects) {
        if !Arc::ptr_eq(held.object(), object) {
            *held = V::new(object);
        }
    }
    kept.extend(objects.iter().skip(kept.len()).map(V::new));
}

/// Texts, each of which may be missing, in one place.
#[derive(Clone, Debug)]
struct Texts<const N: usize> {
    all: Box<str>,
    ends: [Option<u32>; N],
}

impl<const N: usize> Texts<N> {
    fn new(texts: [Option<&str>; N]) -> Self {
        let mut all = String::with_capacity(texts.iter().flatten().map(|text| text.len()).sum());
        let ends = texts.map(|text| {
            all.push_str(text?);
            // An API server stores 1.5 MiB.
            u32::try_from(all.len()).ok()
        });
        Self { all: all.into(), ends }
    }

    fn get(&self) -> [Option<&str>; N] {
        let mut start = 0;
        self.ends.map(|end| {
            let end = usize::try_from(end?).ok()?;
            let text = self.all.get(start..end);
            start = end;
            text
        })
    }
}

/// What is kept of a node.
#[derive(Clone, Debug)]
pub(crate) struct KeptNode {
    object: Arc<Node>,
    texts: Texts<15>,
    /// Positions of the selectors that match its labels, once they are known.
    selected: Option<Box<[usize]>>,
    state: DaemonState,
    unready: Option<Unready<'static>>,
    drain_started: Option<Timestamp>,
    created: Option<Timestamp>,
    provisioning: bool,
    rebooting: bool,
    pool_labels_applied: bool,
    unschedulable: bool,
    deleting: bool,
    windows: bool,
}

impl Kept<Node> for KeptNode {
    fn new(object: &Arc<Node>) -> Self {
        let view = NodeView::new(object);
        let texts = [
            Some(view.name),
            Some(view.uid),
            Some(view.version),
            Some(view.reason),
            view.current_config,
            view.desired_config,
            view.current_image,
            view.desired_image,
            view.desired_drain.as_ref().map(DrainRequest::as_str),
            view.applied_drain.as_ref().map(DrainRequest::as_str),
            view.cordoned_by,
            view.topology,
            view.first_pivot_config,
            view.zone,
            view.unready.map(|unready| unready.what.status()),
        ];
        Self {
            texts: Texts::new(texts),
            selected: None,
            state: view.state,
            unready: view.unready.map(|unready| Unready { what: unready.what.with(""), since: unready.since }),
            drain_started: view.drain_started,
            created: view.created,
            provisioning: view.provisioning,
            rebooting: view.rebooting,
            pool_labels_applied: view.pool_labels_applied,
            unschedulable: view.unschedulable,
            deleting: view.deleting,
            windows: view.is_windows(),
            object: object.clone(),
        }
    }

    fn object(&self) -> &Arc<Node> {
        &self.object
    }
}

impl KeptNode {
    /// Keeps what `of` says of its labels, if that is not known.
    pub(crate) fn select(&mut self, of: impl Fn(&Labels) -> Vec<usize>) {
        let labels = labels_of(&self.object);
        self.selected.get_or_insert_with(|| of(labels).into());
    }

    /// Positions of the selectors that match its labels.
    pub(crate) fn selected(&self) -> &[usize] {
        self.selected.as_deref().unwrap_or_default()
    }

    /// Forgets which selectors match.
    pub(crate) fn forget_selected(&mut self) {
        self.selected = None;
    }

    /// The view of the node.
    pub(crate) fn view(&self) -> NodeView<'_> {
        let [
            name,
            uid,
            version,
            reason,
            current_config,
            desired_config,
            current_image,
            desired_image,
            desired_drain,
            applied_drain,
            cordoned_by,
            topology,
            first_pivot_config,
            zone,
            status,
        ] = self.texts.get();
        let status = status.unwrap_or_default();
        NodeView {
            name: name.unwrap_or_default(),
            uid: uid.unwrap_or_default(),
            provisioning: self.provisioning,
            labels: labels_of(&self.object),
            current_config,
            desired_config,
            current_image,
            desired_image,
            state: self.state,
            reason: reason.unwrap_or_default(),
            desired_drain: desired_drain.and_then(DrainRequest::parse),
            applied_drain: applied_drain.and_then(DrainRequest::parse),
            cordoned_by,
            drain_started: self.drain_started,
            rebooting: self.rebooting,
            topology,
            first_pivot_config,
            pool_labels_applied: self.pool_labels_applied,
            unready: self.unready.map(|unready| Unready { what: unready.what.with(status), since: unready.since }),
            zone,
            created: self.created,
            unschedulable: self.unschedulable,
            deleting: self.deleting,
            taints: taints_of(&self.object),
            version: version.unwrap_or_default(),
            windows: self.windows,
        }
    }
}

/// What is kept of a MachineConfigNode.
#[derive(Clone, Debug)]
pub(crate) struct KeptReport {
    object: Arc<MachineConfigNode>,
    texts: Texts<5>,
    degraded_since: Option<Timestamp>,
    updated_since: Option<Timestamp>,
    rebooting_since: Option<Timestamp>,
    has_conditions: bool,
    updated: bool,
    pinned_image_sets_done: bool,
    cordoned: bool,
}

impl Kept<MachineConfigNode> for KeptReport {
    fn new(object: &Arc<MachineConfigNode>) -> Self {
        let report = NodeReport::new(object);
        let degraded = report.degraded.as_ref();
        let texts = [
            Some(report.node),
            degraded.map(|degraded| degraded.message),
            report.desired_config,
            report.desired_image,
            report.blocked,
        ];
        Self {
            texts: Texts::new(texts),
            degraded_since: degraded.and_then(|degraded| degraded.since),
            updated_since: report.updated_since,
            rebooting_since: report.rebooting_since,
            has_conditions: report.has_conditions,
            updated: report.updated,
            pinned_image_sets_done: report.pinned_image_sets_done,
            cordoned: report.cordoned,
            object: object.clone(),
        }
    }

    fn object(&self) -> &Arc<MachineConfigNode> {
        &self.object
    }
}

impl KeptReport {
    /// The report of the node.
    pub(crate) fn view(&self) -> NodeReport<'_> {
        let [node, degraded, desired_config, desired_image, blocked] = self.texts.get();
        NodeReport {
            node: node.unwrap_or_default(),
            has_conditions: self.has_conditions,
            degraded: degraded.map(|message| DegradedReport { message, since: self.degraded_since }),
            updated: self.updated,
            updated_since: self.updated_since,
            rebooting_since: self.rebooting_since,
            desired_config,
            desired_image,
            pinned_image_sets_done: self.pinned_image_sets_done,
            cordoned: self.cordoned,
            blocked,
        }
    }
}
