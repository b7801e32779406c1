//! Makes the Job of a build with what it reads, and follows how far it is.

use super::{AGAIN, Controller, Stopped, act::Writer};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        batch::v1::Job,
        core::v1::{ConfigMap, Event, Pod, Secret},
        rbac::v1::{Role, RoleBinding},
    },
};
use kube::{
    Api, Resource, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use std::fmt::Debug;
use weir_api::{
    MachineOSBuild, MachineOSConfig,
    condition::TRUE,
    keys::{
        build::{JOB_UID, PUSH_SECRET},
        config_maps,
        names::{CONTROLLER_CONFIG, OPERATOR_NAMESPACE},
        os_build::{BUILDING, PREPARED},
        secrets::PULL_COPY,
    },
};
use weir_kubeio::{Error, Next, error::optional, patch};
use weir_rules::{
    build::{
        conditions::State,
        identity::Made,
        inputs::{Given, Inputs, for_digest, inputs, is_of},
        job::{JOB_NAME, Optional, PodImages, Wanted, job, of_job, release_image, role},
        outcome::{causes, check, failure, first_of, image, interrupted, pending_of, still_building, still_prepared},
        pending::{lacks_pod, pending, refused},
        progress::{is_own, progress},
        ready::Ready,
        told::{JobStep, Told},
    },
    view::Annotations,
};

/// Secrets of a build.
pub(super) struct Logins {
    /// Absent when who runs the Job pulls as the cluster does.
    pull: Option<Secret>,
    push: Secret,
}

impl Controller {
    /// The Secrets that a build for this MachineOSConfig gets copies of.
    pub(super) async fn logins(&self, config: &MachineOSConfig) -> Result<Logins, Stopped> {
        let writer = self.writer();
        let named = config.spec.base_image_pull_secret.as_ref().map(|named| named.name.as_str());
        let pull = match named.filter(|name| !name.is_empty()) {
            Some(name) => Some(writer.secret(name).await?),
            None if self.settings.worker.pulls_as_the_cluster() => None,
            None => Some(writer.secret(PULL_COPY).await?),
        };
        Ok(Logins { pull, push: writer.secret(&config.spec.rendered_image_push_secret.name).await? })
    }

    /// Brings the Job of a build that is wanted on its way, and says how far it is.
    pub(super) async fn go_on(
        &self,
        config: &MachineOSConfig,
        found: &Ready,
        build: &MachineOSBuild,
    ) -> Result<Next, Stopped> {
        let name = Made::Job.name(&build.name_any());
        let kept = Annotations::of(&build.metadata).filled(JOB_UID);
        let Some(job) = self.job(&name) else {
            if kept.is_none() {
                self.make(config, found, build).await?;
            } else if self.live::<Job>(&name).await?.is_none() {
                let why = interrupted(&name, &config.name_any());
                self.writer().interrupted(build, &why).await?;
            }
            return Ok(Next::Await);
        };
        if !is_of(&job.metadata, build, None) {
            // It was made for an earlier build of the name, and its end is waited for.
            let (client, jobs) = (&self.context.client, &self.context.cluster.builds.jobs);
            patch::delete_with_dependents(client, jobs, Some(OPERATOR_NAMESPACE), &name).await?;
            return Ok(Next::Await);
        }
        if !is_own(&job, kept) {
            self.own(build, &job).await?;
        }
        self.follow(found, build, &job).await
    }

    fn job(&self, name: &str) -> Option<std::sync::Arc<Job>> {
        self.context.cluster.builds.jobs.get_in(OPERATOR_NAMESPACE, name)
    }

    /// Makes what the build reads, and then its Job.
    async fn make(&self, config: &MachineOSConfig, found: &Ready, build: &MachineOSBuild) -> Result<(), Stopped> {
        let (logins, optional) = (self.logins(config).await?, self.optional(config).await?);
        let cluster = self.context.cluster.controller_configs.get(CONTROLLER_CONFIG);
        let given = Given {
            build,
            rendered: &found.rendered,
            containerfile: &found.containerfile,
            pull: logins.pull.as_ref(),
            push: &logins.push,
            cluster: cluster.as_deref(),
            optional,
        };
        let Inputs { config_maps, secrets } =
            inputs(&given).map_err(|refused| Stopped::Refused(refused.to_string()))?;
        if self.settings.program.is_empty() {
            let why = "the image that has weir is not known, from which the pods that build get the program: name it with --operator-image";
            return Err(Stopped::Refused(why.to_owned()));
        }
        let builder = self.builder_image().await?;
        let made: Vec<Made> =
            config_maps.iter().map(|(made, _)| *made).chain(secrets.iter().map(|(made, _)| *made)).collect();
        let wanted = Wanted {
            build,
            pool: &config.spec.machine_config_pool.name,
            base: &found.base.image,
            made: &made,
            optional,
            images: PodImages { program: &self.settings.program, builder: &builder },
            cluster: cluster.as_deref(),
        };
        let object = job(&wanted).map_err(|error| Stopped::Refused(format!("the Job cannot be written: {error}")))?;
        for (_, map) in &config_maps {
            self.replace(map, build).await?;
        }
        for (_, secret) in &secrets {
            self.replace(secret, build).await?;
        }
        self.replace(&for_digest(build), build).await?;
        let (client, jobs) = (&self.context.client, &self.context.cluster.builds.jobs);
        if patch::create(client, jobs, &object).await? {
            let name = object.name_any();
            tracing::info!(build = build.name_any(), job = name, "the Job is made");
            self.writer().tell(build, &Told::Job(JobStep::Created, name)).await;
        }
        match self.job(&object.name_any()) {
            Some(job) if is_of(&job.metadata, build, None) => Ok(self.own(build, &job).await?),
            _ => Ok(()),
        }
    }

    /// What the namespace has for packages.
    async fn optional(&self, config: &MachineOSConfig) -> Result<Optional, Error> {
        let entitlement = Optional::entitlement_of(&config.spec.machine_config_pool.name);
        Ok(Optional {
            entitlement: self.live::<Secret>(&entitlement).await?.is_some(),
            yum_repos: self.live::<ConfigMap>(Optional::YUM_REPOS).await?.is_some(),
            gpg_keys: self.live::<Secret>(Optional::GPG_KEYS).await?.is_some(),
        })
    }

    /// Pull spec of the image that has buildah.
    pub(super) async fn builder_image(&self) -> Result<String, Stopped> {
        if let Some(image) = &self.settings.builder {
            return Ok(image.clone());
        }
        let map = self.live::<ConfigMap>(config_maps::IMAGES).await?;
        release_image(map.as_ref()).map_err(|error| Stopped::Refused(error.to_string()))
    }

    /// What was made for a build goes with its Job from now on, and the pod may write its digest. That the build names its Job comes
    /// last: as long as it does not, all of this is done again.
    async fn own(&self, build: &MachineOSBuild, job: &Job) -> Result<(), Error> {
        let owners = json!({"metadata": {"ownerReferences": [of_job(job)]}});
        let pod = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
        let (volumes, name) = (pod.and_then(|pod| pod.volumes.as_deref()).unwrap_or_default(), build.name_any());
        for map in volumes.iter().filter_map(|volume| Some(&volume.config_map.as_ref()?.name)) {
            if map.ends_with(&name) {
                self.edit::<ConfigMap>(map, &owners).await?;
            }
        }
        for secret in volumes.iter().filter_map(|volume| volume.secret.as_ref()?.secret_name.as_ref()) {
            if secret.ends_with(&name) {
                self.edit::<Secret>(secret, &owners).await?;
            }
        }
        if let Ok((mut role, mut binding)) = role(build) {
            role.metadata.owner_references = Some(vec![of_job(job)]);
            binding.metadata.owner_references = Some(vec![of_job(job)]);
            self.apply::<Role>(&role).await?;
            self.apply::<RoleBinding>(&binding).await?;
        }
        let marked = json!({"metadata": {"annotations": {JOB_UID: job.uid()}}});
        patch::merge(&self.context.client, &self.context.cluster.os_builds, &name, &marked).await
    }

    /// Says how far a Job is.
    async fn follow(&self, found: &Ready, build: &MachineOSBuild, job: &Job) -> Result<Next, Stopped> {
        let (writer, name) = (self.writer(), job.name_any());
        match progress(job) {
            State::Initial | State::Prepared | State::Building => {
                return Ok(self.under_way(&writer, build, job).await?);
            }
            State::Succeeded => return self.succeeded(&writer, found, build).await,
            State::Failed => {
                let pods = self.pods(&name).await?;
                let pods: Vec<&Pod> = pods.iter().collect();
                let tries = job.status.as_ref().and_then(|status| status.failed).unwrap_or_default();
                let kept = under_way_says(build);
                let kept = kept.as_deref().and_then(first_of);
                let why = failure(&causes(job, &pods), kept, tries, &name);
                if kept.is_none() {
                    writer.tell(build, &Told::Job(JobStep::Failed, name)).await;
                }
                writer.ended(build, &Err(why)).await?;
            }
            State::Interrupted => {
                let why = interrupted(&name, &build.spec.machine_os_config.name);
                writer.interrupted(build, &why).await?;
            }
        }
        Ok(Next::Await)
    }

    /// A try that failed, or that does not start, is told as soon as its words are there; those of the first that failed are kept.
    async fn under_way(&self, writer: &Writer<'_>, build: &MachineOSBuild, job: &Job) -> Result<Next, Error> {
        let said = under_way_says(build);
        let (kept, before) = (said.as_deref().and_then(first_of), said.as_deref().and_then(pending_of));
        let failed = job.status.as_ref().and_then(|status| status.failed).unwrap_or_default() > 0;
        let pods = self.context.cluster.builds.pods.all();
        let pods: Vec<&Pod> = pods.iter().map(AsRef::as_ref).collect();
        let first = || causes(job, &pods).first().map(ToString::to_string);
        let first = kept.map(str::to_owned).or_else(|| failed.then(first).flatten());
        let lacks_pod = lacks_pod(job, &pods);
        let pending = match pending(job, &pods) {
            Some(pending) => Some(pending.words(before)),
            None if lacks_pod => refused(job, &self.events(job).await?, before),
            None => None,
        };
        let state = progress(job).max(State::of(build));
        let detail = match state {
            State::Building => still_building(first.as_deref(), pending.as_deref()),
            _ => still_prepared(pending.as_deref()),
        };
        writer.under_way(build, state, detail.as_deref()).await?;
        if kept.is_none() && first.is_some() {
            writer.tell(build, &Told::Job(JobStep::Failed, job.name_any())).await;
        }
        if let Some(why) = pending.filter(|_| before.is_none()) {
            writer.tell(build, &Told::NotStarting { why }).await;
        }
        Ok(if lacks_pod { Next::After(AGAIN) } else { Next::Await })
    }

    /// What was said of a Job. Nobody watches events.
    async fn events(&self, job: &Job) -> Result<Vec<Event>, Error> {
        let about = format!("involvedObject.uid={}", job.metadata.uid.as_deref().unwrap_or_default());
        let listed = self.api::<Event>().list(&ListParams::default().fields(&about)).await;
        listed.map(|list| list.items).map_err(|source| Error::new::<Event>("listing", "*", source))
    }

    /// Believes a digest that the registry confirms.
    async fn succeeded(&self, writer: &Writer<'_>, found: &Ready, build: &MachineOSBuild) -> Result<Next, Stopped> {
        let map = self.live::<ConfigMap>(&Made::Digest.name(&build.name_any())).await?;
        let image = match image(build, map.as_ref()) {
            Ok(image) => image,
            Err(no) => {
                writer.ended(build, &Err(no.to_string())).await?;
                return Ok(Next::Await);
            }
        };
        let copy = self.live::<Secret>(&Made::PushSecret.name(&build.name_any())).await?;
        let secret = match copy {
            Some(copy) => copy,
            None => writer.secret(Annotations::of(&build.metadata).get(PUSH_SECRET).unwrap_or_default()).await?,
        };
        match self.registries.labels(image.clone(), secret).await {
            Ok(labels) => {
                let checked = check(build, &found.base.image, &image, labels.as_ref());
                let outcome = checked.map(|()| image).map_err(|no| no.to_string());
                writer.ended(build, &outcome).await?;
                if let Ok(image) = outcome {
                    self.images.lock().insert(image, weir_rules::build::plan::Presence::There);
                }
                Ok(Next::Await)
            }
            Err(why) => {
                let said = format!("the image is pushed, and its registry does not say what it holds: {why}");
                writer.under_way(build, State::Building, Some(&said)).await?;
                Ok(Next::After(AGAIN))
            }
        }
    }

    /// The pods of a Job as they are now.
    async fn pods(&self, job: &str) -> Result<Vec<Pod>, Error> {
        let listed = self.api::<Pod>().list(&ListParams::default().labels(&format!("{JOB_NAME}={job}"))).await;
        listed.map(|list| list.items).map_err(|source| Error::new::<Pod>("listing", "*", source))
    }

    /// Makes an object; what has its name already stays when it belongs to the build, and else goes.
    async fn replace<K>(&self, object: &K, build: &MachineOSBuild) -> Result<(), Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let (api, name) = (self.api::<K>(), object.name_any());
        let parameters = PostParams { field_manager: Some(patch::FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let create = async || match api.create(&parameters, object).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
            Err(source) => Err(Error::new::<K>("creating", &name, source)),
        };
        if create().await? || self.live::<K>(&name).await?.is_some_and(|held| is_of(held.meta(), build, None)) {
            return Ok(());
        }
        let gone = optional(api.delete(&name, &Default::default()).await);
        gone.map_err(|source| Error::new::<K>("deleting", &name, source))?;
        create().await.map(drop)
    }

    /// Patches an object of a build, if it is there.
    async fn edit<K>(&self, name: &str, patch: &serde_json::Value) -> Result<(), Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let parameters = PatchParams { field_manager: Some(patch::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let edited = self.api::<K>().patch(name, &parameters, &Patch::Merge(patch)).await;
        optional(edited).map(drop).map_err(|source| Error::new::<K>("patching", name, source))
    }

    async fn apply<K>(&self, object: &K) -> Result<(), Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
    {
        let (name, parameters) = (object.name_any(), PatchParams::apply(patch::FIELD_MANAGER).force());
        let applied = self.api::<K>().patch(&name, &parameters, &Patch::Apply(object)).await;
        applied.map(drop).map_err(|source| Error::new::<K>("applying", &name, source))
    }

    /// An object of the operator's namespace as it is now.
    async fn live<K>(&self, name: &str) -> Result<Option<K>, Error>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.api::<K>().get_opt(name).await.map_err(|source| Error::new::<K>("reading", name, source))
    }

    fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        Api::namespaced(self.context.client.clone(), OPERATOR_NAMESPACE)
    }
}

/// What a build that is not done says of that.
fn under_way_says(build: &MachineOSBuild) -> Option<String> {
    let said = build.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let is_it = |type_: &str| [PREPARED, BUILDING].contains(&type_);
    said.into_iter().find(|held| is_it(&held.type_) && held.status == TRUE).map(|held| held.message.clone())
}

impl Writer<'_> {
    /// Deletes the Job that was made for a build, with all that goes with it.
    pub(super) async fn delete_job(&self, build: &MachineOSBuild) -> Result<(), Error> {
        let name = Made::Job.name(&build.name_any());
        let jobs = &self.context.cluster.builds.jobs;
        match jobs.get_in(OPERATOR_NAMESPACE, &name) {
            Some(job) if job.metadata.deletion_timestamp.is_none() && is_of(&job.metadata, build, None) => {
                patch::delete_with_dependents(&self.context.client, jobs, Some(OPERATOR_NAMESPACE), &name).await
            }
            _ => Ok(()),
        }
    }
}
