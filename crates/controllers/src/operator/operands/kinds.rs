//! The kinds of managed objects, where each is watched, and how it is written.

use crate::cluster::Watcher;
use futures::future::BoxFuture;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Service, ServiceAccount},
    policy::v1::PodDisruptionBudget,
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::Client;
use serde::Serialize;
use serde_json::Value;
use std::{fmt::Debug, sync::Arc};
use weir_api::{
    ServiceMonitor,
    keys::{
        names::OPERATOR_NAMESPACE,
        operand::{MANAGED_BY, OPERATOR},
    },
};
use weir_kubeio::{
    Cache, Error,
    Missing::{self, Empty, Wait},
    Selection, Watches,
    cache::Cached,
    patch,
};
use weir_rules::operator::operands::Identity;

/// All of them.
pub(crate) type Kinds = Vec<Arc<dyn Kind>>;

/// One kind of object; those with our label are watched.
pub(crate) trait Kind: Debug + Send + Sync {
    fn name(&self) -> String;
    fn live(&self) -> Vec<Value>;
    fn is_served(&self) -> bool;
    fn apply<'a>(&'a self, client: &'a Client, object: &'a Value) -> BoxFuture<'a, Result<(), Error>>;
    fn delete<'a>(&'a self, client: &'a Client, object: &'a Value) -> BoxFuture<'a, Result<(), Error>>;
}

/// Their rows.
pub(crate) fn kinds(of: &mut Watches<Watcher>) -> Kinds {
    let anywhere = Selection::labelled(format!("{MANAGED_BY}={OPERATOR}"));
    let own = anywhere.clone().within(OPERATOR_NAMESPACE);
    vec![
        held::<ServiceAccount>(of, Wait, &own),
        held::<ClusterRole>(of, Wait, &anywhere),
        held::<ClusterRoleBinding>(of, Wait, &anywhere),
        held::<Role>(of, Wait, &anywhere),
        held::<RoleBinding>(of, Wait, &anywhere),
        held::<PodDisruptionBudget>(of, Wait, &own),
        held::<Service>(of, Wait, &own),
        held::<Deployment>(of, Wait, &own),
        held::<ServiceMonitor>(of, Empty, &own),
    ]
}

fn held<K: Cached + Serialize>(of: &mut Watches<Watcher>, missing: Missing, which: &Selection) -> Arc<dyn Kind> {
    Arc::new(of.row::<K>(Watcher::Operands, missing, which.clone()))
}

impl<K: Cached + Serialize> Kind for Cache<K> {
    fn name(&self) -> String {
        K::kind(&()).into_owned()
    }

    fn live(&self) -> Vec<Value> {
        self.all().iter().filter_map(|object| serde_json::to_value(&**object).ok()).collect()
    }

    fn is_served(&self) -> bool {
        Self::is_served(self)
    }

    fn apply<'a>(&'a self, client: &'a Client, object: &'a Value) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(patch::apply(client, self, Identity::of(object).name, object))
    }

    fn delete<'a>(&'a self, client: &'a Client, object: &'a Value) -> BoxFuture<'a, Result<(), Error>> {
        let Identity { namespace, name, .. } = Identity::of(object);
        Box::pin(patch::delete(client, self, Some(namespace).filter(|namespace| !namespace.is_empty()), name))
    }
}
