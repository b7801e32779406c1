//! The distributions and their settings.

use crate::sample::Sample;
use crate::version::ReleaseVersion;
use regex::Regex;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The settings of a distribution. Read from `profiles/NAME.toml`, where every field is mandatory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Short name, as given to `--distribution`.
    pub name: String,
    /// Name for people.
    pub title: String,
    /// Values of `FeatureGate.spec.featureSet` that this distribution never has.
    pub foreign_feature_sets: BTreeSet<String>,
    /// How its release payloads are laid out.
    pub payload: PayloadLayout,
    /// How many OS image streams it has.
    pub streams: Streams,
    /// Which stream is the default when none is chosen.
    pub default_stream: DefaultStreamRule,
    /// The contents of its sample payload.
    pub sample: Sample,
}

/// Where a release payload keeps its operating systems.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadLayout {
    /// Tag of the OS image that every payload of this distribution has.
    pub base_os_tag: String,
    /// Tag of the extensions image that belongs to it.
    pub base_extensions_tag: String,
    /// Tags that may be an OS or extensions image.
    pub os_tag_pattern: TagPattern,
    /// Part of the source location annotation that marks an OS or extensions image whatever its tag.
    pub os_source: String,
}

impl PayloadLayout {
    /// Whether a payload tag may be an OS or extensions image; only its labels say whether it is.
    ///
    /// Source: `pkg/osimagestream/imagestream_source.go` of github.com/openshift/machine-config-operator.
    #[must_use]
    pub fn may_be_os(&self, tag: &str, source_location: Option<&str>) -> bool {
        source_location.is_some_and(|source| source.contains(&self.os_source)) || self.os_tag_pattern.0.is_match(tag)
    }
}

/// A pattern for payload tags, checked when the profile is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct TagPattern(Regex);

impl TryFrom<String> for TagPattern {
    type Error = regex::Error;

    fn try_from(pattern: String) -> Result<Self, regex::Error> {
        Regex::new(&pattern).map(Self)
    }
}

/// The streams of a distribution.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Streams {
    /// How many there are and what happens when a release drops one.
    pub rule: StreamsRule,
    /// What to do with a payload whose images do not name their stream.
    pub unlabelled: UnlabelledRule,
    /// Streams whose operating system has no runc.
    pub without_runc: BTreeSet<String>,
    /// The common name of that operating system.
    pub without_runc_title: String,
    /// Streams that on x86-64 need processors of level 3.
    ///
    /// Source: the architectures of RHEL 10 and CentOS Stream 10 in their release notes; the levels are those of the x86-64 psABI.
    pub x86_64_v3: BTreeSet<String>,
}

/// How many streams a distribution has and what happens when a release drops one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamsRule {
    /// Any number; a stream that a release drops is retained while a pool or the default uses it.
    Many,
    /// One; when its name changes, the default and the pools move to the new name.
    OneFollowingRelease,
}

/// What to do with a payload whose images have no stream label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnlabelledRule {
    /// They are not a stream.
    LeftOut,
    /// The images of the two base tags are the stream that is the default.
    BaseTags,
}

/// Which stream is the default when neither the user nor an earlier release has chosen one.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "rule", rename_all = "kebab-case", deny_unknown_fields)]
pub enum DefaultStreamRule {
    /// By the major version the cluster was installed with.
    ByInstallMajor {
        /// Stream for each of these majors.
        majors: BTreeMap<String, String>,
        /// Stream for every other major.
        otherwise: String,
    },
    /// Always the same.
    Fixed {
        /// Its name.
        stream: String,
    },
}

impl DefaultStreamRule {
    /// The built-in default for a cluster installed with this version.
    #[must_use]
    pub fn builtin(&self, installed: ReleaseVersion) -> &str {
        match self {
            Self::ByInstallMajor { majors, otherwise } => majors.get(&installed.major.to_string()).unwrap_or(otherwise),
            Self::Fixed { stream } => stream,
        }
    }
}

/// A distribution that is not built in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown distribution {asked:?}: use one of {}", known.join(", "))]
pub struct UnknownDistribution {
    /// The name asked for.
    pub asked: String,
    /// The available names.
    pub known: Vec<String>,
}

pub(crate) const SOURCES: [&str; 2] = [include_str!("../profiles/ocp.toml"), include_str!("../profiles/okd.toml")];

// A profile that does not parse is left out here and fails the test below, so a shipped binary has them all.
static PROFILES: LazyLock<Vec<Profile>> =
    LazyLock::new(|| SOURCES.iter().filter_map(|source| toml::from_str(source).ok()).collect());

impl Profile {
    /// The built-in profiles, sorted by name.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &PROFILES
    }

    /// The profile with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn by_name(name: &str) -> Result<&'static Self, UnknownDistribution> {
        Self::all().iter().find(|profile| profile.name.eq_ignore_ascii_case(name)).ok_or_else(|| UnknownDistribution {
            asked: name.to_owned(),
            known: Self::all().iter().map(|profile| profile.name.clone()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_parses_and_none_is_left_out() {
        for source in SOURCES {
            toml::from_str::<Profile>(source).unwrap();
        }
        let names: Vec<&str> = Profile::all().iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, ["ocp", "okd"]);
    }

    #[test]
    fn a_missing_or_unknown_field_is_refused() {
        let without = SOURCES[0].replacen("title =", "tile =", 1);
        assert!(toml::from_str::<Profile>(&without).is_err());
        let bad_pattern = SOURCES[0].replacen("'^(rhel", "'^((rhel", 1);
        assert!(toml::from_str::<Profile>(&bad_pattern).is_err());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = Profile::by_name("fcos").unwrap_err();
        assert_eq!(error.to_string(), "unknown distribution \"fcos\": use one of ocp, okd");
    }

    #[test]
    fn tags_that_may_be_an_operating_system() {
        for profile in Profile::all() {
            for (tag, expected) in [
                ("rhel-coreos", true),
                ("rhel9-coreos", true),
                ("streams-coreos", true),
                ("rhel--coreos", true),
                ("rhel-foo-coreos-bar", true),
                ("stream-coreos-extensions", true),
                ("rhel-coreos-10-extensions", true),
                ("rhelcoreos", false),
                ("rhel-coreos_x", false),
                ("fedora-coreos", false),
                ("machine-os-content", false),
                ("RHEL-coreos", false),
                ("xrhel-coreos", false),
                ("rhel-coreos\n", false),
            ] {
                assert_eq!(profile.payload.may_be_os(tag, None), expected, "{} {tag:?}", profile.name);
            }
            for (source, expected) in [
                ("https://github.com/openshift/os", true),
                ("https://github.com/openshift/os-fork", true),
                ("https://github.com/openshift/oss", true),
                ("git@github.com:openshift/os", false),
            ] {
                assert_eq!(profile.payload.may_be_os("anything", Some(source)), expected, "{} {source}", profile.name);
            }
        }
    }

    #[test]
    fn built_in_defaults() {
        for (profile, version, expected) in [
            ("ocp", "4.21.0", "rhel-9"),
            ("ocp", "5.0.0", "rhel-10"),
            ("ocp", "0.0.1-snapshot", "rhel-10"),
            ("okd", "4.21.0", "centos-10"),
            ("okd", "5.1.0", "centos-10"),
        ] {
            let rule = &Profile::by_name(profile).unwrap().default_stream;
            assert_eq!(rule.builtin(version.parse().unwrap()), expected, "{profile} {version}");
        }
    }
}
