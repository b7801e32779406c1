//! Why a pool is as it is.

use super::{Asking, FOLLOWED, Unknown};
use crate::{
    rollout::WaitReason,
    status::notices,
    view::{NodeView, PoolView, Unreadiness},
};
use std::collections::BTreeSet;
use weir_api::{Condition, condition::find, keys::pool};

impl<'a> Asking<'a> {
    pub(super) fn pool(&mut self, name: &str, depth: usize) {
        let about = format!("mcp/{name}");
        let Some(view) = self.views.pools.iter().find(|view| view.name == name) else { return };
        if !self.first(&about) {
            return;
        }
        let explained = self.views.explain(view, self.plan, &self.views.lost(), self.now);
        let conditions = explained.status.conditions.as_deref().unwrap_or_default();
        let mut troubles = self.troubles(view, explained.causes()).into_iter();
        if let Some(unseen) = explained.unseen {
            self.put(&about, depth, "NotKnown", format!("how it is, is not known: {unseen}"));
        } else {
            self.counted(view);
            match troubles.next() {
                Some(trouble) => self.trouble(view, &trouble, depth),
                None => {
                    let symptom = [pool::UPDATED, pool::UPDATING].map(|type_| find(conditions, type_));
                    let told = symptom.into_iter().flatten().find(|held| !held.message.is_empty()).cloned();
                    let word = || Condition { reason: explained.health().word().to_owned(), ..Condition::default() };
                    self.says(&about, depth, &told.unwrap_or_else(word));
                }
            }
        }
        troubles.for_each(|trouble| self.trouble(view, &trouble, depth + 1));
        self.pause(view, depth + 1);
        self.waiting(view, depth + 1);
        for notice in notices::held(conditions).filter(|notice| notice.type_ != pool::SETTINGS_REFUSED) {
            self.says(&about, depth + 1, notice);
        }
        self.stream(view, explained.streams[0].as_deref(), depth + 1);
        if let Some(target) = view.target {
            self.differences(view, &explained.former, target, depth + 1);
        }
    }

    /// Whether files hold all nodes that the pool counted.
    fn counted(&mut self, pool: &PoolView<'a>) {
        if let Some(unknown) = Unknown::of_nodes(self.world, pool, self.views.nodes_of(pool.name).len()) {
            self.unknown(unknown);
        }
    }

    /// What the nodes of a pool wait for: the failing ones and one for each other reason.
    fn waiting(&mut self, pool: &PoolView<'a>, depth: usize) {
        let plan = self.plan;
        let held = plan.hold.iter().filter(|held| held.pool.as_deref() == Some(pool.name));
        let (mut codes, mut failing) = (BTreeSet::new(), 0);
        for held in held {
            let fails = matches!(held.reason, WaitReason::Failing { .. });
            failing += usize::from(fails);
            let followed = if fails { failing <= FOLLOWED } else { codes.insert(held.reason.code()) };
            if followed {
                self.node(&held.node, depth);
            }
        }
        if let Some(start) = plan.start.iter().find(|start| start.pool == pool.name) {
            self.node(&start.node, depth);
        }
        self.down(pool, depth);
    }

    /// The first nodes of a pool that run what they should, and are down or cordoned all the same.
    fn down(&mut self, pool: &PoolView<'a>, depth: usize) {
        let nodes = self.views.nodes_of(pool.name);
        let unready = |node: &&&NodeView<'a>| {
            node.is_done() && node.unready.is_some_and(|unready| unready.what != Unreadiness::Unschedulable)
        };
        let unready: Vec<&str> = nodes.iter().filter(unready).map(|node| node.name).take(FOLLOWED).collect();
        unready.into_iter().for_each(|name| self.node(name, depth));
        let cordoned = nodes.into_iter().filter(|node| node.is_done() && node.unschedulable).take(FOLLOWED);
        cordoned.for_each(|node| self.cordon(node, depth));
    }

    /// Which stream a pool gets, and why; where that is another one than the pool had, or none that somebody named, who wants it.
    fn stream(&mut self, pool: &PoolView<'a>, before: Option<&str>, depth: usize) {
        let about = format!("mcp/{}", pool.name);
        if !self.world.whole && self.world.streams.is_none() && self.world.feature_gate.is_none() {
            let pool = pool.name.to_owned();
            return self.unknown(Unknown::Stream { pool, missing: &["OSImageStream", "FeatureGate"] });
        }
        match self.world.stream(pool, &self.views.pools) {
            Ok(resolved) => {
                let (because, stream) = (&resolved.because, resolved.set.as_ref().map(|set| set.name.as_str()));
                let text = stream.map_or_else(|| because.to_string(), |name| format!("stream {name}: {because}"));
                if let Some(cause) = self.put(&about, depth, because.code(), text) {
                    cause.rule = Some(because.rule());
                }
                if before.zip(stream).is_some_and(|(before, now)| before != now) || because.is_notice() {
                    self.choice(pool, depth + 1);
                }
            }
            // That it cannot be rendered for that is said already.
            Err(_) if self.seen.contains(&format!("rendering of {}", pool.name)) => {}
            Err(failure) => match Unknown::of(&failure, pool).filter(|_| !self.world.whole) {
                Some(unknown) => self.unknown(unknown),
                None => _ = self.put(&about, depth, failure.code(), &failure),
            },
        }
    }

    /// Why a pool is paused and until when, and how long that is safe.
    pub(super) fn pause(&mut self, pool: &PoolView<'a>, depth: usize) {
        let about = format!("mcp/{}", pool.name);
        let Some(paused) = self.world.pause(pool).filter(|_| self.first(&format!("pause of {}", pool.name))) else {
            return;
        };
        for said in paused.told().into_iter().chain(paused.safety()) {
            self.put(&about, depth, "Paused", said);
        }
    }
}
