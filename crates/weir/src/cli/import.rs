//! `weir import`: a cluster as the start of a `weir up`, to rehearse on.

use super::{in_line, manifest_source::runtime, print};
use crate::{
    exit::Outcome,
    rollout_objects::{POOL, importable, object, readable, told},
};
use anyhow::{Context as _, Result, bail};
use futures::FutureExt as _;
use kube::Client;
use serde_json::json;
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};
use weir_api::crds::{FeatureSet, crds};
use weir_apiserver::{ApiServer, Settings};
use weir_distro::Profile;
use weir_fleet::machine::POOL_LABEL;
use weir_manifests::Rule;
use weir_rules::{
    objects::counted::Count,
    operator::made_for::made_for,
    render::Build,
    world::{
        World,
        import::{Import, import},
    },
};
use weir_sim::write::merge;

/// Take a cluster's objects as the start of a `weir up`: a rehearsal of your own cluster
///
/// What users set is taken as it is, and nodes as they are, at rest. Secrets, ids and owners are left out, and so is what weir makes
/// itself. The cluster itself is not touched.
#[derive(Debug, clap::Args)]
pub struct ImportOf {
    /// Files with manifests or lists, folders (read recursively) and archives of folders, such as a must-gather; `-` for standard
    /// input
    #[arg(value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Where the rehearsal's objects are kept, for `weir up --data-dir`; it must not be there yet
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Distribution of the cluster [default: from the FeatureGate, where that tells]
    #[arg(long, value_name = "NAME", value_parser = super::up::distribution)]
    distribution: Option<&'static Profile>,
}

impl ImportOf {
    pub(super) fn run(&self) -> Result<Outcome> {
        let at = self.data_dir.display();
        if self.data_dir.exists() {
            bail!("{at} is there already: an import makes a folder of its own; name another one, or delete it");
        }
        let (import, profile) = self.read()?;
        let parent = self.data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Under its name once it is complete.
        let unfinished = tempfile::Builder::new().prefix(".weir-import-").tempdir_in(parent);
        let unfinished = unfinished.with_context(|| format!("making a folder in {}", parent.display()))?;
        let refused = runtime()?.block_on(write(unfinished.path(), &import))?;
        fs::rename(unfinished.keep(), &self.data_dir).with_context(|| format!("naming the folder {at}"))?;
        print(self.said(&import, profile, &refused).as_bytes())?;
        Ok(Outcome::Done)
    }

    /// Reads the objects, and decides what is kept of them.
    fn read(&self) -> Result<(Import, &'static Profile)> {
        let (mut objects, mut found, wants) = (Vec::new(), Vec::new(), importable());
        weir_manifests::read(&self.files, Rule::Objects(&wants))
            .each(|manifest| {
                found.extend(readable(&manifest, object(&manifest))?);
                objects.push(manifest.object);
                anyhow::Ok(())
            })?
            .need(POOL)?;
        let world = World { profile: self.distribution, ..told(World::of(found)) };
        // A cluster that weir made says so itself.
        let made_for = || made_for(world.version.as_deref(), world.feature_gate.as_deref());
        let profile = self.distribution.or_else(made_for).or_else(|| world.distribution());
        let profile =
            profile.context("the files do not say of which distribution the cluster is; give --distribution")?;
        let import = import(&objects, &world, profile, &Build::ours().raw);
        if import.machines.is_empty() {
            let left = import.left_out().join("; ");
            bail!(
                "no node can be rehearsed with: there is none in a pool whose configuration is among the files ({left})"
            );
        }
        Ok((import, profile))
    }

    fn said(&self, import: &Import, profile: &Profile, refused: &[String]) -> String {
        let pools: BTreeSet<&str> = import.machines.iter().map(|machine| machine.pool.as_str()).collect();
        let (objects, nodes) = (Count(import.objects.len(), "object"), Count(import.machines.len(), "node"));
        let mut text =
            format!("{objects} and {nodes} of {} are in {}\n", Count(pools.len(), "pool"), self.data_dir.display());
        for left in import.left_out().iter().chain(refused) {
            // Writing into a String cannot fail.
            _ = writeln!(text, "left out: {}", in_line(left));
        }
        let version = import.objects.iter().find(|object| object["kind"] == "ClusterVersion");
        let image = version.and_then(|version| version["status"]["desired"]["image"].as_str()).unwrap_or_default();
        let at = self.data_dir.display();
        if !image.is_empty() {
            _ = writeln!(text, "to go on with its release: weir up --data-dir {at} --release {}", in_line(image));
        }
        _ = writeln!(
            text,
            "to update it to the sample release: weir up --data-dir {at} --distribution {}",
            profile.name
        );
        text
    }
}

/// Writes the objects to a data directory; says what the API server refuses of them.
async fn write(folder: &Path, import: &Import) -> Result<Vec<String>> {
    let server = ApiServer::new(Settings { data_dir: Some(folder.to_owned()), ..Settings::default() })?;
    server.define(crds(FeatureSet::Default)).context("defining the kinds")?;
    let client = Client::new(server.service(), "default");
    let mut refused = Vec::new();
    let namespaces: BTreeSet<&str> =
        import.objects.iter().filter_map(|object| object["metadata"]["namespace"].as_str()).collect();
    for name in namespaces.into_iter().filter(|name| !name.is_empty()) {
        merge(&client, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
    }
    let nodes = import.machines.iter().map(|machine| {
        let mut node = machine.node.clone();
        node["metadata"]["labels"][POOL_LABEL] = json!(machine.pool);
        node
    });
    for object in import.objects.iter().cloned().chain(nodes) {
        // An object of another version of the API: the others are of use all the same.
        if let Err(error) = merge(&client, &object).await {
            refused.push(format!("{error:#}"));
            // A disk that is full has nothing to do with the object.
            if let Some(full) = server.disk_refused().now_or_never() {
                return Err(full.into());
            }
        }
    }
    Ok(refused)
}
