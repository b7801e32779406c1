//! Why a node waits, updates or fails.

use super::{Asking, FOLLOWED, Fact, Unknown, drain, fact::Cordon};
use crate::{
    objects::author,
    rollout::{Step, WaitReason, capacity, membership::Assignment},
    view::{NodeView, PodView, PoolView, Unreadiness},
    world::remedy::{into, is_drift, of_cordon, of_drift, of_unready, of_wait, out_of},
};
use std::collections::BTreeSet;
use weir_api::keys::names::{MASTER, RENDERED_PREFIX, WORKER};

impl<'a> Asking<'a> {
    pub(super) fn node(&mut self, name: &str, depth: usize) {
        let about = format!("node/{name}");
        let nodes = self.views.nodes.iter().zip(&self.views.membership.assignments);
        let Some((node, assignment)) = nodes.into_iter().find(|(node, _)| node.name == name) else { return };
        if !self.first(&about) {
            return;
        }
        let plan = self.plan;
        let held = plan.hold.iter().find(|held| held.node == name);
        let pool = self.views.pools.iter().find(|view| Some(view.name) == assignment.primary());
        match (held, plan.start.iter().position(|start| start.node == name)) {
            (Some(held), _) if held.reason == WaitReason::NoPool && !self.views.left_out().is_empty() => {
                self.fact(&about, depth, &Fact::NoPoolSeen);
                let (node, missing) = (name.to_owned(), self.views.left_out());
                self.unknown(Unknown::Pools { node, missing });
            }
            (Some(held), _) => {
                self.waits(&about, depth, &held.reason, held.since);
                self.remedies(node, pool, &held.reason);
            }
            (None, Some(before)) => {
                self.fact(&about, depth, &Fact::MayStart { number: before + 1 });
                self.order(name, assignment);
            }
            // What is wrong with it nevertheless comes first.
            (None, None) => {
                let below = usize::from(self.unready(node, depth));
                let config = node.current_config.unwrap_or_default().to_owned();
                self.fact(&about, depth + below, &Fact::Done { config });
            }
        }
        let reason = held.map(|held| &held.reason);
        self.health(node, reason, depth + 1);
        self.membership(node.name, depth + 1, assignment);
        self.cordon(node, depth + 1);
        self.gone(&about, depth + 1, node);
        if let Some(pool) = pool {
            if let Some(WaitReason::Updating { step: Step::Draining, blocked, .. }) = reason {
                self.drain(node, blocked, depth + 1);
            }
            self.follow(node, pool, reason, depth + 1);
        }
    }

    /// The commands for what a node waits for.
    fn remedies(&mut self, node: &NodeView<'a>, pool: Option<&PoolView<'a>>, reason: &WaitReason) {
        let views = self.views;
        let named = |name: &str| views.pools.iter().find(|pool| pool.name == name);
        let commands = match reason {
            WaitReason::NoPool => named(WORKER).map(|worker| into(worker, node)).into_iter().collect(),
            WaitReason::SeveralPools { pools } => {
                let claimed: Vec<&PoolView<'_>> = pools.iter().filter_map(|pool| named(pool)).collect();
                out_of(&claimed, node.name).into_iter().collect()
            }
            // What is in the way of it follows.
            WaitReason::Updating { step: Step::Draining, .. } => Vec::new(),
            reason => of_wait(reason, node.name, pool.map_or("", |pool| pool.name)),
        };
        commands.into_iter().for_each(|command| self.command(command));
    }

    /// What is wrong with a node beside what it waits for.
    fn health(&mut self, node: &NodeView<'a>, reason: Option<&WaitReason>, depth: usize) {
        // A machine that reboots is not ready for a while.
        if !matches!(reason, Some(WaitReason::Updating { step: Step::Rebooting, .. })) {
            self.unready(node, depth);
        }
        if node.is_degraded() && !matches!(reason, Some(WaitReason::Failing { .. })) {
            let (config, why) = (node.desired_config.unwrap_or_default().to_owned(), node.reason.to_owned());
            let failing = WaitReason::Failing { config, why, drifted: !node.is_failing() };
            self.waits(&format!("node/{}", node.name), depth, &failing, None);
            self.failing(node, depth + 1);
        }
    }

    /// What helps a node that fails; whether that is all.
    fn failing(&mut self, node: &NodeView<'a>, depth: usize) -> bool {
        let drifted = is_drift(node.reason);
        if drifted {
            self.command(of_drift(node.name));
        } else {
            self.fact(&format!("node/{}", node.name), depth, &Fact::TriesAgain);
        }
        drifted
    }

    /// What keeps a node from being ready, in the words of its condition; whether that is to be told.
    fn unready(&mut self, node: &NodeView<'a>, depth: usize) -> bool {
        let Some(unready) = node.unready else { return false };
        let type_ = match unready.what {
            Unreadiness::NotReady(_) => "Ready",
            Unreadiness::DiskPressure(_) => "DiskPressure",
            Unreadiness::NetworkUnavailable(_) => "NetworkUnavailable",
            Unreadiness::Unschedulable => return false,
        };
        if !self.first(&format!("readiness of {}", node.name)) {
            return false;
        }
        let object = self.world.nodes.iter().find(|object| object.metadata.name.as_deref() == Some(node.name));
        let conditions = object.and_then(|object| object.status.as_ref()?.conditions.as_ref());
        let held = conditions.into_iter().flatten().find(|held| held.type_ == type_);
        let text = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
        let (reason, message) =
            held.map_or((None, None), |held| (text(held.reason.as_ref()), text(held.message.as_ref())));
        let fact = Fact::NotReady {
            type_,
            status: held.map(|held| held.status.clone()).unwrap_or_default(),
            said: reason.into_iter().chain(message).collect::<Vec<_>>().join(": "),
        };
        self.fact_since(&format!("node/{}", node.name), depth, &fact, unready.since);
        self.command(of_unready(node.name));
        true
    }

    /// Whether a master that may start would go last if files did not leave out the operator's pods.
    pub(super) fn order(&mut self, node: &str, assignment: &Assignment<'_>) {
        let is_seen = self.world.pods.iter().any(|pod| drain::is_of_operator(&PodView::new(pod)));
        if !self.world.whole && assignment.primary() == Some(MASTER) && !is_seen {
            self.unknown(Unknown::Order { node: node.to_owned() });
        }
    }

    /// Which pools a node is in.
    pub(super) fn membership(&mut self, node: &str, depth: usize, assignment: &Assignment<'_>) {
        let pools: Vec<String> = assignment.pools().into_iter().map(str::to_owned).collect();
        let Some((first, others)) = pools.split_first() else { return };
        let missing = self.views.left_out();
        let fact = Fact::InPools { first: first.clone(), others: others.to_vec(), all: missing.is_empty() };
        self.fact(&format!("node/{node}"), depth, &fact);
        if !missing.is_empty() {
            self.unknown(Unknown::Pools { node: node.to_owned(), missing });
        }
    }

    /// Who cordoned a node.
    pub(super) fn cordon(&mut self, node: &NodeView<'_>, depth: usize) {
        if !node.unschedulable || !self.first(&format!("cordon of {}", node.name)) {
            return;
        }
        self.why.authors.insert(("Node", node.name.to_owned()));
        let object = self.world.nodes.iter().find(|object| object.metadata.name.as_deref() == Some(node.name));
        let by = object.and_then(|object| author::of_field(&object.metadata, &["spec", "unschedulable"]));
        let cordon = Cordon::of(node);
        if cordon != Cordon::ForDrain {
            self.command(of_cordon(node.name));
        }
        self.fact(&format!("node/{}", node.name), depth, &Fact::Cordoned { cordon, by });
    }

    /// Rendered MachineConfigs that a node names and that are not there.
    pub(super) fn gone(&mut self, about: &str, depth: usize, node: &NodeView<'_>) {
        // Files that hold no rendered MachineConfig say nothing about them.
        let is_rendered = |name: &&str| name.starts_with(RENDERED_PREFIX);
        if !self.world.whole && !self.views.configs.keys().any(is_rendered) {
            return;
        }
        let named = [node.current_config, node.desired_config].into_iter().flatten();
        let named: BTreeSet<&str> = named.filter(is_rendered).collect();
        for config in named.into_iter().filter(|name| !self.views.configs.contains_key(name)) {
            let is_told = node.desired_config == Some(config);
            let fact = Fact::ConfigGone { config: config.to_owned(), is_told, among: self.among() };
            self.fact(about, depth, &fact);
            self.command(format!(
                "kubectl debug node/{} -- chroot /host cat /etc/machine-config-daemon/currentconfig",
                node.name
            ));
        }
    }

    /// What the reason of a node leads to.
    pub(super) fn follow(
        &mut self,
        node: &NodeView<'a>,
        pool: &PoolView<'a>,
        reason: Option<&WaitReason>,
        depth: usize,
    ) {
        match reason {
            Some(WaitReason::NoCapacity { .. } | WaitReason::ConfigFailing { .. } | WaitReason::Queued { .. }) => {
                let nodes = self.views.nodes_of(pool.name);
                let room = capacity(&nodes, pool.aim(), 0);
                let in_the_way: Vec<&str> =
                    room.unavailable.iter().chain(&room.failing).map(|node| node.name).take(FOLLOWED).collect();
                in_the_way.into_iter().for_each(|name| self.node(name, depth));
                self.moves(node, pool, depth);
            }
            Some(WaitReason::ControlPlaneFirst { .. }) => {
                let masters = self.views.nodes_of(MASTER);
                let down = masters.into_iter().filter(|node| node.is_unavailable() || node.is_failing());
                let down: Vec<&str> = down.map(|node| node.name).take(FOLLOWED).collect();
                down.into_iter().for_each(|name| self.node(name, depth));
            }
            Some(WaitReason::ArbiterUnavailable { node, .. }) => self.node(&node.clone(), depth),
            Some(WaitReason::PoolNotConfigured | WaitReason::ConfigMissing { .. } | WaitReason::Halted(_)) => {
                self.rendering(pool, depth);
            }
            Some(WaitReason::PoolPaused) => {
                self.pause(pool, depth);
                self.moves(node, pool, depth);
            }
            // What it is to change has nothing to do with what was changed on its disk.
            Some(WaitReason::Failing { .. }) if self.failing(node, depth) => {}
            _ => self.moves(node, pool, depth),
        }
    }

    /// What a node is to change, and who wants it.
    pub(super) fn moves(&mut self, node: &NodeView<'a>, pool: &PoolView<'a>, depth: usize) {
        let told = node.desired_config.filter(|told| node.current_config != Some(*told));
        if let (Some(from), Some(to)) = (node.current_config, told.or(pool.target)) {
            self.differences(pool, from, to, depth);
        }
    }
}
