//! `weir why`: the causes of something, down to what a user can change.

use super::{
    Output, harmless,
    manifest_source::{Given, Judged, runtime},
    print,
};
use crate::{exit::Outcome, rollout_objects};
use anyhow::{Result, anyhow};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::{collections::BTreeSet, fmt::Debug, str::FromStr, sync::Arc};
use weir_ignition::file_address;
use weir_rules::world::{
    World,
    why::{Asked, Why as Answer, why},
};

/// Why something is the way it is: the causes, down to what can be changed, and the command that changes it
///
/// Computed from objects as the controllers would, from a cluster or from manifests; no controller is asked.
#[derive(Debug, clap::Args)]
pub struct Why {
    /// node/NAME, mcp/NAME, co/machine-config, or a part of what machines get: file:/PATH@POOL, unit:NAME@POOL,
    /// argument:ARGUMENT@POOL
    #[arg(value_name = "WHAT")]
    what: What,
    #[command(flatten)]
    given: Given,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct What(Asked);

/// What can be asked.
const WANTED: &str =
    "node/NAME, mcp/NAME, co/machine-config, file:/PATH@POOL, unit:NAME@POOL, or argument:ARGUMENT@POOL";

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is nothing that can be asked; write {WANTED}");
        if let Some((kind @ ("file" | "unit" | "argument" | "arg"), rest)) = text.split_once(':') {
            let (name, pool) =
                rest.rsplit_once('@').filter(|(n, p)| !n.is_empty() && !p.is_empty()).ok_or_else(wrong)?;
            let pool = pool.to_owned();
            return Ok(Self(match kind {
                "file" => Asked::Part { pool, address: file_address(name), said: format!("file {name}") },
                "unit" => Asked::Part { pool, address: format!("systemd.units[{name}]"), said: format!("unit {name}") },
                _ => Asked::Argument { pool, argument: name.to_owned() },
            }));
        }
        let (kind, name) = text.split_once('/').filter(|(_, name)| !name.is_empty()).ok_or_else(wrong)?;
        match kind {
            "node" | "nodes" | "no" => Ok(Self(Asked::Node(name.to_owned()))),
            "mcp" | "machineconfigpool" | "machineconfigpools" => Ok(Self(Asked::Pool(name.to_owned()))),
            "co" | "clusteroperator" | "clusteroperators" if name == "machine-config" => Ok(Self(Asked::Cluster)),
            _ => Err(wrong()),
        }
    }
}

impl Why {
    /// Prints it.
    ///
    /// # Errors
    /// When the files cannot be read, the cluster cannot be asked, or there is no such thing.
    pub(super) fn run(&self) -> Result<Outcome> {
        let (answer, judged) = if self.given.files.is_empty() {
            let now = Timestamp::now();
            (runtime()?.block_on(self.of_cluster(now))?, Judged { now, as_of: None })
        } else {
            let world = rollout_objects::everything_of_files(&self.given.files)?;
            let judged = Judged::of(&world);
            (why(&world, &self.what.0, judged.now)?, judged)
        };
        let text = match self.output {
            Some(output) => {
                let mut told = answer.json();
                told["asOf"] = judged.json();
                output.write(&told)?
            }
            None => harmless(answer.text(judged.now)) + &as_of(&answer, &judged),
        };
        print(text.as_bytes())?;
        Ok(Outcome::Done)
    }

    /// Asks twice: who wrote an object, and what is in the way of a drain, is only read of what the answer is about.
    async fn of_cluster(&self, now: Timestamp) -> Result<Answer> {
        let client = self.given.cluster.connect("why").await?;
        let mut world = rollout_objects::of_cluster(&client).await?;
        let answer = why(&world, &self.what.0, now)?;
        attribute(&client, &mut world, &answer.authors).await;
        for node in &answer.drained {
            if let Err(error) = rollout_objects::put_drained(&client, &mut world, node).await {
                tell!("not known: whether pods are in the way of the drain of node {node}: {error:#}");
            }
        }
        why(&world, &self.what.0, now).map_err(|error| anyhow!(error))
    }
}

/// When the files are of, where an answer says for how long something has been so.
fn as_of(answer: &Answer, judged: &Judged) -> String {
    let has_ages = answer.text(judged.now) != answer.text(Timestamp::MIN);
    if has_ages { judged.line() } else { String::new() }
}

/// Adds `managedFields` to these objects. Without the right to read them, or when they are gone, the answer names no author.
async fn attribute(client: &Client, world: &mut World, authors: &BTreeSet<(&'static str, String)>) {
    let settings = &mut world.settings;
    for (kind, name) in authors {
        match *kind {
            "Node" => mark(client, &mut world.nodes, name).await,
            "MachineConfig" => mark(client, &mut world.configs, name).await,
            "MachineConfigPool" => mark(client, &mut world.pools, name).await,
            "KubeletConfig" => mark(client, &mut world.kubelets, name).await,
            "ContainerRuntimeConfig" => mark(client, &mut world.runtimes, name).await,
            "OSImageStream" => mark(client, &mut world.streams, name).await,
            "Image" => mark(client, &mut settings.image, name).await,
            "ImageDigestMirrorSet" => mark(client, &mut settings.digest_mirrors, name).await,
            "ImageTagMirrorSet" => mark(client, &mut settings.tag_mirrors, name).await,
            "ImageContentSourcePolicy" => mark(client, &mut settings.content_sources, name).await,
            "ClusterImagePolicy" => mark(client, &mut settings.cluster_policies, name).await,
            _ => {}
        }
    }
}

/// Adds the `managedFields` of the object of this name.
async fn mark<'w, K>(client: &Client, objects: impl IntoIterator<Item = &'w mut Arc<K>>, name: &str)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + 'w,
{
    let Some(object) = objects.into_iter().find(|object| object.meta().name.as_deref() == Some(name)) else { return };
    Arc::make_mut(object).meta_mut().managed_fields = managed::<K>(client, name).await;
}

async fn managed<K>(client: &Client, name: &str) -> Option<Vec<ManagedFieldsEntry>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let found = Api::<K>::all(client.clone()).get_metadata_opt(name).await;
    found.ok().flatten().and_then(|object| object.metadata.managed_fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked() {
        let of = |text: &str| text.parse::<What>().map(|what| what.0);
        assert_eq!(of("node/a"), Ok(Asked::Node("a".into())));
        assert_eq!(of("co/machine-config"), Ok(Asked::Cluster));
        let argument = Asked::Argument { pool: "worker".into(), argument: "a=1".into() };
        assert_eq!((of("argument:a=1@worker"), of("arg:a=1@worker")), (Ok(argument.clone()), Ok(argument)));
        let file = of("file:/etc/a@b@worker").unwrap();
        assert!(matches!(file, Asked::Part { pool, said, .. } if pool == "worker" && said == "file /etc/a@b"));
        for wrong in ["", "node/", "pod/a", "file:/etc/a", "file:@worker", "co/etcd", "worker"] {
            assert!(of(wrong).unwrap_err().contains("write node/NAME, mcp/NAME"), "{wrong}");
        }
    }
}
