//! Writes the result of rendering a pool.

use crate::Context;
use jiff::SignedDuration;
use serde_json::{Value, json};
use weir_api::{
    MachineConfig, MachineConfigPool,
    condition::ConditionStatus,
    keys::{
        config::{GENERATED_BY_CONTROLLER_VERSION, RELEASE_IMAGE_VERSION},
        pool::RENDER_DEGRADED,
    },
};
use weir_kubeio::{Error, Event, Recorder, patch};
use weir_rules::view::Annotations;
use weir_rules::{
    objects::conditions::{Said, set_condition},
    render::{Rendered, amendment},
    rollout::settle::dated,
    status::notices::{Notice, set_notices},
    view::PoolView,
};

/// Name of the controller in metrics, as in the reference.
const SUB_CONTROLLER: &str = "machine-config-controller-render";

pub(super) struct Writer<'a> {
    pub(super) context: &'a Context,
    pub(super) recorder: &'a Recorder,
    pub(super) pool: &'a MachineConfigPool,
    /// What its users should know.
    pub(super) notices: &'a [Notice],
}

impl Writer<'_> {
    pub(super) fn name(&self) -> &str {
        self.pool.metadata.name.as_deref().unwrap_or_default()
    }

    /// The rendered MachineConfig first: a pool never points to one that does not exist.
    pub(super) async fn write(&self, rendered: &Rendered) -> Result<(), Error> {
        let config = &rendered.config;
        let name = config.metadata.name.as_deref().unwrap_or_default();
        match self.context.cluster.configs.get(name) {
            None => self.create(rendered, name).await?,
            Some(found) => self.amend(&found, config, name).await?,
        }
        let before = self.pool.spec.configuration.as_ref();
        let same = before.is_some_and(|c| c.name() == name && c.source.as_deref() == Some(rendered.source.as_slice()));
        if !same {
            let configuration = json!({"name": name, "source": rendered.source});
            let mut patch = json!({"spec": {"configuration": configuration}});
            let pool = PoolView::new(self.pool);
            if pool.target != Some(name) {
                let settle = SignedDuration::try_from(self.context.settle).unwrap_or(SignedDuration::MAX);
                patch["metadata"] = json!({"annotations": dated(&pool, settle, self.context.clock.now())});
            }
            let _alone = self.context.cluster.targets.write().await;
            patch::merge(&self.context.client, &self.context.cluster.pools, self.name(), &patch).await?;
            tracing::info!(pool = self.name(), config = name, sources = rendered.source.len(), "rendered");
            let step = "Sync Machine Config Pool with new MC";
            self.context.cluster.steps.took(SUB_CONTROLLER, step, self.name(), self.context.clock.now());
        }
        Ok(())
    }

    async fn create(&self, rendered: &Rendered, name: &str) -> Result<(), Error> {
        if !patch::create(&self.context.client, &self.context.cluster.configs, &rendered.config).await? {
            return Ok(());
        }
        if rendered.overridden {
            let image = rendered.config.spec.os_image_url.as_deref().unwrap_or_default();
            let was = &rendered.base_os_image;
            let text = format!("OSImageURL was overridden via machineconfig in {name} (was: {was} is: {image})");
            self.recorder.record(&rendered.config, &Event::normal("OSImageURLOverridden", text)).await;
        }
        let mark = |key| Annotations::of(&rendered.config.metadata).get(key).unwrap_or_default();
        let text = format!(
            "{name} successfully generated (release version: {}, controller version: {})",
            mark(RELEASE_IMAGE_VERSION),
            mark(GENERATED_BY_CONTROLLER_VERSION),
        );
        self.recorder.record(self.pool, &Event::normal("RenderedConfigGenerated", text)).await;
        Ok(())
    }

    async fn amend(&self, found: &MachineConfig, wanted: &MachineConfig, name: &str) -> Result<(), Error> {
        let Some(change) = amendment(found, wanted) else { return Ok(()) };
        patch::merge(&self.context.client, &self.context.cluster.configs, name, &change).await?;
        tracing::info!(config = name, spec = !change["spec"].is_null(), "rendered configuration put right");
        Ok(())
    }

    /// Reports the result of rendering, and the notices, in the pool's conditions.
    pub(super) async fn say(&self, status: ConditionStatus, reason: &str, message: &str) -> Result<(), Error> {
        // Another controller writes other conditions of the same list, so the patch applies only to the version that was read.
        let Some(pool) = self.context.cluster.pools.get(self.name()) else { return Ok(()) };
        let mut conditions = pool.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        let (said, now) = (Said { type_: RENDER_DEGRADED, status, reason, message }, self.context.clock.now());
        let changed = set_condition(&mut conditions, said, now);
        if !(set_notices(&mut conditions, self.notices, now) || changed) {
            return Ok(());
        }
        let version: Value = pool.metadata.resource_version.clone().into();
        let patch = json!({"metadata": {"resourceVersion": version}, "status": {"conditions": conditions}});
        patch::merge_status(&self.context.client, &self.context.cluster.pools, self.name(), &patch).await
    }
}
