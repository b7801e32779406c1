//! Events about objects, for users.

use crate::{Clock, Error, drive::chain};
use k8s_openapi::{
    api::core::v1::{Event as CoreEvent, EventSource, ObjectReference},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{Api, Client, Resource, api::PostParams};

/// Something that happened, as a value: rules return it, controllers record it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Whether a user should look.
    pub warning: bool,
    /// The reason, in CamelCase.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl Event {
    /// Something went as expected.
    #[must_use]
    pub fn normal(reason: &str, message: String) -> Self {
        Self { warning: false, reason: reason.to_owned(), message }
    }

    /// Something that a user should look at.
    #[must_use]
    pub fn warning(reason: &str, message: String) -> Self {
        Self { warning: true, reason: reason.to_owned(), message }
    }
}

/// Namespace of events about cluster-scoped objects: `kubectl describe` looks for them in all namespaces, and an API server accepts
/// them only here (`legacyValidateEvent` in `pkg/apis/core/validation/events.go` of github.com/kubernetes/kubernetes).
const OF_THE_CLUSTER: &str = "default";

/// Writes events of one component, where `kubectl describe` finds them.
#[derive(Clone)]
pub struct Recorder {
    client: Client,
    component: &'static str,
    clock: Clock,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("component", &self.component).finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder for the component.
    #[must_use]
    pub fn new(client: Client, component: &'static str, clock: Clock) -> Self {
        Self { client, component, clock }
    }

    /// Records an event about an object. Nothing depends on events, so one that cannot be written is only logged.
    pub async fn record<K: Resource<DynamicType = ()>>(&self, about: &K, event: &Event) {
        let name = about.meta().name.clone().unwrap_or_default();
        let object = self.object(about, event);
        let api = Api::<CoreEvent>::namespaced(self.client.clone(), namespace(about.meta()));
        if let Err(source) = api.create(&PostParams::default(), &object).await {
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
                namespace: Some(namespace(meta).to_owned()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some(K::api_version(&()).into_owned()),
                kind: Some(K::kind(&()).into_owned()),
                name: Some(name),
                namespace: meta.namespace.clone(),
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

fn namespace(meta: &ObjectMeta) -> &str {
    meta.namespace.as_deref().unwrap_or(OF_THE_CLUSTER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::{Node, Pod};
    use tower::service_fn;

    #[tokio::test]
    async fn an_event_is_recorded_where_describing_its_object_finds_it() {
        let client = Client::new(
            service_fn(async |_: http::Request<kube::client::Body>| {
                Ok::<_, std::convert::Infallible>(http::Response::new(kube::client::Body::empty()))
            }),
            "elsewhere",
        );
        let recorder = Recorder::new(client, "test", Clock::system());
        let meta = |namespace: Option<&str>| ObjectMeta {
            name: Some("n".into()),
            namespace: namespace.map(Into::into),
            uid: Some("u".into()),
            ..ObjectMeta::default()
        };
        let said = Event::normal("Done", "it is done".into());
        let of_node = recorder.object(&Node { metadata: meta(None), ..Node::default() }, &said);
        assert_eq!((of_node.metadata.namespace.as_deref(), of_node.involved_object.namespace), (Some("default"), None));
        let of_pod = recorder.object(&Pod { metadata: meta(Some("ns")), ..Pod::default() }, &said);
        assert_eq!(
            (of_pod.metadata.namespace.as_deref(), of_pod.involved_object.namespace.as_deref()),
            (Some("ns"), Some("ns"))
        );
    }
}
