//! What differs between two configurations of a pool, and which object each difference comes from.
//!
//! R-SOURCES-1 Lists of the spec differ by each value; everything else by field, file, unit, user or section.
//! R-SOURCES-2 Where a difference comes from is known while the pool still renders to the later configuration, and only of what that has.
//! R-SOURCES-3 The images of a stream come from the pool if it names the stream, else from the OSImageStream.

use super::{Views, why::addresses};
use crate::{
    history::Changed,
    render::{
        Build, GivenBy, Rendered, Trace,
        changes::{Changes, changes},
        failure::RenderFailure,
    },
    view::PoolView,
};
use weir_api::keys::names::CLUSTER;

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
        for Difference { what, trace } in self.differences(pool, from, to).unwrap_or_default() {
            let object = match trace.as_ref().map(|trace| &trace.from) {
                Some(GivenBy::MachineConfig(name)) => format!("machineconfig/{name}"),
                Some(GivenBy::Stream(_)) if pool.stream.is_none() => format!("osimagestream/{CLUSTER}"),
                Some(from @ (GivenBy::ControllerConfig | GivenBy::Default)) => from.to_string(),
                Some(GivenBy::Stream(_)) | None => format!("mcp/{}", pool.name),
            };
            match all.iter_mut().find(|one| one.object == object) {
                Some(one) => one.what.push(what),
                None => all.push(Changed { object, what: vec![what], manager: None, at: None }),
            }
        }
        all
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
