//! Where signatures are looked up: `registries.d/sigstore-registries.yaml`.
//!
//! R-ATTACHMENTS-1 In the registry of the image, for each scope of an image policy.
//! R-ATTACHMENTS-2 If `registries.conf` is written too, also at the mirrors: those of the entry that covers the scope most closely,
//! for the scope's part of it, and those of all entries inside the scope.
//! R-ATTACHMENTS-3 A mirror that gives no repository name for the scope is left out, with a warning.
//!
//! Source: `generateSigstoreRegistriesdConfig` in `pkg/controller/container-runtime-config/helpers.go` of
//! github.com/openshift/machine-config-operator, which fails if a mirror gives no repository name. R-ATTACHMENTS-3 is ours.

use super::{
    registries_conf::{Entry, RegistriesConf},
    scope::{covered, is_nested, is_repository},
};
use crate::render::goyaml;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Path of the file.
pub const SIGSTORE_REGISTRIES: &str = "/etc/containers/registries.d/sigstore-registries.yaml";

/// The text of the file, and the mirrors that are left out.
///
/// # Errors
/// If a scope contains a control character.
pub fn attachments<'s>(
    scopes: impl IntoIterator<Item = &'s String>,
    conf: Option<&RegistriesConf>,
) -> Result<(String, Vec<String>), goyaml::ControlCharacter> {
    let (mut places, mut left_out) = (BTreeSet::new(), Vec::new());
    for scope in scopes {
        places.insert(scope.clone());
        for entry in conf.map(RegistriesConf::entries).unwrap_or_default() {
            if entry.scope() != scope && is_nested(entry.scope(), scope) {
                add(entry, entry.scope(), &mut places, &mut left_out);
            }
        }
        if let Some(entry) = conf.and_then(|conf| closest(conf, scope)) {
            add(entry, scope, &mut places, &mut left_out);
        }
    }
    left_out.sort();
    left_out.dedup();
    let docker: Map<String, Value> =
        places.into_iter().map(|place| (place, json!({"use-sigstore-attachments": true}))).collect();
    Ok((goyaml::to_string(&json!({"docker": docker}))?, left_out))
}

/// The entry that covers a scope most closely.
fn closest<'c>(conf: &'c RegistriesConf, scope: &str) -> Option<&'c Entry> {
    let covering = conf.entries().iter().filter(|entry| covers(entry, scope));
    covering.max_by_key(|entry| entry.scope().len())
}

fn covers(entry: &Entry, scope: &str) -> bool {
    entry.scope() == scope || covered(entry.scope(), scope.strip_prefix("*.").unwrap_or(scope)).is_some()
}

/// Adds the locations of the entry for a scope.
fn add(entry: &Entry, scope: &str, places: &mut BTreeSet<String>, left_out: &mut Vec<String>) {
    // A wildcard stands for any host below the domain, and a host alone for any of its repositories.
    let host = scope.replacen("*.", "matched.", 1);
    let (name, stands_for_all) = if host.contains('/') { (host, false) } else { (format!("{host}/a"), true) };
    let rest = covered(entry.scope(), &name).map_or("", |length| &name[length..]);
    for place in entry.places() {
        let rewritten = format!("{place}{rest}");
        if !is_repository(&rewritten) {
            left_out.push(place.to_owned());
            continue;
        }
        let found = if stands_for_all { rewritten.strip_suffix("/a").unwrap_or(&rewritten) } else { &rewritten };
        places.insert(found.to_owned());
    }
}
