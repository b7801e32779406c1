//! The consequences of naming a stream in a pool.
//!
//! R-SWITCH-1 Only a stream that the OSImageStream lists can be named, and only while there are streams.
//! R-SWITCH-2 Pools that get another stream as a result move: the pool itself, and with the worker pool every custom pool that
//! names none (R-STREAM-2). A pool that gets the same stream as before, for another reason, does not move.

use crate::{
    stream::{ResolvedStream, StreamError, StreamReason, StreamsView, resolve_stream},
    view::PoolView,
};
use weir_api::{keys::names::WORKER, os_image_stream::OSImageStreamSet};

/// A pool that gets another stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move<'a> {
    /// The pool.
    pub pool: &'a str,
    /// Its current stream; `None` when it has none.
    pub from: Option<String>,
    /// Its new stream.
    pub to: OSImageStreamSet,
    /// Why it gets that one.
    pub because: StreamReason,
}

/// Why a stream cannot be named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// There is no such pool.
    #[error("there is no MachineConfigPool {asked}; there are: {}", known.join(", "))]
    NoPool {
        /// The requested name.
        asked: String,
        /// The available names.
        known: Vec<String>,
    },
    /// The gate is off.
    #[error("OS image streams are off in this cluster (gate OSStreams): every pool runs the images of the release")]
    Off,
    /// There is no such stream.
    #[error("there is no OS image stream {asked:?}; there are: {}", known.join(", "))]
    NoStream {
        /// The requested name.
        asked: String,
        /// The available names.
        known: Vec<String>,
    },
}

/// The pools that move when this pool names this stream, the pool itself first, then by name.
///
/// # Errors
/// R-SWITCH-1.
pub fn switch<'a>(
    pools: &[PoolView<'a>],
    streams: &StreamsView<'_>,
    pool: &str,
    stream: &'a str,
) -> Result<Vec<Move<'a>>, SwitchError> {
    let names = || pools.iter().map(|pool| pool.name.to_owned()).collect();
    if !pools.iter().any(|view| view.name == pool) {
        return Err(SwitchError::NoPool { asked: pool.to_owned(), known: names() });
    }
    if !streams.enabled {
        return Err(SwitchError::Off);
    }
    let status = streams.object.and_then(|object| object.status.as_ref());
    let listed: Vec<String> = status.iter().flat_map(|s| &s.available_streams).map(|set| set.name.clone()).collect();
    if !listed.iter().any(|name| name == stream) {
        return Err(SwitchError::NoStream { asked: stream.to_owned(), known: listed });
    }
    let changed = |view: &PoolView<'a>| match view.name == pool {
        true => PoolView { stream: Some(stream), ..view.clone() },
        false => view.clone(),
    };
    let worker = pools.iter().find(|view| view.name == WORKER);
    let worker_after = worker.map(changed);
    let mut moves = Vec::new();
    for view in pools {
        let before = resolve_stream(view, worker, streams);
        let after = resolve_stream(&changed(view), worker_after.as_ref(), streams);
        moves.extend(moved(view.name, before, after));
    }
    moves.sort_by_key(|moved| (moved.pool != pool, moved.pool));
    Ok(moves)
}

fn moved(
    pool: &str,
    before: Result<ResolvedStream, StreamError>,
    after: Result<ResolvedStream, StreamError>,
) -> Option<Move<'_>> {
    let ResolvedStream { set: Some(to), because } = after.ok()? else { return None };
    let from = before.ok().and_then(|resolved| resolved.set);
    (from.as_ref() != Some(&to)).then(|| Move { pool, from: from.map(|set| set.name), to, because })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use weir_api::{MachineConfigPool, OSImageStream};

    fn pools() -> Vec<MachineConfigPool> {
        let named = |name: &str, stream: Option<&str>| {
            let stream = stream.map(|name| json!({ "name": name }));
            serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"osImageStream": stream}})).unwrap()
        };
        vec![named("gpu", Some("b")), named("infra", None), named("master", None), named("worker", None)]
    }

    #[test]
    fn who_moves() {
        let set = |name: &str| json!({"name": name, "osImage": name, "osExtensionsImage": name});
        let status = json!({"availableStreams": [set("a"), set("b")], "defaultStream": "a"});
        let object: OSImageStream =
            serde_json::from_value(json!({"spec": {"defaultStream": "a"}, "status": status})).unwrap();
        let streams = StreamsView { enabled: true, object: Some(&object), build: None, follows_release: false };
        let pools = pools();
        let views: Vec<PoolView<'_>> = pools.iter().map(PoolView::new).collect();
        let told = |pool: &str, stream| {
            let moves = switch(&views, &streams, pool, stream)?;
            let said = |m: &Move<'_>| {
                format!("{} {}>{} {}", m.pool, m.from.as_deref().unwrap_or_default(), m.to.name, m.because.code())
            };
            Ok::<_, SwitchError>(moves.iter().map(said).collect::<Vec<_>>().join(", "))
        };
        for (pool, stream, expected) in [
            ("worker", "b", "worker a>b Explicit, infra a>b InheritedFromWorker"),
            ("master", "b", "master a>b Explicit"),
            ("infra", "b", "infra a>b Explicit"),
            ("gpu", "a", "gpu b>a Explicit"),
            ("gpu", "b", ""),
            ("worker", "a", ""),
        ] {
            assert_eq!(told(pool, stream).unwrap(), expected, "{pool} {stream}");
        }
        let known = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(told("worker", "c"), Err(SwitchError::NoStream { asked: "c".to_owned(), known }));
        assert!(matches!(told("none", "a"), Err(SwitchError::NoPool { .. })));
        let off = StreamsView { enabled: false, ..streams };
        assert_eq!(switch(&views, &off, "worker", "b"), Err(SwitchError::Off));
    }
}
