//! Which build's work is continued when taking over from another operator.
//!
//! R-TAKE-OVER-1 The ControllerConfig says which build it belongs to, and it belongs to the release that the cluster should run: in
//! the middle of an update there is nothing to continue, because generated objects belong to neither release yet.
//! R-TAKE-OVER-2 All generated MachineConfigs belong to one build. Rendered ones do not count, because those of every build are
//! kept; those of users belong to none.
//! R-TAKE-OVER-3 A process that takes over acts as that build until it exits: its inputs are the same, and so are the rendered names.
//! R-TAKE-OVER-4 A process that does not take over writes nothing while the ControllerConfig belongs to another build: no pool, no node, no
//! OSImageStream, no policy. It says so in the ClusterOperator and on the pools. A ControllerConfig that weir created on an API
//! server that is not OpenShift never belongs to another build.
//!
//! Source of the annotations: `pkg/operator/sync.go` and `pkg/controller/template/template_controller.go` of
//! github.com/openshift/machine-config-operator. That another program continues under them is ours.

use crate::render::name_of;
use crate::view::Annotations;
use std::collections::BTreeMap;
use weir_api::{
    ControllerConfig, MachineConfig,
    keys::{
        config::{GENERATED_BY_CONTROLLER_VERSION, GENERATED_BY_VERSION, RELEASE_IMAGE_VERSION, SEEDED},
        names::{CONTROLLER_CONFIG, RENDERED_PREFIX},
    },
};

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct TakeOverView<'a> {
    /// The ControllerConfig.
    pub controller_config: Option<&'a ControllerConfig>,
    /// All MachineConfigs.
    pub configs: &'a [&'a MachineConfig],
    /// Version of the release that the cluster should run.
    pub desired: Option<&'a str>,
}

/// The build to continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continued {
    /// Version for people, as on the ControllerConfig.
    pub raw: String,
    /// Hash of the source, as on generated MachineConfigs.
    pub hash: String,
    /// Version of the release it belongs to.
    pub release: String,
}

/// Why there is nothing to continue. Permanent until the other operator has done its part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TakeOverError {
    /// R-TAKE-OVER-1.
    #[error(
        "there is no ControllerConfig {CONTROLLER_CONFIG} with the annotations {GENERATED_BY_VERSION} and \
         {RELEASE_IMAGE_VERSION}: no operator has worked here that could be taken over from"
    )]
    NotMarked,
    /// R-TAKE-OVER-1.
    #[error(
        "ControllerConfig {CONTROLLER_CONFIG} belongs to release {found}, and the cluster is to run {}: let the other \
         operator finish this update first",
        desired.as_deref().unwrap_or("none that ClusterVersion version names")
    )]
    Updating {
        /// Release of the ControllerConfig.
        found: String,
        /// The release the cluster should run.
        desired: Option<String>,
    },
    /// R-TAKE-OVER-2.
    #[error(
        "no MachineConfig has the annotation {GENERATED_BY_CONTROLLER_VERSION}: the other controller has generated nothing \
         that pools could be rendered from"
    )]
    NothingGenerated,
    /// R-TAKE-OVER-2.
    #[error(
        "generated MachineConfigs are of several builds ({}): let the other controller finish its work first",
        .0.iter().map(|(hash, config)| format!("{config} of {hash}")).collect::<Vec<_>>().join(", ")
    )]
    SeveralBuilds(
        /// A MachineConfig of each build.
        BTreeMap<String, String>,
    ),
}

/// The build that manages the cluster, if it is not `own`: without a takeover everything is left to it
/// (R-TAKE-OVER-4). Builds are distinguished by their version for people, as on the ControllerConfig.
#[must_use]
pub fn other_build<'a>(config: Option<&'a ControllerConfig>, own: &str) -> Option<&'a str> {
    let marks = Annotations::of(&config?.metadata);
    let found = marks.get(GENERATED_BY_VERSION).filter(|_| !marks.has(SEEDED))?;
    (found != own).then_some(found)
}

/// The build to continue.
///
/// # Errors
/// When there is none, or its work is not finished.
pub fn continued(view: &TakeOverView<'_>) -> Result<Continued, TakeOverError> {
    let marks = view.controller_config.map(|config| Annotations::of(&config.metadata)).unwrap_or_default();
    let mark = |key| marks.filled(key).map(str::to_owned).ok_or(TakeOverError::NotMarked);
    let (raw, release) = (mark(GENERATED_BY_VERSION)?, mark(RELEASE_IMAGE_VERSION)?);
    if view.desired != Some(release.as_str()) {
        return Err(TakeOverError::Updating { found: release, desired: view.desired.map(str::to_owned) });
    }
    let mut builds: BTreeMap<String, String> = BTreeMap::new();
    for config in view.configs {
        let name = name_of(&config.metadata);
        let hash = Annotations::of(&config.metadata).filled(GENERATED_BY_CONTROLLER_VERSION);
        if let Some(hash) = hash.filter(|_| !name.starts_with(RENDERED_PREFIX)) {
            builds.entry(hash.to_owned()).or_insert_with(|| name.to_owned());
        }
    }
    match (builds.pop_first(), builds.is_empty()) {
        (Some((hash, _)), true) => Ok(Continued { raw, hash, release }),
        (Some((hash, config)), false) => {
            builds.insert(hash, config);
            Err(TakeOverError::SeveralBuilds(builds))
        }
        (None, _) => Err(TakeOverError::NothingGenerated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn controller_config(annotations: Value) -> ControllerConfig {
        serde_json::from_value(json!({"metadata": {"annotations": annotations}, "spec": {}})).unwrap()
    }

    fn config(name: &str, hash: Option<&str>) -> MachineConfig {
        let mut config = MachineConfig::named(name, Default::default());
        config.metadata.annotations = hash.map(|h| [(GENERATED_BY_CONTROLLER_VERSION.to_owned(), h.to_owned())].into());
        config
    }

    fn of(marks: Value, configs: &[(&str, Option<&str>)], desired: Option<&str>) -> Result<Continued, TakeOverError> {
        let configs: Vec<MachineConfig> = configs.iter().map(|(name, hash)| config(name, *hash)).collect();
        let controller_config = controller_config(marks);
        continued(&TakeOverView {
            controller_config: Some(&controller_config),
            configs: &configs.iter().collect::<Vec<_>>(),
            desired,
        })
    }

    fn marks() -> Value {
        json!({GENERATED_BY_VERSION: "v4.99.0-dirty", RELEASE_IMAGE_VERSION: "5.0.0"})
    }

    #[test]
    fn what_another_build_keeps_is_its_own() {
        for (marks, other) in [
            (json!({GENERATED_BY_VERSION: "v4"}), Some("v4")),
            (json!({GENERATED_BY_VERSION: "ours"}), None),
            (json!({GENERATED_BY_VERSION: "v4", SEEDED: "v4"}), None),
            (json!({}), None),
        ] {
            assert_eq!(other_build(Some(&controller_config(marks.clone())), "ours"), other, "{marks}");
        }
        assert_eq!(other_build(None, "ours"), None);
    }

    #[test]
    fn a_settled_cluster_is_continued_under_the_marks_it_has() {
        let all = [
            ("00-worker", Some("abc")),
            ("99-mine", None),
            ("98-mine", Some("")),
            ("rendered-worker-1", Some("older")),
        ];
        let expected =
            Continued { raw: "v4.99.0-dirty".to_owned(), hash: "abc".to_owned(), release: "5.0.0".to_owned() };
        assert_eq!(of(marks(), &all, Some("5.0.0")), Ok(expected));
    }

    #[test]
    fn what_is_not_finished_is_not_continued() {
        let one = [("00-worker", Some("abc"))];
        let several = [("00-worker", Some("abc")), ("01-worker-kubelet", Some("def")), ("00-master", Some("abc"))];
        let text = |result: Result<Continued, TakeOverError>| result.unwrap_err().to_string();
        for (found, part) in [
            (of(json!({}), &one, Some("5.0.0")), "no operator has worked here"),
            (of(json!({GENERATED_BY_VERSION: "v1"}), &one, Some("5.0.0")), "no operator has worked here"),
            (of(marks(), &one, Some("5.0.1")), "belongs to release 5.0.0, and the cluster is to run 5.0.1"),
            (of(marks(), &one, None), "the cluster is to run none that ClusterVersion version names"),
            (of(marks(), &[("99-mine", None)], Some("5.0.0")), "has generated nothing"),
            (of(marks(), &several, Some("5.0.0")), "(00-worker of abc, 01-worker-kubelet of def)"),
        ] {
            let text = text(found);
            assert!(text.contains(part), "{text}");
        }
        let view = TakeOverView { controller_config: None, configs: &[], desired: Some("5.0.0") };
        assert_eq!(continued(&view), Err(TakeOverError::NotMarked));
    }
}
