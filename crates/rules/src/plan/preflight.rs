//! Which findings apply to a change.
//!
//! R-PREFLIGHT-1 Pools are looked at that change. What kept a pool from being rendered before as well is no consequence of the change:
//! it is told among what is not known.
//! R-PREFLIGHT-2 A pool that goes to an OS that has no runc, or whose image cannot be read, does not go.
//! R-PREFLIGHT-3 A pool with extensions that goes to another OS image may find them missing there, which only the image knows.
//! R-PREFLIGHT-4 An OS may need newer processors than nodes have. What nodes have is known from the labels of Node Feature Discovery.
//! R-PREFLIGHT-5 New machines of a pool boot from the cluster's boot images. Images that are too old cannot be updated to a new OS.
//! R-PREFLIGHT-6 A drain does not end while a budget allows no eviction. A pod that no controller owns is gone after it.
//! R-PREFLIGHT-7 Nodes that are still waiting when nobody starts any more stay behind until somebody does something.
//!
//! Sources: <https://kubernetes-sigs.github.io/node-feature-discovery/> for labels, the x86-64 psABI for the level, and the release notes
//! of systemd 258 for kernel arguments that have no effect any more.

use super::{
    Facts, ImageFacts, PoolPlan, Turn,
    finding::{Code, Finding},
    target::PoolTarget,
};
use crate::{
    objects::counted::Count,
    render::{
        RenderError, Rendered,
        failure::RenderFailure,
        guard::{RuncGuard, WithoutRunc},
    },
    rollout::{WaitReason, listed},
    status::cluster_status::upgradeable::{OldBootImages, old_boot_images},
    stream::{StreamError, StreamReason, catalog::due::retained},
    view::NodeView,
    world::World,
};
use k8s_openapi::api::core::v1::Node;
use std::collections::{BTreeMap, BTreeSet};
use weir_distro::Profile;

/// The features of a processor that Node Feature Discovery labels by default and that level 3 needs.
const LEVEL_3: [&str; 2] = ["AVX2", "FMA3"];
const CPU_FEATURE: &str = "feature.node.kubernetes.io/cpu-cpuid.";
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
    targets: &[PoolTarget],
    pools: &[PoolPlan],
    facts: &Facts,
) -> (Vec<Finding>, Vec<String>) {
    let mut preflight = Preflight { after, facts, findings: Vec::new(), unknown: Vec::new() };
    for target in targets {
        preflight.target(target);
    }
    for pool in pools {
        preflight.drains(pool);
        preflight.waits(pool);
    }
    preflight.halted(pools);
    let drains =
        pools.iter().filter_map(|pool| pool.nodes.as_deref()).flatten().filter_map(|node| node.effect.as_ref().ok());
    if !after.whole && after.pods.is_empty() && drains.into_iter().any(|effect| effect.drains) {
        preflight.unknown.push("which pods drains will evict: there are no pods among the files".to_owned());
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
    fn target(&mut self, target: &PoolTarget) {
        let pool = target.pool.as_str();
        let rendered = match &target.rendered {
            Ok(rendered) => rendered,
            Err(why) if target.failed_before => {
                self.unknown.push(format!("pool {pool} is not rendered, nor was it before the change: {why}"));
                return;
            }
            Err(why) => return self.not_rendered(pool, why),
        };
        if target.before == target.after {
            return;
        }
        self.guard(target);
        self.image(pool, rendered, target);
        self.stream(target, rendered);
        if self.enters(target) {
            self.level(pool);
            self.boot_images(pool);
            self.kernel_arguments(pool, rendered);
        }
    }

    fn not_rendered(&mut self, pool: &str, why: &RenderFailure) {
        let code = match why {
            RenderFailure::Render(RenderError::StreamConflict { .. }) => Code::ImageConflict,
            RenderFailure::Stream(StreamError::NotAvailable { .. }) => Code::StreamGone,
            _ => Code::Render,
        };
        let remedy = match code {
            Code::ImageConflict => "remove the image from the MachineConfig, or the stream from the pool",
            Code::StreamGone => "name one of the streams that there are",
            _ => "change what the message names; the pool keeps the configuration that it has until then",
        };
        self.say(code, pool, format!("it cannot be rendered: {why}"), remedy, vec![why.code().to_owned()]);
    }

    /// R-PREFLIGHT-2.
    fn guard(&mut self, target: &PoolTarget) {
        let (pool, decided) = match &target.guard {
            Some(Ok(decided)) => (target.pool.as_str(), decided.clone()),
            Some(Err(why)) => {
                return self.say(Code::Render, &target.pool, why.to_string(), "correct the drop-in", Vec::new());
            }
            None => return,
        };
        let decided = match &decided {
            RuncGuard::AskImage { image, .. } => match self.facts.images.get(image) {
                Some(ImageFacts::Labels(labels)) => self.with_labels(decided.clone(), labels),
                _ => decided,
            },
            _ => decided,
        };
        match decided {
            RuncGuard::Clear => {}
            RuncGuard::Inhibited(inhibitor) => {
                let evidence = inhibitor.evidence.iter().map(ToString::to_string).collect();
                self.say(Code::Runc, pool, inhibitor.message, &inhibitor.remedy, evidence);
            }
            RuncGuard::AskImage { image, inhibitor } => {
                let found =
                    format!("its configuration asks for runc, and whether OS image {image} has it is not known");
                let evidence = inhibitor.evidence.iter().map(ToString::to_string).collect();
                self.say(Code::RuncUnknown, pool, found, &inhibitor.remedy, evidence);
            }
        }
    }

    fn with_labels(&self, guard: RuncGuard, labels: &BTreeMap<String, String>) -> RuncGuard {
        let distribution = self.after.distribution();
        let mut decided = guard.clone();
        for profile in Profile::all().iter().filter(|p| distribution.is_none_or(|d| d.name == p.name)) {
            let streams = &profile.streams;
            let without = WithoutRunc { streams: &streams.without_runc, title: &streams.without_runc_title };
            if !matches!(decided, RuncGuard::Inhibited(_)) {
                decided = guard.clone().with_labels(labels, without);
            }
        }
        decided
    }

    /// R-PREFLIGHT-2, R-PREFLIGHT-3.
    fn image(&mut self, pool: &str, rendered: &Rendered, target: &PoolTarget) {
        let spec = &rendered.config.spec;
        if target.before.os_image == target.after.os_image {
            return;
        }
        let extensions_image = spec.base_os_extensions_container_image.as_deref().filter(|image| !image.is_empty());
        let wanted = spec.extensions.as_deref().unwrap_or_default();
        let extensions_image = extensions_image.filter(|_| !wanted.is_empty());
        if let Some(image) = spec.os_image_url.as_deref() {
            match self.facts.images.get(image) {
                Some(ImageFacts::Unreadable(why)) => {
                    let remedy = "check the mirrors and the pull secret of the cluster, and that the image is there";
                    self.say(
                        Code::ImageUnreadable,
                        pool,
                        format!("image {image} cannot be read: {why}"),
                        remedy,
                        vec![],
                    );
                }
                Some(ImageFacts::Labels(_)) => {}
                None => self.unknown.push(format!(
                    "whether pool {pool} can read image {image}: it was not looked for; --images does that"
                )),
            }
        }
        if !wanted.is_empty() {
            let found = format!(
                "it has the extensions {}, and whether those of the new OS include them is not known",
                wanted.join(", ")
            );
            let remedy = "look into the list of packages of the extensions image, /usr/share/rpm-ostree/extensions";
            let evidence = extensions_image.map(str::to_owned).into_iter().collect();
            self.say(Code::Extensions, pool, found, remedy, evidence);
        }
    }

    fn stream(&mut self, target: &PoolTarget, rendered: &Rendered) {
        let pool = target.pool.as_str();
        let kept = self.after.streams.as_deref().map(retained).unwrap_or_default();
        if let Some(stream) = target.after.stream.as_deref().filter(|stream| kept.contains(stream)) {
            let found = format!("its stream {stream} is no longer carried by the release; it is kept while it is used");
            self.say(Code::StreamRetained, pool, found, "plan to go to a stream that the release carries", vec![]);
        }
        if let Some(because) = target.because.as_ref().filter(|because| because.is_notice()) {
            let remedy = match because {
                StreamReason::StalePin { .. } => "see there",
                _ => "remove the name from the pool",
            };
            self.say(Code::StreamIgnored, pool, because.to_string(), remedy, vec![]);
        }
        if rendered.overridden {
            let from = rendered.provenance.trace("osImageURL").map(|trace| trace.from.to_string());
            let image = rendered.config.spec.os_image_url.as_deref().unwrap_or_default();
            let found = format!("its OS image is {image}, whatever the release and its stream bring");
            let remedy = "remove osImageURL from the MachineConfig for the pool to follow the release";
            self.say(Code::ImageOverridden, pool, found, remedy, from.into_iter().collect());
        }
    }

    /// Whether a pool goes to an OS of the next major that it does not have yet.
    fn enters(&self, target: &PoolTarget) -> bool {
        let distribution = self.after.distribution();
        let profiles = Profile::all().iter().filter(|p| distribution.is_none_or(|d| d.name == p.name));
        let streams: BTreeSet<&String> = profiles.flat_map(|profile| &profile.streams.x86_64_v3).collect();
        let is_one = |name: &Option<String>| name.as_ref().is_some_and(|name| streams.contains(name));
        is_one(&target.after.stream)
            && !is_one(&target.before.stream)
            && target.before.os_image != target.after.os_image
    }

    /// R-PREFLIGHT-4.
    fn level(&mut self, pool: &str) {
        let views = self.after.views();
        let (mut old, mut unknown) = (Vec::new(), Vec::new());
        for node in views.nodes_of(pool) {
            let at = self.after.nodes.binary_search_by(|held| held.metadata.name.as_deref().cmp(&Some(node.name)));
            match at.ok().and_then(|at| self.after.nodes.get(at)).map(|object| level(object, node)) {
                Some(Level::TooOld) => old.push(node.name),
                Some(Level::Unknown) => unknown.push(node.name),
                Some(Level::Enough) | None => {}
            }
        }
        let (many, who) = (unknown.len(), listed(unknown));
        let (many_old, who_old) = (old.len(), listed(old));
        drop(views);
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
        let Some(status) = status else {
            self.unknown.push(format!("how old the boot images are that new machines of pool {pool} boot from"));
            return;
        };
        let what = match old_boot_images(status) {
            Some(OldBootImages::NotUpdated(what) | OldBootImages::TooOld(what)) => what,
            None => return,
        };
        let found = format!("new machines may not reach its new OS: {what}");
        let evidence = vec!["MachineConfiguration cluster: status.bootImageSkewEnforcementStatus".to_owned()];
        self.say(Code::BootImage, pool, found, "update the boot images first", evidence);
    }

    fn kernel_arguments(&mut self, pool: &str, rendered: &Rendered) {
        let given = rendered.config.spec.kernel_arguments.iter().flatten().enumerate();
        let (mut arguments, mut evidence) = (Vec::new(), Vec::new());
        for (at, argument) in given.filter(|(_, argument)| NO_EFFECT.iter().any(|odd| argument.starts_with(odd))) {
            arguments.push(argument.as_str());
            let from = rendered.provenance.trace(&format!("kernelArguments[{at}]")).map(|trace| trace.from.to_string());
            evidence.extend(from);
        }
        if !arguments.is_empty() {
            let found = format!("its new OS ignores the kernel arguments {}", arguments.join(" "));
            self.say(Code::KernelArguments, pool, found, "remove them", evidence);
        }
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
            let found = format!("budgets allow no eviction of {} that have to go", Count(evidence.len(), "pod"));
            let remedy =
                "let the budgets allow one disruption, or start more replicas; the drain waits for as long as it takes";
            self.say(Code::Budget, &pool.pool, found, remedy, evidence);
        }
        let lost: Vec<String> = nodes.iter().flat_map(|node| node.lost.clone()).collect();
        if !lost.is_empty() {
            let found =
                format!("{} on its nodes belong to no controller and are gone afterwards", Count(lost.len(), "pod"));
            self.say(Code::PodsLost, &pool.pool, found, "start them by a controller such as a Deployment", lost);
        }
        let refused = nodes.iter().filter_map(|node| Some((&node.node, node.effect.as_ref().err()?)));
        let (refusing, not_known): (Vec<_>, Vec<_>) = refused.partition(|(_, why)| why.contains(REFUSES));
        if let Some((_, why)) = refusing.first() {
            let who = refusing.iter().map(|(node, _)| (*node).clone()).collect();
            self.say(
                Code::Irreconcilable,
                &pool.pool,
                (*why).clone(),
                "machines have to be installed anew for it",
                who,
            );
        }
        if let Some((_, why)) = not_known.first() {
            let who = listed(not_known.iter().map(|(node, _)| node.as_str()));
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
            let found = format!("it is paused: {} wait until it is not", Count(paused.len(), "node"));
            self.say(Code::Paused, &pool.pool, found, "set spec.paused of the pool to false", paused);
        }
        for (reason, who) in groups {
            let found = format!(
                "{} {} behind: {reason}",
                Count(who.len(), "node"),
                if who.len() == 1 { "stays" } else { "stay" }
            );
            let who = who.into_iter().map(str::to_owned).collect();
            self.say(Code::Stays, &pool.pool, found, "see what these nodes wait for", who);
        }
        if pool.nodes.is_none() {
            self.unknown.push(format!("what the nodes of pool {} do: there are no nodes among the files", pool.pool));
        }
    }

    fn halted(&mut self, pools: &[PoolPlan]) {
        let mut halts =
            pools.iter().filter_map(|pool| pool.nodes.as_deref()).flatten().filter_map(|node| match &node.turn {
                Turn::Waits(WaitReason::Halted(halt)) => Some(halt.to_string()),
                _ => None,
            });
        if let Some(why) = halts.next() {
            let found = format!("no node starts anywhere: {why}");
            self.findings.push(Finding::of(Code::Halted, None, found, "see `weir status`".to_owned()));
        }
    }
}

/// How a refusal by a node's daemon begins.
pub(super) const REFUSES: &str = "the node's daemon refuses it";

/// What is known of a processor.
enum Level {
    Enough,
    TooOld,
    Unknown,
}

fn level(object: &Node, node: &NodeView<'_>) -> Level {
    let info = object.status.as_ref().and_then(|status| status.node_info.as_ref());
    let architecture = info.map(|info| info.architecture.as_str()).unwrap_or_default();
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
