//! Whether a pool can name a stream.
//!
//! R-SWITCH-1 Only a stream that the OSImageStream lists can be named, and only while there are streams.
//!
//! Which pools move as a result follows from [`super::resolve_stream`]; [`mod@crate::plan`] says it.

use crate::{stream::StreamsView, view::PoolView};

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

/// Whether this pool can name this stream.
///
/// # Errors
/// R-SWITCH-1.
pub fn can_name(
    pools: &[PoolView<'_>],
    streams: &StreamsView<'_>,
    pool: &str,
    stream: &str,
) -> Result<(), SwitchError> {
    if !pools.iter().any(|view| view.name == pool) {
        let known = pools.iter().map(|pool| pool.name.to_owned()).collect();
        return Err(SwitchError::NoPool { asked: pool.to_owned(), known });
    }
    can_be_named(streams, stream)
}

/// Whether a stream can be named, in a pool or as the default.
///
/// # Errors
/// R-SWITCH-1.
pub fn can_be_named(streams: &StreamsView<'_>, stream: &str) -> Result<(), SwitchError> {
    if !streams.enabled {
        return Err(SwitchError::Off);
    }
    let status = streams.object.and_then(|object| object.status.as_ref());
    let known: Vec<String> = status.iter().flat_map(|s| &s.available_streams).map(|set| set.name.clone()).collect();
    if known.iter().any(|name| name == stream) {
        return Ok(());
    }
    Err(SwitchError::NoStream { asked: stream.to_owned(), known })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use weir_api::{MachineConfigPool, OSImageStream};

    #[test]
    fn only_what_there_is_can_be_named() {
        let set = |name: &str| json!({"name": name, "osImage": name, "osExtensionsImage": name});
        let status = json!({"availableStreams": [set("a"), set("b")], "defaultStream": "a"});
        let object: OSImageStream =
            serde_json::from_value(json!({"spec": {"defaultStream": "a"}, "status": status})).unwrap();
        let streams = StreamsView { enabled: true, object: Some(&object), build: None, follows_release: false };
        let pool = MachineConfigPool::named("worker", Default::default());
        let pools = [PoolView::new(&pool)];
        assert_eq!(can_name(&pools, &streams, "worker", "b"), Ok(()));
        let known = vec!["a".to_owned(), "b".to_owned()];
        let none = SwitchError::NoStream { asked: "c".to_owned(), known };
        assert_eq!(can_name(&pools, &streams, "worker", "c"), Err(none));
        assert!(matches!(can_name(&pools, &streams, "gpu", "a"), Err(SwitchError::NoPool { .. })));
        let off = StreamsView { enabled: false, ..streams };
        assert_eq!(can_name(&pools, &off, "worker", "b"), Err(SwitchError::Off));
        assert_eq!(can_be_named(&streams, "b"), Ok(()));
    }
}
