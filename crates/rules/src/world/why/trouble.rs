//! What is wrong with a pool, down to the objects that have to change (R-WHY-9).

use super::{Asking, Fact, Unknown};
use crate::{
    render::{
        Build,
        components::{NotRendered, settled},
        failure::RenderFailure,
        guard::{Evidence, RuncGuard, runc_guard_of},
    },
    template::login::LoginError,
    view::{PoolView, unreadable::keeps},
    world::{
        generated::plan::Subject,
        remedy::{address, of_object},
    },
};
use std::slice;
use weir_api::{
    Condition,
    condition::{find, find_true},
    docker_config::SECRET_TYPE,
    keys::{
        controller_config::FAILING,
        names::{CLUSTER, CONTROLLER_CONFIG},
        pool,
    },
};

impl<'a> Asking<'a> {
    /// What is wrong with a pool, worst first: what makes it degraded, what it is not rendered for, and settings that nothing can be
    /// generated from.
    pub(super) fn troubles(&mut self, pool: &PoolView<'a>, causes: Vec<&Condition>) -> Vec<Condition> {
        let mut all: Vec<Condition> = causes.into_iter().cloned().collect();
        // That of rendering says why; without it, what would be said counts.
        if !all.iter().any(|cause| cause.type_ == pool::RENDER_DEGRADED) {
            all.extend(self.not_rendered(pool));
        }
        all.extend(pool.says(pool::SETTINGS_REFUSED).cloned());
        self.first(&rendering(pool));
        all
    }

    /// Why a pool is not rendered, as it says or would say.
    fn not_rendered(&mut self, pool: &PoolView<'a>) -> Option<Condition> {
        if let Some(held) = find(pool.conditions(), pool::RENDER_DEGRADED).filter(|held| !held.reason.is_empty()) {
            return Some(held.clone());
        }
        let failure = self.failure(pool)?;
        if let Some(unknown) = Unknown::of(&failure, pool).filter(|_| !self.world.whole) {
            self.unknown(unknown);
            return None;
        }
        let (type_, reason) = (pool::RENDER_DEGRADED.into(), failure.code().to_owned());
        Some(Condition { type_, reason, message: failure.message(pool.object), ..Condition::default() })
    }

    /// Why a pool has the configuration that it has, or none.
    pub(super) fn rendering(&mut self, pool: &PoolView<'a>, depth: usize) {
        if !self.first(&rendering(pool)) {
            return;
        }
        if let Some(trouble) = self.not_rendered(pool) {
            self.trouble(pool, &trouble, depth);
        }
    }

    /// Something that is wrong with a pool, and below it what has to change.
    pub(super) fn trouble(&mut self, pool: &PoolView<'a>, trouble: &Condition, depth: usize) {
        self.says(&format!("mcp/{}", pool.name), depth, trouble);
        if trouble.type_ == pool::RENDER_DEGRADED {
            self.blame(pool, &trouble.reason, depth + 1);
        } else if trouble.type_ == pool::SETTINGS_REFUSED {
            self.refused(pool, &trouble.message, depth + 1);
        } else if trouble.type_ == pool::IMAGE_BUILD_DEGRADED
            && let Some(mode) = pool.image_mode
        {
            self.command(of_object("MachineOSConfig", mode.config));
        }
    }

    /// What keeps a pool from being rendered, or from getting what it is rendered to.
    fn failure(&self, pool: &PoolView<'a>) -> Option<RenderFailure> {
        // Nobody renders it any more.
        if pool.deleting {
            return None;
        }
        let guard = || {
            let (parts, _) = self.world.parts(pool, &self.views.pools)?;
            let rendered = parts.render(pool.object, &Build::ours())?;
            Ok(runc_guard_of(pool.name, &rendered, parts.stream(), self.world.distribution())?)
        };
        match guard() {
            Err(failure) => Some(failure),
            Ok(RuncGuard::Inhibited(inhibitor)) => Some(RenderFailure::Inhibited(inhibitor)),
            // Whoever can read the image says so.
            Ok(RuncGuard::AskImage { inhibitor, .. }) => {
                let said = pool.says(pool::RENDER_DEGRADED).is_some_and(|held| held.reason == inhibitor.id);
                said.then_some(RenderFailure::Inhibited(inhibitor))
            }
            Ok(RuncGuard::Clear) => None,
        }
    }

    /// The objects that have to change so that a pool is rendered, which is not for this reason.
    fn blame(&mut self, pool: &PoolView<'a>, code: &str, depth: usize) {
        for object in &self.world.unreadable {
            if keeps(slice::from_ref(object), pool).is_some() {
                self.command(of_object(&object.kind, &object.name));
            }
        }
        let (world, settings) = (self.world, NotRendered::SettingsNotComplete { why: String::new(), object: None });
        if code == NotRendered::no_controller_config().code() {
            return self.controller_config(depth);
        }
        let failure = if code == settings.code() {
            let (runtimes, kubelets) =
                (world.runtimes.iter().map(AsRef::as_ref), world.kubelets.iter().map(AsRef::as_ref));
            settled(pool.object, runtimes, kubelets).err().map(RenderFailure::from)
        } else {
            self.failure(pool)
        };
        // What is said may be about what there was before.
        let Some(failure) = failure.filter(|failure| failure.code() == code) else { return };
        for (kind, name) in failure.objects(pool.object) {
            match kind {
                "MachineConfigPool" | "OSImageStream" if matches!(failure, RenderFailure::Stream(_)) => {
                    self.named(kind, &name, depth);
                }
                "MachineConfigPool" => self.command(of_object(kind, &name)),
                _ => {
                    let (about, of) = (address(kind, &name), pool.name.to_owned());
                    self.fact(&about, depth, &Fact::InTheWay { pool: of, what: evidence(&failure) });
                    if kind == "MachineConfig" {
                        self.config(&name, None, depth + 1);
                    } else {
                        self.written(kind, &name, depth + 1);
                        self.command(of_object(kind, &name));
                    }
                }
            }
        }
    }

    /// Why the ControllerConfig is not complete.
    fn controller_config(&mut self, depth: usize) {
        let Some(config) = self.world.controller_config.as_deref() else { return };
        let conditions = config.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let Some(failing) = find_true(conditions, FAILING) else { return };
        self.says(&address("ControllerConfig", CONTROLLER_CONFIG), depth, failing);
        let Some(secret) = &config.spec.pull_secret else { return };
        let of = |field: &Option<String>| field.clone().unwrap_or_default();
        let (namespace, name) = (of(&secret.namespace), of(&secret.name));
        let missing = LoginError::Missing { namespace: namespace.clone(), name: name.clone() };
        if failing.message.contains(&missing.to_string()) {
            self.command(format!(
                "kubectl create secret generic {name} -n {namespace} --type={SECRET_TYPE} --from-file=.dockerconfigjson=FILE"
            ));
        }
    }

    /// The settings from which nothing can be generated, of those that a pool's message is about.
    fn refused(&mut self, pool: &PoolView<'a>, said: &str, depth: usize) {
        let (world, settings) = (self.world, &self.world.settings);
        let name = |name: &Option<String>| name.clone().unwrap_or_default();
        let is_named = |subject: &Subject| said.contains(&format!("{subject}: "));
        if is_named(&Subject::Image) && !self.refused_mirrors(pool.name, depth) {
            let of = |object: &str| said.contains(&format!("(of {object})"));
            let cluster = settings.cluster_policies.iter().map(|policy| name(&policy.metadata.name));
            let cluster = cluster.filter(|name| of(&Subject::ClusterImagePolicy(name.clone()).to_string()));
            let mut commands: Vec<String> = cluster.map(|name| of_object("ClusterImagePolicy", &name)).collect();
            for policy in &settings.policies {
                let (namespace, name) = (name(&policy.metadata.namespace), name(&policy.metadata.name));
                if of(&format!("ImagePolicy {namespace}/{name}")) {
                    commands.push(format!("{} -n {namespace}", of_object("ImagePolicy", &name)));
                }
            }
            if commands.is_empty() {
                commands.push(of_object("Image", CLUSTER));
            }
            commands.into_iter().for_each(|command| self.command(command));
        }
        let singles = [
            (Subject::NodeConfig, "Node.config.openshift.io"),
            (Subject::FeatureGate, "FeatureGate"),
            (Subject::CredentialProviders, "CRIOCredentialProviderConfig"),
        ];
        for (_, kind) in singles.into_iter().filter(|(subject, _)| is_named(subject)) {
            self.command(of_object(kind, CLUSTER));
        }
        for pool in world.pools.iter().map(|pool| name(&pool.metadata.name)) {
            if is_named(&Subject::Pool(pool.clone())) {
                self.command(of_object("MachineConfigPool", &pool));
            }
        }
    }
}

/// What is asked about only once.
fn rendering(pool: &PoolView<'_>) -> String {
    format!("rendering of {}", pool.name)
}

/// What in an object keeps a pool from what it is rendered to.
fn evidence(failure: &RenderFailure) -> Option<String> {
    let RenderFailure::Inhibited(inhibitor) = failure else { return None };
    let place = |seen: &Evidence| match seen.line {
        Some(line) => format!("{}:{line}", seen.path),
        None => seen.path.clone(),
    };
    Some(inhibitor.evidence.iter().map(place).collect::<Vec<_>>().join(", "))
}
