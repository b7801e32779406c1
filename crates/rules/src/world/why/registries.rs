//! Which objects give something to what is generated for registries (R-WHY-10).

use super::{Asking, Fact, Unknown};
use crate::{
    runtime::{
        attachments::SIGSTORE_REGISTRIES, mirrors::MirrorSets, policy::POLICY_JSON, registries_conf::REGISTRIES_CONF,
    },
    world::{
        Settings,
        remedy::{address, of_object},
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;
use weir_api::{
    image_config::RegistrySources,
    keys::{gates::SIGSTORE_IMAGE_VERIFICATION, names::CLUSTER},
};

/// Folder of the policies for namespaces.
const NAMESPACES: &str = "/etc/crio/policies/";

/// Kinds of mirror sets.
const SETS: [&str; 3] = ["ImageDigestMirrorSet", "ImageTagMirrorSet", "ImageContentSourcePolicy"];

impl Asking<'_> {
    /// The objects that give something to a file, each with who wrote it and the command that changes it.
    pub(super) fn registries(&mut self, path: &str, depth: usize) {
        let settings = &self.world.settings;
        let sources = settings.image.as_ref().and_then(|image| image.spec.registry_sources.as_ref());
        let mut found: Vec<(&'static str, String)> = Vec::new();
        if sources.is_some_and(|sources| gives(sources, path)) || !is_of_many(path) {
            found.push(("Image", CLUSTER.to_owned()));
        }
        if path == REGISTRIES_CONF || path == SIGSTORE_REGISTRIES {
            found.extend(mirror_sets(settings));
        }
        if !self.world.whole && settings.image.is_none() && !has_others(settings) {
            return self.unknown(Unknown::Registries { file: path.to_owned() });
        }
        for (kind, name) in found {
            let about = address(kind, &name);
            self.fact(&about, depth, &Fact::GivesToIt);
            self.written(kind, &name, depth + 1);
            self.command(of_object(kind, &name));
        }
        if is_of_policies(path) && self.world.may_be_on(SIGSTORE_IMAGE_VERIFICATION) {
            self.policies(path, depth);
        }
    }

    /// Image policies that give something to a file; those of a namespace are no other namespace's.
    fn policies(&mut self, path: &str, depth: usize) {
        let settings = &self.world.settings;
        let name = |metadata: &ObjectMeta| {
            (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
        };
        let of_cluster = settings.cluster_policies.iter().map(|policy| ("ClusterImagePolicy", name(&policy.metadata)));
        let own = path.strip_prefix(NAMESPACES).and_then(|file| file.strip_suffix(".json"));
        let of_namespace = settings.policies.iter().map(|policy| ("ImagePolicy", name(&policy.metadata)));
        let concerned = |namespace: &str| path == SIGSTORE_REGISTRIES || own == Some(namespace);
        let of_namespace = of_namespace.filter(|(_, (namespace, _))| concerned(namespace));
        let all: Vec<_> = of_cluster.chain(of_namespace).collect();
        for (kind, (namespace, name)) in all {
            let place = if namespace.is_empty() { String::new() } else { format!(" -n {namespace}") };
            self.fact(&address(kind, &name), depth, &Fact::GivesToIt);
            self.command(format!("{}{place}", of_object(kind, &name)));
        }
    }

    /// Mirror sets that keep everything for registries from being generated.
    pub(super) fn refused_mirrors(&mut self, pool: &str, depth: usize) -> bool {
        let Some(error) = sets(&self.world.settings, |sets| sets.check().err()) else { return false };
        let objects: Vec<_> = error.objects().into_iter().filter_map(split).collect();
        for (kind, name) in &objects {
            self.fact(&address(kind, name), depth, &Fact::InTheWay { pool: pool.to_owned(), what: None });
            self.written(kind, name, depth + 1);
            self.command(of_object(kind, name));
        }
        !objects.is_empty()
    }
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
