//! The kinds of objects that are kept, where each is watched, and how it is written.

use futures::future::BoxFuture;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{
    Api, Client, Resource,
    core::{ClusterResourceScope, NamespaceResourceScope},
};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Debug;
use tokio::sync::watch;
use weir_api::{
    ServiceMonitor,
    keys::{
        names::OPERATOR_NAMESPACE,
        operand::{MANAGED_BY, OPERATOR},
    },
};
use weir_kubeio::{Cache, Error, cache::Cached, patch};
use weir_rules::operator::operands::Identity;

/// One kind of object.
pub(super) trait Kind: Debug + Send + Sync {
    fn name(&self) -> String;
    /// Watches those with our label until the future is dropped.
    fn fill(&self, client: Client) -> BoxFuture<'static, ()>;
    fn changes(&self) -> watch::Receiver<u64>;
    fn live(&self) -> Vec<Value>;
    fn is_served(&self) -> bool;
    fn is_synced(&self) -> bool;
    fn failing(&self) -> Option<String>;
    fn apply<'a>(&'a self, client: &'a Client, object: &'a Value) -> BoxFuture<'a, Result<(), Error>>;
    fn delete<'a>(&'a self, client: &'a Client, object: &'a Value) -> BoxFuture<'a, Result<(), Error>>;
}

/// All of them.
pub(super) fn kinds() -> Vec<Box<dyn Kind>> {
    vec![
        own_namespace::<ServiceAccount>(),
        cluster::<ClusterRole>(),
        cluster::<ClusterRoleBinding>(),
        any_namespace::<Role>(),
        any_namespace::<RoleBinding>(),
        own_namespace::<PodDisruptionBudget>(),
        own_namespace::<Service>(),
        own_namespace::<Deployment>(),
        // A cluster need not have it.
        namespaced::<ServiceMonitor>(|cache, client| {
            Box::pin(async move {
                cache.fill_namespace_labelled_optional(client, OPERATOR_NAMESPACE, &selector()).await;
            })
        }),
    ]
}

#[derive(Debug)]
struct Held<K> {
    cache: Cache<K>,
    watch: Watch<K>,
    api: fn(&Client, &str) -> Api<K>,
}

type Watch<K> = fn(Cache<K>, Client) -> BoxFuture<'static, ()>;

fn selector() -> String {
    format!("{MANAGED_BY}={OPERATOR}")
}

fn cluster<K: Cached + Serialize + Resource<Scope = ClusterResourceScope>>() -> Box<dyn Kind> {
    let api = |client: &Client, _: &str| Api::all(client.clone());
    Box::new(Held::<K> { cache: Cache::new(), watch: everywhere, api })
}

fn any_namespace<K: Cached + Serialize + Resource<Scope = NamespaceResourceScope>>() -> Box<dyn Kind> {
    namespaced::<K>(everywhere)
}

fn own_namespace<K: Cached + Serialize + Resource<Scope = NamespaceResourceScope>>() -> Box<dyn Kind> {
    namespaced::<K>(|cache, client| {
        Box::pin(async move { cache.fill_namespace_labelled(client, OPERATOR_NAMESPACE, &selector()).await })
    })
}

fn namespaced<K: Cached + Serialize + Resource<Scope = NamespaceResourceScope>>(watch: Watch<K>) -> Box<dyn Kind> {
    let api = |client: &Client, namespace: &str| Api::namespaced(client.clone(), namespace);
    Box::new(Held::<K> { cache: Cache::new(), watch, api })
}

fn everywhere<K: Cached>(cache: Cache<K>, client: Client) -> BoxFuture<'static, ()> {
    Box::pin(async move { cache.fill_labelled(client, &selector()).await })
}

impl<K: Cached + Serialize> Kind for Held<K> {
    fn name(&self) -> String {
        K::kind(&()).into_owned()
    }

    fn fill(&self, client: Client) -> BoxFuture<'static, ()> {
        (self.watch)(self.cache.clone(), client)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.cache.changes()
    }

    fn live(&self) -> Vec<Value> {
        self.cache.all().iter().filter_map(|object| serde_json::to_value(&**object).ok()).collect()
    }

    fn is_served(&self) -> bool {
        self.cache.is_served()
    }

    fn is_synced(&self) -> bool {
        self.cache.is_synced()
    }

    fn failing(&self) -> Option<String> {
        self.cache.failing()
    }

    fn apply<'a>(&'a self, client: &'a Client, object: &'a Value) -> BoxFuture<'a, Result<(), Error>> {
        let Identity { namespace, name, .. } = Identity::of(object);
        let api = (self.api)(client, namespace);
        Box::pin(async move { patch::apply(&api, &self.cache, name, object).await })
    }

    fn delete<'a>(&'a self, client: &'a Client, object: &'a Value) -> BoxFuture<'a, Result<(), Error>> {
        let Identity { namespace, name, .. } = Identity::of(object);
        let api = (self.api)(client, namespace);
        Box::pin(async move { patch::delete(&api, name).await })
    }
}
