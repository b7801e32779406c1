//! The builder of a life, and the registry to which it pushes: both in memory, and both can fail.

use crate::Chance;
use futures::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use k8s_openapi::api::core::v1::Secret;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};
use weir_api::{keys::names::OPERATOR_NAMESPACE, kind::MACHINE_CONFIG_GROUP};
use weir_controllers::build::{Builder, Registries, builder::Order, pruner::Remover, registry::Labels};
use weir_rules::build::{containerfile::label, ready::Ability};

/// Where images are pushed to.
const REGISTRY: &str = "registry.life.invalid";
/// The Secret that opens it.
const SECRET: &str = "registry";
/// Shortest and longest time of a build.
const TAKES: (Duration, Duration) = (Duration::from_secs(20), Duration::from_mins(2));
/// So much of it passes until it is looked whether builds are slow.
const PART: Duration = Duration::from_secs(5);
/// How much longer a slow one takes.
const SLOWER: u32 = 10;
/// How long the registry takes to answer.
const ANSWERS: Duration = Duration::from_millis(50);

/// An image that was built: the values of its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// The rendered MachineConfig that it was built from.
    pub(super) rendered: String,
    /// The pool that it was built for.
    pub(super) pool: String,
    /// What it was built on.
    pub(super) base: String,
}

impl Image {
    fn labels(&self) -> BTreeMap<String, String> {
        let all = [(label::RENDERED, &self.rendered), (label::POOL, &self.pool), (label::BASE, &self.base)];
        all.map(|(key, value)| (key.to_owned(), value.clone())).into()
    }
}

/// What goes wrong with them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    /// The registry cannot be reached.
    pub(super) unreachable: bool,
    /// Every build fails.
    pub(super) failing: bool,
    /// Builds take long.
    pub(super) slow: bool,
    /// The registry has another image than the one whose digest the builder reports.
    pub(super) other_digest: bool,
}

#[derive(Debug, Default)]
struct State {
    trouble: Trouble,
    /// By pull spec.
    images: BTreeMap<String, Image>,
    /// Those that there ever were.
    ever: BTreeMap<String, Image>,
    /// Those that were deleted, and when.
    deleted: Vec<(Instant, String)>,
}

/// Builder and registry. Cheap to clone: clones share them.
#[derive(Clone, Debug)]
pub(super) struct Works {
    seed: u64,
    state: Arc<Mutex<State>>,
}

impl Works {
    /// An empty registry, and a builder that a seed makes fast or slow.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed: Chance::for_purpose(seed, "builds").draw(), state: Arc::default() }
    }

    /// Changes what goes wrong.
    pub(super) fn trouble(&self, change: impl FnOnce(&mut Trouble)) {
        change(&mut self.state.lock().trouble);
    }

    /// All images that were ever pushed, by pull spec.
    pub(super) fn images(&self) -> BTreeMap<String, Image> {
        self.state.lock().ever.clone()
    }

    /// Images that were deleted, and when.
    pub(super) fn deleted(&self) -> Vec<(Instant, String)> {
        self.state.lock().deleted.clone()
    }

    async fn make(&self, order: Order) -> Result<String, String> {
        let number = self.state.lock().ever.len();
        let mut chance = Chance::for_purpose(self.seed, &format!("{} {number}", order.push_spec));
        let mut left = TAKES.0 + chance.up_to(TAKES.1 - TAKES.0);
        while !left.is_zero() {
            let slower = if self.state.lock().trouble.slow { SLOWER } else { 1 };
            let part = left.min(PART);
            sleep(part * slower).await;
            left -= part;
        }
        let mut state = self.state.lock();
        if state.trouble.failing {
            return Err("a step of the Containerfile failed, as this life wants it".to_owned());
        }
        if state.trouble.unreachable {
            return Err(unreachable());
        }
        let label = |key: &str| {
            let lines = order.containerfile.lines();
            let value =
                lines.filter_map(|line| line.strip_prefix("LABEL ")?.strip_prefix(key)?.strip_prefix('=')).next();
            value.unwrap_or_default().to_owned()
        };
        let image = Image { rendered: label(label::RENDERED), pool: label(label::POOL), base: label(label::BASE) };
        let repository = order.push_spec.rsplit_once(':').map_or(order.push_spec.as_str(), |(place, _)| place);
        let spec = format!("{repository}@{}", digest(&mut chance));
        state.ever.insert(spec.clone(), image.clone());
        state.images.insert(spec.clone(), image);
        if state.trouble.other_digest {
            return Ok(format!("{repository}@{}", digest(&mut chance)));
        }
        Ok(spec)
    }
}

fn digest(chance: &mut Chance) -> String {
    let words: Vec<String> = (0..4).map(|_| format!("{:016x}", chance.draw())).collect();
    format!("sha256:{}", words.concat())
}

fn unreachable() -> String {
    format!("{REGISTRY}: the registry cannot be reached")
}

impl Builder for Works {
    fn ability(&self) -> BoxFuture<'_, Ability<'_>> {
        ready(Ability { programs: false, architecture: "amd64" }).boxed()
    }

    fn build(&self, order: Order) -> BoxFuture<'static, Result<String, String>> {
        let this = self.clone();
        async move { this.make(order).await }.boxed()
    }
}

impl Registries for Works {
    fn labels(&self, image: String, _: Secret) -> BoxFuture<'static, Result<Labels, String>> {
        let state = self.state.clone();
        async move {
            sleep(ANSWERS).await;
            let state = state.lock();
            if state.trouble.unreachable {
                return Err(unreachable());
            }
            Ok(state.images.get(&image).map(Image::labels))
        }
        .boxed()
    }
}

impl Remover for Works {
    fn remove(&self, image: String, _: Secret) -> BoxFuture<'static, Result<bool, String>> {
        let state = self.state.clone();
        async move {
            sleep(ANSWERS).await;
            let mut state = state.lock();
            if state.trouble.unreachable {
                return Err(unreachable());
            }
            let there = state.images.remove(&image).is_some();
            state.deleted.extend(there.then(|| (Instant::now(), image)));
            Ok(there)
        }
        .boxed()
    }
}

/// The Secret that opens the registry.
pub(super) fn secret() -> Value {
    let login = json!({"auths": {REGISTRY: {"auth": "c2ltOnNpbQ=="}}});
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": OPERATOR_NAMESPACE},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": login.to_string()},
    })
}

/// A MachineOSConfig that puts a pool in image mode.
pub(super) fn os_config(pool: &str, revision: u64) -> Value {
    let content = format!("FROM configs AS final\nLABEL sim={revision}\n");
    json!({
        "apiVersion": format!("{MACHINE_CONFIG_GROUP}/v1"), "kind": "MachineOSConfig", "metadata": {"name": pool},
        "spec": {
            "machineConfigPool": {"name": pool},
            "imageBuilder": {"imageBuilderType": "Job"},
            "renderedImagePushSecret": {"name": SECRET},
            "renderedImagePushSpec": format!("{REGISTRY}/os/{pool}:latest"),
            "containerFile": [{"containerfileArch": "NoArch", "content": content}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_controllers::build::builder::{Inputs, Log};

    fn order() -> Order {
        Order {
            rendered: Arc::default(),
            containerfile:
                "FROM b AS configs\nLABEL machineconfig=r\nLABEL machineconfigpool=p\nLABEL baseOSContainerImage=b\n"
                    .to_owned(),
            base: "b".to_owned(),
            pull_secret: None,
            push_secret: Secret::default(),
            push_spec: "registry/os:latest".to_owned(),
            inputs: Inputs::default(),
            log: Log::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn images_are_built_unless_something_is_wrong_and_are_there_until_they_are_deleted() {
        let works = Works::new(1);
        let image = works.build(order()).await.unwrap();
        assert!(image.starts_with("registry/os@sha256:"), "{image}");
        let labels = works.labels(image.clone(), Secret::default()).await.unwrap().unwrap();
        assert_eq!(labels.into_values().collect::<Vec<_>>(), ["b", "r", "p"]);
        works.trouble(|trouble| trouble.other_digest = true);
        let other = works.build(order()).await.unwrap();
        assert_eq!(works.labels(other, Secret::default()).await, Ok(None));
        for wrong in
            [|trouble: &mut Trouble| trouble.failing = true, |trouble: &mut Trouble| trouble.unreachable = true]
        {
            works.trouble(|trouble| *trouble = Trouble::default());
            works.trouble(wrong);
            works.build(order()).await.unwrap_err();
        }
        works.labels(image.clone(), Secret::default()).await.unwrap_err();
        works.trouble(|trouble| *trouble = Trouble { slow: true, ..Trouble::default() });
        let begun = Instant::now();
        works.build(order()).await.unwrap();
        assert!(begun.elapsed() >= TAKES.0 * SLOWER);
        assert_eq!(works.remove(image.clone(), Secret::default()).await, Ok(true));
        assert_eq!(works.labels(image, Secret::default()).await, Ok(None));
    }
}
