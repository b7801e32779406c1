//! Which streams pools use: those they name, those they run, and those they are updating from.

use std::collections::BTreeSet;
use weir_api::{MachineConfigPool, os_image_stream::OSImageStreamSet};

/// Names of the streams that pools use. `image_of` is the OS image of a rendered MachineConfig.
#[must_use]
pub fn in_use<'a>(
    pools: impl IntoIterator<Item = &'a MachineConfigPool>,
    streams: &[OSImageStreamSet],
    image_of: impl Fn(&str) -> Option<String>,
) -> BTreeSet<String> {
    let of_pool = |pool: &'a MachineConfigPool| {
        let status = pool.status.as_ref();
        let runs = status.and_then(|s| s.os_image_stream.as_ref());
        // While nodes update, the status names no stream, and the configuration is still the one they come from.
        let reached = status.and_then(|s| s.configuration.as_ref()).and_then(|c| image_of(c.name()));
        let left =
            reached.and_then(|image| streams.iter().find(|set| set.os_image == image)).map(|set| set.name.clone());
        pool.spec.os_image_stream.iter().chain(runs).map(|stream| stream.name.clone()).chain(left)
    };
    pools.into_iter().flat_map(of_pool).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn named_running_and_left_streams_are_in_use() {
        let pools: Vec<MachineConfigPool> = serde_json::from_value(json!([
            {"spec": {"osImageStream": {"name": "a"}}, "status": {"osImageStream": {"name": "b"}}},
            {"spec": {"osImageStream": {"name": ""}}},
            {"spec": {}, "status": {"osImageStream": {"name": "c"}}},
            {"spec": {"osImageStream": {"name": "a"}}, "status": {"configuration": {"name": "rendered-d"}}},
            {"spec": {}, "status": {"configuration": {"name": "rendered-of-another-image"}}},
        ]))
        .unwrap();
        let set = |name: &str| OSImageStreamSet {
            name: name.to_owned(),
            os_image: format!("image-{name}"),
            ..OSImageStreamSet::default()
        };
        let image_of = |config: &str| config.strip_prefix("rendered-").map(|name| format!("image-{name}"));
        let used = in_use(&pools, &[set("d"), set("e")], image_of);
        assert_eq!(used.into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    }
}
