//! Whether weir writes what it generates, on a cluster where another operator has generated before.
//!
//! R-AUTHORITY-1 Unless another operator's work is being continued, weir generates.
//! R-AUTHORITY-2 If it is, weir first generates everything and compares it with what exists. If nothing differs, weir generates from
//! then on: an annotation on the ControllerConfig records the build that it took over from. It is valid for that build only.
//! R-AUTHORITY-3 If anything differs, cannot be generated or would have to be deleted, nothing is written at all: no cluster is
//! half generated. Differences that follow from a known defect of the other operator do not count (R-ADOPT-2).
//! R-AUTHORITY-4 A user who knows the differences may ask for weir's version anyway.
//!
//! Source: ours.

use super::{
    Generators, Item,
    difference::{Difference, difference},
};
use crate::{
    objects::conditions::{Said, set_condition},
    render::Build,
    view::{Annotations, unreadable::all},
    world::World,
};
use jiff::Timestamp;
use std::fmt;
use weir_api::{
    ControllerConfig,
    condition::{FALSE, TRUE, find},
    controller_config::ControllerConfigStatus,
    keys::{
        config::ADOPTED_FROM,
        controller_config::{FAILING, GENERATED_CONFIGS_ADOPTED},
    },
};

/// Watched kinds from which nothing is generated.
const NOT_READ: [&str; 5] =
    ["MachineConfig", "MachineConfiguration", "MachineOSConfig", "OSImageStream", "PinnedImageSet"];
/// Reasons of the condition.
const DIFFERS: &str = "Differs";
const EQUAL: &str = "AsExpected";

/// Who generates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Weir does.
    Ours,
    /// Weir does from now on: nothing differs, or a user asked for it.
    Adopts,
    /// The other operator does, for these reasons.
    Theirs(Vec<Obstacle>),
}

/// Something that keeps weir from generating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A MachineConfig differs.
    Differs {
        /// Its name.
        config: String,
        /// The first difference.
        difference: Difference,
    },
    /// A MachineConfig does not exist.
    Missing(String),
    /// A MachineConfig exists and would be deleted.
    Unwanted(String),
    /// An object from which nothing can be generated.
    Refused {
        /// Kind and name.
        object: String,
        /// Why.
        why: String,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs { config, difference } => write!(f, "MachineConfig {config} differs in {difference}"),
            Self::Missing(config) => write!(f, "MachineConfig {config} does not exist"),
            Self::Unwanted(config) => write!(f, "MachineConfig {config} exists, and weir would delete it"),
            Self::Refused { object, why } => write!(f, "{object}: {why}"),
        }
    }
}

impl Obstacle {
    /// The MachineConfig that would be written or deleted; absent when nothing can be generated.
    #[must_use]
    pub fn config(&self) -> Option<&str> {
        match self {
            Self::Differs { config, .. } | Self::Missing(config) | Self::Unwanted(config) => Some(config),
            Self::Refused { .. } => None,
        }
    }
}

/// The obstacles in a sentence: the first one, and how many more there are.
#[must_use]
pub fn said(obstacles: &[Obstacle]) -> String {
    let Some(first) = obstacles.first() else { return String::new() };
    let more = match obstacles.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!(
        "what weir generates differs from what the other operator generated: {first}{more}; weir writes none of it, and renders and \
         rolls out what exists. See `weir explain take-over`"
    )
}

/// The status of the ControllerConfig that says who generates; absent if it says so already, or if nobody generated before weir.
#[must_use]
pub fn told(config: &ControllerConfig, authority: &Authority, now: Timestamp) -> Option<ControllerConfigStatus> {
    let mut status = config.status.clone().unwrap_or_default();
    let said = match authority {
        Authority::Theirs(obstacles) => (FALSE, DIFFERS, said(obstacles)),
        Authority::Adopts => (TRUE, EQUAL, "weir generates, in the place of the operator before it".to_owned()),
        Authority::Ours => return None,
    };
    let (value, reason, message) = said;
    let said = Said { type_: GENERATED_CONFIGS_ADOPTED, status: value, reason, message: &message };
    set_condition(&mut status.conditions, said, now).then_some(status)
}

impl World {
    /// Unreadable objects that something is generated from, in a sentence.
    #[must_use]
    pub fn unreadable_for_generators(&self) -> Option<String> {
        let read = self.unreadable.iter().filter(|object| !NOT_READ.contains(&object.kind.as_str()));
        all(&read.cloned().collect::<Vec<_>>())
    }

    /// Why nothing is generated from the ControllerConfig, as its status says; absent if all is well.
    #[must_use]
    pub fn not_generated(&self) -> Option<&str> {
        let conditions = &self.controller_config.as_ref()?.status.as_ref()?.conditions;
        find(conditions, FAILING).filter(|held| held.status == TRUE).map(|held| held.message.as_str())
    }

    /// Why weir leaves generating to another operator; absent if it does not, or has not said so.
    #[must_use]
    pub fn not_adopted(&self) -> Option<&str> {
        let conditions = &self.controller_config.as_ref()?.status.as_ref()?.conditions;
        let held = find(conditions, GENERATED_CONFIGS_ADOPTED).filter(|held| held.status == FALSE)?;
        Some(&held.message)
    }

    /// Whether weir generates already (R-AUTHORITY-1, 2). `continues` says that another operator's work is continued, `build` as which.
    #[must_use]
    pub fn generates(&self, build: &Build, continues: bool) -> bool {
        let marks = self.controller_config.as_ref().map(|config| Annotations::of(&config.metadata));
        !continues || marks.is_some_and(|marks| marks.get(ADOPTED_FROM) == Some(build.hash.as_str()))
    }
}

impl Generators<'_> {
    /// Who generates. `asked`: the user wants weir's version whatever differs.
    #[must_use]
    pub fn authority(&mut self, continues: bool, asked: bool, now: Timestamp) -> Authority {
        if self.world.generates(self.build, continues) {
            return Authority::Ours;
        }
        if asked {
            return Authority::Adopts;
        }
        self.is_adopting = true;
        match self.obstacles(now) {
            obstacles if obstacles.is_empty() => Authority::Adopts,
            obstacles => Authority::Theirs(obstacles),
        }
    }

    /// Everything that keeps weir from generating, in the order of the generators.
    #[must_use]
    pub fn obstacles(&self, now: Timestamp) -> Vec<Obstacle> {
        let obstacle = |item| match item {
            Item::Made(ours) => {
                let config = ours.metadata.name.clone().unwrap_or_default();
                match self.world.config(&config) {
                    None => Some(Obstacle::Missing(config)),
                    Some(there) => difference(there, &ours).map(|difference| Obstacle::Differs { config, difference }),
                }
            }
            Item::Gone(config) => self.world.config(&config).map(|_| Obstacle::Unwanted(config)),
            Item::Refused { object, why } => Some(Obstacle::Refused { object, why }),
            Item::Noticed { .. } => None,
        };
        self.all(now).into_iter().filter_map(obstacle).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::generated::ReleaseTemplates;
    use serde_json::{Value, json};
    use weir_api::MachineConfig;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn of<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn build() -> Build {
        Build { raw: "v1".to_owned(), hash: "theirs".to_owned(), release: None }
    }

    fn templates(text: &str) -> ReleaseTemplates {
        let mut templates = ReleaseTemplates::default();
        templates.tree.add_file("worker/00-worker/_base/files/a.yaml", text.as_bytes()).unwrap();
        templates
    }

    /// A cluster with these MachineConfigs, whose ControllerConfig has this annotation.
    fn world(configs: &[MachineConfig], adopted_from: &str) -> World {
        let config: ControllerConfig = of(json!({
            "metadata": {"name": "machine-config-controller", "annotations": {ADOPTED_FROM: adopted_from}},
            "spec": {"pullSecret": {"namespace": "n", "name": "p"}, "infra": {"status": {
                "controlPlaneTopology": "HighlyAvailable", "apiServerInternalURI": "https://a.test:6443",
                "platformStatus": {"type": "None"},
            }}},
        }));
        let secret: k8s_openapi::api::core::v1::Secret = of(json!({
            "metadata": {"namespace": "n", "name": "p"}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": "{\"auths\": {}}"},
        }));
        let configs = configs.iter().cloned().map(Into::into);
        World::of(configs.chain([config.into(), secret.into()]))
    }

    fn decided(world: &World, text: &str, continues: bool, asked: bool) -> Authority {
        let (templates, build) = (templates(text), build());
        let of_pools = world.templates_of_pools(&templates, &build);
        Generators::new(world, &templates, &of_pools, &build, NOW).authority(continues, asked, NOW)
    }

    const TEXT: &str = "path: /a\ncontents:\n  inline: |\n    one\n    two\n";

    fn generated() -> MachineConfig {
        let (world, templates, build) = (world(&[], ""), templates(TEXT), build());
        let of_pools = world.templates_of_pools(&templates, &build);
        let generators = Generators::new(&world, &templates, &of_pools, &build, NOW);
        generators.templates().unwrap().remove(0)
    }

    #[test]
    fn what_is_equal_is_adopted_and_what_was_adopted_stays_so_for_its_build() {
        let there = [generated()];
        assert_eq!(decided(&world(&[], ""), TEXT, false, false), Authority::Ours, "nobody generated before");
        assert_eq!(decided(&world(&there, ""), TEXT, true, false), Authority::Adopts);
        assert_eq!(decided(&world(&[], "theirs"), TEXT, true, false), Authority::Ours);
        assert_eq!(decided(&world(&there, "another"), TEXT, true, false), Authority::Adopts, "compared anew");
    }

    #[test]
    fn whatever_differs_is_named_and_only_a_user_gets_over_it() {
        let theirs = |world: World, text: &str| match decided(&world, text, true, false) {
            Authority::Theirs(obstacles) => said(&obstacles),
            other => unreachable!("{other:?}"),
        };
        let changed = TEXT.replace("two", "three");
        let differs = theirs(world(&[generated()], ""), &changed);
        assert!(differs.contains("MachineConfig 00-worker differs in /a, line 2; weir writes none of it"), "{differs}");
        let missing = theirs(world(&[], "another"), TEXT);
        assert!(missing.contains("MachineConfig 00-worker does not exist"), "{missing}");
        let failing = theirs(world(&[generated()], ""), "path: /a\ncontents:\n  inline: {{.Nope}}\n");
        assert!(
            failing.contains("ControllerConfig machine-config-controller: ") && failing.contains("Nope"),
            "{failing}"
        );
        assert_eq!(decided(&world(&[generated()], ""), &changed, true, true), Authority::Adopts);
        let several = [Obstacle::Missing("a".to_owned()), Obstacle::Unwanted("b".to_owned())];
        assert!(said(&several).contains("MachineConfig a does not exist (and 1 more)"), "{}", said(&several));
    }

    #[test]
    fn the_controller_config_says_whose_it_is_once() {
        let mut config = ControllerConfig::default();
        assert_eq!(told(&config, &Authority::Ours, NOW), None);
        let theirs = Authority::Theirs(vec![Obstacle::Missing("a".to_owned())]);
        config.status = told(&config, &theirs, NOW);
        assert_eq!(told(&config, &theirs, NOW), None);
        let in_world = |config: &ControllerConfig| {
            let controller_config = Some(std::sync::Arc::new(config.clone()));
            let world = World { controller_config, ..World::default() };
            world.not_adopted().map(str::to_owned)
        };
        assert!(in_world(&config).unwrap().contains("MachineConfig a does not exist"));
        config.status = told(&config, &Authority::Adopts, NOW);
        assert_eq!(in_world(&config), None);
    }
}
