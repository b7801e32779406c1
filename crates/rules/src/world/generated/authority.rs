//! Whether what weir generates is written, where another operator generated before.
//!
//! R-AUTHORITY-1 Where no other operator's work is continued, weir generates.
//! R-AUTHORITY-2 Where it is continued, everything is generated first and compared with what is there. Only when nothing differs
//! weir generates from then on: an annotation on the ControllerConfig says from which build it took over. It counts for that build
//! alone.
//! R-AUTHORITY-3 When anything differs, cannot be generated, or would have to go, nothing is written at all: no cluster is
//! generated in halves. What differs for a known defect of the other operator does not count (R-ADOPT-2).
//! R-AUTHORITY-4 Whoever has been told what differs may ask for weir's all the same.
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

/// Kinds that are watched and from which nothing is generated.
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
    /// Weir does from now on: nothing differs, or it was asked for.
    Adopts,
    /// The other operator does, for this.
    Theirs(Vec<Obstacle>),
}

/// What keeps weir from generating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A MachineConfig differs.
    Differs {
        /// Its name.
        config: String,
        /// The first difference.
        difference: Difference,
    },
    /// A MachineConfig is not there.
    Missing(String),
    /// A MachineConfig is there and would be deleted.
    Unwanted(String),
    /// An object of which nothing can be generated.
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
            Self::Missing(config) => write!(f, "MachineConfig {config} is not there"),
            Self::Unwanted(config) => write!(f, "MachineConfig {config} is there, and weir would delete it"),
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

/// What obstacles come to, for people: the first, and how many more there are.
#[must_use]
pub fn said(obstacles: &[Obstacle]) -> String {
    let Some(first) = obstacles.first() else { return String::new() };
    let more = match obstacles.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!(
        "what weir generates is not what the other operator generated: {first}{more}; nothing generated is written, and what is \
         there is rendered and rolled out. See `weir explain take-over`"
    )
}

/// The status of the ControllerConfig that says whose it is what is generated; absent when it says so already, or nobody generated
/// before weir.
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
    /// What cannot be read although something is generated from it.
    #[must_use]
    pub fn unreadable_for_generators(&self) -> Option<String> {
        let read = self.unreadable.iter().filter(|object| !NOT_READ.contains(&object.kind.as_str()));
        all(&read.cloned().collect::<Vec<_>>())
    }

    /// Why nothing is generated from the ControllerConfig, in its own words; absent when all is well.
    #[must_use]
    pub fn not_generated(&self) -> Option<&str> {
        let conditions = &self.controller_config.as_ref()?.status.as_ref()?.conditions;
        find(conditions, FAILING).filter(|held| held.status == TRUE).map(|held| held.message.as_str())
    }

    /// Why weir leaves to another operator what is generated; absent when it does not, or has not said so.
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
    /// Who generates. `asked` says that weir's are wanted whatever differs.
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

    /// What keeps weir from taking over what is generated, in order of the generators.
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
