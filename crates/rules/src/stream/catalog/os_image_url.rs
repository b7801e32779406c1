//! The pair of images that ConfigMap `machine-config-osimageurl` names (R-CATALOG-1).
//!
//! Source: `pkg/controller/common/osimageurl.go` of github.com/openshift/machine-config-operator.

use super::Candidate;
use std::collections::BTreeMap;

/// Name of the ConfigMap.
pub const NAME: &str = "machine-config-osimageurl";

/// Key of the OS image.
pub(crate) const OS: &str = "baseOSContainerImage";
/// Key of its extensions image.
pub(crate) const EXTENSIONS: &str = "baseOSExtensionsContainerImage";
/// Key of the release that the ConfigMap was written for.
pub(crate) const VERSION: &str = "releaseVersion";
/// The keys that it must have.
pub(crate) const REQUIRED: [&str; 4] = [OS, EXTENSIONS, "osImageURL", VERSION];

/// Why the ConfigMap is ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUsed {
    /// A key is missing.
    #[error(
        "failed to parse OS Image URLs ConfigMap: expected missing data key {key:?} to be present in ConfigMap {NAME}"
    )]
    MissingKey {
        /// The key.
        key: &'static str,
    },
    /// It was written for another release than the cluster should run: its images are those before or after the update.
    #[error("it is of release {of}, and the cluster is to run {desired}")]
    OtherRelease {
        /// Its release.
        of: String,
        /// The release the cluster should run.
        desired: String,
    },
}

/// The images to inspect: the OS image and its extensions image, unless empty. `desired` is the version
/// that the cluster should run.
///
/// # Errors
/// When a required key is missing, or it is of another release.
pub fn candidates(data: &BTreeMap<String, String>, desired: &str) -> Result<Vec<Candidate>, NotUsed> {
    if let Some(key) = REQUIRED.into_iter().find(|key| !data.contains_key(*key)) {
        return Err(NotUsed::MissingKey { key });
    }
    if let Some(of) = data.get(VERSION).filter(|of| *of != desired) {
        return Err(NotUsed::OtherRelease { of: of.clone(), desired: desired.to_owned() });
    }
    let image = |key: &str| data.get(key).filter(|image| !image.is_empty());
    Ok([OS, EXTENSIONS]
        .into_iter()
        .filter_map(|key| Some(Candidate { tag: String::new(), image: image(key)?.clone() }))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_four_keys_are_required_and_empty_images_are_none() {
        let mut data: BTreeMap<String, String> =
            REQUIRED.iter().map(|key| ((*key).to_owned(), String::new())).collect();
        assert_eq!(candidates(&data, "").unwrap(), []);
        data.insert(OS.to_owned(), "quay.io/os@sha256:1".to_owned());
        data.insert(VERSION.to_owned(), "5.0.1".to_owned());
        assert_eq!(candidates(&data, "5.0.1").unwrap()[0].image, "quay.io/os@sha256:1");
        let other = NotUsed::OtherRelease { of: "5.0.1".to_owned(), desired: "5.0.2".to_owned() };
        assert_eq!(candidates(&data, "5.0.2"), Err(other));
        data.remove(VERSION);
        assert_eq!(candidates(&data, "5.0.1"), Err(NotUsed::MissingKey { key: VERSION }));
    }
}
