//! The registry of a story in which images are built: what is deleted from it, and what is found in it at the end.

use super::judge::annotation;
use anyhow::{Context as _, Result};
use futures::{FutureExt as _, future::BoxFuture};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Secret};
use kube::{Api, Client, ResourceExt as _, api::ListParams};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::{sync::watch, task::JoinHandle};
use weir_api::keys::names::OPERATOR_NAMESPACE;
use weir_controllers::{Access, build::pruner::Remover};
use weir_images::{Images, Layout, Source};
use weir_registry::{Limits, Listener, Registry};

/// What stands for the registry's address in the objects of a story.
const PLACE: &str = "${registry}";
/// What stands for an image that an installer brings along: an OS image that is there and that nobody built for a pool.
const INSTALLED: &str = "${installed}";
/// How names of rendered configurations begin.
const RENDERED: &str = "rendered-";
/// Name of the Secret that opens it.
const SECRET: &str = "registry";

/// Labels by pull spec.
pub(super) type Labels = BTreeMap<String, BTreeMap<String, String>>;

/// Images that were built.
#[derive(Clone, Debug, Default)]
pub(super) struct Built {
    pub(super) labels: Labels,
    /// Those that are in the registry no more.
    pub(super) deleted: BTreeSet<String>,
}

/// Deletes images as a cluster does, and keeps what is known of them. Cheap to clone: clones share it.
#[derive(Clone)]
pub(super) struct Removals(Arc<Inner>);

struct Inner {
    access: Access,
    client: Client,
    images: Images,
    kept: Mutex<Kept>,
    count: watch::Sender<usize>,
}

/// What is kept of images that were deleted.
#[derive(Debug, Default)]
struct Kept {
    labels: Labels,
    /// Deletions of images that a node needed.
    wrong: Vec<String>,
}

impl std::fmt::Debug for Removals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Removals").field(&self.0.kept).finish()
    }
}

impl Removals {
    /// Deletes with this access, and looks for images and at nodes by the others.
    pub(super) fn new(access: Access, client: Client, images: Images) -> Self {
        let (kept, count) = (Mutex::default(), watch::Sender::new(0));
        Self(Arc::new(Inner { access, client, images, kept, count }))
    }

    /// How many images were deleted.
    pub(super) fn count(&self) -> watch::Receiver<usize> {
        self.0.count.subscribe()
    }

    /// Deletions that should not have been.
    pub(super) fn wrong(&self) -> Vec<String> {
        self.0.kept.lock().wrong.clone()
    }

    /// Labels of an image that was deleted.
    fn labels(&self, image: &str) -> Option<BTreeMap<String, String>> {
        self.0.kept.lock().labels.get(image).cloned()
    }

    /// Looks at the image and at who needs it, as the API server has it now, and then deletes it.
    async fn removed(&self, image: String, secret: Secret) -> Result<bool, String> {
        let Inner { access, client, images, kept, count } = &*self.0;
        let labels = images.present(&image).await.map_err(|error| error.to_string())?;
        let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await;
        for node in nodes.map_err(|error| error.to_string())? {
            let name = node.name_any();
            if needs(&json!(node), &image) {
                kept.lock().wrong.push(format!("{image} was deleted, and {name} runs it or is to"));
            }
        }
        kept.lock().labels.insert(image.clone(), labels.unwrap_or_default());
        let was_there = access.remove(image, secret).await?;
        count.send_modify(|count| *count += usize::from(was_there));
        Ok(was_there)
    }
}

/// Whether a node runs an image, or is to.
pub(super) fn needs(node: &Value, image: &str) -> bool {
    ["currentImage", "desiredImage"].into_iter().any(|key| annotation(node, key) == Some(image))
}

impl Remover for Removals {
    fn remove(&self, image: String, secret: Secret) -> BoxFuture<'static, Result<bool, String>> {
        let this = self.clone();
        async move { this.removed(image, secret).await }.boxed()
    }
}

/// A registry on loopback. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct StoryRegistry {
    _folder: TempDir,
    address: String,
    /// Pull spec of an OS image in it.
    installed: String,
    authfile: String,
    images: Images,
    serving: JoinHandle<()>,
}

impl Drop for StoryRegistry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl StoryRegistry {
    /// Starts one that serves these layouts, and lets those in who read images by this source.
    pub(super) async fn start(layouts: &[Layout], source: &mut Source) -> Result<Self> {
        let folder = tempfile::tempdir().context("making a folder for the registry")?;
        let registry = Registry::open(folder.path(), Limits::default(), Timestamp::now)?;
        for layout in layouts {
            registry.offer(layout.clone()).await?;
        }
        let listener = Listener::bind(registry)?;
        listener.admit(source)?;
        source.registries.add(listener.mirrors(layouts));
        let authfile = std::fs::read_to_string(listener.authfile()).context("reading the registry's login")?;
        let address = listener.address().to_string();
        let systems = layouts.iter().flat_map(|layout| layout.images().iter().map(|image| layout.name(image)));
        let system = systems.map(|name| name.to_string()).find(|name| name.contains("coreos"));
        let path = system.as_deref().and_then(|name| name.split_once('/')).map(|(_, path)| path).unwrap_or_default();
        let (installed, images) = (format!("{address}/{path}"), Images::new(source.clone()));
        let serving = tokio::spawn(async move {
            if let Err(error) = listener.serve(std::future::pending()).await {
                tracing::error!(%error, "the registry ended");
            }
        });
        Ok(Self { _folder: folder, address, installed, authfile, images, serving })
    }

    /// The Secret that opens it.
    pub(super) fn secret(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": OPERATOR_NAMESPACE},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": self.authfile},
        })
    }

    /// Puts the address, and the image that is brought along, into an object of a story.
    pub(super) fn filled(&self, object: &Value) -> Value {
        replaced(&replaced(object, PLACE, &self.address), INSTALLED, &self.installed)
    }

    /// Takes the address, which is another one each time, out of the state that is compared, and with it the names of the
    /// configurations that it is a part of.
    pub(super) fn emptied(&self, state: &Value) -> Value {
        let is_of_it =
            |object: &&Value| object["spec"]["osImageURL"].as_str().is_some_and(|url| url.contains(&self.address));
        let objects = state.as_object().into_iter().flat_map(|objects| objects.values());
        let names = objects.filter(is_of_it).filter_map(|object| object["metadata"]["name"].as_str());
        let names = names.filter_map(|name| Some((name, name.strip_prefix(RENDERED)?.split_once('-')?.0)));
        names.fold(replaced(state, &self.address, PLACE), |state, (name, pool)| {
            replaced(&state, name, &format!("{RENDERED}{pool}-{INSTALLED}"))
        })
    }

    /// The images that were built, for whoever judges which of these nodes were told: as the registry has them, or had them until they
    /// were deleted.
    pub(super) async fn built(&self, images: BTreeSet<String>, removals: &Removals) -> Result<Built> {
        let mut built = Built::default();
        for image in images {
            let there = self.images.present(&image).await.context("reading back an image that nodes were told")?;
            if there.is_none() && removals.labels(&image).is_some() {
                built.deleted.insert(image.clone());
            }
            if let Some(labels) = there.or_else(|| removals.labels(&image)) {
                built.labels.insert(image, labels);
            }
        }
        Ok(built)
    }
}

fn replaced(value: &Value, what: &str, with: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(what, with)),
        Value::Array(items) => items.iter().map(|item| replaced(item, what, with)).collect(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| (key.replace(what, with), replaced(value, what, with));
            fields.iter().map(field).collect()
        }
        other => other.clone(),
    }
}
