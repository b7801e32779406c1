//! The registry of a story in which images are built, and what is found in it at the end.

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use weir_api::keys::names::OPERATOR_NAMESPACE;
use weir_images::{Images, Layout, Source};
use weir_registry::{Limits, Listener, Registry};

/// What stands for the registry's address in the objects of a story.
const PLACE: &str = "${registry}";
/// Name of the Secret that opens it.
const SECRET: &str = "registry";

/// Labels by pull spec.
pub(super) type Labels = BTreeMap<String, BTreeMap<String, String>>;

/// A registry on loopback. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct StoryRegistry {
    _folder: TempDir,
    address: String,
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
        let images = Images::new(source.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = listener.serve(std::future::pending()).await {
                tracing::error!(%error, "the registry ended");
            }
        });
        Ok(Self { _folder: folder, address, authfile, images, serving })
    }

    /// The Secret that opens it.
    pub(super) fn secret(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET, "namespace": OPERATOR_NAMESPACE},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": self.authfile},
        })
    }

    /// Puts the address into an object of a story.
    pub(super) fn filled(&self, object: &Value) -> Value {
        replaced(object, PLACE, &self.address)
    }

    /// Takes the address, which is another one each time, out of what is compared.
    pub(super) fn emptied(&self, object: &Value) -> Value {
        replaced(object, &self.address, PLACE)
    }

    /// The labels of these images, as the registry has them.
    pub(super) async fn labels(&self, images: BTreeSet<String>) -> Result<Labels> {
        let mut labels = Labels::new();
        for image in images {
            let found = self.images.labels(&image).await.context("reading back an image that nodes were told")?;
            labels.insert(image, found);
        }
        Ok(labels)
    }
}

fn replaced(value: &Value, what: &str, with: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(what, with)),
        Value::Array(items) => items.iter().map(|item| replaced(item, what, with)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), replaced(value, what, with))).collect(),
        other => other.clone(),
    }
}
