//! What the ClusterOperator reports, and the pools behind it.

use super::{Asking, FOLLOWED, Fact, Unknown};
use crate::{view::PoolView, world::explain::Health};
use weir_api::{
    condition::{TRUE, find},
    keys::{
        cluster_operator::{AVAILABLE, DEGRADED, PROGRESSING, UPGRADEABLE},
        names::CLUSTER_OPERATOR,
    },
};

impl<'a> Asking<'a> {
    pub(super) fn cluster(&mut self) {
        let about = format!("co/{CLUSTER_OPERATOR}");
        let object = self.world.cluster_operator.clone();
        let status = object.as_ref().and_then(|object| object.status.as_ref());
        let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let wrong = [(DEGRADED, true), (AVAILABLE, false), (PROGRESSING, true), (UPGRADEABLE, false)];
        let mut any = false;
        for (type_, bad) in wrong {
            let Some(held) = find(conditions, type_).filter(|held| (held.status == TRUE) == bad) else { continue };
            let code = held.reason.clone().filter(|reason| !reason.is_empty()).unwrap_or_else(|| held.type_.clone());
            let text = held.message.clone().unwrap_or_else(|| code.clone());
            if let Some(cause) = self.put(&about, 0, &code, format!("{}={}: {text}", held.type_, held.status)) {
                cause.since = held.last_transition_time.as_ref().map(|time| time.0);
            }
            any = true;
        }
        if let Some(failure) = self.world.failure([]).filter(|_| conditions.is_empty()) {
            self.put(&about, 0, failure.code(), &failure);
            any = true;
        }
        if conditions.is_empty() {
            self.unknown(Unknown::Operator { among: self.among() });
        }
        let pools = self.unwell();
        match any {
            true => {}
            false if conditions.is_empty() => self.fact(&about, 0, &Fact::NotReported),
            false => {
                let pools = pools.iter().map(|(name, health)| format!("pool {name} is {}", health.word())).collect();
                self.fact(&about, 0, &Fact::NothingWrong { pools });
            }
        }
        pools.into_iter().take(FOLLOWED).for_each(|(name, _)| self.pool(name, 1));
    }

    /// The pools that are not as they should be, and how they are.
    fn unwell(&self) -> Vec<(&'a str, Health)> {
        let lost = self.views.lost();
        let health = |view: &PoolView<'a>| (view.name, self.views.explain(view, self.plan, &lost, self.now).health());
        self.views.pools.iter().map(health).filter(|(_, health)| *health < Health::Updated).collect()
    }
}
