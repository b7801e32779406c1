//! Writes MachineOSBuilds, MachineOSConfigs, and what the pool says of them.

use super::Stopped;
use crate::Context;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use weir_api::{
    MachineOSBuild, MachineOSConfig,
    keys::{
        build::{CURRENT_BUILD, PRE_BUILT_IMAGE, REBUILD},
        names::OPERATOR_NAMESPACE,
        pool::IMAGE_BUILD_DEGRADED,
    },
    kind::MACHINE_CONFIG_GROUP,
};
use weir_kubeio::{Error, Event, Recorder, error::optional, patch};
use weir_rules::{
    build::{
        conditions::{State, conditions},
        identity::Made,
        logins::{NoSecret, logins},
        pool::ImageBuild,
        progress::lasted,
        seed,
        told::{About, JobStep, Told},
    },
    objects::conditions::{Said, set_condition},
    view::{Annotations, PoolView},
};

/// The finalizer for what depends on a build. Its Job is deleted with it, so whoever deletes a build takes it away.
const FOREGROUND: &str = "foregroundDeletion";

/// The pull spec by digest, or what went wrong.
pub(super) type Outcome = Result<String, String>;

pub(super) struct Writer<'a> {
    pub(super) context: &'a Context,
    pub(super) recorder: &'a Recorder,
}

impl Writer<'_> {
    /// A Secret of the operator's namespace that can log in to registries.
    pub(super) async fn secret(&self, name: &str) -> Result<Secret, Stopped> {
        let api: Api<Secret> = Api::namespaced(self.context.client.clone(), OPERATOR_NAMESPACE);
        let found = optional(api.get(name).await).map_err(|source| Error::new::<Secret>("reading", name, source))?;
        let missing = || Stopped::Refused(NoSecret { name: name.to_owned() }.to_string());
        let secret = found.ok_or_else(missing)?;
        match logins(&secret) {
            Ok(_) => Ok(secret),
            Err(error) => Err(Stopped::Refused(error.to_string())),
        }
    }

    /// Makes a build, which nobody works on yet, and makes it the one in effect.
    pub(super) async fn begin(&self, config: &MachineOSConfig, target: &MachineOSBuild) -> Result<(), Error> {
        let pool = config.spec.machine_config_pool.name.clone();
        let created = patch::create(&self.context.client, &self.context.cluster.os_builds, target).await?;
        if created {
            let rendered = target.spec.machine_config.name.clone();
            self.tell(target, &Told::Started { pool: pool.clone(), config: rendered }).await;
            self.tell(target, &Told::Preparing { pool }).await;
        }
        let name = target.name_any();
        let job = Made::Job.name(&name);
        let job = json!({"group": "batch", "resource": "jobs", "namespace": OPERATOR_NAMESPACE, "name": job});
        let builder = json!({"imageBuilderType": "Job", "job": job});
        self.first_status(created, &name, State::Prepared, json!({"buildStart": self.now(), "builder": builder}))
            .await?;
        self.name(config, &name).await
    }

    /// Says that a build's Job is prepared or runs; `detail` is what else there is to say.
    pub(super) async fn under_way(
        &self,
        build: &MachineOSBuild,
        state: State,
        detail: Option<&str>,
    ) -> Result<(), Error> {
        let name = build.name_any();
        let Some(now) = self.context.cluster.os_builds.get(&name) else { return Ok(()) };
        if State::of(&now).is_final() {
            return Ok(());
        }
        let before = now.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let said = conditions(before, state, detail, self.context.clock.now());
        if said == before {
            return Ok(());
        }
        self.write_status(&name, &json!({ "conditions": said })).await?;
        if state == State::Building && State::of(&now) != State::Building {
            self.tell(build, &Told::Job(JobStep::Started, Made::Job.name(&name))).await;
            self.tell(build, &Told::Building).await;
        }
        Ok(())
    }

    /// Says that a build was interrupted.
    pub(super) async fn interrupted(&self, build: &MachineOSBuild, why: &str) -> Result<(), Error> {
        if State::of(build).is_final() {
            return Ok(());
        }
        let name = build.name_any();
        self.status(&name, State::Interrupted, Some(why), &self.times_of(build)).await?;
        tracing::warn!(build = name, why, "the image is not built");
        self.tell(build, &Told::Job(JobStep::Deleted, Made::Job.name(&name))).await;
        self.tell(build, &Told::Interrupted { why: "build job was deleted".to_owned() }).await;
        Ok(())
    }

    /// Says how a build ended.
    pub(super) async fn ended(&self, build: &MachineOSBuild, outcome: &Outcome) -> Result<(), Error> {
        if State::of(build).is_final() {
            return Ok(());
        }
        let (name, pool) = (build.name_any(), pool_of(build));
        let mut fields = self.times_of(build);
        match outcome {
            Ok(image) => {
                fields["digestedImagePushSpec"] = json!(image);
                self.status(&name, State::Succeeded, None, &fields).await?;
                self.tell(build, &Told::Job(JobStep::Completed, Made::Job.name(&name))).await;
                self.tell(build, &Told::Completed { image: image.clone() }).await;
                if self.is_degraded(&pool) {
                    self.tell(build, &Told::Recovered { pool }).await;
                }
            }
            Err(why) => {
                self.status(&name, State::Failed, Some(why), &fields).await?;
                tracing::warn!(build = name, why, "the image could not be built");
                self.tell(build, &Told::Failed { build: name, why: why.clone() }).await;
                self.tell(build, &Told::Degraded { pool: pool.clone() }).await;
            }
        }
        Ok(())
    }

    /// Makes a build that stands for an image which is there.
    pub(super) async fn use_again(
        &self,
        config: &MachineOSConfig,
        target: &MachineOSBuild,
        image: &str,
    ) -> Result<(), Error> {
        let created = patch::create(&self.context.client, &self.context.cluster.os_builds, target).await?;
        let name = target.name_any();
        self.first_status(created, &name, State::Succeeded, json!({"digestedImagePushSpec": image})).await?;
        tracing::info!(build = name, image, "the image in effect is used again: only files and units change");
        self.name(config, &name).await
    }

    /// Takes in an image that was brought along.
    pub(super) async fn seed(&self, config: &MachineOSConfig, build: &MachineOSBuild) -> Result<(), Error> {
        patch::create(&self.context.client, &self.context.cluster.os_builds, build).await?;
        let (name, status) = (build.name_any(), build.status.clone().unwrap_or_default());
        let now = self.context.cluster.os_builds.get(&name);
        if now.is_some_and(|now| !State::of(&now).is_final()) {
            self.write_status(&name, &json!(status)).await?;
        }
        let image = status.digested_image_push_spec.unwrap_or_default();
        let before = config.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let said = seed::conditions(before, &image, self.context.clock.now());
        self.os_config_status(config, &name, &image, &json!({ "conditions": said })).await?;
        self.name(config, &name).await
    }

    /// Takes away the annotation of an image that was taken in.
    pub(super) async fn taken_in(&self, config: &MachineOSConfig) -> Result<(), Error> {
        self.annotate(config, &json!({PRE_BUILT_IMAGE: null})).await
    }

    /// Makes a build the one in effect, and its image the one that nodes are told, if it has one.
    pub(super) async fn adopt(&self, config: &MachineOSConfig, build: &MachineOSBuild) -> Result<(), Error> {
        let (name, status) = (build.name_any(), build.status.as_ref());
        self.name(config, &name).await?;
        match status.and_then(|status| status.digested_image_push_spec.as_deref()).filter(|image| !image.is_empty()) {
            Some(image) => self.os_config_status(config, &name, image, &json!({})).await,
            None => Ok(()),
        }
    }

    /// Names the build in effect; whoever asked for a new one has it.
    async fn name(&self, config: &MachineOSConfig, build: &str) -> Result<(), Error> {
        let marks = Annotations::of(&config.metadata);
        if marks.get(CURRENT_BUILD) == Some(build) && !marks.has(REBUILD) {
            return Ok(());
        }
        self.annotate(config, &json!({CURRENT_BUILD: build, REBUILD: null})).await
    }

    async fn annotate(&self, config: &MachineOSConfig, annotations: &Value) -> Result<(), Error> {
        let patch = json!({"metadata": {"annotations": annotations}});
        patch::merge(&self.context.client, &self.context.cluster.os_configs, &config.name_any(), &patch).await
    }

    async fn os_config_status(
        &self,
        config: &MachineOSConfig,
        build: &str,
        image: &str,
        more: &Value,
    ) -> Result<(), Error> {
        let reference = json!({"group": MACHINE_CONFIG_GROUP, "resource": "machineosbuilds", "name": build});
        let mut status = json!({
            "observedGeneration": config.metadata.generation, "currentImagePullSpec": image, "machineOSBuild": reference,
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            status[key] = value.clone();
        }
        let (client, cache) = (&self.context.client, &self.context.cluster.os_configs);
        tracing::info!(config = config.name_any(), build, image, "its nodes are to run the image");
        patch::merge_status(client, cache, &config.name_any(), &json!({ "status": status })).await
    }

    /// Deletes a build, and lets it go.
    pub(super) async fn delete(&self, build: &MachineOSBuild) -> Result<(), Error> {
        let (client, cache, name) = (&self.context.client, &self.context.cluster.os_builds, build.name_any());
        if build.metadata.deletion_timestamp.is_none() {
            patch::delete(client, cache, None, &name).await?;
            self.tell(build, &Told::Deleted).await;
        }
        self.delete_job(build).await?;
        let kept: Vec<&String> = build.finalizers().iter().filter(|name| *name != FOREGROUND).collect();
        if kept.len() == build.finalizers().len() {
            return Ok(());
        }
        match patch::merge(client, cache, &name, &json!({"metadata": {"finalizers": kept}})).await {
            Err(error) if error.is_not_found() => Ok(()),
            written => written,
        }
    }

    /// The first status of a build that this process `created` a moment ago: what is cached may be of an earlier one of its name.
    async fn first_status(&self, created: bool, build: &str, state: State, mut fields: Value) -> Result<(), Error> {
        if !created {
            return self.status(build, state, None, &fields).await;
        }
        fields["conditions"] = json!(conditions(&[], state, None, self.context.clock.now()));
        self.write_status(build, &fields).await
    }

    async fn status(&self, build: &str, state: State, detail: Option<&str>, fields: &Value) -> Result<(), Error> {
        let Some(now) = self.context.cluster.os_builds.get(build) else { return Ok(()) };
        let before = now.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        if !State::of(&now).may_become(state, before.is_empty()) {
            return Ok(());
        }
        let mut status = fields.clone();
        status["conditions"] = json!(conditions(before, state, detail, self.context.clock.now()));
        if now.status.as_ref().is_some_and(|status| status.build_start.is_some()) {
            status.as_object_mut().map(|fields| fields.remove("buildStart"));
        }
        self.write_status(build, &status).await
    }

    async fn write_status(&self, build: &str, status: &Value) -> Result<(), Error> {
        let (client, cache) = (&self.context.client, &self.context.cluster.os_builds);
        patch::merge_status(client, cache, build, &json!({ "status": status })).await
    }

    fn now(&self) -> String {
        second(self.context.clock.now())
    }

    fn times_of(&self, build: &MachineOSBuild) -> Value {
        let (start, end) = lasted(build, self.context.clock.now());
        json!({"buildStart": second(start), "buildEnd": second(end)})
    }

    fn is_degraded(&self, pool: &str) -> bool {
        let pool = self.context.cluster.pools.get(pool);
        pool.is_some_and(|pool| PoolView::new(&pool).says(IMAGE_BUILD_DEGRADED).is_some())
    }

    pub(super) async fn say(&self, said: &ImageBuild) -> Result<(), Error> {
        let (ImageBuild::Succeeded { pool: name }
        | ImageBuild::Building { pool: name }
        | ImageBuild::NotStarting { pool: name, .. }
        | ImageBuild::Failed { pool: name, .. }
        | ImageBuild::Refused { pool: name, .. }) = said;
        // Another controller writes other conditions into the same list: the patch holds for what was read, or not at all.
        let Some(pool) = self.context.cluster.pools.get(name) else { return Ok(()) };
        let mut conditions = pool.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        let message = said.to_string();
        let condition = Said { type_: ImageBuild::TYPE, status: said.status(), reason: said.code(), message: &message };
        if !set_condition(&mut conditions, condition, self.context.clock.now()) {
            return Ok(());
        }
        let version: Value = pool.metadata.resource_version.clone().into();
        let patch = json!({"metadata": {"resourceVersion": version}, "status": {"conditions": conditions}});
        patch::merge_status(&self.context.client, &self.context.cluster.pools, name, &patch).await
    }

    /// An event on what it is about.
    pub(super) async fn tell(&self, build: &MachineOSBuild, told: &Told) {
        let event = Event { warning: told.is_warning(), reason: told.code().to_owned(), message: told.to_string() };
        let cluster = &self.context.cluster;
        match told.about() {
            About::Build => self.recorder.record(build, &event).await,
            About::Config => {
                if let Some(config) = cluster.os_configs.get(&build.spec.machine_os_config.name) {
                    self.recorder.record(&*config, &event).await;
                }
            }
            About::Pool => {
                if let Some(pool) = cluster.pools.get(&pool_of(build)) {
                    self.recorder.record(&*pool, &event).await;
                }
            }
        }
    }
}

/// The pool that a build is for.
fn pool_of(build: &MachineOSBuild) -> String {
    build.labels().get(weir_api::keys::build::TARGET_POOL).cloned().unwrap_or_default()
}

/// Kubernetes writes times in whole seconds.
fn second(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
