//! A `Pod` as a drain sees it.

use super::Annotations;
use crate::objects::selector::Labels;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

/// Annotation of a static pod, which the kubelet runs from a file; the API server holds its mirror.
///
/// Source: <https://kubernetes.io/docs/reference/labels-annotations-taints/>.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A pod.
#[derive(Clone, Debug)]
pub struct PodView<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// UID, which distinguishes it from an earlier pod of the same name.
    pub uid: &'a str,
    /// The node it is bound to; empty while it is not.
    pub node: &'a str,
    /// Its labels.
    pub labels: &'a Labels,
    /// Whether it is a static pod, which no eviction ends.
    pub mirror: bool,
    /// Name of the DaemonSet that controls it.
    pub daemon_set: Option<&'a str>,
    /// Whether all of its containers have terminated for good.
    pub finished: bool,
    /// Since when it has been terminating. The API sets this to the end of the grace period.
    pub deleting: Option<Timestamp>,
}

static NO_LABELS: Labels = Labels::new();

impl<'a> PodView<'a> {
    /// Reads a pod. Never fails: missing values are empty.
    #[must_use]
    pub fn new(pod: &'a Pod) -> Self {
        let metadata = &pod.metadata;
        let controller = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref());
        Self {
            namespace: metadata.namespace.as_deref().unwrap_or_default(),
            name: metadata.name.as_deref().unwrap_or_default(),
            uid: metadata.uid.as_deref().unwrap_or_default(),
            node: pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default(),
            labels: metadata.labels.as_ref().unwrap_or(&NO_LABELS),
            mirror: Annotations::of(metadata).has(MIRROR),
            daemon_set: controller.filter(|owner| owner.kind == "DaemonSet").map(|owner| owner.name.as_str()),
            finished: matches!(phase, Some("Succeeded" | "Failed")),
            deleting: metadata.deletion_timestamp.as_ref().map(|t| t.0),
        }
    }
}
