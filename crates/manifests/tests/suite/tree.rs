//! Folders of files as tools write them, and what is read from them.

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use weir_api::kind::MACHINE_CONFIG_GROUP;
use weir_manifests::{Kind, Limits, Reading, Rule, Want, read_within};

pub const POOL: Kind<'static> = (MACHINE_CONFIG_GROUP, "MachineConfigPool");
pub const WANTS: [Want<'static>; 2] = [Want::all(POOL), Want::all(("", "Node"))];
/// A folder of `oc adm must-gather`, and in it that of an image.
pub const GATHERED: &str = "quay-io-release-sha256-1234";
const CONFIGS: &str = "cluster-scoped-resources/machineconfiguration.openshift.io";

pub struct Tree(pub TempDir);

impl Tree {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// What a tool collected of one pool and two nodes, with all that lies beside it.
    pub fn gathered(root: &str) -> Self {
        let tree = Self::new();
        let below = |path: &str| if root.is_empty() { path.to_owned() } else { format!("{root}/{path}") };
        let put = |path: &str, text: &str| tree.put(&below(path), text);
        put(&format!("{CONFIGS}/machineconfigpools/worker.yaml"), &format!("---\n{}", pool("worker", 7)));
        put("cluster-scoped-resources/core/nodes/a.yaml", &node("a", 5).to_string());
        let nodes = json!({"apiVersion": "v1", "kind": "NodeList", "items": [node("a", 5), node("b", 6)]});
        put("cluster-scoped-resources/core/nodes.json", &nodes.to_string());
        let pods = json!({"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "p"}}]});
        put("namespaces/all/core/pods.yaml", &pods.to_string());
        put("namespaces/x/pods/p/c/c/logs/current.log", "not: [a manifest");
        put("aggregated-discovery-apis.yaml", "apidiscovery: {items: [1]}\n");
        put("event-filter.html", "<html></html>");
        put("events.json", "[{\"reason\": \"Started\"}]");
        put("timestamp", "2026-11-30 06:00:00");
        put("version", "must-gather");
        tree
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub fn put(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn link(&self, to: &str, path: &str) {
        std::os::unix::fs::symlink(to, self.0.path().join(path)).unwrap();
    }
}

pub fn pool(name: &str, version: u32) -> Value {
    json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
        "metadata": {"name": name, "resourceVersion": version.to_string()},
    })
}

pub fn node(name: &str, version: u32) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "resourceVersion": version.to_string()}})
}

/// What is read, as kind and name, and what is told about the rest.
pub fn told(reading: Reading<'_>) -> (Vec<String>, Vec<String>) {
    let (mut titles, mut errors) = (Vec::new(), Vec::new());
    for document in reading {
        match document {
            Ok(manifest) => titles.push(manifest.title()),
            Err(error) => errors.push(format!("{:#}", anyhow::Error::from(error))),
        }
    }
    (titles, errors)
}

pub fn objects(paths: &[PathBuf]) -> (Vec<String>, Vec<String>) {
    within(paths, &Limits::default())
}

pub fn within(paths: &[PathBuf], limits: &Limits) -> (Vec<String>, Vec<String>) {
    told(read_within(paths, Rule::Objects(&WANTS), limits))
}

/// Bytes of an archive of a folder.
pub fn tar(folder: &Path) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    archive.follow_symlinks(false);
    archive.append_dir_all("packed", folder).unwrap();
    archive.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}
