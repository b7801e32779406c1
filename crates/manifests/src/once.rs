//! Duplicate objects: must-gathers contain many both in a list and in a file of their own.

use crate::{Manifest, ReadError};
use serde_json::Value;
use std::collections::HashMap;

/// Keeps each object once, at its first position. Objects without a name are left alone.
pub(crate) fn once(documents: Vec<Result<Manifest, ReadError>>) -> Vec<Result<Manifest, ReadError>> {
    let mut kept: Vec<Result<Manifest, ReadError>> = Vec::with_capacity(documents.len());
    let mut known: HashMap<[String; 4], usize> = HashMap::new();
    for document in documents {
        let manifest = match document {
            Ok(manifest) if !manifest.name().is_empty() => manifest,
            other => {
                kept.push(other);
                continue;
            }
        };
        let at = *known.entry(key(&manifest)).or_insert(kept.len());
        match kept.get_mut(at) {
            Some(Ok(earlier)) => match newer(earlier, &manifest) {
                Ok(false) => tracing::debug!("{}: {} was read before", manifest.place, manifest.title()),
                Ok(true) => *earlier = manifest,
                Err(error) => kept.push(Err(error)),
            },
            _ => kept.push(Ok(manifest)),
        }
    }
    kept
}

/// In any API version it is the same object.
fn key(manifest: &Manifest) -> [String; 4] {
    let namespace = manifest.object["metadata"]["namespace"].as_str().unwrap_or_default();
    [manifest.group(), manifest.kind(), namespace, manifest.name()].map(str::to_owned)
}

/// Whether the later one wins.
fn newer(earlier: &Manifest, later: &Manifest) -> Result<bool, ReadError> {
    if earlier.object == later.object {
        return Ok(false);
    }
    match (version(&earlier.object), version(&later.object)) {
        (Some(before), Some(after)) if earlier.found && later.found => Ok(after > before),
        _ => Err(ReadError::Twice { place: later.place.clone(), title: later.title(), before: earlier.place.clone() }),
    }
}

fn version(object: &Value) -> Option<u64> {
    object["metadata"]["resourceVersion"].as_str()?.parse().ok()
}
