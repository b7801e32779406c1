//! Keeps the ControllerConfig of a real cluster, and what goes with it.

use super::{Controller, observe::Observed};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use weir_api::{
    ControllerConfig,
    keys::{
        config_maps::{API_SERVER_CA, KUBECONFIG_DATA, MERGED_REGISTRY_CA},
        names::{CONTROLLER_CONFIG, OPERATOR_NAMESPACE},
        namespaces::{CONFIG, CONFIG_MANAGED, MACHINE_API},
    },
};
use weir_kubeio::{Cache, Error, Event, drive::chain, patch};
use weir_rules::{
    operator::{
        controller_config::{ConfigChange, Marks, RenderConfig, change},
        registry_ca::{self, RegistryCaChange},
        server_ca::{Copy, ServerCaView, is_marked, server_ca},
        user_data,
    },
    render::carried_over::{Mark, mark},
    status::cluster_status::{Failure, Task},
};

/// ClusterOperator of the registry inside the cluster.
const REGISTRY_OPERATOR: &str = "image-registry";

impl Controller {
    /// That another build keeps the cluster, where one does.
    pub(super) fn other_build(&self) -> Option<Failure> {
        let error = self.context.kept_by_us().err()?;
        Some(Failure::Work { task: Task::RenderConfig, why: error.to_string() })
    }

    /// Says of the ControllerConfig that what another operator generated belongs to it, where nobody generates it anew.
    pub(super) async fn templates(&self, observed: &Observed) -> Result<(), Failure> {
        let Some(config) = observed.config().filter(|_| self.continues) else { return Ok(()) };
        let task = Task::MachineConfigController;
        let (api, cache) = (Api::all(self.context.client.clone()), &self.context.cluster.controller_configs);
        let written = match mark(config).map_err(|outdated| Failure::Work { task, why: outdated.to_string() })? {
            None => return Ok(()),
            Some(Mark::Note(change)) => patch::merge(&api, cache, CONTROLLER_CONFIG, &change).await,
            Some(Mark::Complete(change)) => patch::merge_status(&api, cache, CONTROLLER_CONFIG, &change).await,
        };
        tracing::info!("what is generated belongs to the ControllerConfig");
        written.map_err(|error| not_kept(task, &error))
    }

    /// The first object of a real cluster that is not known, or not understood.
    pub(super) fn unreadable(&self) -> Option<Failure> {
        let why = match (self.sources.unseen(), self.sources.broken()) {
            (Some((what, Some(why))), _) => format!("{what} cannot be watched: {why}"),
            (_, Some((what, why))) => format!("{what} cannot be read: {why}; mend it"),
            _ => return None,
        };
        Some(Failure::Work { task: Task::RenderConfig, why })
    }

    /// What the objects of a real cluster come to; nothing where there is none, or while it is not known whether there
    /// are streams.
    pub(super) fn rendered(&self, observed: &Observed) -> Result<Option<RenderConfig>, Failure> {
        if let Some(failure) = self.unreadable() {
            return Err(failure);
        }
        let Some(streams) = observed.streams_on() else {
            return Ok(None);
        };
        let has_registry = self.operators.get(REGISTRY_OPERATOR).is_some();
        let rendered = self.sources.render(has_registry, streams, observed.version());
        rendered.map(Some).map_err(|error| Failure::Work { task: Task::RenderConfig, why: error.to_string() })
    }

    /// Tells once when certificates that the Image configuration names are not there.
    pub(super) async fn missing_ca(&self, rendered: &RenderConfig) {
        const SUBJECT: &str = "additionalTrustedCA";
        let Some(name) = &rendered.missing_ca else { return self.news.forget(SUBJECT) };
        let Some(image) = self.sources.image().filter(|_| self.news.is_new(SUBJECT, name)) else { return };
        let message = format!(
            "ConfigMap {CONFIG}/{name}, which spec.{SUBJECT} names, is not there: nodes trust no certificates from it; \
             create it, or clear the field"
        );
        tracing::warn!(name, "certificates that Image cluster names are not there");
        self.recorder.record(&*image, &Event::warning("TrustedCANotFound", message)).await;
    }

    /// Publishes the registries' certificates.
    pub(super) async fn registry_ca(&self, rendered: &RenderConfig) -> Result<(), Failure> {
        let (live, cache) = self.sources.map(CONFIG_MANAGED, MERGED_REGISTRY_CA);
        let written = match registry_ca::change(live.as_deref(), &rendered.registry_ca) {
            None => return Ok(()),
            Some(RegistryCaChange::Create(map)) => self.create_map(&cache, &map).await,
            Some(RegistryCaChange::Patch(change)) => {
                let api: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), CONFIG_MANAGED);
                patch::merge(&api, &cache, MERGED_REGISTRY_CA, &change).await
            }
        };
        written.map_err(|error| not_kept(Task::RenderConfig, &error))
    }

    /// Tells new machines of every pool where they get their configuration.
    pub(super) async fn user_data(&self, rendered: &RenderConfig) -> Result<(), Failure> {
        if !self.sources.has_machine_api() {
            return Ok(());
        }
        for pool in self.context.cluster.pools.all().iter().filter(|pool| pool.metadata.deletion_timestamp.is_none()) {
            let wanted = user_data::user_data(pool, &rendered.server, &rendered.spec.root_ca_data);
            let written = self.write_user_data(&wanted).await;
            written.map_err(|error| not_kept(Task::MachineConfigPools, &error))?;
        }
        Ok(())
    }

    async fn write_user_data(&self, wanted: &Secret) -> Result<(), Error> {
        let (cache, name) = (&self.sources.user_data, wanted.metadata.name.as_deref().unwrap_or_default());
        let api: Api<Secret> = Api::namespaced(self.context.client.clone(), MACHINE_API);
        let live = cache.get_in(MACHINE_API, name);
        let Some(change) = user_data::change(live.as_deref(), wanted) else { return Ok(()) };
        // One without the label is there and not seen.
        if live.is_none() && patch::create(&api, cache, wanted).await? {
            tracing::info!(name, "user-data made");
            return Ok(());
        }
        patch::merge(&api, cache, name, &change).await?;
        tracing::info!(name, "user-data brought in line");
        Ok(())
    }

    /// Brings the ControllerConfig in line, and the copy of the API server's CA before it; when to look again.
    pub(super) async fn controller_config(
        &self,
        rendered: &RenderConfig,
        observed: &Observed,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Failure> {
        let (source, _) = self.sources.map(CONFIG_MANAGED, API_SERVER_CA);
        let (held, cache) = self.sources.map(OPERATOR_NAMESPACE, KUBECONFIG_DATA);
        let live = observed.config();
        let since = {
            let mut memory = self.memory();
            if is_marked(live) {
                memory.marked.get_or_insert(now);
            }
            memory.marked
        };
        let view = ServerCaView { source: source.as_deref(), copy: held.as_deref(), config: live, since };
        let decided = server_ca(&view, now);
        let task = Task::MachineConfigController;
        if let Some(copy) = decided.copy {
            self.copy(&cache, copy).await.map_err(|error| not_kept(task, &error))?;
        }
        let build = &self.context.build.raw;
        let marks = Marks { build, release: observed.version(), rotated: decided.mark, told: decided.told.as_deref() };
        if let Some(change) = change(live, &rendered.spec, marks) {
            match self.write_config(change).await {
                // Another one was faster: what he wrote is looked at when it is seen.
                Err(error) if error.is_conflict() => return Ok(None),
                written => written.map_err(|error| not_kept(task, &error))?,
            }
        }
        let mut memory = self.memory();
        if decided.mark != is_marked(live) {
            memory.marked = Some(now);
        }
        Ok(decided.again)
    }

    async fn write_config(&self, change: ConfigChange) -> Result<(), Error> {
        let api: Api<ControllerConfig> = Api::all(self.context.client.clone());
        let cache = &self.context.cluster.controller_configs;
        match change {
            ConfigChange::Create(config) => {
                patch::create(&api, cache, &*config).await?;
                tracing::info!("ControllerConfig made");
            }
            ConfigChange::Edit(edit) => {
                if self.memory().vain.as_ref() == Some(&edit) {
                    return Ok(());
                }
                let version =
                    || cache.get(CONTROLLER_CONFIG).and_then(|config| config.metadata.resource_version.clone());
                let before = version();
                patch::edit(&api, cache, CONTROLLER_CONFIG, &edit).await?;
                let fields = edit.as_array().into_iter().flatten().skip(1);
                let fields: Vec<_> = fields.filter_map(|field| field["path"].as_str()).collect();
                let (fields, vain) = (fields.join(" "), version() == before);
                tracing::info!(fields, vain, "ControllerConfig brought in line");
                self.memory().vain = vain.then_some(edit);
            }
        }
        Ok(())
    }

    async fn copy(&self, cache: &Cache<ConfigMap>, copy: Copy) -> Result<(), Error> {
        match copy {
            Copy::Create(map) => self.create_map(cache, &map).await,
            Copy::Patch(change) => {
                let api: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), OPERATOR_NAMESPACE);
                patch::merge(&api, cache, KUBECONFIG_DATA, &change).await
            }
        }
    }

    async fn create_map(&self, cache: &Cache<ConfigMap>, map: &ConfigMap) -> Result<(), Error> {
        let namespace = map.metadata.namespace.as_deref().unwrap_or_default();
        let api: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), namespace);
        patch::create(&api, cache, map).await.map(drop)
    }
}

fn not_kept(task: Task, error: &Error) -> Failure {
    Failure::Work { task, why: format!("failed to keep {} {}: {}", error.kind, error.name, chain(error)) }
}
