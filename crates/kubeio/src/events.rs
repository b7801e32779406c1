//! Telling the user what happened to an object.

use crate::{Clock, Error, drive::chain};
use k8s_openapi::{
    api::core::v1::{Event as CoreEvent, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{Api, Client, Resource, api::PostParams};
use weir_api::keys::names::OPERATOR_NAMESPACE;

/// What happened, as a value: rules return it, controllers record it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Whether a user should look.
    pub warning: bool,
    /// A word for machines.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl Event {
    /// Something went as it should.
    #[must_use]
    pub fn normal(reason: &str, message: String) -> Self {
        Self { warning: false, reason: reason.to_owned(), message }
    }

    /// Something a user should look at.
    #[must_use]
    pub fn warning(reason: &str, message: String) -> Self {
        Self { warning: true, reason: reason.to_owned(), message }
    }
}

/// Writes events of one component. Events of cluster-scoped objects go to the operator's namespace, as the reference does
/// (`pkg/controller/common/helpers.go` of github.com/openshift/machine-config-operator, namespaced event recorder).
#[derive(Clone, Debug)]
pub struct Recorder {
    api: Api<CoreEvent>,
    component: &'static str,
    clock: Clock,
}

impl Recorder {
    /// A recorder for the component.
    #[must_use]
    pub fn new(client: Client, component: &'static str, clock: Clock) -> Self {
        Self { api: Api::namespaced(client, OPERATOR_NAMESPACE), component, clock }
    }

    /// Records an event about an object. Events tell people what happened and decide nothing, so one that cannot be
    /// written is logged and does not stop what it speaks of.
    pub async fn record<K: Resource<DynamicType = ()>>(&self, about: &K, event: &Event) {
        let name = about.meta().name.clone().unwrap_or_default();
        if let Err(source) = self.api.create(&PostParams::default(), &self.object(about, event)).await {
            let error = Error::new::<CoreEvent>("recording", &name, source);
            tracing::warn!(reason = event.reason, message = event.message, error = %chain(&error), "event not recorded");
        }
    }

    fn object<K: Resource<DynamicType = ()>>(&self, about: &K, event: &Event) -> CoreEvent {
        let meta = about.meta();
        let name = meta.name.clone().unwrap_or_default();
        let now = Time(self.clock.now());
        CoreEvent {
            metadata: ObjectMeta {
                generate_name: Some(format!("{name}-")),
                namespace: Some(OPERATOR_NAMESPACE.to_owned()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some(K::api_version(&()).into_owned()),
                kind: Some(K::kind(&()).into_owned()),
                name: Some(name),
                // Of cluster-scoped objects too: an event's namespace and that of what it speaks of must be equal.
                namespace: Some(OPERATOR_NAMESPACE.to_owned()),
                uid: meta.uid.clone(),
                resource_version: meta.resource_version.clone(),
                ..ObjectReference::default()
            },
            source: Some(EventSource { component: Some(self.component.to_owned()), host: None }),
            type_: Some(if event.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(event.reason.clone()),
            message: Some(event.message.clone()),
            first_timestamp: Some(now.clone()),
            last_timestamp: Some(now),
            count: Some(1),
            ..CoreEvent::default()
        }
    }
}
