//! What differs between two configurations of a pool, and which object each difference comes from.
//!
//! R-SOURCES-1 Lists of the spec differ by each value; everything else by field, file, unit, user or section.
//! R-SOURCES-2 Where a difference comes from is known while the pool still renders to the later configuration, and only of what that has.
//! R-SOURCES-3 The images of a stream come from whoever chose it: the pool that names it, the worker pool that others inherit from, or the
//! OSImageStream. If no stream of now has the images of before, another release brought them.
//! R-SOURCES-4 What is not there any more comes from the MachineConfig that the pool was rendered from before and is not now. If there is
//! none, or more than one, it is not known which object had it.
//! R-SOURCES-5 A MachineConfig that is generated from another object stands for that object, except for those of the release.

#[cfg(test)]
mod tests;

use super::{Views, remedy::address, why::addresses};
use crate::{
    generated::config::is_of_templates,
    history::{Changed, NOT_KNOWN},
    render::{
        Build, GivenBy, Rendered, Trace,
        changes::{Changes, changes},
        failure::RenderFailure,
    },
    stream::{NamedIn, StreamReason},
    view::PoolView,
};
use std::collections::BTreeSet;
use weir_api::{
    keys::names::{CLUSTER, VERSION, WORKER},
    kind::MACHINE_CONFIG_GROUP,
    pool::PoolConfiguration,
};

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What: a field, a file, a unit.
    pub what: String,
    /// Where it comes from, if that is known (R-SOURCES-2).
    pub trace: Option<Trace>,
}

/// Fields of a MachineConfig's spec that are lists.
const LISTS: [&str; 2] = ["kernelArguments", "extensions"];

impl Views<'_> {
    /// What differs; `None` if one of the two does not exist, or cannot be read.
    #[must_use]
    pub fn differences(&self, pool: &PoolView<'_>, from: &str, to: &str) -> Option<Vec<Difference>> {
        let found = changes(self.configs.get(from)?, self.configs.get(to)?).ok()?;
        let rendered = self.rendered(pool).ok().filter(|rendered| rendered.name() == to);
        let of = |(what, address): (String, Option<String>)| Difference {
            what,
            trace: rendered.as_ref().and_then(|rendered| rendered.provenance.trace(address.as_deref()?)),
        };
        Some(differing(&found).into_iter().map(of).collect())
    }

    /// The pool, rendered from the objects as they are.
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub fn rendered(&self, pool: &PoolView<'_>) -> Result<Rendered, RenderFailure> {
        let (parts, _) = self.world.parts(pool, &self.pools)?;
        Ok(parts.render(pool.object, &Build::ours())?)
    }

    /// The objects behind a rollout of the pool, each with what it changed, for its history.
    #[must_use]
    pub fn changed(&self, pool: &PoolView<'_>, from: &str, to: &str) -> Vec<Changed> {
        let mut all: Vec<Changed> = Vec::new();
        let mut put = |object: String, what: String| match all.iter_mut().find(|one| one.object == object) {
            Some(one) => one.what.push(what),
            None => all.push(Changed { object, what: vec![what], more: 0, manager: None, at: None }),
        };
        let Some(differences) = self.differences(pool, from, to) else {
            let missing = [from, to].into_iter().filter(|name| !self.configs.contains_key(name));
            missing.for_each(|name| put(NOT_KNOWN.to_owned(), format!("MachineConfig {name} is not there any more")));
            return all;
        };
        for Difference { what, trace } in differences {
            let object = match trace.map(|trace| trace.from) {
                Some(GivenBy::MachineConfig(name)) => self.written(&name),
                Some(GivenBy::Stream(stream)) => self.chosen(pool, [from, to], &stream),
                Some(from @ GivenBy::ControllerConfig) => from.to_string(),
                Some(GivenBy::Default) | None => self.gone(pool, from, to),
            };
            put(object, what);
        }
        all
    }

    /// R-SOURCES-5.
    fn written(&self, config: &str) -> String {
        let made = self.configs.get(config).filter(|config| !is_of_templates(config));
        match made.and_then(|config| config.metadata.owner_references.as_ref()?.first()) {
            Some(owner) => of_kind(&owner.api_version, &owner.kind, &owner.name),
            None => format!("machineconfig/{config}"),
        }
    }

    /// R-SOURCES-3.
    fn chosen(&self, pool: &PoolView<'_>, [from, to]: [&str; 2], stream: &str) -> String {
        match self.stream_before(from) {
            Some(before) if before == stream => return self.gone(pool, from, to),
            Some(_) => {}
            None => return format!("clusterversion/{VERSION}"),
        }
        self.chooser(pool).map_or_else(|| NOT_KNOWN.to_owned(), |(kind, name)| address(kind, &name))
    }

    /// Kind and name of the object that chooses the stream of a pool; absent where there is none to choose.
    pub(super) fn chooser(&self, pool: &PoolView<'_>) -> Option<(&'static str, String)> {
        let of_pool = |name: &str| ("MachineConfigPool", name.to_owned());
        match self.world.stream(pool, &self.pools).map(|resolved| resolved.because) {
            Ok(StreamReason::Explicit | StreamReason::StalePin { origin: NamedIn::Pool, .. }) => {
                Some(of_pool(pool.name))
            }
            Ok(StreamReason::InheritedFromWorker | StreamReason::StalePin { origin: NamedIn::Worker, .. }) => {
                Some(of_pool(WORKER))
            }
            Ok(StreamReason::Default | StreamReason::StalePin { origin: NamedIn::Default, .. }) => {
                Some(("OSImageStream", CLUSTER.to_owned()))
            }
            Ok(StreamReason::GateOff { .. }) | Err(_) => None,
        }
    }

    /// The stream of now that a configuration has an image of: a MachineConfig may override one of the two.
    pub(super) fn stream_before(&self, config: &str) -> Option<&str> {
        let spec = &self.configs.get(config)?.spec;
        let is_given =
            |image: &Option<String>, of: &str| image.as_deref().is_some_and(|image| !of.is_empty() && image == of);
        let streams = &self.world.streams_in_effect()?.status.as_ref()?.available_streams;
        let mut having = streams.iter().filter(|set| {
            is_given(&spec.os_image_url, &set.os_image)
                || is_given(&spec.base_os_extensions_container_image, &set.os_extensions_image)
        });
        having.next().map(|set| set.name.as_str())
    }

    /// R-SOURCES-4.
    fn gone(&self, pool: &PoolView<'_>, from: &str, to: &str) -> String {
        let now = pool.object.spec.configuration.as_ref().filter(|now| now.name() == to);
        let before = pool.object.status.as_ref().and_then(|status| status.configuration.as_ref());
        let sources = |config: &PoolConfiguration| -> BTreeSet<String> {
            config.source.iter().flatten().filter_map(|source| source.name().map(str::to_owned)).collect()
        };
        let gone = now.zip(before.filter(|before| before.name() == from));
        let gone = gone.map(|(now, before)| &sources(before) - &sources(now)).unwrap_or_default();
        match gone.first().filter(|_| gone.len() == 1) {
            Some(name) => format!("machineconfig/{name}"),
            None => NOT_KNOWN.to_owned(),
        }
    }
}

/// An object as kubectl names it; its own group needs no name.
fn of_kind(api_version: &str, kind: &str, name: &str) -> String {
    let kind = kind.to_lowercase();
    match api_version.split_once('/') {
        Some((group, _)) if group != MACHINE_CONFIG_GROUP => format!("{kind}.{group}/{name}"),
        _ => format!("{kind}/{name}"),
    }
}

/// What differs, with its address in a rendered configuration.
fn differing(found: &Changes) -> Vec<(String, Option<String>)> {
    let fields = found.fields.iter().flat_map(|change| {
        if !LISTS.contains(&change.field) {
            return vec![(change.field.to_owned(), Some(change.field.to_owned()))];
        }
        let new = change.after.iter().enumerate().filter(|(_, value)| !change.before.contains(value));
        let new = new.map(|(at, value)| {
            let (field, address) = (change.field, format!("{}[{at}]", change.field));
            (format!("{field} {value}"), Some(address))
        });
        let old = change.before.iter().filter(|value| !change.after.contains(value));
        let old = old.map(|value| (format!("{} without {value}", change.field), None));
        new.chain(old).collect()
    });
    let parts = found.parts.iter().map(|change| {
        let address = change.after.as_ref().and_then(|_| addresses(&change.subject));
        (change.subject.to_string(), address)
    });
    fields.chain(parts).collect()
}
