//! Where a part of a pool's configuration comes from, and which rendered configuration has it.

use super::{Asking, Fact, NotTraced, Unknown, WhyError};
use crate::{
    generated::config::is_of_templates,
    render::{Build, Rendered, Trace, failure::RenderFailure},
    view::PoolView,
    world::World,
};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};
use weir_api::MachineConfig;

/// Fields that only say which part it is.
const KEYS: [&str; 2] = ["path", "name"];

/// A part of a pool's configuration.
#[derive(Clone, Copy)]
pub(super) enum Sought<'q> {
    /// An entry of a list, by its address, e.g. of [`weir_ignition::file_address`].
    Entry(&'q str),
    /// A kernel argument.
    Argument(&'q str),
}

impl Sought<'_> {
    fn trace(self, rendered: &Rendered) -> Option<Trace> {
        match self {
            Self::Entry(address) => rendered.provenance.trace(address),
            Self::Argument(argument) => {
                let given = rendered.config.spec.kernel_arguments.as_deref().unwrap_or_default();
                let all = given.iter().enumerate().filter(|(_, one)| *one == argument);
                let mut all = all.filter_map(|(at, _)| rendered.provenance.trace(&format!("kernelArguments[{at}]")));
                let first = all.next()?;
                // Whoever wants to be rid of it has to change all that give it.
                Some(all.fold(first, |mut trace, other| {
                    for more in other.contributions {
                        if !trace.contributions.contains(&more) {
                            trace.contributions.push(more);
                        }
                    }
                    trace
                }))
            }
        }
    }

    /// The field of a MachineConfig that has it.
    fn place(self, config: &MachineConfig) -> Option<String> {
        match self {
            Self::Argument(argument) => {
                let given = config.spec.kernel_arguments.as_deref().unwrap_or_default();
                Some(format!("spec.kernelArguments[{}]", given.iter().position(|one| one == argument)?))
            }
            Self::Entry(address) => {
                let (list, key) = address.strip_suffix(']')?.split_once('[')?;
                let held = config.spec.config.as_ref()?.pointer(&format!("/{}", list.replace('.', "/")))?;
                let is_it = |one: &Value| KEYS.iter().any(|name| one[*name] == key);
                let at = held.as_array()?.iter().position(is_it)?;
                Some(format!("spec.config.{list}[{at}]"))
            }
        }
    }
}

impl<'a> Asking<'a> {
    /// R-WHY-7.
    pub(super) fn part(&mut self, pool: &str, said: &str, sought: Sought<'_>) -> Result<(), WhyError> {
        let views = self.views;
        let Some(view) = views.pools.iter().find(|view| view.name == pool) else { return Ok(()) };
        let rendered = self.sources(view);
        let target = view.target.filter(|target| !target.is_empty());
        let aim = target.and_then(|name| views.configs.get(name).copied());
        let is_aim = rendered.as_ref().is_ok_and(|rendered| Some(rendered.name()) == target);
        let has = aim.map(|config| sought.place(config).is_some());
        let trace = rendered.as_ref().ok().and_then(|rendered| sought.trace(rendered));
        let (Some(target), Some(true), None) = (target, has, &trace) else {
            return match (trace, rendered) {
                (Some(trace), Ok(rendered)) => {
                    self.traced(view, said, sought, &trace);
                    self.aimed(view, said, has.or(is_aim.then_some(true)), rendered.name());
                    Ok(())
                }
                (_, rendered) => Err(self.no_part(view, said, has.is_some() || is_aim, rendered.err())),
            };
        };
        // What nodes are to reach has it, and nothing that is there gives it.
        let about = format!("mcp/{pool}");
        self.put(&about, 0, "GivenBy", format!("{said}: {target}, which its nodes are to reach, has it"));
        let why = match rendered {
            Ok(rendered) => NotTraced::Other { now: rendered.name().to_owned(), among: self.among() },
            Err(failure) => NotTraced::NotRendered(match Unknown::of(&failure, view).filter(|_| !self.world.whole) {
                Some(unknown) => unknown.to_string(),
                None => failure.to_string(),
            }),
        };
        self.unknown(Unknown::Sources { config: target.to_owned(), why });
        Ok(())
    }

    /// The pool, rendered from the objects as they are. Which image it gets says nothing about other parts.
    fn sources(&self, pool: &PoolView<'a>) -> Result<Rendered, RenderFailure> {
        match self.views.rendered(pool) {
            Err(RenderFailure::NoImages) if !self.world.whole => {
                let world = World { controller_config: Some(Arc::default()), ..self.world.clone() };
                let (parts, _) = world.parts(pool, &self.views.pools)?;
                Ok(parts.render(pool.object, &Build::ours())?)
            }
            rendered => rendered,
        }
    }

    /// Which objects give the part, in which fields.
    fn traced(&mut self, pool: &PoolView<'a>, said: &str, sought: Sought<'_>, trace: &Trace) {
        self.put(&format!("mcp/{}", pool.name), 0, "GivenBy", format!("{said}: {trace}"));
        let decides = trace.from.config();
        for contribution in &trace.contributions {
            let name = contribution.config.as_str();
            let config = self.views.configs.get(name).copied();
            let field = config.and_then(|config| sought.place(config));
            let fields = contribution.fields.iter().filter(|field| !KEYS.contains(&field.as_str()));
            let fields: BTreeSet<&String> = fields.collect();
            let fields = fields.into_iter().cloned().collect();
            let about = format!("machineconfig/{name}");
            self.fact(&about, 1, &Fact::Gives { fields, field });
            let path = said.strip_prefix("file ").filter(|_| Some(name) == decides);
            if Some(name) == decides || matches!(sought, Sought::Argument(_)) {
                self.config(name, path, 2);
            }
            if let (Some(path), true) = (path, config.is_some_and(is_of_templates)) {
                let (path, pool) = (path.to_owned(), pool.name.to_owned());
                self.fact(&about, 2, &Fact::OfTemplates { path, pool });
            }
        }
    }

    /// Whether what nodes are to reach has the part, too.
    fn aimed(&mut self, pool: &PoolView<'a>, said: &str, has: Option<bool>, now: &str) {
        let Some(target) = pool.target.filter(|target| !target.is_empty()) else { return };
        let about = format!("mcp/{}", pool.name);
        match has {
            Some(has) => {
                let now = (!has).then(|| now.to_owned());
                self.fact(&about, 1, &Fact::Holds { config: target.to_owned(), now });
            }
            None => {
                let (part, config, among) = (said.to_owned(), target.to_owned(), self.among());
                self.unknown(Unknown::Holds { part, config, among });
            }
        }
    }

    /// Nothing that is there gives it. That it is not written is only known of a whole cluster, or where what nodes are to reach is there.
    fn no_part(&self, pool: &PoolView<'a>, said: &str, seen: bool, failure: Option<RenderFailure>) -> WhyError {
        let (name, part) = (pool.name.to_owned(), said.to_owned());
        let unknown = failure.as_ref().and_then(|failure| Unknown::of(failure, pool));
        match (failure, unknown.filter(|_| !self.world.whole)) {
            _ if seen && !self.world.whole => WhyError::NoPart { pool: name, part },
            (Some(_), Some(unknown)) => WhyError::PartUnknown { pool: name, part, why: unknown.to_string() },
            (Some(failure), None) => WhyError::NotRendered { pool: name, why: failure.to_string() },
            (None, _) if self.world.whole || pool.target.is_none_or(str::is_empty) => {
                WhyError::NoPart { pool: name, part }
            }
            (None, _) => {
                let target = pool.target.unwrap_or_default();
                let why = format!("no MachineConfig among the files gives it, and {target} is not among them");
                WhyError::PartUnknown { pool: name, part, why }
            }
        }
    }
}
