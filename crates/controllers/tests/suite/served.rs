//! What tests of one controller have in common: an API server that knows all kinds, and a clock of their own.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{fmt::Debug, sync::Arc, time::Duration};
use weir_api::{
    MachineConfigPool,
    crds::{FeatureSet, crds},
};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{Build, Cluster, Context};
use weir_distro::Profile;
use weir_kubeio::Clock;

pub(crate) struct Served {
    pub(crate) client: Client,
    pub(crate) clock: Clock,
    _server: ApiServer,
}

impl Served {
    pub(crate) fn new() -> Self {
        let server = ApiServer::new(Settings::default()).unwrap();
        server.define(crds(FeatureSet::Default)).unwrap();
        let client = Client::new(server.service(), "default");
        Self { client, clock: Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()), _server: server }
    }

    /// What a process that starts works with.
    pub(crate) fn context(&self) -> Context {
        Context {
            client: self.client.clone(),
            cluster: Cluster::default(),
            clock: self.clock.clone(),
            profile: &Profile::all()[0],
            build: Arc::new(Build { raw: "v".to_owned(), hash: "h".to_owned(), release: None }),
            settle: Duration::ZERO,
            generating: Default::default(),
        }
    }

    pub(crate) async fn create<K>(&self, object: Value)
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
    {
        let object: K = serde_json::from_value(object).unwrap();
        Api::all(self.client.clone()).create(&PostParams::default(), &object).await.unwrap();
    }

    /// The pool wants `target`, and all its nodes ran `former` last.
    pub(crate) async fn pool(&self, name: &str, former: &str, target: &str) {
        let pools: Api<MachineConfigPool> = Api::all(self.client.clone());
        let parameters = PatchParams::default();
        let spec = json!({"spec": {"configuration": {"name": target}}});
        pools.patch(name, &parameters, &Patch::Merge(spec)).await.unwrap();
        let updated = if former == target { "True" } else { "False" };
        let conditions = json!([{
            "type": "Updated", "status": updated, "reason": "", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]);
        let status = json!({"status": {"configuration": {"name": former}, "conditions": conditions}});
        pools.patch_status(name, &parameters, &Patch::Merge(status)).await.unwrap();
    }
}
