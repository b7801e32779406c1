//! Whether a generated MachineConfig is written, and what stays as another build made it.
//!
//! R-ADOPT-1 It is written if it differs in content from the existing one (R-CONFIG-3).
//! R-ADOPT-2 While another build's work is taken over, what that build would have left alone stays as it is, even if weir would
//! generate something else: taking over reboots no node. An annotation records what weir would have generated.
//! R-ADOPT-3 An object with the annotation is written when weir would generate something else again, or is another build.
//!
//! Source: ours. What the other build leaves alone is in `pkg/controller/kubelet-config` and
//! `pkg/controller/container-runtime-config` of github.com/openshift/machine-config-operator.

use super::config::{build_of, update};
use crate::view::Annotations;
use md5::{Digest as _, Md5};
use weir_api::{MachineConfig, keys::config::ADOPTED_INSTEAD_OF};

/// What to do about a MachineConfig.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nothing: it is up to date.
    Nothing,
    /// Create or update it.
    Write(Box<MachineConfig>),
    /// Add the annotation.
    Note(Box<MachineConfig>),
}

/// What to do if this one exists and `fresh` is wanted. `is_left_alone` tells whether the build that made it would leave it; absent
/// if nothing is being taken over.
#[must_use]
pub fn decide(
    found: Option<&MachineConfig>,
    fresh: MachineConfig,
    build: &str,
    is_left_alone: Option<&dyn Fn(&MachineConfig) -> bool>,
) -> Decision {
    let hash = hash(&fresh);
    let (Some(next), Some(there)) = (update(found, fresh.clone()), found) else {
        return if found.is_some() { Decision::Nothing } else { Decision::Write(Box::new(fresh)) };
    };
    let note = Annotations::of(&there.metadata).get(ADOPTED_INSTEAD_OF);
    if build_of(there) != Some(build) {
        return Decision::Write(Box::new(next));
    }
    if note == Some(hash.as_str()) {
        return Decision::Nothing;
    }
    if !is_left_alone.is_some_and(|is_left_alone| is_left_alone(there)) {
        return Decision::Write(Box::new(next));
    }
    let mut noted = there.clone();
    noted.metadata.annotations.get_or_insert_default().insert(ADOPTED_INSTEAD_OF.to_owned(), hash);
    Decision::Note(Box::new(noted))
}

fn hash(config: &MachineConfig) -> String {
    let text = config.spec.config.as_ref().map(ToString::to_string).unwrap_or_default();
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::config::{File, machine_config};

    fn config(build: &str, text: &str) -> MachineConfig {
        machine_config("99-a", "a", build, &[File::new("/f", text.to_owned())])
    }

    #[test]
    fn what_is_taken_over_stays_until_its_inputs_change() {
        let alone: &dyn Fn(&MachineConfig) -> bool = &|_| true;
        let theirs = config("b", "theirs");
        let decide = |found: &MachineConfig, text: &str, build: &str, left: Option<_>| {
            super::decide(Some(found), config(build, text), build, left)
        };
        assert_eq!(
            super::decide(None, config("b", "1"), "b", Some(alone)),
            Decision::Write(Box::new(config("b", "1")))
        );
        assert_eq!(decide(&theirs, "theirs", "b", None), Decision::Nothing);
        let Decision::Note(noted) = decide(&theirs, "ours", "b", Some(alone)) else { unreachable!("not noted") };
        assert_eq!(noted.spec, theirs.spec);
        assert_eq!(decide(&noted, "ours", "b", None), Decision::Nothing);
        assert_eq!(decide(&noted, "ours", "b", Some(alone)), Decision::Nothing);
        for (written, build) in [("changed", "b"), ("ours", "c")] {
            assert_eq!(decide(&noted, written, build, None), Decision::Write(Box::new(config(build, written))));
        }
        assert_eq!(decide(&theirs, "ours", "b", None), Decision::Write(Box::new(config("b", "ours"))));
        assert_eq!(decide(&theirs, "ours", "b", Some(&|_| false)), Decision::Write(Box::new(config("b", "ours"))));
    }
}
