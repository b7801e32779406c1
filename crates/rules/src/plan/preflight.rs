//! Which findings apply to a change.
//!
//! R-PREFLIGHT-1 Pools are looked at that change, or of which a change has nodes move. What keeps a pool from being rendered is in the way if
//! the change concerns the pool, and else a notice (R-TARGET-6).
//! R-PREFLIGHT-2 A pool must not go to an OS without runc that its configuration asks for, nor to an image that cannot be read or is not
//! there for the architecture of its nodes.
//! R-PREFLIGHT-3 Of a pool with extensions that goes to another OS image, or that gets more of them, the extensions image has to have their
//! packages. An extension of which it has none is missing, as is one that there is not. One of which it has some is not known: packages
//! change their names from release to release.
//! R-PREFLIGHT-4 An OS may need newer processors than nodes have. What nodes have is known from the labels of Node Feature Discovery.
//! R-PREFLIGHT-5 New machines of a pool boot from the cluster's boot images. Images that are too old cannot be updated to a new OS. Where it
//! is not known how old they are (R-UPGRADE-5), that is said.
//! R-PREFLIGHT-6 A drain does not end while a budget allows no eviction. A pod that no controller owns is gone after it.
//! R-PREFLIGHT-7 Nodes that are still waiting when nobody starts any more stay behind until somebody does something.
//! R-PREFLIGHT-8 No node of a pool in image mode goes while no image can be built for it (R-READY-1).
//! R-PREFLIGHT-9 Nodes that are in no pool after a change, and were in one before, get no change any more (R-LOST).
//! R-PREFLIGHT-10 In which order the nodes of a pool start is not known where one that starts is on its way to something else (R-FORWARD-6)
//! and others are on their way, too, or more than one may be down at a time.
//! R-PREFLIGHT-11 Nodes that may still be told of what was wanted before (R-FORWARD-7) are named. Whoever pauses their pool first has each of
//! them go once; where the change itself pauses or deletes the pool, only waiting helps.
//!
//! Sources: <https://kubernetes-sigs.github.io/node-feature-discovery/> for labels, the x86-64 psABI for the level, and the release notes
//! of systemd 258 for kernel arguments that have no effect any more.

mod extensions;

pub(super) use extensions::extensions;

use super::{
    Facts, ImageFacts, NoEffect, NodePlan, PoolPlan, Started, Target, Turn, Value,
    finding::{Code, Finding},
    open::Open,
    target::{Failed, PoolTarget, Refused},
};
use crate::{
    objects::counted::Count,
    render::{RenderError, Rendered, failure::RenderFailure, guard::Inhibitor},
    rollout::{
        WaitReason, listed,
        lost::{Lost, lost},
    },
    status::cluster_status::upgradeable::{BootImages, OldBootImages, age_of_boot_images},
    stream::{StreamError, StreamReason, catalog::due::retained},
    view::NodeView,
    world::World,
};
use k8s_openapi::api::core::v1::Node;
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{keys::names::CLUSTER, machine_config::MachineConfigSpec};
use weir_distro::Profile;

/// The features of a processor that Node Feature Discovery labels by default and that level 3 needs.
const LEVEL_3: [&str; 2] = ["AVX2", "FMA3"];
const CPU_FEATURE: &str = "feature.node.kubernetes.io/cpu-cpuid.";
/// Where an extensions image has its packages (`extensions/Dockerfile` of github.com/openshift/os).
pub const PACKAGES: &str = "/usr/share/rpm-ostree/extensions";
const LEVEL_ARCHITECTURE: &str = "amd64";
/// Kernel arguments that ask for the first version of control groups.
const NO_EFFECT: [&str; 2] = ["systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller"];

/// Everything that is looked at.
struct Preflight<'a> {
    after: &'a World,
    facts: &'a Facts,
    findings: Vec<Finding>,
    unknown: Vec<String>,
}

/// The findings, and what is not known.
pub(super) fn findings(
    after: &World,
    (targets, open): (&[PoolTarget], &Open),
    pools: &[PoolPlan],
    facts: &Facts,
) -> (Vec<Finding>, Vec<String>) {
    let mut preflight = Preflight { after, facts, findings: Vec::new(), unknown: Vec::new() };
    // Why an open pool is not rendered is said of the pool.
    for target in targets.iter().filter(|target| target.rendered.is_ok() || !open.contains_key(&target.pool)) {
        preflight.target(target, pools.iter().find(|pool| pool.pool == target.pool));
    }
    for pool in pools {
        preflight.drains(pool);
        preflight.waits(pool);
        preflight.arrivals(pool);
    }
    preflight.halted(pools);
    let drains =
        pools.iter().filter_map(|pool| pool.nodes.as_deref()).flatten().filter_map(|node| node.effect.as_ref().ok());
    if !after.whole && drains.into_iter().any(|effect| effect.drains) {
        preflight.unknown.push(of_pods(after).to_owned());
    }
    let Preflight { mut findings, unknown, .. } = preflight;
    for finding in &mut findings {
        finding.accepted = facts.accepted.contains(&finding.code);
    }
    (findings, unknown)
}

impl Preflight<'_> {
    fn say(&mut self, code: Code, pool: &str, found: String, remedy: &str, evidence: Vec<String>) {
        self.findings.push(Finding::of(code, Some(pool), found, remedy.to_owned()).seen_in(evidence));
    }

    /// R-PREFLIGHT-1.
    fn target(&mut self, target: &PoolTarget, pool: Option<&PoolPlan>) {
        let rendered = match &target.rendered {
            Ok(rendered) => rendered,
            Err(why) => return self.not_rendered(target, why),
        };
        self.build(target);
        let left = self.left(target, pool);
        if left.is_empty() {
            return;
        }
        if let Some((image, inhibitor)) = &target.unsure {
            let found = format!("its configuration asks for runc, and whether OS image {image} has it is not known");
            self.say(Code::RuncUnknown, &target.pool, found, &inhibitor.remedy, seen(inhibitor));
        }
        let changes_image = left.iter().any(|left| left.os_image != target.after.os_image);
        if changes_image {
            self.image(target, rendered);
        }
        self.extensions(target, rendered, &left, changes_image);
        self.stream(target, rendered);
        let enters = left.iter().any(|left| self.enters(left, &target.after));
        if enters {
            self.level(&target.pool);
            self.boot_images(&target.pool);
        }
        if is_next_major(self.after, &target.after.stream) {
            self.kernel_arguments(target, rendered, &left, enters);
        }
    }

    /// What its nodes leave: its former target, and of a pool that the change is about what nodes run that move.
    fn left(&self, target: &PoolTarget, pool: Option<&PoolPlan>) -> Vec<Target> {
        let mut left: Vec<Target> =
            (target.before != target.after).then(|| target.before.clone()).into_iter().collect();
        let views = self.after.views();
        let acting = pool.filter(|_| target.touched).and_then(|pool| pool.nodes.as_deref()).into_iter().flatten();
        let leaves = acting
            .filter(|node| node.turn != Turn::There)
            .filter_map(|node| node.first.as_ref().or(node.runs.as_ref()));
        for config in leaves.filter(|config| Some(*config) != target.after.config.as_ref()) {
            let Some(held) = self.after.config(config) else { continue };
            if left.iter().any(|left| left.config.as_ref() == Some(config)) {
                continue;
            }
            left.push(Target {
                config: Some(config.clone()),
                stream: views.stream_of(config),
                os_image: held.spec.os_image_url.clone(),
            });
        }
        left
    }

    /// R-PREFLIGHT-8.
    fn build(&mut self, target: &PoolTarget) {
        match &target.refused {
            Some(Refused { why, before: true, .. }) => {
                let pool = &target.pool;
                self.unknown
                    .push(format!("no OS image can be built for pool {pool}, nor could one before the change: {why}"));
            }
            Some(Refused { why, config, .. }) => {
                let remedy = "change what the message names; the pool's nodes keep the image that they have until then";
                let evidence = vec![format!("MachineOSConfig {config}")];
                self.say(
                    Code::Build,
                    &target.pool,
                    format!("no OS image can be built for it: {why}"),
                    remedy,
                    evidence,
                );
            }
            None => {}
        }
    }

    /// R-PREFLIGHT-1, R-PREFLIGHT-2.
    fn not_rendered(&mut self, target: &PoolTarget, why: &RenderFailure) {
        let pool = target.pool.as_str();
        if target.failed == Failed::Unknown {
            self.unknown.push(format!("pool {pool} is not rendered, nor was it before the change: {why}"));
            return;
        }
        let (code, remedy) = match why {
            RenderFailure::Render(RenderError::StreamConflict { .. }) => {
                (Code::ImageConflict, "remove the image from the MachineConfig, or the stream from the pool")
            }
            RenderFailure::Stream(StreamError::NotAvailable { .. }) => {
                (Code::StreamGone, "name one of the streams that there are")
            }
            RenderFailure::Inhibited(inhibitor) => (Code::Runc, inhibitor.remedy.as_str()),
            RenderFailure::Guard(_) => (Code::Render, "correct the drop-in"),
            _ => {
                (Code::Render, "change what the message names; the pool keeps the configuration that it has until then")
            }
        };
        let evidence = match why {
            RenderFailure::Inhibited(inhibitor) => seen(inhibitor),
            _ => {
                let held = self.after.pools.iter().find(|held| held.metadata.name.as_deref() == Some(pool));
                let objects = held.map(|held| why.objects(held)).unwrap_or_default();
                objects.into_iter().map(|(kind, name)| format!("{kind} {name}")).collect()
            }
        };
        let said = match why {
            RenderFailure::Inhibited(inhibitor) => inhibitor.message.clone(),
            _ => format!("it cannot be rendered: {why}"),
        };
        match target.failed {
            Failed::Before => {
                let found = format!("it keeps what it has, as before the change: {said}");
                self.say(Code::NotRendered, pool, found, remedy, evidence);
            }
            _ => self.say(code, pool, said, remedy, evidence),
        }
    }

    /// R-PREFLIGHT-2.
    fn image(&mut self, target: &PoolTarget, rendered: &Rendered) {
        let pool = target.pool.as_str();
        let Some(image) = rendered.config.spec.os_image_url.as_deref() else { return };
        match self.facts.images.get(image) {
            Some(ImageFacts::Unreadable(why)) => {
                let found = format!("image {image} cannot be read: {why}");
                let remedy = "check the mirrors and the pull secret of the cluster, and that the image is there";
                self.say(
                    Code::ImageUnreadable,
                    pool,
                    found,
                    remedy,
                    vec![format!("{}: osImageURL", rendered_name(target))],
                );
            }
            Some(ImageFacts::Read { architectures, .. }) => self.architecture(pool, image, architectures),
            None => self.unknown.push(format!(
                "whether the nodes of pool {pool} can read image {image}: it was not looked for; --images does that"
            )),
        }
    }

    /// R-PREFLIGHT-2.
    fn architecture(&mut self, pool: &str, image: &str, has: &BTreeSet<String>) {
        if has.is_empty() {
            self.unknown.push(format!("which architectures image {image} of pool {pool} is for: it does not say"));
            return;
        }
        let (mut lacking, mut who) = (BTreeSet::new(), Vec::new());
        each_node(self.after, pool, |object, node| {
            let own = architecture(object);
            if !own.is_empty() && !has.contains(own) {
                lacking.insert(own.to_owned());
                who.push(node.name.to_owned());
            }
        });
        if !who.is_empty() {
            let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let (has, lacking) = (list(has), list(&lacking));
            let nodes = Count(who.len(), "node");
            let found = format!("image {image} is for {has}, and not for {lacking}, the architecture of {nodes}");
            self.say(Code::ImageArchitecture, pool, found, "use a release or image for these nodes, too", who);
        }
    }

    fn stream(&mut self, target: &PoolTarget, rendered: &Rendered) {
        let pool = target.pool.as_str();
        let kept = self.after.streams.as_deref().map(retained).unwrap_or_default();
        if let Some(stream) = target.after.stream.as_deref().filter(|stream| kept.contains(stream)) {
            let found = format!("its stream {stream} is no longer carried by the release; it is kept while it is used");
            let evidence = vec![format!("OSImageStream {CLUSTER}: status.availableStreams")];
            self.say(Code::StreamRetained, pool, found, "plan to go to a stream that the release carries", evidence);
        }
        if let Some(because) = target.because.as_ref().filter(|because| because.is_notice()) {
            let remedy = match because {
                StreamReason::StalePin { .. } => "see there",
                _ => "remove the name from the pool",
            };
            let evidence = vec![format!("MachineConfigPool {pool}: spec.osImageStream")];
            self.say(Code::StreamIgnored, pool, because.to_string(), remedy, evidence);
        }
        if rendered.overridden {
            let from = rendered.provenance.trace("osImageURL").map(|trace| trace.from.to_string());
            let image = rendered.config.spec.os_image_url.as_deref().unwrap_or_default();
            let found = format!("its OS image is {image}, whatever the release and its stream bring");
            let remedy = "remove osImageURL from the MachineConfig for the pool to follow the release";
            self.say(Code::ImageOverridden, pool, found, remedy, from.into_iter().collect());
        }
    }

    /// Whether nodes go to an OS of the next major that they do not have yet.
    fn enters(&self, from: &Target, to: &Target) -> bool {
        is_next_major(self.after, &to.stream)
            && !is_next_major(self.after, &from.stream)
            && from.os_image != to.os_image
    }

    /// R-PREFLIGHT-4.
    fn level(&mut self, pool: &str) {
        let (mut old, mut unknown) = (Vec::new(), Vec::new());
        each_node(self.after, pool, |object, node| match level(object, node) {
            Level::TooOld => old.push(node.name.to_owned()),
            Level::Unknown => unknown.push(node.name.to_owned()),
            Level::Enough => {}
        });
        let (many, who) = (unknown.len(), listed(unknown.iter().map(String::as_str)));
        let (many_old, who_old) = (old.len(), listed(old.iter().map(String::as_str)));
        if many_old > 0 {
            let found =
                format!("its new OS needs x86-64-v3, which the processors of {} do not have", Count(many_old, "node"));
            self.say(
                Code::ArchitectureLevel,
                pool,
                found,
                "replace these machines, or keep the pool's stream",
                vec![who_old],
            );
        }
        if many > 0 {
            let found = format!(
                "its new OS needs x86-64-v3, and whether the processors of {} have it is not known",
                Count(many, "node")
            );
            let remedy = "ask: oc debug node/NODE -- chroot /host /lib64/ld-linux-x86-64.so.2 --help";
            self.say(Code::ArchitectureLevelUnknown, pool, found, remedy, vec![who]);
        }
    }

    /// R-PREFLIGHT-5.
    fn boot_images(&mut self, pool: &str) {
        let status = self.after.configuration.as_deref().and_then(|object| object.status.as_ref());
        let age = status.map_or_else(
            || BootImages::Unknown("there is no status of MachineConfiguration cluster".to_owned()),
            age_of_boot_images,
        );
        match age {
            BootImages::Accepted => {}
            BootImages::Unknown(why) => self
                .unknown
                .push(format!("how old the boot images are that new machines of pool {pool} boot from: {why}")),
            BootImages::Old(OldBootImages::NotUpdated(what) | OldBootImages::TooOld(what)) => {
                let found = format!("new machines may not reach its new OS: {what}");
                let evidence = vec!["MachineConfiguration cluster: status.bootImageSkewEnforcementStatus".to_owned()];
                self.say(Code::BootImage, pool, found, "update the boot images first", evidence);
            }
        }
    }

    /// All of them where nodes enter the OS, else those that they do not have yet.
    fn kernel_arguments(&mut self, target: &PoolTarget, rendered: &Rendered, left: &[Target], enters: bool) {
        let given = rendered.config.spec.kernel_arguments.iter().flatten().enumerate();
        let added = self.added(target, rendered, left, |spec| &spec.kernel_arguments);
        let (mut arguments, mut evidence) = (Vec::new(), Vec::new());
        for (at, argument) in given.filter(|(_, argument)| NO_EFFECT.iter().any(|odd| argument.starts_with(odd))) {
            if !enters && !added.contains(argument.as_str()) {
                continue;
            }
            arguments.push(argument.as_str());
            let from = rendered.provenance.trace(&format!("kernelArguments[{at}]")).map(|trace| trace.from.to_string());
            evidence.extend(from);
        }
        if !arguments.is_empty() {
            let which = if enters { "its new OS" } else { "its OS" };
            let found = format!("{which} ignores the kernel arguments {}", arguments.join(" "));
            self.say(Code::KernelArguments, &target.pool, found, "remove them", evidence);
        }
    }

    /// What a list of the pool's configuration has, and something that its nodes leave has not.
    fn added<'r>(
        &self,
        target: &PoolTarget,
        rendered: &'r Rendered,
        left: &[Target],
        list: fn(&MachineConfigSpec) -> &Option<Vec<String>>,
    ) -> BTreeSet<&'r str> {
        let present = list(&rendered.config.spec).iter().flatten().map(String::as_str);
        let left: Vec<_> = left.iter().filter_map(|left| self.after.config(left.config.as_deref()?)).collect();
        let is_told = |value: &str| {
            let of = |side: &Option<Value>| matches!(side, Some(Value::Text(text)) if text == value);
            target.differences.iter().flatten().any(|one| one.before.is_none() && of(&one.after))
        };
        let lacks = |value: &str| left.iter().any(|left| !list(&left.spec).iter().flatten().any(|held| held == value));
        present.filter(|value| lacks(value) || is_told(value)).collect()
    }

    /// R-PREFLIGHT-6.
    fn drains(&mut self, pool: &PoolPlan) {
        let nodes = pool.nodes.as_deref().unwrap_or_default();
        let blocked = nodes.iter().flat_map(|node| node.blocked.iter().map(move |pod| (node, pod)));
        let evidence: Vec<String> = blocked
            .map(|(node, pod)| {
                let owner = pod.owner.as_ref().map(|owner| format!(" of {owner}")).unwrap_or_default();
                let budgets = pod.budgets.join(", ");
                format!("pod {}/{}{owner} on {}: budget {budgets}", pod.namespace, pod.pod, node.node)
            })
            .collect();
        if !evidence.is_empty() {
            let have = if evidence.len() == 1 { "has" } else { "have" };
            let found = format!("budgets allow no eviction of {} that {have} to go", Count(evidence.len(), "pod"));
            let remedy =
                "let the budgets allow one disruption, or start more replicas; the drain waits for as long as it takes";
            self.say(Code::Budget, &pool.pool, found, remedy, evidence);
        }
        let lost: Vec<String> = nodes.iter().flat_map(|node| node.lost.clone()).collect();
        if !lost.is_empty() {
            let (belong, are) = if lost.len() == 1 { ("belongs", "is") } else { ("belong", "are") };
            let number = Count(lost.len(), "pod");
            let found = format!("{number} on its nodes {belong} to no controller and {are} gone afterwards");
            self.say(Code::PodsLost, &pool.pool, found, "start them by a controller such as a Deployment", lost);
        }
        let odd = || nodes.iter().filter_map(|node| Some((node.node.as_str(), node.effect.as_ref().err()?)));
        let refuses = |(_, why): &(&str, &NoEffect)| matches!(why, NoEffect::Refused(_));
        if let Some((_, why)) = odd().find(refuses) {
            let who = odd().filter(refuses).map(|(node, _)| node.to_owned()).collect();
            let remedy = "machines have to be installed anew for it";
            self.say(Code::Irreconcilable, &pool.pool, why.to_string(), remedy, who);
        }
        if let Some((_, why)) = odd().find(|one| !refuses(one)) {
            let who = listed(odd().filter(|one| !refuses(one)).map(|(node, _)| node));
            self.unknown.push(format!("what {who} of pool {} will do: {why}", pool.pool));
        }
    }

    /// R-PREFLIGHT-7.
    fn waits(&mut self, pool: &PoolPlan) {
        let mut groups: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut paused = Vec::new();
        for node in pool.nodes.iter().flatten() {
            match &node.turn {
                Turn::Waits(WaitReason::PoolPaused) => paused.push(node.node.clone()),
                Turn::Waits(WaitReason::Halted(_)) => {}
                Turn::Waits(reason) => groups.entry(reason.to_string()).or_default().push(&node.node),
                _ => {}
            }
        }
        if !paused.is_empty() {
            let wait = if paused.len() == 1 { "waits" } else { "wait" };
            let found = format!("it is paused: {} {wait} until it is not", Count(paused.len(), "node"));
            self.say(Code::Paused, &pool.pool, found, "set spec.paused of the pool to false", paused);
        }
        for (reason, who) in groups {
            let found = format!(
                "{} {} behind: {reason}",
                Count(who.len(), "node"),
                if who.len() == 1 { "stays" } else { "stay" }
            );
            let first = who.first().copied().unwrap_or_default();
            let remedy = format!("`weir why node/{first}` says what to change");
            let who = who.into_iter().map(str::to_owned).collect();
            self.say(Code::Stays, &pool.pool, found, &remedy, who);
        }
        if pool.nodes.is_none() && !pool.unrendered {
            self.unknown.push(format!("what the nodes of pool {} do: there are no nodes among the files", pool.pool));
        }
    }

    /// R-PREFLIGHT-10.
    fn arrivals(&mut self, pool: &PoolPlan) {
        let nodes = || pool.nodes.iter().flatten();
        let starts = |node: &&NodePlan| matches!(node.turn, Turn::Wave(_));
        let goes_once_more = nodes().any(|node| node.first.is_some() && starts(&node));
        if !goes_once_more || nodes().filter(starts).nth(1).is_none() {
            return;
        }
        let is_on_its_way = |node: &&NodePlan| node.first.is_some() || node.turn == Turn::UnderWay;
        let who: Vec<&str> = nodes().filter(is_on_its_way).map(|node| node.node.as_str()).collect();
        let why = match who.as_slice() {
            [_] if pool.max_unavailable == Ok(1) => return,
            [one] => format!("{one} is on its way, and others may start and arrive before it does"),
            _ => format!("{} are on their way, and which of them arrives first decides", listed(who)),
        };
        self.unknown.push(format!("in which order the nodes of pool {} start: {why}", pool.pool));
    }

    fn halted(&mut self, pools: &[PoolPlan]) {
        let halted = pools.iter().flat_map(|pool| pool.nodes.iter().flatten()).filter_map(|node| match &node.turn {
            Turn::Waits(WaitReason::Halted(halt)) => Some((halt.to_string(), node.node.clone())),
            _ => None,
        });
        let (why, who): (Vec<String>, Vec<String>) = halted.unzip();
        if let Some(why) = why.first() {
            let found = format!("no node starts anywhere: {why}");
            let remedy = "`weir why co/machine-config` says what to change".to_owned();
            self.findings.push(Finding::of(Code::Halted, None, found, remedy).seen_in(who));
        }
    }
}

/// Where what inhibits is.
fn seen(inhibitor: &Inhibitor) -> Vec<String> {
    inhibitor.evidence.iter().map(ToString::to_string).collect()
}

/// Whether a stream is of an OS of the next major.
fn is_next_major(world: &World, stream: &Option<String>) -> bool {
    let distribution = world.distribution();
    let profiles = Profile::all().iter().filter(|profile| distribution.is_none_or(|known| known.name == profile.name));
    let mut streams = profiles.flat_map(|profile| &profile.streams.x86_64_v3);
    stream.as_ref().is_some_and(|stream| streams.any(|known| known == stream))
}

/// What a pool is rendered to, by kind and name.
fn rendered_name(target: &PoolTarget) -> String {
    format!("MachineConfig {}", target.after.config.as_deref().unwrap_or_default())
}

/// R-PREFLIGHT-6: what files do not say of pods.
fn of_pods(world: &World) -> &'static str {
    match (world.pods.is_empty(), world.budgets.is_empty()) {
        (true, _) => "which pods drains will evict: there are no pods among the files",
        (false, true) => "which drains a budget blocks: there are no PodDisruptionBudgets among the files",
        (false, false) => {
            "whether drains evict, and budgets block, more than was counted: pods and budgets that are not among the files are not"
        }
    }
}

/// R-PREFLIGHT-11.
pub(super) fn meanwhile(before: &World, after: &World, starts: Vec<Started>) -> Vec<Finding> {
    let (was, is) = (before.pool_views(), after.pool_views());
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Started { node, pool } in starts {
        groups.entry(pool).or_default().push(node);
    }
    let said = groups.into_iter().map(|(pool, mut nodes)| {
        nodes.sort_unstable();
        let target = was.iter().find(|view| view.name == pool).and_then(|view| view.target).unwrap_or_default();
        let (may, they) = if nodes.len() == 1 { ("it is", "it does") } else { ("they are", "they do") };
        let number = Count(nodes.len(), "node");
        let found = format!(
            "{number} may be told of {target} before the change takes effect: if {may}, {they} what that asks as well, and others wait for it"
        );
        let mut remedy = "to have each node go once, make the change when the pool is updated".to_owned();
        if is.iter().any(|view| view.name == pool && !view.paused) {
            remedy = format!("{remedy}, or run `weir pause {pool}` before it and `weir resume {pool}` after it");
        }
        Finding::of(Code::Meanwhile, Some(&pool), found, remedy).seen_in(nodes)
    });
    said.collect()
}

/// R-PREFLIGHT-9.
pub(super) fn without_pool(before: &World, after: &World) -> Vec<Finding> {
    let lost = |world: &World| {
        let views = world.views();
        lost(&views.pools, &views.nodes, &views.membership)
    };
    let was: BTreeSet<String> = lost(before).into_iter().map(|lost| lost.node).collect();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Lost { node, reason, .. } in lost(after).into_iter().filter(|lost| !was.contains(&lost.node)) {
        groups.entry(reason.to_string()).or_default().push(node);
    }
    let said = groups.into_iter().map(|(why, nodes)| {
        let (are, keep) = if nodes.len() == 1 { ("is", "keeps what it runs") } else { ("are", "keep what they run") };
        let found = format!("{} {are} in no pool then and {keep}: {why}", Count(nodes.len(), "node"));
        let remedy = "label them for one pool first, or they get no change any more".to_owned();
        Finding::of(Code::Stays, None, found, remedy).seen_in(nodes)
    });
    said.collect()
}

/// What is known of a processor.
enum Level {
    Enough,
    TooOld,
    Unknown,
}

/// Every node of a pool.
fn each_node(world: &World, pool: &str, mut look: impl FnMut(&Node, &NodeView<'_>)) {
    let views = world.views();
    for node in views.nodes_of(pool) {
        let at = world.nodes.binary_search_by(|held| held.metadata.name.as_deref().cmp(&Some(node.name)));
        if let Some(object) = at.ok().and_then(|at| world.nodes.get(at)) {
            look(object, node);
        }
    }
}

/// As Go calls it; empty if it is not known.
pub(super) fn architecture(node: &Node) -> &str {
    let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
    info.map(|info| info.architecture.as_str()).unwrap_or_default()
}

fn level(object: &Node, node: &NodeView<'_>) -> Level {
    let architecture = architecture(object);
    if !architecture.is_empty() && architecture != LEVEL_ARCHITECTURE {
        return Level::Enough;
    }
    let has = |feature: &str| node.labels.get(&format!("{CPU_FEATURE}{feature}")).is_some_and(|value| value == "true");
    if LEVEL_3.iter().all(|feature| has(feature)) {
        return Level::Enough;
    }
    match node.labels.keys().any(|label| label.starts_with(CPU_FEATURE)) {
        true => Level::TooOld,
        false => Level::Unknown,
    }
}
