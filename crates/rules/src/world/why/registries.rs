//! Which objects give something to what is generated for registries (R-WHY-10).

use super::{Asking, Fact, Unknown};
use crate::{
    runtime::{
        attachments::SIGSTORE_REGISTRIES,
        mirrors::{MirrorError, MirrorSets},
        policy::POLICY_JSON,
        registries_conf::REGISTRIES_CONF,
    },
    world::{
        Settings, World,
        remedy::{address, of_object},
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::{fmt, sync::Arc};
use weir_api::{
    image_config::RegistrySources,
    keys::{gates::SIGSTORE_IMAGE_VERIFICATION, names::CLUSTER},
};

/// Folder of the policies for namespaces.
const NAMESPACES: &str = "/etc/crio/policies/";

/// Kinds of mirror sets.
const SETS: [&str; 3] = ["ImageDigestMirrorSet", "ImageTagMirrorSet", "ImageContentSourcePolicy"];

/// An object that gives something to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Giver {
    /// Its kind.
    pub(crate) kind: &'static str,
    /// Its namespace; empty if it has none.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

impl fmt::Display for Giver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

/// The objects that give something to a file that is generated for registries.
pub(crate) fn givers(world: &World, path: &str) -> Vec<Giver> {
    let settings = &world.settings;
    let sources = settings.image.as_ref().and_then(|image| image.spec.registry_sources.as_ref());
    let of = |kind, name: String| Giver { kind, namespace: String::new(), name };
    let mut found: Vec<Giver> = Vec::new();
    if sources.is_some_and(|sources| gives(sources, path)) || !is_of_many(path) {
        found.push(of("Image", CLUSTER.to_owned()));
    }
    if path == REGISTRIES_CONF || path == SIGSTORE_REGISTRIES {
        found.extend(mirror_sets(settings).into_iter().map(|(kind, name)| of(kind, name)));
    }
    if is_of_policies(path) && world.may_be_on(SIGSTORE_IMAGE_VERIFICATION) {
        found.extend(policies(settings, path));
    }
    found
}

/// Image policies that give something to a file; those of a namespace are no other namespace's.
fn policies(settings: &Settings, path: &str) -> impl Iterator<Item = Giver> {
    let giver = |kind, metadata: &ObjectMeta| Giver {
        kind,
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    };
    let own = path.strip_prefix(NAMESPACES).and_then(|file| file.strip_suffix(".json"));
    let of_cluster = settings.cluster_policies.iter().map(move |policy| giver("ClusterImagePolicy", &policy.metadata));
    let of_namespace = settings.policies.iter().map(move |policy| giver("ImagePolicy", &policy.metadata));
    let concerned = move |policy: &Giver| path == SIGSTORE_REGISTRIES || own == Some(policy.namespace.as_str());
    of_cluster.chain(of_namespace.filter(concerned))
}

impl Asking<'_> {
    /// The objects that give something to a file, each with the command that changes it, and who wrote it where that is asked for.
    pub(super) fn registries(&mut self, path: &str, depth: usize) {
        let settings = &self.world.settings;
        if !self.world.whole && settings.image.is_none() && !has_others(settings) {
            return self.unknown(Unknown::Registries { file: path.to_owned() });
        }
        for Giver { kind, namespace, name } in givers(self.world, path) {
            self.fact(&address(kind, &name), depth, &Fact::GivesToIt);
            self.written(kind, &name, depth + 1);
            let place = if namespace.is_empty() { String::new() } else { format!(" -n {namespace}") };
            self.command(format!("{}{place}", of_object(kind, &name)));
        }
    }

    /// Mirror sets that keep everything for registries from being generated.
    pub(super) fn refused_mirrors(&mut self, pool: &str, depth: usize) -> bool {
        let objects = refused_mirrors(&self.world.settings);
        for (kind, name) in &objects {
            self.fact(&address(kind, name), depth, &Fact::InTheWay { pool: pool.to_owned(), what: None });
            self.written(kind, name, depth + 1);
            self.command(of_object(kind, name));
        }
        !objects.is_empty()
    }
}

/// Kind and name of the mirror sets that keep everything for registries from being generated.
pub(crate) fn refused_mirrors(settings: &Settings) -> Vec<(&'static str, String)> {
    let error = sets(settings, |sets| sets.check().err());
    error.iter().flat_map(MirrorError::objects).filter_map(split).collect()
}

/// Whether there is any mirror set or image policy.
fn has_others(settings: &Settings) -> bool {
    let policies = !settings.cluster_policies.is_empty() || !settings.policies.is_empty();
    policies || sets(settings, |sets| !sets.is_empty())
}

/// Whether registries of the Image configuration are in a file.
fn gives(sources: &RegistrySources, path: &str) -> bool {
    let (insecure, blocked) = (sources.insecure_registries.is_some(), sources.blocked_registries.is_some());
    match path {
        REGISTRIES_CONF => insecure || blocked,
        SIGSTORE_REGISTRIES => false,
        _ => blocked || sources.allowed_registries.is_some(),
    }
}

/// Whether more than the Image configuration gives something to a file.
fn is_of_many(path: &str) -> bool {
    path == REGISTRIES_CONF || is_of_policies(path)
}

fn is_of_policies(path: &str) -> bool {
    path == POLICY_JSON || path == SIGSTORE_REGISTRIES || path.starts_with(NAMESPACES)
}

fn mirror_sets(settings: &Settings) -> Vec<(&'static str, String)> {
    sets(settings, |sets| sets.effective().iter().filter_map(|object| split(object)).collect())
}

/// Kind and name of a mirror set.
fn split(object: &str) -> Option<(&'static str, String)> {
    let (kind, name) = object.split_once(' ')?;
    Some((SETS.into_iter().find(|known| *known == kind)?, name.to_owned()))
}

fn sets<T>(settings: &Settings, ask: impl FnOnce(MirrorSets<'_>) -> T) -> T {
    fn all<T>(objects: &[Arc<T>]) -> Vec<&T> {
        objects.iter().map(AsRef::as_ref).collect()
    }
    ask(MirrorSets {
        digest: &all(&settings.digest_mirrors),
        tag: &all(&settings.tag_mirrors),
        content_source: &all(&settings.content_sources),
    })
}
