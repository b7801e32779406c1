//! Copies the Secrets that builds of OS images need, and tells what keeps pools from being in image mode.

use super::findings::{Part, not_kept};
use crate::cluster::Watcher;
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use tokio::sync::watch;
use weir_api::keys::{
    names::OPERATOR_NAMESPACE,
    namespaces,
    operand::{MANAGED_BY, OPERATOR},
    secrets,
};
use weir_kubeio::{Cache, Error, Missing::Wait, Next, Selection, Watches, patch};
use weir_rules::{
    operator::builder::{self, Originals, cannot_work, layered},
    status::cluster_status::{Failure, Task},
};

/// Caches of Secrets that are copied, and of the copies.
#[derive(Clone, Debug)]
pub(crate) struct Copies {
    pull_secret: Cache<Secret>,
    entitlement: Cache<Secret>,
    made: Cache<Secret>,
}

impl Copies {
    /// Their rows.
    pub(crate) fn new(of: &mut Watches<Watcher>) -> Self {
        let (who, named) = (Watcher::Copies, Selection::named);
        let ours = Selection::labelled(format!("{MANAGED_BY}={OPERATOR}"));
        Self {
            pull_secret: of.row(who, Wait, named(secrets::PULL).within(namespaces::CONFIG)),
            entitlement: of.row(who, Wait, named(secrets::ENTITLEMENT).within(namespaces::CONFIG_MANAGED)),
            made: of.row(who, Wait, ours.within(OPERATOR_NAMESPACE)),
        }
    }
}

/// The controller of the copies.
#[derive(Debug)]
pub(super) struct Controller(pub(super) Part);

impl Controller {
    /// The first Secret that cannot be kept is the error; the others are kept all the same.
    async fn act(&self, copies: builder::Copies) -> Result<(), Error> {
        let (client, cache) = (&self.0.context.client, &self.0.context.cluster.copies.made);
        let mut kept = Ok(());
        for copy in copies.apply {
            let name = copy.metadata.name.clone().unwrap_or_default();
            let applied = patch::apply(client, cache, &name, &json!(copy)).await;
            if applied.is_ok() {
                tracing::info!(name, "a Secret is copied for builds of OS images");
            }
            kept = kept.and(applied);
        }
        for name in copies.delete {
            let deleted = patch::delete(client, cache, Some(OPERATOR_NAMESPACE), &name).await;
            if deleted.is_ok() {
                tracing::info!(name, "the copy of a Secret is deleted: no build of an OS image needs it");
            }
            kept = kept.and(deleted);
        }
        kept
    }

    /// What cannot be seen, with the reason; whatever is only yet to be listed is waited for.
    fn unseen(&self) -> Option<Result<Next, Error>> {
        let unseen = self.0.context.cluster.watches.unseen(&[Watcher::Copies]).into_iter().next()?;
        let Some(why) = unseen.why else { return Some(Ok(Next::Await)) };
        let failed = builder::is_needed(&self.0.context.configuration())
            .then(|| failed(format!("{} cannot be watched: {why}", unseen.what)));
        Some(Ok(self.0.failed(failed)))
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "copies";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        let mut all = self.0.wakes(&[Watcher::Copies]);
        all.extend(self.0.context.cluster.node_changes());
        all
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let cluster = &self.0.context.cluster;
        if let Some(next) = self.0.idle(cluster.is_synced(), self.0.context.kept_by_us().is_ok()) {
            return Ok(next);
        }
        if let Some(next) = self.unseen() {
            return next;
        }
        let mut world = self.0.context.configuration();
        // Only nodes of pools in image mode matter, and of others there may be thousands.
        if !layered(&world).is_empty() {
            world.nodes = cluster.nodes.all();
        }
        let (pull_secret, entitlement) = (
            cluster.copies.pull_secret.get_in(namespaces::CONFIG, secrets::PULL),
            cluster.copies.entitlement.get_in(namespaces::CONFIG_MANAGED, secrets::ENTITLEMENT),
        );
        let originals = Originals { pull_secret: pull_secret.as_deref(), entitlement: entitlement.as_deref() };
        let made = cluster.copies.made.all();
        let live: Vec<&Secret> = made.iter().map(AsRef::as_ref).collect();
        let kept = self.act(builder::copies(&world, originals, &live)).await;
        let kept = kept.err().map(|error| not_kept(Task::MachineOsBuilder, &error));
        let cannot = cannot_work(&world).into_iter().map(|why| failed(why.to_string()));
        Ok(self.0.failed(kept.into_iter().chain(cannot)))
    }
}

fn failed(why: String) -> Failure {
    Failure::Work { task: Task::MachineOsBuilder, why }
}
