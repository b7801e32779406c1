//! The contents of a distribution's sample release payload.

use serde::Deserialize;

/// The sample release payload of a distribution.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// `FeatureGate.spec.featureSet` of a cluster that runs it; empty for the default set.
    pub feature_set: String,
    /// Release version.
    pub version: String,
    /// `host/namespace` under which its images are named.
    pub repository: String,
    /// Tag of the OS image of a stream that is not listed; `{release}` is what follows the last dash of its name.
    pub other_os_tag: String,
    /// The streams it carries.
    pub streams: Vec<SampleStream>,
}

/// One stream of a sample payload.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleStream {
    /// Stream name.
    pub name: String,
    /// Payload tag of its OS image; that of the extensions image has `-extensions` appended.
    pub os_tag: String,
    /// Version of the operating system, as in its image's label.
    pub os_version: String,
}

impl SampleStream {
    /// Payload tag of its extensions image.
    #[must_use]
    pub fn extensions_tag(&self) -> String {
        format!("{}-extensions", self.os_tag)
    }
}

impl Sample {
    /// The listed stream of this name, or one made up for it.
    #[must_use]
    pub fn stream(&self, name: &str) -> SampleStream {
        if let Some(listed) = self.streams.iter().find(|stream| stream.name == name) {
            return listed.clone();
        }
        let release = name.rsplit('-').next().unwrap_or(name);
        SampleStream {
            name: name.to_owned(),
            os_tag: self.other_os_tag.replace("{release}", release),
            os_version: release.to_owned(),
        }
    }
}

/// Payload tags that have nothing to do with operating systems, sorted: every real release has about this many.
pub fn components() -> impl Iterator<Item = &'static str> {
    include_str!("../sample/components.txt").lines()
}

/// A small tree of templates, as real releases carry one: paths with their text.
#[must_use]
pub fn templates() -> Vec<(String, String)> {
    let files = include_str!("../sample/templates.txt").split("==> ").filter_map(|file| file.split_once('\n'));
    files.flat_map(|(path, text)| of_roles(path, text)).collect()
}

/// A template of the sample tree, for each role that `ROLE` in its path stands for.
#[must_use]
pub fn of_roles(path: &str, text: &str) -> Vec<(String, String)> {
    /// What stands for each role, in paths and texts.
    const ROLE: &str = "ROLE";
    let roles: &[&str] = if path.contains(ROLE) { &["arbiter", "master", "worker"] } else { &[ROLE] };
    roles.iter().map(|role| (path.replace(ROLE, role), text.replace(ROLE, role))).collect()
}

#[cfg(test)]
mod tests {
    use super::{components, templates};
    use crate::Profile;

    #[test]
    fn components_are_sorted_unique_and_never_taken_for_an_operating_system() {
        let names: Vec<&str> = components().collect();
        assert!(names.is_sorted() && names.windows(2).all(|pair| pair[0] != pair[1]));
        assert!((180..=200).contains(&names.len()), "{}", names.len());
        for profile in Profile::all() {
            assert!(names.iter().all(|name| !profile.payload.may_be_os(name, None)));
        }
    }

    #[test]
    fn the_tree_of_templates_has_the_same_for_every_role() {
        let tree = templates();
        let of = |role: &str| tree.iter().filter(|(path, _)| path.starts_with(&format!("{role}/"))).count();
        assert_eq!((of("common"), of("master"), of("worker"), of("arbiter")), (6, 7, 7, 7));
        assert!(tree.iter().all(|(path, text)| !path.contains("ROLE") && !text.contains("ROLE") && !text.is_empty()));
    }

    #[test]
    fn sample_streams_have_tags_that_discovery_finds() {
        for profile in Profile::all() {
            let base =
                profile.sample.streams.iter().find(|stream| stream.os_tag == profile.payload.base_os_tag).unwrap();
            assert_eq!(base.extensions_tag(), profile.payload.base_extensions_tag);
            for name in profile.sample.streams.iter().map(|stream| stream.name.as_str()).chain(["rhel-11", "centos-11"])
            {
                let stream = profile.sample.stream(name);
                assert!(profile.payload.may_be_os(&stream.os_tag, None), "{stream:?}");
                assert!(profile.payload.may_be_os(&stream.extensions_tag(), None), "{stream:?}");
            }
        }
    }
}
