//! Keeps the ControllerConfig: its annotations, and on an OpenShift all of it, together with the certificates that belong to it.

use super::{
    COMPONENT,
    findings::{Found, Part, not_kept},
};
use crate::{cluster::Watcher, last_said::LastSaid};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;
use weir_api::{
    ControllerConfig,
    keys::{
        config_maps::{API_SERVER_CA, KUBECONFIG_DATA, MERGED_REGISTRY_CA},
        names::{CONTROLLER_CONFIG, OPERATOR_NAMESPACE},
        namespaces::{CONFIG, CONFIG_MANAGED},
    },
};
use weir_kubeio::{Cache, Error, Event, Next, Recorder, drive::chain, patch};
use weir_rules::{
    operator::{
        controller_config::{ConfigChange, Marks, RenderConfig, change},
        marks::marks,
        registry_ca::{self, RegistryCaChange},
        server_ca::{Copy, ServerCa, ServerCaView, is_marked, server_ca},
    },
    render::carried_over::{Mark, mark},
    status::cluster_status::{Failure, Task},
};

/// Name of the task in failures to write the ControllerConfig.
const TASK: Task = Task::MachineConfigController;

/// The controller of the ControllerConfig.
#[derive(Debug)]
pub(super) struct Controller {
    part: Part,
    recorder: Recorder,
    last_said: LastSaid,
    memory: Mutex<Memory>,
}

/// What a pass remembers for the next one.
#[derive(Debug, Default)]
struct Memory {
    /// When the mark for a changed CA of the API server was last seen to be set or removed.
    marked: Option<Timestamp>,
    /// The last change of the ControllerConfig, if the API server dropped it: the kind's definition lacks a field that the
    /// cluster's objects have a value for.
    vain: Option<Value>,
}

/// What a pass has to do.
#[derive(Default)]
struct Plan {
    failed: Vec<Failure>,
    marks: Option<Value>,
    /// Declare it complete with what another operator generated, if nothing is generated here.
    templates: Option<Mark>,
    registry_ca: Option<RegistryCaChange>,
    config: Option<(ServerCa, Option<ConfigChange>)>,
    /// A missing ConfigMap with certificates that the Image configuration names.
    missing_ca: Option<String>,
}

impl Controller {
    pub(super) fn new(part: Part) -> Self {
        let recorder = part.context.recorder(COMPONENT);
        Self { part, recorder, last_said: LastSaid::default(), memory: Mutex::default() }
    }

    fn plan(&self, live: Option<&ControllerConfig>, now: Timestamp) -> Plan {
        let (context, version) = (&self.part.context, self.part.context.version());
        let marks = live.and_then(|config| marks(config, &context.build.raw, &version));
        let mut plan = Plan { marks, ..Plan::default() };
        if let Err(error) = context.kept_by_us() {
            plan.failed.push(Failure::Work { task: Task::RenderConfig, why: error.to_string() });
        } else if self.part.is_openshift() {
            match live.filter(|_| !context.generates()).map(mark).transpose() {
                Ok(mark) => plan.templates = mark.flatten(),
                Err(outdated) => plan.failed.push(Failure::Work { task: TASK, why: outdated.to_string() }),
            }
            match self.part.rendered() {
                Ok(Some(rendered)) => self.of_openshift(&mut plan, rendered, live, now),
                Ok(None) => {}
                Err(failure) => plan.failed.push(failure),
            }
        } else {
            // Without its Infrastructure, the kind of cluster is unknown.
            plan.failed.extend(self.part.unreadable());
        }
        plan
    }

    fn of_openshift(&self, plan: &mut Plan, wanted: RenderConfig, live: Option<&ControllerConfig>, now: Timestamp) {
        plan.registry_ca =
            registry_ca::change(self.map(CONFIG_MANAGED, MERGED_REGISTRY_CA).as_deref(), &wanted.registry_ca);
        let (source, copy) = (self.map(CONFIG_MANAGED, API_SERVER_CA), self.map(OPERATOR_NAMESPACE, KUBECONFIG_DATA));
        let since = {
            let mut memory = self.memory.lock();
            if is_marked(live) {
                memory.marked.get_or_insert(now);
            }
            memory.marked
        };
        let view = ServerCaView { source: source.as_deref(), copy: copy.as_deref(), config: live, since };
        let decided = server_ca(&view, now);
        let (build, release) = (&self.part.context.build.raw, &self.part.context.version());
        let marks = Marks { build, release, rotated: decided.mark, told: decided.told.as_deref() };
        let change = change(live, &wanted.spec, marks);
        plan.config = Some((decided, change));
        plan.missing_ca = wanted.missing_ca;
    }

    /// Does all of it; returns failures, and when to look again.
    async fn act(
        &self,
        plan: Plan,
        live: Option<&ControllerConfig>,
        now: Timestamp,
    ) -> (Vec<Failure>, Option<Timestamp>) {
        let (mut failed, mut again) = (plan.failed, None);
        let marked = self.mark(plan.marks).await.err();
        failed.extend(self.templates(plan.templates).await.err().map(|error| not_kept(TASK, &error)));
        failed.extend(self.registry_ca(plan.registry_ca).await.err().map(|error| not_kept(Task::RenderConfig, &error)));
        if let Some((decided, change)) = plan.config {
            let (mark, due) = (decided.mark, decided.again);
            match self.config(decided.copy, change).await {
                // Another writer was faster; the next pass sees its change.
                Err(error) if error.is_conflict() => {}
                Err(error) => failed.push(not_kept(TASK, &error)),
                Ok(()) => {
                    again = due;
                    if mark != is_marked(live) {
                        self.memory.lock().marked = Some(now);
                    }
                }
            }
        }
        failed.extend(marked.map(|error| {
            let why = format!("failed to mark {} {}: {}", error.kind, error.name, chain(&error));
            Failure::Work { task: TASK, why }
        }));
        (failed, again)
    }

    /// Writes this build's annotations to the ControllerConfig if weir made it.
    async fn mark(&self, change: Option<Value>) -> Result<(), Error> {
        let Some(change) = change else { return Ok(()) };
        patch::merge(self.client(), self.configs(), CONTROLLER_CONFIG, &change).await?;
        let build = &self.part.context.build.raw;
        tracing::info!(build, version = self.part.context.version(), "the ControllerConfig is of this build now");
        Ok(())
    }

    async fn templates(&self, mark: Option<Mark>) -> Result<(), Error> {
        match mark {
            None => return Ok(()),
            Some(Mark::Note(change)) => patch::merge(self.client(), self.configs(), CONTROLLER_CONFIG, &change).await?,
            Some(Mark::Complete(change)) => {
                patch::merge_status(self.client(), self.configs(), CONTROLLER_CONFIG, &change).await?;
            }
        }
        tracing::info!("what is generated belongs to the ControllerConfig");
        Ok(())
    }

    /// Publishes the registries' certificates.
    async fn registry_ca(&self, change: Option<RegistryCaChange>) -> Result<(), Error> {
        let cache = self.maps(CONFIG_MANAGED, MERGED_REGISTRY_CA);
        match change {
            None => Ok(()),
            Some(RegistryCaChange::Create(map)) => patch::create(self.client(), &cache, &map).await.map(drop),
            Some(RegistryCaChange::Patch(change)) => {
                patch::merge(self.client(), &cache, MERGED_REGISTRY_CA, &change).await
            }
        }
    }

    /// The copy of the API server's CA is written first.
    async fn config(&self, copy: Option<Copy>, change: Option<ConfigChange>) -> Result<(), Error> {
        let cache = self.maps(OPERATOR_NAMESPACE, KUBECONFIG_DATA);
        match copy {
            None => {}
            Some(Copy::Create(map)) => _ = patch::create(self.client(), &cache, &map).await?,
            Some(Copy::Patch(change)) => patch::merge(self.client(), &cache, KUBECONFIG_DATA, &change).await?,
        }
        match change {
            None => Ok(()),
            Some(ConfigChange::Create(config)) => {
                patch::create(self.client(), self.configs(), &*config).await?;
                tracing::info!("ControllerConfig made");
                Ok(())
            }
            Some(ConfigChange::Edit(edit)) => self.edit(edit).await,
        }
    }

    async fn edit(&self, edit: Value) -> Result<(), Error> {
        if self.memory.lock().vain.as_ref() == Some(&edit) {
            return Ok(());
        }
        let version =
            || self.configs().get(CONTROLLER_CONFIG).and_then(|config| config.metadata.resource_version.clone());
        let before = version();
        patch::edit(self.client(), self.configs(), CONTROLLER_CONFIG, &edit).await?;
        let fields = edit.as_array().into_iter().flatten().skip(1);
        let fields: Vec<_> = fields.filter_map(|field| field["path"].as_str()).collect();
        let (fields, vain) = (fields.join(" "), version() == before);
        tracing::info!(fields, vain, "ControllerConfig brought in line");
        self.memory.lock().vain = vain.then_some(edit);
        Ok(())
    }

    /// Records an event once if certificates that the Image configuration names do not exist.
    async fn report(&self, missing_ca: Option<&str>) {
        const SUBJECT: &str = "additionalTrustedCA";
        let Some(name) = missing_ca else { return self.last_said.forget(SUBJECT) };
        let image = self.part.context.cluster.sources.image();
        let Some(image) = image.filter(|_| self.last_said.is_new(SUBJECT, name)) else { return };
        let message = format!(
            "ConfigMap {CONFIG}/{name}, which spec.{SUBJECT} names, is not there: nodes trust no certificates from it; \
             create it, or clear the field"
        );
        tracing::warn!(name, "certificates that Image cluster names are not there");
        self.recorder.record(&*image, &Event::warning("TrustedCANotFound", message)).await;
    }

    fn client(&self) -> &Client {
        &self.part.context.client
    }

    fn configs(&self) -> &Cache<ControllerConfig> {
        &self.part.context.cluster.controller_configs
    }

    fn maps(&self, namespace: &str, name: &str) -> Cache<ConfigMap> {
        self.part.context.cluster.sources.map(namespace, name)
    }

    fn map(&self, namespace: &str, name: &str) -> Option<Arc<ConfigMap>> {
        self.maps(namespace, name).get_in(namespace, name)
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "controller_config";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        self.part.wakes(Watcher::TELL_CLUSTER)
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        if !self.part.has_seen_cluster() {
            return Ok(Next::Await);
        }
        let (live, now) = (self.configs().get(CONTROLLER_CONFIG), self.part.context.clock.now());
        let plan = self.plan(live.as_deref(), now);
        let missing_ca = plan.missing_ca.clone();
        let (failed, again) = self.act(plan, live.as_deref(), now).await;
        self.report(missing_ca.as_deref()).await;
        Ok(self.part.found(Found { failed, waits: None }, again, now))
    }
}
