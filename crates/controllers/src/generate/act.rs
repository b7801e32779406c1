//! Writes the generated MachineConfigs, and reports on the objects they come from.

use crate::{Context, last_said::LastSaid};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use weir_api::{
    Class, ControllerConfig,
    controller_config::ControllerConfigStatus,
    keys::{
        config::ADOPTED_FROM,
        names::{CLUSTER, CONTROLLER_CONFIG},
    },
};
use weir_kubeio::{Error, Event, drive::chain, patch};
use weir_rules::{
    objects::edit::edit,
    template::status::{Progress, status},
    world::generated::{
        authority::{Authority, told},
        plan::{Decision, Part, Status, Subject, Write},
        refused::refused,
    },
};

/// Component names in events, as in the reference.
const KUBELETS: &str = "machineconfigcontroller-kubeletconfigcontroller";
const RUNTIMES: &str = "machineconfigcontroller-containerruntimeconfigcontroller";
/// Reasons of events.
const FAILED: &str = "GenerationFailed";
const NOTICED: &str = "GenerationNotice";

/// Objects whose writes the API server refused, and why.
pub(super) type Refused = Vec<(Subject, String)>;

/// Writes for one pass.
pub(super) struct Writer<'a> {
    pub(super) context: &'a Context,
    /// The ControllerConfig that everything is generated from.
    pub(super) config: &'a ControllerConfig,
    pub(super) last_said: &'a LastSaid,
}

impl Writer<'_> {
    /// Writes everything. A permanent refusal by the API server does not stop the other objects.
    pub(super) async fn act(&self, decision: &Decision) -> Result<Refused, Error> {
        let (Decision::Write(parts) | Decision::Adopt(parts)) = decision else { return Ok(Vec::new()) };
        let mut refused = Vec::new();
        if parts.iter().any(Part::changes_configs) {
            self.say(Progress::Running).await?;
        }
        for part in parts {
            match self.part(part).await {
                Ok(()) => {}
                Err(error) if error.class() == Class::Permanent && !error.is_conflict() => {
                    refused.push((part.subject.clone(), chain(&error)));
                }
                Err(error) => return Err(error),
            }
        }
        if matches!(decision, Decision::Adopt(_)) {
            let build = &self.context.build.hash;
            let change = json!({"metadata": {"annotations": {ADOPTED_FROM: build}}});
            let configs = &self.context.cluster.controller_configs;
            patch::merge(&self.context.client, configs, CONTROLLER_CONFIG, &change).await?;
            tracing::info!(build, "what is generated is weir's from now on");
        }
        Ok(refused)
    }

    async fn part(&self, part: &Part) -> Result<(), Error> {
        let (client, configs) = (&self.context.client, &self.context.cluster.configs);
        if let Some(change) = &part.before {
            self.mark(&part.subject, change).await?;
        }
        for write in &part.writes {
            match write {
                Write::Create(config) => _ = patch::create(client, configs, &**config).await?,
                Write::Edit { name, patch } => patch::edit(client, configs, name, patch).await?,
            }
            tracing::info!(name = write.name(), of = %part.subject, "generated");
        }
        for name in &part.deletes {
            patch::delete(client, configs, None, name).await?;
            tracing::info!(name, of = %part.subject, "deleted a generated MachineConfig that is not wanted any more");
        }
        if let Some(change) = &part.after {
            self.mark(&part.subject, change).await?;
        }
        for status in &part.statuses {
            self.status(status).await?;
        }
        Ok(())
    }

    /// Changes the metadata of a KubeletConfig or ContainerRuntimeConfig.
    async fn mark(&self, subject: &Subject, change: &serde_json::Value) -> Result<(), Error> {
        let (client, cluster) = (&self.context.client, &self.context.cluster);
        match subject {
            Subject::KubeletConfig(name) => patch::merge(client, &cluster.kubelets, name, change).await,
            Subject::ContainerRuntimeConfig(name) => patch::merge(client, &cluster.runtimes, name, change).await,
            _ => Ok(()),
        }
    }

    async fn status(&self, Status { of, status }: &Status) -> Result<(), Error> {
        let (client, cluster) = (&self.context.client, &self.context.cluster);
        let set = json!([{"op": "add", "path": "/status", "value": status}]);
        match of {
            Subject::KubeletConfig(name) => patch::edit_status(client, &cluster.kubelets, name, &set).await,
            Subject::ContainerRuntimeConfig(name) => patch::edit_status(client, &cluster.runtimes, name, &set).await,
            Subject::CredentialProviders => {
                patch::edit_status(client, &cluster.generators.credential_providers, CLUSTER, &set).await
            }
            Subject::ClusterImagePolicy(name) => {
                patch::edit_status(client, &cluster.generators.cluster_policies, name, &set).await
            }
            Subject::ImagePolicy { namespace, name } => {
                patch::edit_status_in(client, &cluster.generators.policies, namespace, name, &set).await
            }
            Subject::ControllerConfig
            | Subject::NodeConfig
            | Subject::FeatureGate
            | Subject::Pool(_)
            | Subject::Image => Ok(()),
        }
    }

    /// Reports progress on the ControllerConfig, and problems once on each object.
    pub(super) async fn report(&self, decision: &Decision, done: Result<&Refused, &Error>) -> Result<(), Error> {
        match decision {
            Decision::Fail(why) => self.say(Progress::Failing(why)).await?,
            Decision::Leave(_) => {}
            Decision::Write(_) | Decision::Adopt(_) if done.is_ok() => self.say(Progress::Completed).await?,
            Decision::Write(_) | Decision::Adopt(_) => {}
        }
        if done.is_ok() {
            self.say_whose(decision).await?;
        }
        if let Ok(rejected) = done {
            self.share(decision, rejected);
        }
        let mut subjects = BTreeSet::new();
        let (Decision::Write(parts) | Decision::Adopt(parts)) = decision else { return Ok(()) };
        let refused = done.map(Vec::as_slice).unwrap_or_default();
        for part in parts {
            let refused = refused.iter().find(|(subject, _)| *subject == part.subject).map(|(_, why)| why);
            let failed = part.error.iter().chain(refused).map(|text| (FAILED, text));
            for (reason, text) in failed.chain(part.warnings.iter().map(|text| (NOTICED, text))) {
                let subject = format!("{} {reason} {text}", part.subject);
                if self.last_said.is_new(&subject, text) {
                    tracing::warn!(of = %part.subject, text, "generating");
                    self.tell(&part.subject, &Event::warning(reason, text.clone())).await;
                }
                subjects.insert(subject);
            }
        }
        self.last_said.retain(|subject| subjects.contains(subject));
        Ok(())
    }

    /// Has the pools say what could not be generated. While the templates fail, what was found before still holds.
    fn share(&self, decision: &Decision, rejected: &Refused) {
        let cluster = &self.context.cluster;
        let said = match decision {
            Decision::Fail(_) => return,
            Decision::Leave(_) => BTreeMap::new(),
            Decision::Write(parts) | Decision::Adopt(parts) => {
                let pools = cluster.pools.all();
                refused(parts, rejected, &pools.iter().map(AsRef::as_ref).collect::<Vec<_>>())
            }
        };
        cluster.refused.change(|before| *before = said);
    }

    /// Writes the status for the ControllerConfig as it was read; later changes by others are kept.
    async fn say(&self, progress: Progress<'_>) -> Result<(), Error> {
        let (context, configs) = (self.context, &self.context.cluster.controller_configs);
        let now = context.clock.now();
        let Some(live) = configs.get(CONTROLLER_CONFIG) else { return Ok(()) };
        let read = ControllerConfig { status: live.status.clone(), ..self.config.clone() };
        self.write(&live, status(&read, progress, &context.build.raw, now)).await
    }

    async fn write(&self, live: &ControllerConfig, status: Option<ControllerConfigStatus>) -> Result<(), Error> {
        let fields = status.map(|status| ("/status".to_owned(), json!(status)));
        let Some(change) = edit(&live.metadata, fields.into_iter().collect()) else { return Ok(()) };
        let configs = &self.context.cluster.controller_configs;
        patch::edit_status(&self.context.client, configs, CONTROLLER_CONFIG, &change).await
    }

    /// Says on the ControllerConfig who generates, if another operator generated before.
    async fn say_whose(&self, decision: &Decision) -> Result<(), Error> {
        let (context, configs) = (self.context, &self.context.cluster.controller_configs);
        let authority = match decision {
            Decision::Leave(obstacles) => Authority::Theirs(obstacles.clone()),
            Decision::Adopt(_) => Authority::Adopts,
            Decision::Fail(_) | Decision::Write(_) => Authority::Ours,
        };
        let Some(live) = configs.get(CONTROLLER_CONFIG) else { return Ok(()) };
        self.write(&live, told(&live, &authority, context.clock.now())).await
    }

    async fn tell(&self, subject: &Subject, event: &Event) {
        let cluster = &self.context.cluster;
        match subject {
            Subject::KubeletConfig(name) => self.record(KUBELETS, cluster.kubelets.get(name), event).await,
            Subject::NodeConfig => self.record(KUBELETS, cluster.generators.node_configs.get(CLUSTER), event).await,
            Subject::FeatureGate => self.record(KUBELETS, cluster.gates.get(CLUSTER), event).await,
            Subject::Pool(name) => self.record(KUBELETS, cluster.pools.get(name), event).await,
            Subject::ContainerRuntimeConfig(name) => self.record(RUNTIMES, cluster.runtimes.get(name), event).await,
            Subject::Image => self.record(RUNTIMES, cluster.access.image.get(CLUSTER), event).await,
            Subject::CredentialProviders => {
                self.record(RUNTIMES, cluster.generators.credential_providers.get(CLUSTER), event).await;
            }
            // Their conditions say it.
            Subject::ControllerConfig | Subject::ClusterImagePolicy(_) | Subject::ImagePolicy { .. } => {}
        }
    }

    async fn record<K: kube::Resource<DynamicType = ()>>(
        &self,
        component: &'static str,
        about: Option<Arc<K>>,
        event: &Event,
    ) {
        if let Some(about) = about {
            self.context.recorder(component).record(&*about, event).await;
        }
    }
}
