//! Writes pools, policies, the ClusterOperator, and in a ClusterVersion that weir made what came of the release.

use super::Controller;
use jiff::Timestamp;
use kube::{Api, Resource, core::ClusterResourceScope};
use serde::Serialize;
use serde_json::{Value, json};
use weir_api::{
    ClusterOperator, ClusterVersion, ControllerConfig, MachineConfigPool,
    keys::names::{ARBITER_TOPOLOGY, CLUSTER_OPERATOR, CONTROLLER_CONFIG, VERSION},
};
use weir_kubeio::{Cache, Error, Event, cache::Cached, drive::chain, patch};
use weir_rules::{
    operator::{
        built_in::{PoolChange, built_in},
        marks::marks,
        policies::{self, GuardChange, Wanted},
    },
    status::{
        cluster_status::{ClusterReport, Failure, Task, status_patch},
        required::Required,
        update_history::{HistoryView, completed},
    },
    view::PoolView,
};

impl Controller {
    /// Makes the built-in pools.
    pub(super) async fn pools(&self) -> Result<(), Error> {
        let cluster = &self.context.cluster;
        let (pools, config) = (cluster.pools.all(), cluster.controller_configs.get(CONTROLLER_CONFIG));
        let views: Vec<_> = pools.iter().map(|pool| PoolView::new(pool)).collect();
        let topology = config.as_ref().and_then(|config| config.spec.control_plane_topology());
        let api: Api<MachineConfigPool> = Api::all(self.context.client.clone());
        for change in built_in(&views, topology == Some(ARBITER_TOPOLOGY)) {
            match change {
                PoolChange::Create(pool) => _ = patch::create(&api, &cluster.pools, &*pool).await?,
                PoolChange::Label { pool, labels } => {
                    let change = json!({"metadata": {"labels": labels}});
                    patch::merge(&api, &cluster.pools, &pool, &change).await?;
                }
            }
        }
        Ok(())
    }

    /// Marks the ControllerConfig with this build, if weir made it.
    pub(super) async fn marks(&self, version: &str) -> Result<(), Error> {
        let configs = &self.context.cluster.controller_configs;
        let Some(config) = configs.get(CONTROLLER_CONFIG) else { return Ok(()) };
        let Some(change) = marks(&config, &self.context.build.raw, version) else { return Ok(()) };
        let api: Api<ControllerConfig> = Api::all(self.context.client.clone());
        patch::merge(&api, configs, CONTROLLER_CONFIG, &change).await?;
        tracing::info!(build = self.context.build.raw, version, "the ControllerConfig is of this build now");
        Ok(())
    }

    /// Makes the admission policies, or takes away those whose gate is off.
    pub(super) async fn guards(&self) -> Result<(), Error> {
        if !self.policies.is_synced() || !self.bindings.is_synced() {
            return Ok(());
        }
        let gates = self.context.gates().ok();
        for Wanted { guard, is_wanted } in policies::guards(self.context.profile, gates.as_ref()) {
            let (policy, binding) = (guard.policy_name(), guard.binding_name());
            // The binding goes first and comes last: it is what makes the policy count.
            if is_wanted == Some(false) {
                self.guard(&self.bindings, binding, &guard.binding, is_wanted).await?;
            }
            self.guard(&self.policies, policy, &guard.policy, is_wanted).await?;
            self.guard(&self.bindings, binding, &guard.binding, is_wanted).await?;
        }
        Ok(())
    }

    async fn guard<K>(&self, cache: &Cache<K>, name: &str, object: &Value, wanted: Option<bool>) -> Result<(), Error>
    where
        K: Cached + Serialize + Resource<Scope = ClusterResourceScope>,
    {
        let api: Api<K> = Api::all(self.context.client.clone());
        let found = cache.get(name).and_then(|found| serde_json::to_value(&*found).ok());
        match policies::change(object, found.as_ref(), wanted) {
            None => return Ok(()),
            Some(GuardChange::Apply(object)) => patch::apply(&api, cache, name, &object).await?,
            Some(GuardChange::Delete) => patch::delete(&api, name).await?,
        }
        tracing::info!(kind = %K::kind(&()), name, wanted, "admission policy brought in line");
        Ok(())
    }

    /// Writes the ClusterOperator where it says something else than before, and tells what is new.
    pub(super) async fn report(&self, report: &ClusterReport) -> Result<(), Error> {
        let Some(status) = &report.status else { return Ok(()) };
        let api: Api<ClusterOperator> = Api::all(self.context.client.clone());
        if self.operators.get(CLUSTER_OPERATOR).is_none() {
            let object = ClusterOperator::named(CLUSTER_OPERATOR, Default::default());
            patch::create(&api, &self.operators, &object).await?;
        }
        // Another one may have been faster; its status is then seen in the next pass.
        let Some(object) = self.operators.get(CLUSTER_OPERATOR) else { return Ok(()) };
        let change = status_patch(&object, status);
        patch::merge_status(&api, &self.operators, CLUSTER_OPERATOR, &change).await?;
        for told in &report.events {
            let event = Event { warning: told.warning, reason: told.reason.clone(), message: told.message.clone() };
            self.recorder.record(&*object, &event).await;
        }
        Ok(())
    }
}

impl Controller {
    /// Says in the ClusterVersion, where weir made it, that the release is complete.
    pub(super) async fn complete(&self, required: &Required, now: Timestamp) -> Result<(), Error> {
        let Some(version) = self.context.cluster_version() else { return Ok(()) };
        let (operator, streams) = (self.operators.get(CLUSTER_OPERATOR), self.context.configuration().due().ok());
        let view =
            HistoryView { version: &version, operator: operator.as_deref(), streams: streams.as_ref(), required };
        let Some(change) = completed(&view, now) else { return Ok(()) };
        let api: Api<ClusterVersion> = Api::all(self.context.client.clone());
        patch::merge_status(&api, &self.context.cluster.versions, VERSION, &change).await?;
        tracing::info!(
            release = version.status.as_ref().map(|status| status.desired.version.as_str()),
            "the release is complete"
        );
        Ok(())
    }
}

pub(super) fn pools_failed(error: Error) -> Failure {
    let why = format!("failed to make MachineConfigPool {}: {}", error.name, chain(&error));
    Failure::Work { task: Task::MachineConfigPools, why }
}

pub(super) fn guards_failed(error: Error) -> Failure {
    let why = format!("failed to keep {} {}: {}", error.kind, error.name, chain(&error));
    Failure::Work { task: Task::MachineConfigPools, why }
}

pub(super) fn marks_failed(error: Error) -> Failure {
    let why = format!("failed to mark {} {}: {}", error.kind, error.name, chain(&error));
    Failure::Work { task: Task::MachineConfigController, why }
}
