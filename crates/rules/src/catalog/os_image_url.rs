//! The pair of images that ConfigMap `machine-config-osimageurl` names (R-CATALOG-1).
//!
//! Source: `pkg/controller/common/osimageurl.go` of github.com/openshift/machine-config-operator.

use super::Candidate;
use std::collections::BTreeMap;

/// Name of the ConfigMap.
pub const NAME: &str = "machine-config-osimageurl";

const OS: &str = "baseOSContainerImage";
const EXTENSIONS: &str = "baseOSExtensionsContainerImage";
const REQUIRED: [&str; 4] = [OS, EXTENSIONS, "osImageURL", "releaseVersion"];

/// A key that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to parse OS Image URLs ConfigMap: expected missing data key {key:?} to be present in ConfigMap {NAME}")]
pub struct MissingKey {
    /// The key.
    pub key: &'static str,
}

/// The images to inspect: the OS image and its extensions image, without those that are empty.
///
/// # Errors
/// When one of the keys that the ConfigMap always has is not there.
pub fn candidates(data: &BTreeMap<String, String>) -> Result<Vec<Candidate>, MissingKey> {
    if let Some(key) = REQUIRED.into_iter().find(|key| !data.contains_key(*key)) {
        return Err(MissingKey { key });
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
        assert_eq!(candidates(&data).unwrap(), []);
        data.insert(OS.to_owned(), "quay.io/os@sha256:1".to_owned());
        assert_eq!(candidates(&data).unwrap()[0].image, "quay.io/os@sha256:1");
        data.remove("releaseVersion");
        assert_eq!(candidates(&data).unwrap_err().key, "releaseVersion");
    }
}
