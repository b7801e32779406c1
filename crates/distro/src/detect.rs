//! Detects the distribution of a cluster.
//!
//! R-DISTRO-1  An explicit choice wins.
//! R-DISTRO-2  Else the release payload decides: the one profile whose base OS tag it carries; if it carries none of them, the one
//!             whose base OS tag one of its tags goes on from with a dash.
//! R-DISTRO-3  Else the FeatureSet decides, when it is foreign to every profile but one.
//! R-DISTRO-4  Else nothing is assumed: startup is refused.
//! R-DISTRO-5  Contradictions are reported with the choice: a payload with only another profile's base OS
//!             tag, or a FeatureSet that is foreign to the profile.

use crate::profile::{Profile, UnknownDistribution};
use std::fmt;

/// What is known about the cluster when the choice is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// `--distribution`, when given.
    pub explicit: Option<&'a str>,
    /// Tags of the release payload, when it could be read.
    pub payload_tags: &'a [&'a str],
    /// `FeatureGate.spec.featureSet`, when it could be read.
    pub feature_set: Option<&'a str>,
}

/// Why a profile was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Because {
    /// R-DISTRO-1.
    Explicit,
    /// R-DISTRO-2: the payload carries this tag, or one that goes on from it.
    PayloadTag(String),
    /// R-DISTRO-3.
    FeatureSet(String),
}

/// Evidence against the chosen profile (R-DISTRO-5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// The payload has another profile's base OS tag and not the chosen one's.
    Payload {
        /// The tag it has.
        tag: String,
        /// The profile it belongs to.
        profile: String,
    },
    /// The FeatureSet is one that the chosen profile never has.
    FeatureSet(String),
}

/// A chosen profile and why.
#[derive(Clone, Debug)]
pub struct Detected {
    /// The profile.
    pub profile: &'static Profile,
    /// Why this one.
    pub because: Because,
    /// Contradicting evidence; empty when there is none.
    pub contradictions: Vec<Contradiction>,
}

/// Why no profile could be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DetectError {
    /// The explicit choice is not a known name.
    #[error(transparent)]
    Unknown(#[from] UnknownDistribution),
    /// R-DISTRO-4.
    #[error(
        "cannot tell which distribution this is: the release payload carries {}, and the FeatureSet is {}; \
         say it with --distribution",
        if tags.is_empty() { "no base OS tag".to_owned() } else { format!("the base OS tags {}", tags.join(" and ")) },
        feature_set.as_deref().map_or_else(|| "unknown".to_owned(), |set| format!("{set:?}"))
    )]
    Undecided {
        /// Base OS tags that the payload carries.
        tags: Vec<String>,
        /// The FeatureSet, when known.
        feature_set: Option<String>,
    },
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Payload { tag, profile } => {
                write!(f, "the release payload carries {tag}, which belongs to {profile}")
            }
            Self::FeatureSet(set) => write!(f, "the FeatureSet is {set}"),
        }
    }
}

/// Chooses the profile.
///
/// # Errors
/// An unknown explicit choice, or inconclusive evidence (R-DISTRO-4).
pub fn detect(evidence: Evidence<'_>) -> Result<Detected, DetectError> {
    let carried = carried(evidence.payload_tags);
    let (profile, because) = if let Some(name) = evidence.explicit {
        (Profile::by_name(name)?, Because::Explicit)
    } else if let [only] = carried[..] {
        (only, Because::PayloadTag(only.payload.base_os_tag.clone()))
    } else if let Some((profile, set)) = by_feature_set(evidence.feature_set) {
        (profile, Because::FeatureSet(set))
    } else {
        return Err(DetectError::Undecided {
            tags: carried.iter().map(|profile| profile.payload.base_os_tag.clone()).collect(),
            feature_set: evidence.feature_set.map(str::to_owned),
        });
    };
    let mut contradictions = Vec::new();
    if !carried.is_empty() && !carried.iter().any(|other| other.name == profile.name) {
        contradictions.extend(carried.iter().map(|other| Contradiction::Payload {
            tag: other.payload.base_os_tag.clone(),
            profile: other.name.clone(),
        }));
    }
    if let Some(set) = evidence.feature_set.filter(|set| profile.foreign_feature_sets.contains(*set)) {
        contradictions.push(Contradiction::FeatureSet(set.to_owned()));
    }
    Ok(Detected { profile, because, contradictions })
}

/// The profiles whose base OS tag a payload carries, or else goes on from.
fn carried(tags: &[&str]) -> Vec<&'static Profile> {
    let of = |is_of: fn(&str, &str) -> bool| -> Vec<&'static Profile> {
        let carries = |profile: &&'static Profile| tags.iter().any(|tag| is_of(tag, &profile.payload.base_os_tag));
        Profile::all().iter().filter(carries).collect()
    };
    let base = of(|tag, base| tag == base);
    if base.is_empty() {
        of(|tag, base| tag.strip_prefix(base).is_some_and(|rest| rest.starts_with('-')))
    } else {
        base
    }
}

fn by_feature_set(set: Option<&str>) -> Option<(&'static Profile, String)> {
    let set = set?;
    let (foreign, own): (Vec<_>, Vec<_>) =
        Profile::all().iter().partition(|profile| profile.foreign_feature_sets.contains(set));
    match own[..] {
        [only] if !foreign.is_empty() => Some((only, set.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(
        explicit: Option<&str>,
        tags: &[&str],
        set: Option<&str>,
    ) -> Result<(String, Because, usize), DetectError> {
        detect(Evidence { explicit, payload_tags: tags, feature_set: set })
            .map(|found| (found.profile.name.clone(), found.because, found.contradictions.len()))
    }

    #[test]
    fn explicit_then_payload_then_feature_set_then_refusal() {
        let tag = |tag: &str| Because::PayloadTag(tag.to_owned());
        for (explicit, tags, set, name, because, against) in [
            (Some("okd"), &["rhel-coreos"][..], None, "okd", Because::Explicit, 1),
            (Some("ocp"), &[], Some("OKD"), "ocp", Because::Explicit, 1),
            (None, &["pod", "stream-coreos"], Some(""), "okd", tag("stream-coreos"), 0),
            (None, &["rhel-coreos", "rhel-coreos-10"], Some("OKD"), "ocp", tag("rhel-coreos"), 1),
            (None, &["rhel-coreos", "stream-coreos"], Some("OKD"), "okd", Because::FeatureSet("OKD".to_owned()), 0),
            (None, &[], Some("OKD"), "okd", Because::FeatureSet("OKD".to_owned()), 0),
            (None, &["pod", "rhel-coreos-10", "rhel-coreos-10-extensions"], None, "ocp", tag("rhel-coreos"), 0),
        ] {
            assert_eq!(chosen(explicit, tags, set).unwrap(), (name.to_owned(), because, against), "{tags:?} {set:?}");
        }
        assert!(chosen(None, &[], Some("TechPreviewNoUpgrade")).is_err());
        let refusal = chosen(None, &["fedora-coreos"], None).unwrap_err().to_string();
        assert!(refusal.contains("no base OS tag") && refusal.contains("--distribution"), "{refusal}");
        assert!(matches!(chosen(Some("fcos"), &[], None), Err(DetectError::Unknown(_))));
    }
}
