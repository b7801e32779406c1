//! What each pool is rendered to, and what differs on its machines.
//!
//! R-TARGET-1 A pool that can be rendered gets the result as its target. One that cannot be, or whose result must not be rolled out
//! (R-GUARD), keeps what it has.
//! R-TARGET-2 Where the present configuration is not among the objects, what the pool is rendered to before the change stands for it.
//! R-TARGET-3 A target is taken to have settled: settling takes seconds and changes no order.
//! R-TARGET-4 In image mode an image is needed for what the pool will be rendered to. Which one that is, and whether it is built first,
//! the rule of builds says (R-BUILD-PLAN); images that were built are taken to be in their registry.
//! R-TARGET-5 Where no image can be built before a user changes something, the rule says so (R-READY-1). Whether the builder runs programs
//! is a fact that a plan is given.
//! R-TARGET-6 What keeps a pool from being rendered as well before the change is a consequence of it only if the change concerns the pool: its
//! spec, its labels, or what it is rendered from. Of files it is not known what they leave out.

use super::{Difference, Facts, ImageFacts, Origin, Target, Value, preflight::architecture};
use crate::{
    build::{
        conditions::State,
        identity::build_of,
        limits::of_pool,
        plan as build,
        ready::{Ability, NotReady, ready},
    },
    history::NOT_KNOWN,
    render::{
        Build, Provenance, Rendered,
        changes::{Changes, FieldChange, changes},
        components::{NotRendered, components},
        failure::RenderFailure,
        guard::{Inhibitor, RuncGuard, runc_guard_of},
    },
    stream::StreamReason,
    view::PoolView,
    world::{
        World,
        why::{Unknown, givers},
    },
};
use k8s_openapi::api::core::v1::ObjectReference;
use std::{
    cell::LazyCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use weir_api::{
    MachineConfig, MachineConfigPool, MachineOSBuild, MachineOSConfig,
    condition::{MetaCondition, TRUE, Typed as _},
    keys::{
        build::CURRENT_BUILD,
        config::{SETTLED_FROM, UNSETTLED_SINCE},
        os_build::SUCCEEDED,
        pool::RENDER_DEGRADED,
    },
    machine_os_build::MachineOSBuildStatus,
    os_image_stream::OSImageStreamSet,
    pool::{MachineConfigPoolSpec, PoolConfiguration},
};
use weir_ignition::{diff, file_address};

/// That of images where no node says its own.
const USUAL_ARCHITECTURE: &str = "amd64";

/// A pool, as it is and as it will be.
#[derive(Debug)]
pub(super) struct PoolTarget {
    pub(super) pool: String,
    pub(super) is_new: bool,
    pub(super) before: Target,
    pub(super) after: Target,
    pub(super) because: Option<StreamReason>,
    /// What it is rendered to; or why it is not.
    pub(super) rendered: Result<Rendered, RenderFailure>,
    /// Since when it is not rendered, if it is not (R-TARGET-6).
    pub(super) failed: Failed,
    /// Whether the change is about the pool itself or about nodes.
    pub(super) touched: bool,
    /// The image of which it is not known whether it has what the configuration asks for, and what is in the way if not.
    pub(super) unsure: Option<(String, Inhibitor)>,
    pub(super) differences: Result<Vec<Difference>, String>,
    /// In image mode, where the image comes from.
    pub(super) image: Option<String>,
    /// Whether an image is built first.
    pub(super) builds: bool,
    /// Why no image can be built, if none can (R-TARGET-5).
    pub(super) refused: Option<Refused>,
}

/// Since when a pool is not rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// Since the change, which also goes for one that is rendered.
    Now,
    /// It was not before, and the change concerns it.
    Concerned,
    /// It was not before, and the change has nothing to do with it.
    Before,
    /// It was not before, and that may be because files leave out something.
    Unknown,
}

/// That no image can be built for a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Its MachineOSConfig.
    pub(super) config: String,
    pub(super) why: String,
    /// Whether it was so before the change.
    pub(super) before: bool,
}

/// What is made of a pool's parts.
struct Made {
    rendered: Rendered,
    set: Option<OSImageStreamSet>,
    unsure: Option<(String, Inhibitor)>,
}

/// Renders every pool, and gives the world after the change its targets.
pub(super) fn targets(before: &World, after: &mut World, facts: &Facts) -> Vec<PoolTarget> {
    let programs = !facts.builds_without_programs;
    let mut targets = Vec::new();
    for pool in after.pools.clone() {
        let name = pool.metadata.name.as_deref().unwrap_or_default();
        let was = before.pools.iter().find(|held| held.metadata.name.as_deref() == Some(name));
        let old: Old<'_> =
            LazyCell::new(Box::new(move || was.map(|was| made(before, was, facts).map(|(made, _)| made))));
        let (made, because) = match made(after, &pool, facts) {
            Ok((made, because)) => (Ok(made), Some(because)),
            Err(failure) => (Err(failure), None),
        };
        let mut target = target(before, after, (was, &pool), &old, made, because);
        target.refused = target.rendered.as_ref().ok().and_then(|_| refused(before, after, name, programs));
        let source = match (&target.refused, &target.rendered) {
            (Some(refused), _) => Some(Source::said(format!("no image can be built: {}", refused.why))),
            (None, Ok(rendered)) => image(after, name, &rendered.config),
            (None, Err(_)) => None,
        };
        target.builds = source.as_ref().is_some_and(|source| source.is_built);
        target.image = source.map(|source| source.said);
        targets.push(target);
    }
    targets
}

/// R-TARGET-5, before and after.
fn refused(before: &World, after: &World, pool: &str, programs: bool) -> Option<Refused> {
    let refused = refusal(after, pool, programs)?;
    Some(Refused { before: refusal(before, pool, programs).is_some_and(|before| before.why == refused.why), ..refused })
}

fn refusal(world: &World, pool: &str, programs: bool) -> Option<Refused> {
    let configs: Vec<&MachineOSConfig> = world.os_configs.iter().map(AsRef::as_ref).collect();
    let config = of_pool(pool, &configs)?;
    let own = world.nodes.iter().map(|node| architecture(node)).find(|own| !own.is_empty());
    let ability = Ability { programs, architecture: own.unwrap_or(USUAL_ARCHITECTURE) };
    match ready(world, config, ability) {
        Err(NotReady::Refused(why)) => {
            let config = config.metadata.name.clone().unwrap_or_default();
            Some(Refused { config, why: why.join("; "), before: false })
        }
        _ => None,
    }
}

/// What a pool is rendered to before the change: few changes ask for it, and rendering takes most of the time of a plan. Absent for a new one.
type Old<'w> =
    LazyCell<Option<Result<Made, RenderFailure>>, Box<dyn FnOnce() -> Option<Result<Made, RenderFailure>> + 'w>>;

fn target(
    before: &World,
    after: &mut World,
    (was, pool): (Option<&Arc<MachineConfigPool>>, &MachineConfigPool),
    old: &Old<'_>,
    made: Result<Made, RenderFailure>,
    because: Option<StreamReason>,
) -> PoolTarget {
    let name = pool.metadata.name.clone().unwrap_or_default();
    let present = was.and_then(|was| present(before, was, old));
    let stream = was.and_then(|was| before.stream(&PoolView::new(was), &before.pool_views()).ok()?.set);
    let before_target = Target {
        config: present.as_ref().and_then(|config| config.metadata.name.clone()),
        stream: stream.map(|set| set.name),
        os_image: present.as_ref().and_then(|config| config.spec.os_image_url.clone()),
    };
    let (rendered, set, unsure) = match made {
        Ok(Made { rendered, set, unsure }) => (Ok(rendered), set, unsure),
        Err(failure) => (Err(failure), None, None),
    };
    let after_target = match &rendered {
        Err(_) => before_target.clone(),
        Ok(rendered) => Target {
            config: Some(rendered.name().to_owned()),
            stream: set.map(|set| set.name),
            os_image: rendered.config.spec.os_image_url.clone(),
        },
    };
    let differences = match (&present, &rendered) {
        (Some(present), Ok(rendered)) => differences(after, (present, old), rendered),
        _ => Ok(Vec::new()),
    };
    if let Ok(rendered) = &rendered {
        aim(after, &name, rendered);
    }
    let touched = was.is_none_or(|was| wanted(was) != wanted(pool));
    let failed = match (&rendered, was) {
        (Err(why), Some(was)) => failed((before, was), (after, pool), (old, why), touched),
        _ => Failed::Now,
    };
    PoolTarget {
        pool: name,
        is_new: was.is_none(),
        before: before_target,
        after: after_target,
        because,
        rendered,
        failed,
        touched: touched || !same_nodes(before, after),
        unsure,
        differences,
        image: None,
        builds: false,
        refused: None,
    }
}

/// R-TARGET-6.
fn failed(
    (before, was): (&World, &MachineConfigPool),
    (after, pool): (&World, &MachineConfigPool),
    (old, why): (&Old<'_>, &RenderFailure),
    touched: bool,
) -> Failed {
    let is_same = |before: &RenderFailure| before.to_string() == why.to_string();
    if !old.as_ref().and_then(|old| old.as_ref().err()).is_some_and(is_same) {
        return Failed::Now;
    }
    if !before.whole && may_be_of_files(before, &PoolView::new(pool), why) {
        return Failed::Unknown;
    }
    let parts = |world: &World, pool| world.parts(&PoolView::new(pool), &world.pool_views());
    let concerns = match (parts(before, was), parts(after, pool)) {
        (Ok((a, _)), Ok((b, _))) => !a.says_the_same(&b),
        _ => selected(before, was) != selected(after, pool),
    };
    if concerns || touched { Failed::Concerned } else { Failed::Before }
}

/// The MachineConfigs that a pool selects.
fn selected<'w>(world: &'w World, pool: &MachineConfigPool) -> Vec<&'w Arc<MachineConfig>> {
    components(pool, Ok(()), &world.configs).unwrap_or_default()
}

/// What users want of a pool.
fn wanted(pool: &MachineConfigPool) -> (MachineConfigPoolSpec, Option<BTreeMap<String, String>>) {
    let spec = MachineConfigPoolSpec { configuration: None, ..pool.spec.clone() };
    (spec, pool.metadata.labels.clone())
}

fn same_nodes(before: &World, after: &World) -> bool {
    let pairs = before.nodes.iter().zip(&after.nodes);
    before.nodes.len() == after.nodes.len() && pairs.into_iter().all(|(a, b)| Arc::ptr_eq(a, b))
}

/// Whether a pool may be rendered once there is what files leave out.
fn may_be_of_files(world: &World, pool: &PoolView<'_>, why: &RenderFailure) -> bool {
    let is_left_out = match why {
        RenderFailure::Unreadable(_) => true,
        RenderFailure::Components(NotRendered::NotComplete(_)) => world.controller_config.is_none(),
        _ => false,
    };
    is_left_out || Unknown::of(why, pool).is_some()
}

fn made(world: &World, pool: &MachineConfigPool, facts: &Facts) -> Result<(Made, StreamReason), RenderFailure> {
    let (view, pools) = (PoolView::new(pool), world.pool_views());
    let (parts, because) = world.parts(&view, &pools)?;
    let rendered = parts.render(pool, &Build::ours())?;
    let set = world.stream(&view, &pools)?.set;
    let (stream, distribution) = (set.as_ref().map(|set| set.name.as_str()), world.distribution());
    let decided = runc_guard_of(view.name, &rendered, stream, distribution)?;
    let labels = match &decided {
        RuncGuard::AskImage { image, .. } => match facts.images.get(image) {
            Some(ImageFacts::Read { labels, .. }) => Some(labels),
            _ => None,
        },
        _ => None,
    };
    let unsure = match labels.map_or(decided.clone(), |labels| decided.with_labels_of(labels, distribution)) {
        RuncGuard::Clear => None,
        RuncGuard::Inhibited(inhibitor) => return Err(RenderFailure::Inhibited(inhibitor)),
        RuncGuard::AskImage { image, inhibitor } => Some((image, inhibitor)),
    };
    Ok((Made { rendered, set, unsure }, because))
}

/// R-FORESEE-4, R-TARGET-2.
fn present(world: &World, pool: &MachineConfigPool, old: &Old<'_>) -> Option<MachineConfig> {
    let named = PoolView::new(pool).target.and_then(|name| world.config(name)).map(|config| config.as_ref().clone());
    named.or_else(|| rendered(old).map(|old| old.config.clone()))
}

fn rendered<'o>(old: &'o Old<'_>) -> Option<&'o Rendered> {
    Some(&old.as_ref()?.as_ref().ok()?.rendered)
}

/// Makes what a pool is rendered to its target, as the render controller does.
fn aim(after: &mut World, pool: &str, rendered: &Rendered) {
    for held in after.pools.iter_mut().filter(|held| held.metadata.name.as_deref() == Some(pool)) {
        if PoolView::new(held).target == Some(rendered.name()) {
            continue;
        }
        let held = Arc::make_mut(held);
        let reference = ObjectReference { name: Some(rendered.name().to_owned()), ..ObjectReference::default() };
        let source = Some(rendered.source.clone());
        held.spec.configuration = Some(PoolConfiguration { reference, source, ..PoolConfiguration::default() });
        // R-TARGET-3.
        if let Some(marks) = held.metadata.annotations.as_mut() {
            marks.retain(|key, _| ![SETTLED_FROM, UNSETTLED_SINCE].contains(&key.as_str()));
        }
    }
    after.put(rendered.config.clone().into());
}

/// What images a pool in image mode gets, once it is rendered to this: the build that is wanted, and what the rule of builds does about it.
/// Images that were built are taken to be in their registry.
fn build_plan(
    after: &World,
    pool: &str,
    rendered: &MachineConfig,
) -> Option<(MachineOSConfig, MachineOSBuild, build::Plan)> {
    let configs: Vec<&MachineOSConfig> = after.os_configs.iter().map(AsRef::as_ref).collect();
    let config = of_pool(pool, &configs)?;
    let held = after.pools.iter().find(|held| held.metadata.name.as_deref() == Some(pool))?;
    let mut held = held.as_ref().clone();
    // It is rendered now.
    let said = held.status.as_mut().and_then(|status| status.conditions.as_mut());
    said.into_iter().for_each(|said| said.retain(|condition| !condition.says(RENDER_DEGRADED, TRUE)));
    let target = build_of(&held, config, rendered).ok()?;
    let of_it = after.os_builds.iter().map(AsRef::as_ref);
    let of_it = of_it.filter(|build| Some(&build.spec.machine_os_config.name) == config.metadata.name.as_ref());
    let builds: Vec<&MachineOSBuild> = of_it.collect();
    let image = |build: &&MachineOSBuild| build.status.as_ref()?.digested_image_push_spec.clone();
    let images = builds.iter().filter_map(image).map(|image| (image, build::Presence::There)).collect();
    let rendered = after.config_map();
    let situation = build::Situation {
        pool: &held,
        config,
        target: &target,
        builds: &builds,
        rendered: &rendered,
        images: &images,
    };
    let plan = build::plan(&situation);
    Some((config.clone(), target, plan))
}

/// Where the image of a pool in image mode comes from.
struct Source {
    said: String,
    /// Whether it is built first.
    is_built: bool,
}

impl Source {
    fn said(said: String) -> Self {
        Self { said, is_built: false }
    }
}

/// Gives the world the image that a pool in image mode gets; says where it comes from (R-TARGET-4).
fn image(after: &mut World, pool: &str, rendered: &MachineConfig) -> Option<Source> {
    let first = || Source {
        said: "an image is built on it first, and no node goes before it is there".to_owned(),
        is_built: true,
    };
    let Some((config, target, plan)) = build_plan(after, pool, rendered) else {
        let is_layered = after.os_configs.iter().any(|config| config.spec.machine_config_pool.name == pool);
        return is_layered.then(first);
    };
    let name = target.metadata.name.clone().unwrap_or_default();
    let used = || Source::said(format!("the image of MachineOSBuild {name} is used, unless its registry has lost it"));
    Some(match plan {
        build::Plan::Seed => Source::said("the pre-built image is used".to_owned()),
        build::Plan::Wait(build::Waiting::InEffect(_)) => used(),
        build::Plan::Wait(waiting) => Source::said(waiting.to_string()),
        build::Plan::Adopt { .. } => {
            match after.os_builds.iter().find(|build| build.metadata.name == target.metadata.name) {
                Some(build) if State::of(build) == State::Succeeded => {
                    let build = build.as_ref().clone();
                    in_effect(after, config, build);
                    used()
                }
                // It has its copies of the Secrets.
                _ => Source { is_built: false, ..first() },
            }
        }
        build::Plan::UseAgain { image, .. } => {
            in_effect(after, config, succeeded(target, image));
            let said =
                "the image in effect is used again, unless its registry has lost it: only files and units change";
            Source::said(said.to_owned())
        }
        build::Plan::Ask { .. } | build::Plan::Build { .. } => {
            let (of, from) = (config.metadata.name, rendered.metadata.name.as_ref());
            let other = |build: &MachineOSBuild| {
                Some(&build.spec.machine_os_config.name) == of.as_ref() && Some(&build.spec.machine_config.name) == from
            };
            after.os_builds.retain(|build| !other(build));
            first()
        }
    })
}

/// Makes a build that succeeded the one in effect.
pub(super) fn in_effect(world: &mut World, mut config: MachineOSConfig, build: MachineOSBuild) {
    let name = build.metadata.name.clone().unwrap_or_default();
    config.metadata.annotations.get_or_insert_default().insert(CURRENT_BUILD.to_owned(), name);
    let image = build.status.as_ref().and_then(|status| status.digested_image_push_spec.clone());
    config.status.get_or_insert_default().current_image_pull_spec = image;
    world.put(build.into());
    world.put(config.into());
}

/// A build once it has made this image.
pub(super) fn succeeded(mut build: MachineOSBuild, image: String) -> MachineOSBuild {
    let condition =
        MetaCondition { type_: SUCCEEDED.to_string(), status: TRUE.to_string(), ..MetaCondition::default() };
    build.status = Some(MachineOSBuildStatus {
        conditions: Some(vec![condition]),
        digested_image_push_spec: Some(image),
        ..MachineOSBuildStatus::default()
    });
    build
}

/// What a pool is rendered to, before and after.
struct Sides<'a, 'w> {
    old: &'a Old<'w>,
    new: &'a Rendered,
}

impl Sides<'_, '_> {
    /// R-FORESEE-5: the provenance of what is there afterwards, or of what is gone.
    fn of(&self, is_there: bool) -> Option<&Provenance> {
        let side = if is_there { Some(self.new) } else { rendered(self.old) };
        side.map(|rendered| &rendered.provenance)
    }
}

fn differences(
    after: &World,
    (present, old): (&MachineConfig, &Old<'_>),
    new: &Rendered,
) -> Result<Vec<Difference>, String> {
    let Changes { fields, parts } = changes(present, &new.config).map_err(|error| error.to_string())?;
    let sides = Sides { old, new };
    let of_fields = fields.iter().flat_map(|change| of_field(after, change, &sides));
    let of_parts = parts.into_iter().map(|change| {
        let address = address(&change.subject);
        let provenance = sides.of(change.after.is_some());
        let mut origin = origin(after, provenance, &address, &format!("spec.config.{address}"));
        if let (Some(of), diff::Subject::File(path)) = (&mut origin.made_from, &change.subject)
            && of.starts_with("Image ")
        {
            let givers: Vec<String> = givers(after, path).iter().map(ToString::to_string).collect();
            *of = if givers.is_empty() { of.clone() } else { givers.join(", ") };
        }
        Difference {
            what: change.subject.to_string(),
            before: change.before.map(Value::Part),
            after: change.after.map(Value::Part),
            origin,
        }
    });
    Ok(of_fields.chain(of_parts).collect())
}

/// One difference for a field with one value, one for each value of a list that is added or removed; one for another order.
fn of_field(after: &World, change: &FieldChange, sides: &Sides<'_, '_>) -> Vec<Difference> {
    let FieldChange { field, before, after: now } = change;
    let of =
        |provenance: Option<&Provenance>, at: Option<usize>, before: Option<&String>, after_value: Option<&String>| {
            let address = at.map_or_else(|| (*field).to_owned(), |at| format!("{field}[{at}]"));
            let text = |value: Option<&String>| value.cloned().map(Value::Text);
            let origin = origin(after, provenance, &address, &format!("spec.{field}"));
            Difference { what: (*field).to_owned(), before: text(before), after: text(after_value), origin }
        };
    if !LISTS.contains(field) {
        return vec![of(sides.of(!now.is_empty()), None, before.first(), now.first())];
    }
    let (was, is): (BTreeSet<&String>, BTreeSet<&String>) = (before.iter().collect(), now.iter().collect());
    let removed = before.iter().enumerate().filter(|(_, value)| !is.contains(value));
    let removed = removed.map(|(at, value)| of(sides.of(false), Some(at), Some(value), None));
    let added = now.iter().enumerate().filter(|(_, value)| !was.contains(value));
    let added = added.map(|(at, value)| of(sides.of(true), Some(at), None, Some(value)));
    let all: Vec<Difference> = removed.chain(added).collect();
    if all.is_empty() {
        let (before, now) = (before.join(" "), now.join(" "));
        return vec![of(sides.of(true), Some(0), Some(&before), Some(&now))];
    }
    all
}

/// Fields with several values.
const LISTS: [&str; 2] = ["kernelArguments", "extensions"];

/// R-FORESEE-5.
fn origin(after: &World, provenance: Option<&Provenance>, address: &str, field: &str) -> Origin {
    let inner = |provenance: &Provenance| {
        let found = provenance.addresses().find(|held| held.starts_with(address)).map(str::to_owned);
        found.and_then(|address| provenance.trace(&address))
    };
    let Some(trace) = provenance.and_then(|held| held.trace(address).or_else(|| inner(held))) else {
        // What gave it is gone: the present configuration is older than what there is.
        return Origin { object: NOT_KNOWN.to_owned(), field: String::new(), made_from: None };
    };
    let from = trace.from;
    let config = from.config().and_then(|name| after.config(name));
    let owner = config.and_then(|config| config.metadata.owner_references.as_ref()?.first());
    Origin {
        field: if from.config().is_some() { field.to_owned() } else { String::new() },
        made_from: owner.map(|owner| format!("{} {}", owner.kind, owner.name)),
        object: from.to_string(),
    }
}

/// Where a part of an Ignition config is in it.
fn address(subject: &diff::Subject) -> String {
    use diff::Subject;
    match subject {
        Subject::File(path) => file_address(path),
        Subject::Directory(path) => format!("storage.directories[{path}]"),
        Subject::Link(path) => format!("storage.links[{path}]"),
        Subject::Unit(name) => format!("systemd.units[{name}]"),
        Subject::Dropin { unit, name } => format!("systemd.units[{unit}].dropins[{name}]"),
        Subject::User(name) => format!("passwd.users[{name}]"),
        Subject::Group(name) => format!("passwd.groups[{name}]"),
        Subject::Section(name) => name.clone(),
    }
}
