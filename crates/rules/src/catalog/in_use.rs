//! Which streams pools use: those they name and those they run.

use std::collections::BTreeSet;
use weir_api::MachineConfigPool;

/// Names of the streams that pools use.
#[must_use]
pub fn in_use<'a>(pools: impl IntoIterator<Item = &'a MachineConfigPool>) -> BTreeSet<String> {
    let named = |pool: &'a MachineConfigPool| {
        let runs = pool.status.as_ref().and_then(|s| s.os_image_stream.as_ref());
        pool.spec.os_image_stream.iter().chain(runs).map(|stream| stream.name.clone())
    };
    pools.into_iter().flat_map(named).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn named_and_running_streams_are_in_use() {
        let pools: Vec<MachineConfigPool> = serde_json::from_value(json!([
            {"spec": {"osImageStream": {"name": "a"}}, "status": {"osImageStream": {"name": "b"}}},
            {"spec": {"osImageStream": {"name": ""}}},
            {"spec": {}, "status": {"osImageStream": {"name": "c"}}},
        ]))
        .unwrap();
        assert_eq!(in_use(&pools).into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
