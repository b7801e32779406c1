//! `weir switch`: switches a pool to another OS image stream, and shows the consequences first.

use super::{Output, cluster::Cluster, harmless, pause::TRIES, print};
use crate::{exit::Outcome, inputs, rollout_objects};
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use weir_api::{MachineConfigPool, keys::pool::ACCEPTED_FINDINGS, pool::MachineConfigPoolSpec};
use weir_distro::Profile;
use weir_rules::{
    plan::{self, Change, Code, Facts, Plan},
    world::World,
};

/// Switch a pool to another OS image stream
///
/// Shows first which pools move, in which order their nodes go, and what is in the way, as `weir plan --stream` does. If something
/// is in the way, nothing is changed, and the exit code is 3.
#[derive(Debug, clap::Args)]
pub struct Switch {
    /// The pool
    pool: String,
    /// The stream
    stream: String,
    /// Only show what would happen
    #[arg(long)]
    dry_run: bool,
    /// Go on in spite of a finding that may be accepted; the pool records it
    #[arg(long, value_name = "CODE")]
    accept: Vec<Code>,
    #[command(flatten)]
    cluster: Cluster,
    /// Distribution of the cluster [default: from the FeatureGate]
    #[arg(long, value_name = "NAME", value_parser = Profile::by_name)]
    distribution: Option<&'static Profile>,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// Field manager of the fields written here: a user's decision, not the controllers'.
const FIELD_MANAGER: &str = "weir-switch";

impl Switch {
    pub(super) fn run(&self) -> Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(self.switch())
    }

    async fn switch(&self) -> Result<Outcome> {
        let client = self.cluster.connect("switch").await?;
        let (world, unknown) = rollout_objects::everything_of_cluster(&client).await?;
        let world = World { profile: self.distribution, ..world };
        let now = Timestamp::now();
        let change = Change::Stream { pool: self.pool.clone(), stream: self.stream.clone() };
        let secrets = rollout_objects::secrets_of_cluster(&client, plan::secrets(&world, &[])).await;
        let accepted = self.accept.iter().copied().collect();
        let facts = Facts { accepted, secrets, unknown: unknown.into_iter().collect(), ..Facts::default() };
        let plan = plan::plan(&world, &[change], &facts, now)?;
        let text = match self.output {
            Some(output) => output.write(&self.data(&plan))?,
            None if plan.changes_nothing() && !plan.is_inhibited() => {
                format!("pool {} gets stream {} already: no node reboots\n", self.pool, self.stream)
            }
            None => harmless(plan::text(&plan)),
        };
        print(text.as_bytes())?;
        if plan.is_inhibited() {
            return Ok(Outcome::Blocked);
        }
        let pool = inputs::pool(&world, &self.pool)?;
        if !self.dry_run && named(pool) != Some(self.stream.as_str()) {
            self.patch(&client, pool, &plan, now).await?;
            tell!("pool {} names stream {} now", self.pool, self.stream);
        }
        Ok(Outcome::Done)
    }

    fn data(&self, plan: &Plan) -> Value {
        let mut data = plan::data(plan);
        data["pool"] = json!(self.pool);
        data["stream"] = json!(self.stream);
        data["dryRun"] = json!(self.dry_run);
        data
    }

    /// Based on what was judged: if somebody else has changed that meanwhile, nothing is written.
    async fn patch(&self, client: &Client, pool: &MachineConfigPool, plan: &Plan, now: Timestamp) -> Result<()> {
        let pools: Api<MachineConfigPool> = Api::all(client.clone());
        let mut patch = json!({"spec": {"osImageStream": {"name": self.stream}}});
        let accepted: BTreeSet<&str> =
            plan.findings.iter().filter(|finding| finding.accepted).map(|finding| finding.code.as_str()).collect();
        if !accepted.is_empty() {
            let record = json!({
                "stream": self.stream, "codes": accepted, "by": user(client).await, "at": format!("{now:.0}"),
            });
            patch["metadata"]["annotations"] = json!({ACCEPTED_FINDINGS: record.to_string()});
        }
        let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let what = || format!("changing MachineConfigPool {}", self.pool);
        let mut version = pool.metadata.resource_version.clone();
        for _ in 0..TRIES {
            patch["metadata"]["resourceVersion"] = json!(version);
            match pools.patch(&self.pool, &parameters, &Patch::Merge(&patch)).await {
                Err(kube::Error::Api(status)) if status.is_conflict() => {}
                patched => return patched.map(drop).with_context(what),
            }
            let read = pools.get(&self.pool).await.with_context(what)?;
            if judged(&read) != judged(pool) {
                bail!(
                    "somebody else has changed pool {} since it was planned, and nothing was written; try again",
                    self.pool
                );
            }
            version = read.metadata.resource_version;
        }
        bail!(
            "MachineConfigPool {} changes all the time: it was changed {TRIES} times between being read and written; try again",
            self.pool
        )
    }
}

/// What a plan is made from, and not what controllers say of the pool.
fn judged(pool: &MachineConfigPool) -> (Option<&str>, MachineConfigPoolSpec) {
    (pool.metadata.uid.as_deref(), MachineConfigPoolSpec { configuration: None, ..pool.spec.clone() })
}

/// Who asks, as the API server knows them; absent if it does not say.
async fn user(client: &Client) -> Option<String> {
    let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
    let asked = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    asked.ok()?.status?.user_info?.username
}

fn named(pool: &MachineConfigPool) -> Option<&str> {
    pool.spec.os_image_stream.as_ref().map(|stream| stream.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_controllers_say_of_a_pool_does_not_make_a_plan_stale() {
        let read = |at: &str, value: Value| {
            let mut pool = json!({
                "metadata": {"name": "worker", "uid": "1", "resourceVersion": "1"},
                "spec": {"paused": false, "configuration": {"name": "rendered-1"}, "osImageStream": {"name": "a"}},
                "status": {},
            });
            *pool.pointer_mut(at).unwrap() = value;
            serde_json::from_value::<MachineConfigPool>(pool).unwrap()
        };
        let planned = read("/spec/paused", json!(false));
        for (at, value, same) in [
            ("/metadata/resourceVersion", json!("2"), true),
            ("/status", json!({"machineCount": 3}), true),
            ("/spec/configuration/name", json!("rendered-2"), true),
            ("/spec/paused", json!(true), false),
            ("/spec/osImageStream/name", json!("b"), false),
            ("/metadata/uid", json!("2"), false),
        ] {
            assert_eq!(judged(&read(at, value)) == judged(&planned), same, "{at}");
        }
    }
}
