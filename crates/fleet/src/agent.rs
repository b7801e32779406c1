//! The steps of first boot and of an update, as the daemon and the kubelet of one machine make them.

use crate::{fleet::World, machine};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::Value;
use std::time::Duration;
use tokio::time::sleep;

/// A machine retries a write that failed after this pause, as long as it runs.
const RETRY: Duration = Duration::from_millis(500);
/// The daemon tries a failed update again after a pause that starts at this (`pkg/daemon/daemon.go`).
const FAILED_UPDATE_PAUSE: Duration = Duration::from_secs(1);
/// Field manager of what the machines write.
const FIELD_MANAGER: &str = "machine-config-daemon";

/// First boot: the machine takes its pool's configuration and joins the cluster.
pub(crate) async fn boot(world: &World, machine: &crate::Machine, config: &str) {
    sleep(world.settings.step).await;
    let object: Node = match serde_json::from_value(machine.joining(config)) {
        Ok(object) => object,
        Err(error) => {
            tracing::error!(node = machine.name, %error, "a joining node cannot be built");
            return;
        }
    };
    retry(&machine.name, || async {
        let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        match world.api().create(&parameters, &object).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            created => created.map(drop),
        }
    })
    .await;
    status(world, &machine.name, &machine::up(&world.running(&machine.name, config), world.clock.now())).await;
}

/// An update to the config: work, reboot, come back, report. When the controller changes its mind meanwhile the machine goes
/// on to the newer config before it reports, as the daemon does.
pub(crate) async fn update(world: &World, name: &str, config: &str) {
    let mut config = config.to_owned();
    loop {
        sleep(world.settings.step).await;
        if world.config(&config).is_none() {
            let reason = format!("machineconfig.machineconfiguration.openshift.io \"{config}\" not found");
            annotate(world, name, &machine::degraded(&reason)).await;
            sleep(FAILED_UPDATE_PAUSE).await;
            return;
        }
        annotate(world, name, &machine::working()).await;
        sleep(world.settings.step).await;
        annotate(world, name, &machine::rebooting()).await;
        status(world, name, &machine::down(world.clock.now())).await;
        sleep(world.settings.step).await;
        status(world, name, &machine::up(&world.running(name, &config), world.clock.now())).await;
        match world.desired(name) {
            Some(newer) if newer != config => config = newer,
            _ => break,
        }
    }
    sleep(world.settings.step).await;
    annotate(world, name, &machine::done(&config)).await;
}

async fn annotate(world: &World, name: &str, patch: &Value) {
    retry(name, || async {
        let answer = world.api().patch(name, &parameters(), &Patch::Merge(patch)).await;
        observe(world, answer)
    })
    .await;
}

async fn status(world: &World, name: &str, patch: &Value) {
    retry(name, || async {
        let answer = world.api().patch_status(name, &parameters(), &Patch::Strategic(patch)).await;
        observe(world, answer)
    })
    .await;
}

/// Folds a write's answer into the cache. A node that was deleted has nothing left to say.
fn observe(world: &World, answer: Result<Node, kube::Error>) -> Result<(), kube::Error> {
    match answer {
        Ok(node) => world.nodes.observe(node),
        Err(kube::Error::Api(status)) if status.is_not_found() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn retry<F, R>(name: &str, mut write: F)
where
    F: FnMut() -> R,
    R: Future<Output = Result<(), kube::Error>>,
{
    while let Err(error) = write().await {
        tracing::debug!(node = name, %error, "write failed, trying again");
        sleep(RETRY).await;
    }
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() }
}

impl World {
    fn api(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }
}
