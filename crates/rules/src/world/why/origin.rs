//! What differs between two configurations, and who wrote it.

use super::{Asking, Fact, NAMED, NotTraced, Unknown};
use crate::{
    generated::config::made_of,
    objects::author,
    render::{GivenBy, Trace},
    view::PoolView,
    world::{
        remedy::{address, of_object},
        sources::Difference,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;
use weir_api::keys::names::{CLUSTER, VERSION};

/// The kind of the object that lists streams.
const STREAMS: &str = "OSImageStream";
/// Kinds that users write and MachineConfigs are generated from.
const WRITTEN: [&str; 3] = ["KubeletConfig", "ContainerRuntimeConfig", "Image"];

impl<'a> Asking<'a> {
    /// What differs between two configurations of a pool, and where each difference comes from.
    pub(super) fn differences(&mut self, pool: &PoolView<'a>, from: &str, to: &str, depth: usize) {
        if from == to || from.is_empty() || to.is_empty() || !self.first(&format!("{from} {to}")) {
            return;
        }
        let Some(named) = self.views.differences(pool, from, to) else {
            let missing = [from, to].into_iter().filter(|name| !self.views.configs.contains_key(name));
            let missing = missing.map(|name| format!("MachineConfig {name}")).collect();
            let (from, to, among) = (from.to_owned(), to.to_owned(), self.among());
            return self.unknown(Unknown::Differences { from, to, missing, among });
        };
        let about = format!("mcp/{}", pool.name);
        self.fact(&about, depth, &Fact::Moves { from: from.to_owned(), to: to.to_owned() });
        self.traceable(pool, to);
        let more = named.len().saturating_sub(NAMED);
        for Difference { what, trace } in named.into_iter().take(NAMED) {
            let fact = Fact::Differs { what, more: 0 };
            match trace {
                Some(trace) => self.given(&trace, (pool, from), depth + 1, &fact),
                None => self.fact(&about, depth + 1, &fact),
            }
        }
        if more > 0 {
            self.fact(&about, depth + 1, &Fact::Differs { what: String::new(), more });
            self.command(format!("weir diff {from} {to}"));
        }
    }

    /// Whether it is known where differences come from (R-WHY-5).
    pub(super) fn traceable(&mut self, pool: &PoolView<'a>, to: &str) {
        let why = match self.views.rendered(pool) {
            Ok(rendered) if rendered.name() == to => return,
            Ok(rendered) => NotTraced::Other { now: rendered.name().to_owned(), among: self.among() },
            Err(failure) => match Unknown::of(&failure, pool).filter(|_| !self.world.whole) {
                Some(unknown) => return self.unknown(unknown),
                None => NotTraced::NotRendered(failure.to_string()),
            },
        };
        self.unknown(Unknown::Sources { config: to.to_owned(), why });
    }

    /// What gives a part, and who wrote that. The pool ran this configuration before.
    fn given(&mut self, trace: &Trace, (pool, before): (&PoolView<'a>, &str), depth: usize, fact: &Fact) {
        match &trace.from {
            GivenBy::MachineConfig(name) => {
                self.fact(&format!("machineconfig/{name}"), depth, fact);
                let path = match fact {
                    Fact::Differs { what, .. } => what.strip_prefix("file "),
                    _ => None,
                };
                self.config(name, path, depth + 1);
            }
            GivenBy::Stream(name) => {
                self.fact(&address(STREAMS, CLUSTER), depth, fact);
                self.fact(&address(STREAMS, CLUSTER), depth + 1, &Fact::OfStream { stream: name.clone() });
                match self.views.stream_before(before) {
                    // One that no stream of now has is of another release.
                    None if self.views.configs.contains_key(before) => {
                        self.fact(&format!("clusterversion/{VERSION}"), depth + 2, &Fact::OfRelease);
                    }
                    Some(before) if before == name => {}
                    _ => self.choice(pool, depth + 2),
                }
            }
            GivenBy::ControllerConfig | GivenBy::Default => self.fact(&trace.from.to_string(), depth, fact),
        }
    }

    /// Who chose the stream of a pool, and how to choose another.
    pub(super) fn choice(&mut self, pool: &PoolView<'a>, depth: usize) {
        if let Some((kind, name)) = self.views.chooser(pool) {
            self.named(kind, &name, depth);
        }
    }

    /// Who named the stream in an object.
    pub(super) fn named(&mut self, kind: &'static str, name: &str, depth: usize) {
        let about = address(kind, name);
        self.command(of_object(kind, name));
        if !self.first(&format!("stream of {about}")) {
            return;
        }
        let field = if kind == STREAMS { "defaultStream" } else { "osImageStream" };
        let by = self.metadata(kind, name).and_then(|metadata| author::of_field(metadata, &["spec", field]));
        self.fact(&about, depth, &Fact::Chooses { by });
        self.why.authors.insert((kind, name.to_owned()));
    }

    /// Where a MachineConfig comes from, or this file of it.
    pub(super) fn config(&mut self, name: &str, path: Option<&str>, depth: usize) {
        let about = format!("machineconfig/{name}");
        let Some(config) = self.views.configs.get(name).copied().filter(|_| self.first(&about)) else { return };
        let Some(from) = made_of(config) else {
            self.written("MachineConfig", name, depth);
            return self.command(of_object("MachineConfig", name));
        };
        self.fact(&about, depth, &Fact::Generated { from });
        let owner = config.metadata.owner_references.iter().flatten().next();
        let Some(owner) = owner.filter(|owner| owner.kind != "ControllerConfig") else { return };
        match path.filter(|_| owner.kind == "Image") {
            Some(path) => self.registries(path, depth + 1),
            None => {
                if let Some(kind) = WRITTEN.into_iter().find(|kind| *kind == owner.kind) {
                    self.written(kind, &owner.name, depth + 1);
                }
                self.command(of_object(&owner.kind, &owner.name));
            }
        }
    }

    /// Who wrote an object last.
    pub(super) fn written(&mut self, kind: &'static str, name: &str, depth: usize) {
        if let Some(by) = self.metadata(kind, name).and_then(author::of_object) {
            self.fact(&address(kind, name), depth, &Fact::Written { by });
        }
        self.why.authors.insert((kind, name.to_owned()));
    }

    /// What is known about an object of a kind that users write.
    fn metadata(&self, kind: &str, name: &str) -> Option<&'a ObjectMeta> {
        fn of<'o, K: 'o>(
            objects: impl IntoIterator<Item = &'o Arc<K>>,
            metadata: impl Fn(&'o K) -> &'o ObjectMeta,
            name: &str,
        ) -> Option<&'o ObjectMeta> {
            let mut all = objects.into_iter().map(|object| metadata(object.as_ref()));
            all.find(|metadata| metadata.name.as_deref() == Some(name))
        }
        let (world, settings) = (self.world, &self.world.settings);
        match kind {
            "MachineConfig" => of(&world.configs, |object| &object.metadata, name),
            "MachineConfigPool" => of(&world.pools, |object| &object.metadata, name),
            "KubeletConfig" => of(&world.kubelets, |object| &object.metadata, name),
            "ContainerRuntimeConfig" => of(&world.runtimes, |object| &object.metadata, name),
            STREAMS => of(&world.streams, |object| &object.metadata, name),
            "Image" => of(&settings.image, |object| &object.metadata, name),
            "ImageDigestMirrorSet" => of(&settings.digest_mirrors, |object| &object.metadata, name),
            "ImageTagMirrorSet" => of(&settings.tag_mirrors, |object| &object.metadata, name),
            "ImageContentSourcePolicy" => of(&settings.content_sources, |object| &object.metadata, name),
            "ClusterImagePolicy" => of(&settings.cluster_policies, |object| &object.metadata, name),
            _ => None,
        }
    }
}
