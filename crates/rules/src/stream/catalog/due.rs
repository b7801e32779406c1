//! What to do about the OSImageStream now.
//!
//! R-DUE-1 With the streams gate off: nothing.
//! R-DUE-2 Without a desired release image there is no source for a catalogue: wait.
//! R-DUE-3 The catalogue is made again when the object is missing, lists no streams, or was made from another release
//! image or by another build. The annotations that record this are written last, so a half-written object is made again.
//! R-DUE-4 While the cluster should run another version than ours, the controllers of that version make it: wait.
//! R-DUE-5 Else the user's default is copied to the status when it is listed; otherwise the user is told.
//! R-DUE-6 Else a retained stream that neither a pool nor the default uses any more is removed from the list. Nothing is
//! inspected for that.
//! R-DUE-7 A read-only command is no build of the controllers: it ignores which build made the object, and also accepts one
//! without annotations, which other controllers may have made.
//!
//! Source: `pkg/controller/osimagestream` of github.com/openshift/machine-config-operator; the order of writes is ours.

use crate::view::Annotations;
use std::{collections::BTreeSet, fmt};
use weir_api::{ClusterVersion, OSImageStream, keys::config, os_image_stream::OSImageStreamStatus};

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct DueView<'a> {
    /// Whether the gate `OSStreams` is on.
    pub enabled: bool,
    /// The one ClusterVersion, if it exists.
    pub cluster: Option<&'a ClusterVersion>,
    /// The one OSImageStream, if it exists.
    pub object: Option<&'a OSImageStream>,
    /// Identity of these controllers' build; absent for a read-only command (R-DUE-7).
    pub build: Option<&'a str>,
    /// Release version of these controllers; absent when the build does not know it, which then counts as the desired one.
    pub version: Option<&'a str>,
    /// Streams that pools use: [`super::in_use::in_use`].
    pub in_use: &'a BTreeSet<String>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing: there are no streams (R-DUE-1).
    Off,
    /// Wait for a release image (R-DUE-2).
    NoRelease,
    /// Wait for the controllers of another version (R-DUE-4).
    OtherVersion {
        /// Version the cluster should run.
        desired: String,
        /// Version of these controllers.
        ours: String,
    },
    /// Make the catalogue.
    Make {
        /// Pull spec of the release image.
        release: String,
        /// Why.
        because: Stale,
    },
    /// Copy the user's default to the status.
    TakeDefault {
        /// Its name.
        to: String,
    },
    /// The user's default is not listed.
    UnknownDefault {
        /// Its name.
        wanted: String,
        /// The available streams.
        available: Vec<String>,
    },
    /// Remove retained streams from the list.
    Drop {
        /// Their names.
        streams: Vec<String>,
    },
    /// Nothing: everything is up to date.
    Nothing,
}

/// Why a catalogue must be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stale {
    /// There is no object.
    Missing,
    /// It lists no streams.
    Empty,
    /// It was made from another release image.
    Release {
        /// The image; empty when the object does not say.
        from: String,
    },
    /// It was made by another build.
    Build {
        /// The build; empty when the object does not say.
        by: String,
    },
}

/// Decides it.
#[must_use]
pub fn due(view: &DueView<'_>) -> Due {
    if !view.enabled {
        return Due::Off;
    }
    let desired = view.cluster.and_then(|c| c.status.as_ref()).map(|s| &s.desired);
    let Some(desired) = desired.filter(|d| !d.image.is_empty()) else { return Due::NoRelease };
    if let Some(because) = stale(view, &desired.image) {
        return match view.version {
            Some(ours) if ours != desired.version => {
                Due::OtherVersion { desired: desired.version.clone(), ours: ours.to_owned() }
            }
            _ => Due::Make { release: desired.image.clone(), because },
        };
    }
    let Some((object, status)) = view.object.and_then(|o| Some((o, o.status.as_ref()?))) else { return Due::Nothing };
    let wanted = &object.spec.default_stream;
    if wanted.is_empty() || *wanted == status.default_stream {
        unused(object, status, view.in_use)
    } else if status.available_streams.iter().any(|s| s.name == *wanted) {
        Due::TakeDefault { to: wanted.clone() }
    } else {
        let available = status.available_streams.iter().map(|s| s.name.clone()).collect();
        Due::UnknownDefault { wanted: wanted.clone(), available }
    }
}

/// R-DUE-6.
fn unused(object: &OSImageStream, status: &OSImageStreamStatus, in_use: &BTreeSet<String>) -> Due {
    let retained = retained(object);
    let listed = status.available_streams.iter().map(|set| &set.name);
    let streams: Vec<String> = listed
        .filter(|name| retained.contains(name.as_str()) && !in_use.contains(*name) && **name != status.default_stream)
        .cloned()
        .collect();
    if streams.is_empty() { Due::Nothing } else { Due::Drop { streams } }
}

/// Names of the listed streams that the release no longer carries, from the object's annotation.
#[must_use]
pub fn retained(object: &OSImageStream) -> BTreeSet<&str> {
    Annotations::of(&object.metadata).names(config::RETAINED_STREAMS).collect()
}

fn stale(view: &DueView<'_>, release: &str) -> Option<Stale> {
    let Some(object) = view.object else { return Some(Stale::Missing) };
    if object.status.as_ref().is_none_or(|s| s.available_streams.is_empty()) {
        return Some(Stale::Empty);
    }
    let mark = |key| Annotations::of(&object.metadata).get(key).unwrap_or_default().to_owned();
    let (from, by) = (mark(config::RELEASE_PAYLOAD_IMAGE), mark(config::RELEASE_IMAGE_VERSION));
    if from != release && !(from.is_empty() && view.build.is_none()) {
        Some(Stale::Release { from })
    } else if view.build.is_some_and(|build| by != build) {
        Some(Stale::Build { by })
    } else {
        None
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no OSImageStream yet"),
            Self::Empty => f.write_str("the OSImageStream lists no streams"),
            Self::Release { from } if from.is_empty() => {
                f.write_str("the OSImageStream does not say its release image")
            }
            Self::Release { from } => write!(f, "the OSImageStream was made from {from}"),
            Self::Build { by } => write!(f, "the OSImageStream was made by build {by:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn decide(object: Option<Value>, desired: Value, version: Option<&str>) -> Due {
        let cluster = serde_json::from_value(json!({"status": {"desired": desired}})).unwrap();
        let object = object.map(|o| serde_json::from_value::<OSImageStream>(o).unwrap());
        let in_use = BTreeSet::from(["used".to_owned()]);
        let object = object.as_ref();
        let view =
            DueView { enabled: true, cluster: Some(&cluster), object, build: Some("b1"), version, in_use: &in_use };
        assert_eq!(due(&DueView { enabled: false, ..view }), Due::Off);
        due(&view)
    }

    fn object(release: &str, build: &str, wanted: &str, streams: &[&str]) -> Option<Value> {
        let sets: Vec<_> = streams.iter().map(|s| json!({"name": s, "osImage": "", "osExtensionsImage": ""})).collect();
        Some(json!({
            "metadata": {"annotations": {
                config::RELEASE_PAYLOAD_IMAGE: release, config::RELEASE_IMAGE_VERSION: build,
            }},
            "spec": {"defaultStream": wanted},
            "status": {"defaultStream": "a", "availableStreams": sets},
        }))
    }

    #[test]
    fn made_anew_when_anything_it_was_made_from_changed() {
        let desired = json!({"version": "5.0.1", "image": "r@1"});
        let make = |because| Due::Make { release: "r@1".to_owned(), because };
        for (object, expected) in [
            (None, make(Stale::Missing)),
            (object("r@1", "b1", "a", &[]), make(Stale::Empty)),
            (object("r@0", "b1", "a", &["a"]), make(Stale::Release { from: "r@0".to_owned() })),
            (object("r@1", "b0", "a", &["a"]), make(Stale::Build { by: "b0".to_owned() })),
            (object("r@1", "b1", "a", &["a"]), Due::Nothing),
            (object("r@1", "b1", "b", &["a", "b"]), Due::TakeDefault { to: "b".to_owned() }),
            (
                object("r@1", "b1", "c", &["a", "b"]),
                Due::UnknownDefault { wanted: "c".to_owned(), available: vec!["a".to_owned(), "b".to_owned()] },
            ),
        ] {
            assert_eq!(decide(object.clone(), desired.clone(), Some("5.0.1")), expected, "{object:?}");
            assert_eq!(decide(object.clone(), desired.clone(), None), expected, "{object:?}");
        }
    }

    #[test]
    fn a_retained_stream_goes_when_nobody_uses_it_any_more() {
        let desired = json!({"version": "5.0.1", "image": "r@1"});
        let marked = |wanted: &str, streams: &[&str]| {
            let mut object = object("r@1", "b1", wanted, streams).unwrap();
            object["metadata"]["annotations"][config::RETAINED_STREAMS] = json!("a, used,left,elsewhere");
            Some(object)
        };
        let drop = Due::Drop { streams: vec!["left".to_owned()] };
        // The default, a stream in use and one that the release carries stay.
        assert_eq!(decide(marked("a", &["a", "left", "plain", "used"]), desired.clone(), None), drop);
        assert_eq!(decide(marked("a", &["a", "plain", "used"]), desired.clone(), None), Due::Nothing);
        let first = Due::TakeDefault { to: "plain".to_owned() };
        assert_eq!(decide(marked("plain", &["a", "left", "plain"]), desired, None), first);
    }

    #[test]
    fn another_version_makes_its_own() {
        let desired = json!({"version": "5.0.2", "image": "r@2"});
        let waits = Due::OtherVersion { desired: "5.0.2".to_owned(), ours: "5.0.1".to_owned() };
        assert_eq!(decide(None, desired.clone(), Some("5.0.1")), waits);
        assert_eq!(decide(object("r@2", "b1", "a", &["a"]), desired, Some("5.0.1")), Due::Nothing);
        assert_eq!(decide(None, json!({}), Some("5.0.1")), Due::NoRelease);
    }
}
