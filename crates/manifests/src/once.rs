//! Duplicate objects: must-gathers contain many both in a list and in a file of their own.

use crate::{Kind, Manifest, Place, ReadError};
use serde_json::Value;
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};
use weir_api::kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP};

/// Objects that exist from the installation to the end of a cluster: another `uid` is another cluster.
const OF_A_CLUSTER: [(Kind<'static>, &str); 6] = [
    ((CONFIG_GROUP, "ClusterVersion"), "version"),
    ((CONFIG_GROUP, "Infrastructure"), "cluster"),
    ((CONFIG_GROUP, "FeatureGate"), "cluster"),
    ((MACHINE_CONFIG_GROUP, "ControllerConfig"), "machine-config-controller"),
    ((MACHINE_CONFIG_GROUP, "MachineConfigPool"), "master"),
    ((MACHINE_CONFIG_GROUP, "MachineConfigPool"), "worker"),
];

/// What was passed on so far. Objects without a name are always passed on.
#[derive(Debug, Default)]
pub(crate) struct Once {
    known: HashMap<[String; 4], Earlier>,
    /// How many were passed on without taking the place of another.
    count: usize,
}

/// Enough of an object to compare later ones with.
#[derive(Debug)]
struct Earlier {
    number: usize,
    place: Place,
    uid: Option<String>,
    version: Option<u64>,
    found: bool,
    hash: u64,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    New,
    /// It takes the place of the one with this number, from 0.
    Replaces(usize),
    /// It has been read before.
    Known,
}

impl Once {
    /// Counts what is passed on beside objects.
    pub(crate) fn other(&mut self) {
        self.count += 1;
    }

    /// What becomes of the next object.
    ///
    /// # Errors
    /// When there is a different one of the same name, and no way to tell which one counts.
    pub(crate) fn next(&mut self, manifest: &Manifest) -> Result<Fate, ReadError> {
        let later = Earlier::of(manifest, self.count);
        if manifest.name().is_empty() {
            self.count += 1;
            return Ok(Fate::New);
        }
        let Some(earlier) = self.known.get_mut(&key(manifest)) else {
            self.known.insert(key(manifest), later);
            self.count += 1;
            return Ok(Fate::New);
        };
        if !earlier.is_older_than(&later, manifest)? {
            tracing::debug!("{}: {} was read before", manifest.place, manifest.title());
            return Ok(Fate::Known);
        }
        *earlier = Earlier { number: earlier.number, ..later };
        Ok(Fate::Replaces(earlier.number))
    }
}

impl Earlier {
    fn of(manifest: &Manifest, number: usize) -> Self {
        let metadata = &manifest.object["metadata"];
        let mut hasher = DefaultHasher::new();
        manifest.object.hash(&mut hasher);
        Self {
            number,
            place: manifest.place.clone(),
            uid: metadata["uid"].as_str().map(str::to_owned),
            version: metadata["resourceVersion"].as_str().and_then(|version| version.parse().ok()),
            found: manifest.found,
            hash: hasher.finish(),
        }
    }

    fn is_older_than(&self, later: &Self, manifest: &Manifest) -> Result<bool, ReadError> {
        if self.hash == later.hash {
            return Ok(false);
        }
        let (place, title, before) = (later.place.clone(), manifest.title(), self.place.clone());
        let named =
            |(kind, name): &(Kind<'_>, &str)| *kind == (manifest.group(), manifest.kind()) && *name == manifest.name();
        let is_created_anew = self.uid.is_some() && later.uid.is_some() && self.uid != later.uid;
        if is_created_anew && OF_A_CLUSTER.iter().any(named) {
            return Err(ReadError::TwoClusters { place, title, before });
        }
        match (self.version, later.version) {
            (Some(before), Some(after)) if self.found && later.found => Ok(after > before),
            _ => Err(ReadError::Twice { place, title, before }),
        }
    }
}

/// In any API version it is the same object.
fn key(manifest: &Manifest) -> [String; 4] {
    let namespace = match &manifest.object["metadata"]["namespace"] {
        Value::String(namespace) => namespace,
        _ => "",
    };
    [manifest.group(), manifest.kind(), namespace, manifest.name()].map(str::to_owned)
}
