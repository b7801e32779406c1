//! The cluster of another operator, with weir in its place. The other one is played by the same controllers under its name.

use super::script::Operator;
use anyhow::{Context as _, Result};
use kube::{Api, Client, api::ListParams};
use weir_api::{
    ControllerConfig, MachineConfig,
    keys::{config::SEEDED, names::CONTROLLER_CONFIG},
};
use weir_controllers::Build;
use weir_rules::{
    objects::seed::Seed,
    operator::take_over::{Continued, TakeOverView, continued},
};

/// The version of the other operator, for people.
const OTHER: &str = "v0.0.1-other";

/// The other operator, of this release.
pub(super) fn other(version: &str) -> Build {
    Build { raw: OTHER.to_owned(), hash: format!("other-{version}"), release: Some(version.to_owned()) }
}

/// What another operator leaves behind is not marked as weir's.
pub(super) fn of_other(seed: Seed) -> Seed {
    let mut seed = seed;
    if seed.object["kind"] == "ControllerConfig"
        && let Some(marks) = seed.object["metadata"]["annotations"].as_object_mut()
    {
        marks.remove(SEEDED);
    }
    seed
}

/// The build as which weir runs in a cluster that is to run this release; while the other operator has not finished its part, and where
/// it is not to take over, as itself.
pub(super) async fn build(client: &Client, operator: Operator, version: &str) -> Result<Build> {
    let own = Build { release: Some(version.to_owned()), ..Build::ours() };
    match operator {
        Operator::Other => return Ok(other(version)),
        Operator::StandsBy => return Ok(own),
        Operator::TakesOver => {}
    }
    let configs: Api<MachineConfig> = Api::all(client.clone());
    let configs = configs.list(&ListParams::default()).await.context("listing MachineConfigs")?.items;
    let controller_configs: Api<ControllerConfig> = Api::all(client.clone());
    let controller_config = controller_configs.get_opt(CONTROLLER_CONFIG).await.context("reading ControllerConfig")?;
    let found = continued(&TakeOverView {
        controller_config: controller_config.as_ref(),
        configs: &configs.iter().collect::<Vec<_>>(),
        desired: Some(version),
    });
    Ok(match found {
        Ok(Continued { raw, hash, release }) => Build { raw, hash, release: Some(release) },
        Err(_) => own,
    })
}
