//! What the status of a pool in image mode says (R-POOL-11).

use crate::{
    build::{conditions::State, pool::is_of_builder},
    view::PoolView,
};
use weir_api::{
    Condition,
    condition::{ConditionStatus, ConditionType, FALSE, TRUE, find, is_true},
    keys::pool::{IMAGE_BUILD_DEGRADED, NODE_DEGRADED, PINNED_IMAGE_SETS_DEGRADED, RENDER_DEGRADED},
};

/// Conditions during which nothing moves.
const TROUBLES: [ConditionType; 3] = [RENDER_DEGRADED, NODE_DEGRADED, PINNED_IMAGE_SETS_DEGRADED];

/// Whether the image is yet to be built, or to be named, whatever the nodes run.
pub(super) fn is_unfinished(pool: &PoolView<'_>) -> bool {
    pool.image_mode.is_some_and(|mode| match mode.state() {
        Some(State::Prepared | State::Building | State::Failed) => true,
        Some(State::Succeeded) => mode.built().is_some() && mode.built() != mode.image,
        _ => false,
    })
}

/// What its nodes are to run.
pub(super) fn line(pool: &PoolView<'_>) -> String {
    let config = pool.target.unwrap_or_default();
    match pool.image_mode.and_then(|mode| mode.image) {
        Some(image) => format!("MachineConfig {config} / Image {image}"),
        None => format!("MachineConfig {config}"),
    }
}

/// Status and message of Updating, where image mode has something to say of it.
pub(super) fn progress(pool: &PoolView<'_>, all_updated: bool) -> Option<(ConditionStatus, String)> {
    let mode = pool.image_mode?;
    let (config, build) = (mode.config, mode.build_name());
    if pool.paused {
        let (status, what) = match mode.state() {
            None => {
                return Some((
                    TRUE,
                    format!("Pool is paused; waiting for a new OS image build to start (mosc: {config})"),
                ));
            }
            Some(State::Prepared) => (TRUE, "OS image build has been prepared but will not rollout"),
            Some(State::Building) => (TRUE, "OS image build in progress"),
            Some(State::Succeeded) => (FALSE, "OS image build completed successfully"),
            Some(State::Failed) => (FALSE, "OS image build failed"),
            Some(State::Interrupted) => (FALSE, "OS image build was interrupted"),
            Some(State::Initial) => (TRUE, "OS image build has been created but not yet started"),
        };
        return Some((status, format!("Pool is paused; {what} (mosb: {build})")));
    }
    if TROUBLES.iter().any(|type_| is_true(pool.conditions(), *type_)) {
        return Some((FALSE, "Pool update paused due to degraded condition".to_owned()));
    }
    let (status, what) = match mode.state() {
        None => return Some((TRUE, format!("Pool is waiting for a new OS image build to start (mosc: {config})"))),
        Some(State::Prepared | State::Initial) => (TRUE, "is waiting for OS image build to start"),
        Some(State::Building) => (TRUE, "is waiting for OS image build to complete"),
        Some(State::Succeeded) if all_updated => return None,
        Some(State::Succeeded) => (TRUE, "is waiting for nodes to apply OS image"),
        Some(State::Failed) => (FALSE, "update stopped due to OS image build failure"),
        Some(State::Interrupted) => (FALSE, "update stopped due to OS image build being interrupted"),
    };
    Some((status, format!("Pool {what} (mosb: {build})")))
}

/// Reason and message with which ImageBuildDegraded is False; absent where it stays.
pub(super) fn cleared(pool: &PoolView<'_>, conditions: &[Condition]) -> Option<(&'static str, &'static str)> {
    let held = find(conditions, IMAGE_BUILD_DEGRADED).filter(|held| held.status == TRUE);
    let Some(mode) = pool.image_mode else {
        // Nothing builds an image any more; an earlier failure is obsolete.
        let message = "No layered pool objects found, clearing stale build degraded condition";
        return held.map(|_| ("NoLayeredObjects", message));
    };
    // Who says it says when it is over, too: a build that was refused leaves an earlier one behind, and one that does not start looks
    // like any that is under way.
    if held.is_some_and(|held| is_of_builder(&held.reason)) {
        return None;
    }
    match mode.state() {
        Some(State::Building | State::Prepared) => Some(("Building", "New build started")),
        Some(State::Succeeded) => Some(("BuildSuccess", "Build completed successfully")),
        Some(State::Failed | State::Interrupted | State::Initial) => None,
        None => held.map(|_| ("BuildPending", "MachineOSConfig updated/created, waiting for MachineOSBuild")),
    }
}
