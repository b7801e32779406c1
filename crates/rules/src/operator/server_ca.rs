//! When nodes are told that the API server's CA has changed.
//!
//! R-SERVER-CA-1 The API server's published CA is copied for the kubeconfigs of nodes. A source that is missing or
//! empty leaves the copy as it is.
//! R-SERVER-CA-2 A change of the copy sets the annotation on the ControllerConfig. Nodes copy when the annotation is set, so it stays
//! set, and then unset, for a minute each: a node that looks rarely sees both.
//! R-SERVER-CA-3 The copy that nodes were told about is recorded next to the annotation: if the operator stops after making a copy
//! and before telling nodes, the next one tells them. The copy found at first counts as told.
//! R-SERVER-CA-4 A change that comes meanwhile is copied when the annotation may be set again: no node misses it, and several
//! are combined.
//!
//! Source: `syncMachineConfigController` in `pkg/operator/sync.go` and `pkg/daemon/certificate_writer.go` of
//! github.com/openshift/machine-config-operator. The reference instead waits until nothing has changed for a minute.

use crate::view::Annotations;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{ByteString, api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_api::{
    ControllerConfig,
    keys::{
        config::{SERVER_CA_TOLD, SERVICE_CA_ROTATE},
        config_maps,
        names::OPERATOR_NAMESPACE,
    },
};

use crate::operator::controller_config::{BUNDLE, bytes_of};

/// How long the annotation stays set, and then unset: daemons look at every change of the ControllerConfig, and one that restarts
/// is back by then.
pub const STEADY: SignedDuration = SignedDuration::from_mins(1);

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct ServerCaView<'a> {
    /// The API server's published CA.
    pub source: Option<&'a ConfigMap>,
    /// The copy.
    pub copy: Option<&'a ConfigMap>,
    /// The ControllerConfig with the annotation.
    pub config: Option<&'a ControllerConfig>,
    /// When the annotation was last seen to change; absent before that.
    pub since: Option<Timestamp>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerCa {
    /// The copy to make, before the annotation.
    pub copy: Option<Copy>,
    /// Whether the annotation should be set.
    pub mark: bool,
    /// Which copy nodes are told about, for [`SERVER_CA_TOLD`]; absent when it should stay absent.
    pub told: Option<String>,
    /// When to look again, if nothing changes before.
    pub again: Option<Timestamp>,
}

/// How the copy is made.
#[derive(Clone, Debug, PartialEq)]
pub enum Copy {
    /// Create it.
    Create(Box<ConfigMap>),
    /// Change it, by a merge patch.
    Patch(Value),
}

/// Whether the annotation is set.
#[must_use]
pub fn is_marked(config: Option<&ControllerConfig>) -> bool {
    marks(config).get(SERVICE_CA_ROTATE) == Some("true")
}

/// Decides.
#[must_use]
pub fn server_ca(view: &ServerCaView<'_>, now: Timestamp) -> ServerCa {
    let held = view.copy.and_then(|copy| bytes_of(copy, BUNDLE));
    let told = marks(view.config).get(SERVER_CA_TOLD).map(str::to_owned);
    let owed = told.is_some() && held.is_some() && told != held.as_deref().map(digest);
    let stays =
        |mark, again| ServerCa { copy: None, mark, told: told.clone().or_else(|| held.as_deref().map(digest)), again };
    let steady = view.since.and_then(|since| since.checked_add(STEADY).ok()).filter(|until| *until > now);
    match (is_marked(view.config), steady) {
        (true, Some(until)) => stays(true, Some(until)),
        // Seen for the first time: how long it has been set is unknown.
        (true, None) if view.since.is_none() => stays(true, now.checked_add(STEADY).ok()),
        (true, None) => stays(false, None),
        (false, steady) => match (copy(view), owed, steady) {
            (None, false, _) => stays(false, None),
            (_, _, Some(until)) => stays(false, Some(until)),
            (copy, _, None) => {
                let published = view.source.and_then(|source| bytes_of(source, BUNDLE)).filter(|_| copy.is_some());
                let told = published.or(held).as_deref().map(digest);
                ServerCa { copy, mark: true, told, again: None }
            }
        },
    }
}

fn marks(config: Option<&ControllerConfig>) -> Annotations<'_> {
    config.map(|config| Annotations::of(&config.metadata)).unwrap_or_default()
}

/// Identifies a bundle; this is not for secrecy.
fn digest(bundle: &[u8]) -> String {
    let digest = Md5::new().chain_update(bundle).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn copy(view: &ServerCaView<'_>) -> Option<Copy> {
    let published = bytes_of(view.source?, BUNDLE)?;
    let bundle = BTreeMap::from([(BUNDLE.to_owned(), ByteString(published.clone()))]);
    match view.copy {
        None => Some(Copy::Create(Box::new(ConfigMap {
            metadata: ObjectMeta {
                name: Some(config_maps::KUBECONFIG_DATA.to_owned()),
                namespace: Some(OPERATOR_NAMESPACE.to_owned()),
                ..ObjectMeta::default()
            },
            binary_data: Some(bundle),
            ..ConfigMap::default()
        }))),
        Some(copy) => (bytes_of(copy, BUNDLE) != Some(published)).then(|| Copy::Patch(json!({ "binaryData": bundle }))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str) -> ConfigMap {
        let data = BTreeMap::from([(BUNDLE.to_owned(), text.to_owned())]);
        ConfigMap { data: Some(data), ..ConfigMap::default() }
    }

    fn marked(mark: &str, told: Option<&str>) -> ControllerConfig {
        let mut config = ControllerConfig::default();
        let told = told.map(|bundle| (SERVER_CA_TOLD.to_owned(), digest(bundle.as_bytes())));
        let mark = (SERVICE_CA_ROTATE.to_owned(), mark.to_owned());
        config.metadata.annotations = Some(told.into_iter().chain([mark]).collect());
        config
    }

    /// Short form: whether it is copied, annotated, which bundle is told, and seconds until the next look.
    fn short(done: &ServerCa, now: Timestamp) -> (bool, bool, &'static str, Option<i64>) {
        let told = ["old", "new"].into_iter().find(|bundle| done.told.as_deref() == Some(&digest(bundle.as_bytes())));
        let again = done.again.map(|at| at.duration_since(now).as_secs());
        (done.copy.is_some(), done.mark, told.unwrap_or_default(), again)
    }

    #[test]
    fn the_mark_rises_with_a_change_and_stays_a_minute_and_no_change_is_missed() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let (old, new, empty) = (map("old"), map("new"), ConfigMap::default());
        let (up, down, first) = (marked("true", Some("old")), marked("false", Some("old")), marked("false", None));
        let see = |source, copy, config, since: Option<i64>, now| {
            let view = ServerCaView { source, copy, config, since: since.map(at) };
            server_ca(&view, at(now))
        };
        // Nothing to copy, or nothing to copy from; what is found at first counts as told.
        for source in [None, Some(&old), Some(&empty)] {
            for config in [&first, &down] {
                let done = see(source, Some(&old), Some(config), None, 0);
                assert_eq!(short(&done, at(0)), (false, false, "old", None));
            }
        }
        let done = see(Some(&new), None, None, None, 0);
        assert!(matches!(done.copy, Some(Copy::Create(_))));
        assert_eq!(short(&done, at(0)), (true, true, "new", None));
        let done = see(Some(&new), Some(&old), Some(&down), None, 0);
        assert_eq!(done.copy, Some(Copy::Patch(json!({"binaryData": {BUNDLE: "bmV3"}}))));
        assert_eq!(short(&done, at(0)), (true, true, "new", None));
        // Set: what comes meanwhile waits, until it has been unset for a minute.
        let wait = |config, since, now| short(&see(Some(&new), Some(&old), Some(config), since, now), at(now));
        assert_eq!(wait(&up, Some(0), 59), (false, true, "old", Some(1)));
        assert_eq!(wait(&up, Some(0), 60), (false, false, "old", None));
        assert_eq!(wait(&down, Some(60), 61), (false, false, "old", Some(59)));
        assert_eq!(wait(&down, Some(60), 120), (true, true, "new", None));
        // A new process does not know how long it has been set, and keeps it set for long enough.
        assert_eq!(wait(&up, None, 0), (false, true, "old", Some(60)));
        // The copy was made and nodes were not told.
        let owed = |since, now| short(&see(Some(&new), Some(&new), Some(&down), since, now), at(now));
        assert_eq!(owed(None, 0), (false, true, "new", None));
        assert_eq!(owed(Some(0), 1), (false, false, "old", Some(59)));
    }
}
