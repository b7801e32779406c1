//! What else users of pools should know, and events on objects without effect.

use crate::{Context, last_said::LastSaid};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use weir_api::{MachineConfig, MachineConfigPool, feature_gate::FeatureGateDetails};
use weir_kubeio::{Event, Recorder};
use weir_rules::{
    render::{
        generated::{gates_of, is_for_kubelets, stale},
        unsupported::{CODE, SettingsView, Unsupported, of_pool, unsupported},
    },
    status::notices::Notice,
    stream::StreamReason,
    view::PoolView,
    world::World,
};

/// Feature gates, and whether they are on.
type OnOff = Arc<BTreeMap<String, bool>>;

/// A MachineConfig and the gates it was made for; absent if it does not say.
type Looked = (Arc<MachineConfig>, Option<OnOff>);

/// What was parsed already, and what was already reported.
#[derive(Debug, Default)]
pub(super) struct Notices {
    made_for: Mutex<BTreeMap<String, Looked>>,
    last_said: LastSaid,
}

/// What to report in one pass.
pub(super) struct Found {
    settings: Vec<Unsupported>,
    /// By pool.
    refused: BTreeMap<String, String>,
    gates: Option<FeatureGateDetails>,
    made_for: Vec<(Arc<MachineConfig>, OnOff)>,
}

impl Notices {
    pub(super) fn look(&self, world: &World, refused: BTreeMap<String, String>) -> Found {
        let views = world.pool_views();
        // Another build may support settings that weir does not.
        if world.other_build(&views).is_some() {
            return Found { settings: Vec::new(), refused: BTreeMap::new(), gates: None, made_for: Vec::new() };
        }
        // Where weir generates, pools wait for these kinds, and their statuses say what is wrong with them.
        let generates = world.process.as_ref().is_some_and(|process| process.generates);
        let (mut kubelets, mut runtimes) = (Vec::new(), Vec::new());
        if !generates {
            kubelets.extend(world.kubelets.iter().map(AsRef::as_ref));
            runtimes.extend(world.runtimes.iter().map(AsRef::as_ref));
        }
        let view = SettingsView {
            kubelets: &kubelets,
            runtimes: &runtimes,
            pinned: &world.pinned.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        };
        let made_for = self.made_for(&world.configs);
        // Without generated MachineConfigs the list does not matter.
        let gates = if made_for.is_empty() { None } else { world.gate_list().ok().cloned() };
        Found { settings: unsupported(&view, &views), refused, gates, made_for }
    }

    /// The gates of all MachineConfigs that are generated for kubelets.
    fn made_for(&self, configs: &[Arc<MachineConfig>]) -> Vec<(Arc<MachineConfig>, OnOff)> {
        let mut held = self.made_for.lock();
        let mut now = BTreeMap::new();
        for config in configs {
            let Some(name) = config.metadata.name.as_ref().filter(|name| is_for_kubelets(name)) else { continue };
            let read = match held.remove(name) {
                Some((before, read)) if Arc::ptr_eq(&before, config) => read,
                _ => gates_of(config).map(Arc::new),
            };
            now.insert(name.clone(), (config.clone(), read));
        }
        *held = now;
        held.values().filter_map(|(config, read)| Some((config.clone(), read.clone()?))).collect()
    }

    /// Records an event on each object without effect, once.
    pub(super) async fn tell(&self, context: &Context, recorder: &Recorder, found: &Found) {
        let cluster = &context.cluster;
        for settings in &found.settings {
            let (text, name) = (settings.to_string(), settings.name.as_str());
            if !self.last_said.is_new(&format!("{} {name}", settings.kind), &text) {
                continue;
            }
            tracing::info!(kind = settings.kind, name, "has no effect");
            let event = Event::warning(CODE, text);
            match settings.kind {
                "KubeletConfig" => record(recorder, cluster.kubelets.get(name), &event).await,
                "ContainerRuntimeConfig" => record(recorder, cluster.runtimes.get(name), &event).await,
                _ => record(recorder, cluster.pinned.get(name), &event).await,
            }
        }
        self.last_said
            .retain(|subject| found.settings.iter().any(|held| subject == format!("{} {}", held.kind, held.name)));
    }
}

impl Found {
    /// What users of a pool should know; `because` says why it gets its stream, if known.
    pub(super) fn about(&self, pool: &MachineConfigPool, because: Option<&StreamReason>) -> Vec<Notice> {
        let stream = because.filter(|because| because.is_notice()).cloned().map(Notice::Stream);
        let name = pool.metadata.name.as_deref().unwrap_or_default();
        let settings = of_pool(&self.settings, name).map(Notice::Settings);
        let refused = self.refused.get(name).cloned().map(Notice::Refused);
        let made_for = self.made_for.iter().map(|(config, gates)| (config.as_ref(), gates.as_ref()));
        let generated = self.gates.as_ref().and_then(|list| stale(pool, list, made_for)).map(Notice::Generated);
        let selects_all = PoolView::new(pool).selects_all().then_some(Notice::SelectsAllNodes);
        stream.into_iter().chain(settings).chain(refused).chain(generated).chain(selects_all).collect()
    }
}

async fn record<K: kube::Resource<DynamicType = ()>>(recorder: &Recorder, about: Option<Arc<K>>, event: &Event) {
    if let Some(about) = about {
        recorder.record(&*about, event).await;
    }
}
