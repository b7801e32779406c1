//! Images whose cached data is kept when the rest is evicted.
//!
//! R-KEPT-1 Data of an image is kept while the cluster uses the image: a listed stream, the release it should
//! run, the images of the ControllerConfig, those of a pool's current or target configuration, and pinned ones.
//! R-KEPT-2 If a pool's configuration cannot be read, it is unknown what is used, and everything is kept.
//!
//! Source: the evicters of `pkg/imageutils` in github.com/openshift/machine-config-operator, which do not keep the release.

use std::{collections::BTreeSet, sync::Arc};
use weir_api::{ClusterVersion, ControllerConfig, MachineConfig, MachineConfigPool, OSImageStream, PinnedImageSet};

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct KeptView<'a> {
    /// The one ClusterVersion, if it exists.
    pub cluster: Option<&'a ClusterVersion>,
    /// The one OSImageStream, if it exists.
    pub object: Option<&'a OSImageStream>,
    /// The one ControllerConfig, if it exists.
    pub controller_config: Option<&'a ControllerConfig>,
    /// Every pool.
    pub pools: &'a [&'a MachineConfigPool],
    /// Every PinnedImageSet.
    pub pinned: &'a [Arc<PinnedImageSet>],
}

/// The pull specs of the images whose data is kept; `None` to keep everything. `config_of`
/// finds a MachineConfig by name.
#[must_use]
pub fn kept<'a>(
    view: &KeptView<'a>,
    config_of: impl Fn(&str) -> Option<&'a MachineConfig>,
) -> Option<BTreeSet<&'a str>> {
    let mut kept = BTreeSet::new();
    let streams = view.object.and_then(|object| object.status.as_ref()).map(|status| &status.available_streams);
    for set in streams.into_iter().flatten() {
        kept.extend([set.os_image.as_str(), set.os_extensions_image.as_str()]);
    }
    kept.extend(view.cluster.and_then(|cluster| cluster.status.as_ref()).map(|status| status.desired.image.as_str()));
    if let Some(config) = view.controller_config {
        let spec = &config.spec;
        kept.extend([spec.base_os_container_image.as_str(), spec.base_os_extensions_container_image.as_str()]);
        kept.insert(spec.release_image.as_str());
    }
    for pool in view.pools {
        let has = pool.status.as_ref().and_then(|status| status.configuration.as_ref());
        let names = pool.spec.configuration.iter().chain(has).map(|configuration| configuration.name());
        for name in names.filter(|name| !name.is_empty()) {
            let spec = &config_of(name)?.spec;
            kept.extend(
                [&spec.os_image_url, &spec.base_os_extensions_container_image]
                    .into_iter()
                    .flatten()
                    .map(String::as_str),
            );
        }
    }
    let pinned = view.pinned.iter().flat_map(|set| &set.spec.pinned_images);
    kept.extend(pinned.map(|image| image.name.as_str()));
    kept.remove("");
    Some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_cluster_uses_is_kept() {
        let read = |value| serde_json::from_value::<MachineConfigPool>(value).unwrap();
        let pool = read(json!({
            "spec": {"configuration": {"name": "rendered-new"}}, "status": {"configuration": {"name": "rendered-old"}},
        }));
        let config = |os: &str| {
            let spec = json!({"osImageURL": os, "baseOSExtensionsContainerImage": format!("{os}-ext")});
            serde_json::from_value::<MachineConfig>(json!({ "spec": spec })).unwrap()
        };
        let (new, old) = (config("new"), config("old"));
        let cluster =
            serde_json::from_value(json!({"status": {"desired": {"version": "5", "image": "release"}}})).unwrap();
        let streams = json!([{"name": "a", "osImage": "a-os", "osExtensionsImage": "a-ext"}]);
        let object =
            json!({"spec": {"defaultStream": "a"}, "status": {"defaultStream": "a", "availableStreams": streams}});
        let object = serde_json::from_value(object).unwrap();
        let set = json!({"spec": {"pinnedImages": [{"name": "pinned"}]}});
        let pinned = [Arc::new(serde_json::from_value(set).unwrap())];
        let base = json!({"spec": {"baseOSContainerImage": "base"}});
        let base = serde_json::from_value(base).unwrap();
        let view = KeptView {
            cluster: Some(&cluster),
            object: Some(&object),
            controller_config: Some(&base),
            pools: &[&pool],
            pinned: &pinned,
        };
        let known = |name: &str| match name {
            "rendered-new" => Some(&new),
            "rendered-old" => Some(&old),
            _ => None,
        };
        let names: Vec<&str> = kept(&view, known).unwrap().into_iter().collect();
        assert_eq!(names, ["a-ext", "a-os", "base", "new", "new-ext", "old", "old-ext", "pinned", "release"]);
        assert_eq!(kept(&view, |name| (name == "rendered-new").then_some(&new)), None);
    }
}
