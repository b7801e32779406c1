//! What contradicts the distribution that was chosen at startup.
//!
//! R-MISMATCH-1 The release payload has another distribution's base OS tag and not the chosen one's.
//! R-MISMATCH-2 The FeatureSet is one that the distribution never has.
//! R-MISMATCH-3 The payload carries several streams, and the distribution has one.
//! R-MISMATCH-4 While there is any, nothing is rendered and no node is told anything; what runs keeps running. Nothing has
//! to be restarted or deleted afterwards: a matching payload or FeatureSet is enough.

use std::fmt;
use weir_distro::{Evidence, Profile, detect, detect::Contradiction};

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct MismatchView<'a> {
    /// The distribution that was chosen.
    pub profile: &'a Profile,
    /// Tags of the release payload; empty while none was read.
    pub payload_tags: &'a [&'a str],
    /// Streams of a payload that carries several where there should be one; otherwise empty.
    pub several_streams: &'a [String],
    /// `FeatureGate.spec.featureSet`, when known.
    pub feature_set: Option<&'a str>,
}

/// A contradiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// R-MISMATCH-1 and 2.
    Evidence(Contradiction),
    /// R-MISMATCH-3: the streams.
    SeveralStreams(Vec<String>),
}

/// Reason of conditions and events.
pub const CODE: &str = "DistributionMismatch";

/// All contradictions.
#[must_use]
pub fn mismatches(view: &MismatchView<'_>) -> Vec<Mismatch> {
    let (explicit, feature_set) = (Some(view.profile.name.as_str()), view.feature_set);
    let found = detect(Evidence { explicit, payload_tags: view.payload_tags, feature_set });
    let mut all: Vec<Mismatch> =
        found.into_iter().flat_map(|found| found.contradictions).map(Mismatch::Evidence).collect();
    if !view.several_streams.is_empty() {
        all.push(Mismatch::SeveralStreams(view.several_streams.to_vec()));
    }
    all
}

/// All of them in one clause.
#[must_use]
pub fn clause(profile: &Profile, mismatches: &[Mismatch]) -> String {
    let each: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    format!("this cluster runs as {}, but {}", profile.name, each.join("; "))
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evidence(contradiction) => contradiction.fmt(f),
            Self::SeveralStreams(names) => {
                write!(
                    f,
                    "the release payload carries {} streams where there is one: {}",
                    names.len(),
                    names.join(", ")
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_contradicted_by_the_other_ones_payload_and_not_by_its_own() {
        for profile in Profile::all() {
            for other in Profile::all() {
                let tags = ["pod", other.payload.base_os_tag.as_str()];
                let feature_set = Some(other.sample.feature_set.as_str());
                let view = MismatchView { profile, payload_tags: &tags, several_streams: &[], feature_set };
                assert_eq!(mismatches(&view).is_empty(), profile.name == other.name, "{} {}", profile.name, other.name);
                assert!(mismatches(&MismatchView { payload_tags: &[], feature_set: None, ..view }).is_empty());
            }
        }
    }

    #[test]
    fn all_of_them_are_told_at_once() {
        let profile = Profile::by_name("okd").unwrap();
        let several = ["centos-10".to_owned(), "centos-11".to_owned()];
        let tags = ["rhel-coreos"];
        let view = MismatchView { profile, payload_tags: &tags, several_streams: &several, feature_set: Some("OKD") };
        assert_eq!(
            clause(profile, &mismatches(&view)),
            "this cluster runs as okd, but the release payload carries rhel-coreos, which belongs to ocp; the release payload \
             carries 2 streams where there is one: centos-10, centos-11"
        );
    }
}
