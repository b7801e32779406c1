//! What the ControllerConfig reports about what is generated from it.
//!
//! R-TEMPLATE-STATUS-1 During generation, `Running` names the generation; `Completed` for another generation is withdrawn.
//! R-TEMPLATE-STATUS-2 What prevents generation is the message of `Failing`, always the latest.
//! R-TEMPLATE-STATUS-3 When everything is written, `Completed` names the generation, and pools are rendered from that generation.
//! R-TEMPLATE-STATUS-4 The certificates in it are listed as well; the list may be empty.
//!
//! Source: `pkg/controller/template/status.go` of github.com/openshift/machine-config-operator. The message after each failure and
//! the empty list of R-TEMPLATE-STATUS-4 are ours.

use crate::{
    objects::conditions::{Said, set_condition},
    template::certificates,
};
use jiff::Timestamp;
use weir_api::{
    ControllerConfig,
    condition::{FALSE, TRUE, is_true},
    controller_config::ControllerConfigStatus,
    keys::controller_config::{COMPLETED, FAILING, RUNNING},
};

/// How far generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// It is running.
    Running,
    /// It failed, with the reason.
    Failing(&'a str),
    /// Everything is written.
    Completed,
}

/// The status that reports it; absent if it does already. `build` is the readable version of the generating build.
#[must_use]
pub fn status(
    config: &ControllerConfig,
    progress: Progress<'_>,
    build: &str,
    now: Timestamp,
) -> Option<ControllerConfigStatus> {
    let old = config.status.clone().unwrap_or_default();
    let generation = config.metadata.generation.unwrap_or_default();
    let is_other = old.observed_generation.unwrap_or_default() != generation;
    let of = format!("towards ({generation}) generation using controller version {build}");
    let syncing = format!("syncing {of}");
    let mut new = old.clone();
    let conditions = &mut new.conditions;
    let mut set = |type_, status, message: &str| {
        set_condition(conditions, Said { type_, status, reason: "", message }, now);
    };
    match progress {
        Progress::Running => {
            set(RUNNING, TRUE, &syncing);
            if is_other && is_true(&old.conditions, COMPLETED) {
                set(COMPLETED, FALSE, &format!("{syncing} due to change in Generation"));
            }
        }
        Progress::Failing(why) => {
            set(FAILING, TRUE, &format!("failed to syncing {of}: {why}"));
            set(COMPLETED, FALSE, "");
            set(RUNNING, FALSE, "");
        }
        Progress::Completed => {
            set(COMPLETED, TRUE, &format!("sync completed {of}"));
            set(RUNNING, FALSE, "");
            set(FAILING, FALSE, "");
        }
    }
    new.observed_generation = Some(generation);
    new.controller_certificates = certificates::of(&config.spec);
    (new != old).then_some(new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::components::complete;
    use weir_api::condition::{ConditionType, find};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn after(config: &ControllerConfig, progress: Progress<'_>) -> Option<ControllerConfig> {
        let status = status(config, progress, "v1", NOW)?;
        Some(ControllerConfig { status: Some(status), ..config.clone() })
    }

    fn message(config: &ControllerConfig, type_: ConditionType) -> String {
        let conditions = &config.status.as_ref().unwrap().conditions;
        find(conditions, type_).map_or_else(String::new, |c| format!("{} {}", c.status, c.message))
    }

    #[test]
    fn from_running_to_completed_and_what_others_wait_for() {
        let mut config = ControllerConfig::default();
        config.metadata.generation = Some(1);
        let config = after(&config, Progress::Running).unwrap();
        assert_eq!(message(&config, RUNNING), "True syncing towards (1) generation using controller version v1");
        assert!(complete(Some(&config)).is_err());
        let mut config = after(&config, Progress::Completed).unwrap();
        assert_eq!(
            message(&config, COMPLETED),
            "True sync completed towards (1) generation using controller version v1"
        );
        assert!(complete(Some(&config)).is_ok());
        assert_eq!(after(&config, Progress::Completed), None, "it says so already");
        config.metadata.generation = Some(2);
        let config = after(&config, Progress::Running).unwrap();
        assert!(message(&config, COMPLETED).starts_with("False syncing towards (2)"));
        assert!(message(&config, COMPLETED).ends_with(" due to change in Generation"));
        let first = after(&config, Progress::Failing("one")).unwrap();
        let second = after(&first, Progress::Failing("two")).unwrap();
        assert!(message(&second, FAILING).ends_with("version v1: two"), "the latest failure is told");
        assert_eq!(
            (message(&second, RUNNING), message(&second, COMPLETED)),
            ("False ".to_owned(), "False ".to_owned())
        );
        assert!(complete(Some(&second)).is_err());
    }

    #[test]
    fn certificates_go_when_there_are_none() {
        let status = ControllerConfigStatus {
            controller_certificates: vec![Default::default()],
            ..ControllerConfigStatus::default()
        };
        let config = ControllerConfig { status: Some(status), ..ControllerConfig::default() };
        let config = after(&config, Progress::Running).unwrap();
        assert_eq!(config.status.unwrap().controller_certificates, []);
    }
}
