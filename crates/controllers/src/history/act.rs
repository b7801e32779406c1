//! Asks who wrote what changed, and writes histories.

use super::Kept;
use crate::Context;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::{collections::BTreeMap, fmt::Debug};
use weir_api::{
    ClusterVersion, ContainerRuntimeConfig, KubeletConfig, MachineConfig, MachineConfigPool, OSImageStream,
    keys::{config::HISTORY_OF, names::OPERATOR_NAMESPACE},
};
use weir_kubeio::{Error, patch};
use weir_rules::{
    history::{Causes, History, KEY, PREFIX},
    objects::author,
};

/// Where histories are kept.
pub(super) const NAMESPACE: &str = OPERATOR_NAMESPACE;

/// What a rollout comes from.
pub(super) struct Cause {
    pub(super) causes: Causes,
    /// The streams before and after.
    pub(super) streams: [Option<String>; 2],
}

pub(super) struct Writer<'a> {
    pub(super) context: &'a Context,
}

impl Writer<'_> {
    /// What the rollouts that began come from, by pool.
    pub(super) async fn causes(&self, began: &[String], kept: &BTreeMap<String, Kept>) -> Vec<(String, Cause)> {
        let mut causes = self.differences(began, kept);
        for (_, cause) in &mut causes {
            for changed in &mut cause.causes.changed {
                let author = self.author(&changed.object).await;
                (changed.manager, changed.at) = author.map_or((None, None), |author| (Some(author.manager), author.at));
            }
        }
        causes
    }

    fn differences(&self, began: &[String], kept: &BTreeMap<String, Kept>) -> Vec<(String, Cause)> {
        let world = self.context.configuration();
        let views = world.views();
        let of = |name: &String| {
            let pool = views.pools.iter().find(|pool| pool.name == name)?;
            let rollout = kept.get(name)?.history.under_way()?;
            let causes = Causes::of(views.changed(pool, &rollout.from, &rollout.to));
            let streams = [&rollout.from, &rollout.to].map(|config| views.stream_of(config));
            Some((name.clone(), Cause { causes, streams }))
        };
        began.iter().filter_map(of).collect()
    }

    /// Who wrote the object last, or the field of it that counts. Caches hold no `managedFields`, so it is asked for; without an
    /// answer nobody is named.
    async fn author(&self, object: &str) -> Option<author::Author> {
        let (kind, name) = object.split_once('/')?;
        let (metadata, field): (_, &[&str]) = match kind {
            "machineconfig" => return author::of_object(&self.metadata::<MachineConfig>(name).await?),
            "mcp" => (self.metadata::<MachineConfigPool>(name).await?, &["spec", "osImageStream"]),
            "osimagestream" => (self.metadata::<OSImageStream>(name).await?, &["spec", "defaultStream"]),
            "clusterversion" => (self.metadata::<ClusterVersion>(name).await?, &["spec", "desiredUpdate"]),
            "kubeletconfig" => (self.metadata::<KubeletConfig>(name).await?, &["spec"]),
            "containerruntimeconfig" => (self.metadata::<ContainerRuntimeConfig>(name).await?, &["spec"]),
            _ => return None,
        };
        author::of_field(&metadata, field)
    }

    async fn metadata<K>(&self, name: &str) -> Option<ObjectMeta>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
    {
        let found = Api::<K>::all(self.context.client.clone()).get_metadata_opt(name).await;
        match found {
            Ok(found) => found.map(|object| object.metadata),
            Err(error) => {
                tracing::debug!(name, %error, "who wrote it is not known");
                None
            }
        }
    }

    /// Writes the history of a pool.
    pub(super) async fn write(&self, pool: &str, history: &History) -> Result<(), Error> {
        let name = format!("{PREFIX}{pool}");
        let text = match history.text() {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!(pool, %error, "its history cannot be written");
                return Ok(());
            }
        };
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": NAMESPACE, "labels": {HISTORY_OF: pool}},
            "data": {KEY: text},
        });
        patch::apply(&self.context.client, &self.context.cluster.histories, &name, &object).await
    }
}
