//! Manages the admission policies, and deletes those whose gate is off.

use super::findings::{Part, not_kept};
use crate::cluster::Watcher;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use weir_kubeio::{Cache, Error, Next, cache::Cached, patch};
use weir_rules::{
    operator::policies::{self, PolicyChange, Wanted},
    status::cluster_status::Task,
};

/// The controller of the admission policies.
#[derive(Debug)]
pub(super) struct Controller(pub(super) Part);

impl Controller {
    async fn act(&self, wanted: Vec<Wanted>) -> Result<(), Error> {
        let cluster = &self.0.context.cluster;
        for Wanted { bound, is_wanted } in wanted {
            let (policy, binding) = (bound.policy_name(), bound.binding_name());
            // The binding is deleted first and created last: it makes the policy effective.
            if is_wanted == Some(false) {
                self.keep(&cluster.bindings, binding, &bound.binding, is_wanted).await?;
            }
            self.keep(&cluster.policies, policy, &bound.policy, is_wanted).await?;
            self.keep(&cluster.bindings, binding, &bound.binding, is_wanted).await?;
        }
        Ok(())
    }

    async fn keep<K>(&self, cache: &Cache<K>, name: &str, object: &Value, wanted: Option<bool>) -> Result<(), Error>
    where
        K: Cached + Serialize,
    {
        let client = &self.0.context.client;
        let found = cache.get(name).and_then(|found| serde_json::to_value(&*found).ok());
        match policies::change(object, found.as_ref(), wanted) {
            None => return Ok(()),
            Some(PolicyChange::Apply(object)) => patch::apply(client, cache, name, &object).await?,
            Some(PolicyChange::Delete) => patch::delete(client, cache, None, name).await?,
        }
        tracing::info!(kind = %K::kind(&()), name, wanted, "admission policy brought in line");
        Ok(())
    }
}

impl weir_kubeio::Controller for Controller {
    type Error = Error;
    const NAME: &'static str = "policies";

    fn wakes(&self) -> Vec<watch::Receiver<u64>> {
        self.0.wakes(&[Watcher::Policies])
    }

    async fn reconcile(&self) -> Result<Next, Error> {
        let context = &self.0.context;
        // A cluster that lacks the kinds, or denies access to them, works without them.
        let keeps = context.kept_by_us().is_ok() && context.cluster.watches.is_synced(&[Watcher::Policies]);
        if let Some(next) = self.0.idle(context.cluster.is_configuration_synced(), keeps) {
            return Ok(next);
        }
        let wanted = policies::wanted(context.profile, context.gates().ok().as_ref());
        let kept = self.act(wanted).await;
        Ok(self.0.failed(kept.err().map(|error| not_kept(Task::MachineConfigPools, &error))))
    }
}
