//! When nodes are told that the API server's CA changed.
//!
//! R-SERVER-CA-1 What the API server publishes is copied for the kubeconfigs of nodes. A source that is not there, or
//! says nothing, leaves the copy as it is.
//! R-SERVER-CA-2 A change of the copy raises the mark on the ControllerConfig. Nodes copy when the mark rises, so it stays
//! up, and then down, for a minute each: a node that looks seldom sees both.
//! R-SERVER-CA-3 A change that comes meanwhile is copied when the mark may rise again: no node misses it, and several are
//! taken in together.
//!
//! Source: `syncMachineConfigController` in `pkg/operator/sync.go` and `pkg/daemon/certificate_writer.go` of
//! github.com/openshift/machine-config-operator. The reference waits for a minute without news instead.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{ByteString, api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_api::{
    ControllerConfig,
    keys::{config::SERVICE_CA_ROTATE, config_maps, names::OPERATOR_NAMESPACE},
};

use crate::controller_config::{BUNDLE, bytes_of};

/// As long as the mark stays up, and then down: daemons look at every change of the ControllerConfig, and one that restarts
/// is back by then.
pub const STEADY: SignedDuration = SignedDuration::from_mins(1);

/// Everything that decides it.
#[derive(Clone, Copy, Debug)]
pub struct ServerCaView<'a> {
    /// What the API server publishes.
    pub source: Option<&'a ConfigMap>,
    /// The copy.
    pub copy: Option<&'a ConfigMap>,
    /// The ControllerConfig with the mark.
    pub config: Option<&'a ControllerConfig>,
    /// When the mark was last seen to rise or fall; absent before that.
    pub since: Option<Timestamp>,
    /// A copy was made whose mark could not be raised yet.
    pub owed: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerCa {
    /// The copy to be made, before the mark.
    pub copy: Option<Copy>,
    /// Whether the mark is to be up.
    pub mark: bool,
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

/// Whether the mark is up.
#[must_use]
pub fn is_marked(config: Option<&ControllerConfig>) -> bool {
    let annotations = config.and_then(|config| config.metadata.annotations.as_ref());
    annotations.and_then(|all| all.get(SERVICE_CA_ROTATE)).is_some_and(|mark| mark == "true")
}

/// Decides.
#[must_use]
pub fn server_ca(view: &ServerCaView<'_>, now: Timestamp) -> ServerCa {
    let nothing = |mark, again| ServerCa { copy: None, mark, again };
    if view.owed {
        return nothing(true, None);
    }
    let steady = view.since.and_then(|since| since.checked_add(STEADY).ok()).filter(|until| *until > now);
    match (is_marked(view.config), steady) {
        (true, Some(until)) => nothing(true, Some(until)),
        // Seen for the first time: nobody knows since when it is up.
        (true, None) if view.since.is_none() => nothing(true, now.checked_add(STEADY).ok()),
        (true, None) => nothing(false, None),
        (false, steady) => match (copy(view), steady) {
            (None, _) => nothing(false, None),
            (Some(_), Some(until)) => nothing(false, Some(until)),
            (copy, None) => ServerCa { copy, mark: true, again: None },
        },
    }
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

    fn marked(mark: &str) -> ControllerConfig {
        let mut config = ControllerConfig::default();
        config.metadata.annotations = Some(BTreeMap::from([(SERVICE_CA_ROTATE.to_owned(), mark.to_owned())]));
        config
    }

    #[test]
    fn the_mark_rises_with_a_change_and_stays_a_minute_and_no_change_is_missed() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let (old, new, empty) = (map("old"), map("new"), ConfigMap::default());
        let (up, down) = (marked("true"), marked("false"));
        let view = |source, copy, config, since| ServerCaView { source, copy, config, since, owed: false };
        // Nothing to copy, or nothing to copy from.
        for source in [None, Some(&old), Some(&empty)] {
            let done = server_ca(&view(source, Some(&old), Some(&down), None), at(0));
            assert_eq!(done, ServerCa { copy: None, mark: false, again: None });
        }
        let done = server_ca(&view(Some(&new), None, None, None), at(0));
        assert!(done.mark && matches!(done.copy, Some(Copy::Create(_))));
        let done = server_ca(&view(Some(&new), Some(&old), Some(&down), None), at(0));
        let patch = json!({"binaryData": {BUNDLE: "bmV3"}});
        assert_eq!(done, ServerCa { copy: Some(Copy::Patch(patch)), mark: true, again: None });
        // Up: what comes meanwhile waits, until it is down and has been for a minute.
        let wait = |config, since, now| server_ca(&view(Some(&new), Some(&old), Some(config), since), now);
        assert_eq!(wait(&up, Some(at(0)), at(59)), ServerCa { copy: None, mark: true, again: Some(at(60)) });
        assert_eq!(wait(&up, Some(at(0)), at(60)), ServerCa { copy: None, mark: false, again: None });
        assert_eq!(wait(&down, Some(at(60)), at(61)), ServerCa { copy: None, mark: false, again: Some(at(120)) });
        assert!(wait(&down, Some(at(60)), at(120)).copy.is_some());
        // A new process does not know since when it is up, and keeps it up for long enough.
        assert_eq!(wait(&up, None, at(0)), ServerCa { copy: None, mark: true, again: Some(at(60)) });
        // The copy was made and the mark was not.
        let owed = ServerCaView { owed: true, ..view(Some(&new), Some(&new), Some(&down), Some(at(0))) };
        assert!(server_ca(&owed, at(1)).mark);
    }
}
