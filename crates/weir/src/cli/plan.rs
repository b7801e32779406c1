//! `weir plan`: what a change will do, before it is made.

pub(crate) mod images;

use super::{Cluster, ImageSource, harmless, manifest_source::runtime, picture, print};
use crate::{exit::Outcome, rollout_objects};
use anyhow::{Result, bail};
use clap::ValueEnum;
use jiff::Timestamp;
use std::{collections::BTreeMap, path::PathBuf, str::FromStr};
use weir_api::{
    keys::names::OPERATOR_NAMESPACE,
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};
use weir_distro::Profile;
use weir_manifests::{Kind, Rule, Want};
use weir_rules::{
    plan::{self, Change, Code, Facts, change::Reference},
    world::World,
};

/// Show what a change will do, before it is made: which nodes reboot, in which order, and what is in the way
///
/// Computed by the rules that the controllers use, from a cluster, which is only read, or from files. Without a change, it says
/// what is still to be done. If something is in the way, the exit code is 3.
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// Objects to apply, as `kubectl apply` would: files with manifests or lists, folders, archives; `-` for standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE", num_args = 1..)]
    files: Vec<PathBuf>,
    /// An object to delete, such as machineconfig/99-worker-motd
    #[arg(long, value_name = "KIND/NAME")]
    delete: Vec<Named>,
    /// A pool that names another stream, as `weir switch` does it
    #[arg(long, value_name = "POOL=STREAM")]
    stream: Vec<StreamOf>,
    /// Another default stream
    #[arg(long, value_name = "STREAM")]
    default_stream: Option<String>,
    /// Update the cluster to a release: a pull spec, or oci:DIR for an OCI layout. It is read as the cluster reads it, and as the
    /// options for images say
    #[arg(long, value_name = "REF", value_parser = super::pull_spec::release)]
    release: Option<String>,
    /// What the cluster is like: files with manifests or lists, folders (read recursively) and archives of folders, such as a
    /// must-gather; `-` for standard input; without any, the cluster is read
    #[arg(long, value_name = "FILE", num_args = 1..)]
    from: Vec<PathBuf>,
    #[command(flatten)]
    cluster: Cluster,
    /// Distribution of the cluster [default: from the FeatureGate]
    #[arg(long, value_name = "NAME", value_parser = Profile::by_name)]
    distribution: Option<&'static Profile>,
    /// Go on in spite of a finding that may be accepted
    #[arg(long, value_name = "CODE")]
    accept: Vec<Code>,
    /// Also count as in the way: that a node reboots, is drained, or is disrupted in any way
    #[arg(long, value_enum, value_name = "EFFECT")]
    fail_on: Option<FailOn>,
    /// Also look into the images that pools change to, in their registries: OS images, and what extensions images hold
    #[arg(long)]
    images: bool,
    #[command(flatten)]
    source: ImageSource,
    /// Also write a picture of it here, for a document: SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Print for scripts, or for the comment of a merge request
    #[arg(short, long, value_enum)]
    output: Option<Format>,
}

/// What counts as in the way although nothing keeps it from happening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A node reboots
    Reboot,
    /// A node is drained
    Drain,
    /// A node is drained, reboots, or has something reloaded or restarted
    Disruption,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// Markdown
    Markdown,
}

/// An object on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named(Reference);

/// `POOL=STREAM`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct StreamOf {
    pool: String,
    stream: String,
}

/// What the command line asks for.
struct Given {
    changes: Vec<Change>,
    /// Secrets of the operator's namespace that are applied with it.
    secrets: Vec<String>,
    /// What is not known of objects among the files that are no changes here.
    passed_over: Option<String>,
}

const SECRET: Kind<'static> = ("", "Secret");

/// Kinds that a change may be about, with their short names as in kubectl.
const KINDS: [(Kind<'static>, &str); 17] = [
    ((MACHINE_CONFIG_GROUP, "MachineConfig"), "mc"),
    ((MACHINE_CONFIG_GROUP, "MachineConfigPool"), "mcp"),
    ((MACHINE_CONFIG_GROUP, "KubeletConfig"), ""),
    ((MACHINE_CONFIG_GROUP, "ContainerRuntimeConfig"), "ctrcfg"),
    ((MACHINE_CONFIG_GROUP, "MachineOSConfig"), ""),
    ((MACHINE_CONFIG_GROUP, "OSImageStream"), ""),
    ((MACHINE_CONFIG_GROUP, "PinnedImageSet"), ""),
    ((OPERATOR_GROUP, "MachineConfiguration"), ""),
    ((OPERATOR_GROUP, "ImageContentSourcePolicy"), "icsp"),
    ((CONFIG_GROUP, "ImageDigestMirrorSet"), "idms"),
    ((CONFIG_GROUP, "ImageTagMirrorSet"), "itms"),
    ((CONFIG_GROUP, "Image"), ""),
    ((CONFIG_GROUP, "ClusterImagePolicy"), ""),
    ((CONFIG_GROUP, "ImagePolicy"), ""),
    ((CONFIG_GROUP, "APIServer"), ""),
    ((CONFIG_GROUP, "Node"), ""),
    ((CONFIG_GROUP, "CRIOCredentialProviderConfig"), ""),
];

/// Kinds that decisions depend on, and of whose changes no plan is made: what follows from them is written by others, such as the list of
/// the gates that are on, or is in the templates of a release, such as what becomes of the pull secret.
const OF_OTHERS: [(Kind<'static>, &str); 8] = [
    (("", "Node"), "no"),
    (SECRET, ""),
    ((CONFIG_GROUP, "FeatureGate"), ""),
    ((CONFIG_GROUP, "ClusterVersion"), ""),
    ((CONFIG_GROUP, "Infrastructure"), ""),
    ((CONFIG_GROUP, "Proxy"), ""),
    ((MACHINE_CONFIG_GROUP, "ControllerConfig"), ""),
    (("policy", "PodDisruptionBudget"), "pdb"),
];

fn is_of_others(kind: Kind<'_>) -> bool {
    OF_OTHERS.iter().any(|(known, _)| *known == kind)
}

/// The kind that kubectl takes for this name: in any case, in one or several, short, or with a group or a version and group behind a dot. Of
/// several kinds of one name it is that of the core group.
fn kind(name: &str) -> Option<Kind<'static>> {
    let asked = name.to_lowercase();
    let (asked, group) = asked.split_once('.').map_or((asked.as_str(), None), |(asked, group)| (asked, Some(group)));
    let is_it = |((own, known), short): &&(Kind<'static>, &str)| {
        let one = known.to_lowercase();
        let several = one.strip_suffix('y').map_or_else(|| format!("{one}s"), |start| format!("{start}ies"));
        let of_group = group.is_none_or(|group| group == *own || group.strip_prefix("v1.") == Some(own));
        let is_named = asked == one || asked == several || (!short.is_empty() && asked == *short);
        of_group && is_named
    };
    // Those of the core group are among the first.
    OF_OTHERS.iter().chain(&KINDS).find(is_it).map(|(kind, _)| *kind)
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match parts[..] {
            [kind, name] if !name.is_empty() => (kind, "", name),
            [kind, namespace, name] if !name.is_empty() => (kind, namespace, name),
            _ => {
                return Err(format!("{text:?} names no object; write KIND/NAME, such as machineconfig/99-worker-motd"));
            }
        };
        let Some((group, kind)) = self::kind(kind) else {
            return Err(format!("{kind:?} is no kind whose changes are planned"));
        };
        let of = str::to_owned;
        Ok(Self(Reference { group: of(group), kind: of(kind), namespace: of(namespace), name: of(name) }))
    }
}

impl FromStr for StreamOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((pool, stream)) if !pool.is_empty() && !stream.is_empty() => {
                Ok(Self { pool: pool.to_owned(), stream: stream.to_owned() })
            }
            _ => Err(format!("{text:?} is not POOL=STREAM, with the names of a pool and of a stream")),
        }
    }
}

impl Plan {
    pub(super) fn run(&self) -> Result<Outcome> {
        if self.files.iter().chain(&self.from).filter(|path| path.as_os_str() == "-").count() > 1 {
            bail!("standard input can be read once: give - to --filename or to --from");
        }
        let Given { changes, secrets: brought, passed_over } = self.changes()?;
        let (world, unknown, mut secrets) = self.world(&changes)?;
        secrets.extend(brought.into_iter().map(|name| (name, true)));
        let unknown = unknown.into_iter().chain(passed_over);
        let world = World { profile: self.distribution, ..world };
        let accepted = self.accept.iter().copied().collect();
        let facts = Facts { accepted, secrets, unknown: unknown.collect(), ..Facts::default() };
        let plan = match self.release.is_some() || self.images {
            true => runtime()?.block_on(self.with_images(world, changes, facts))?,
            false => plan::plan(&world, &changes, &facts, Timestamp::now())?,
        };
        let data = || serde_json::to_string_pretty(&plan::data(&plan));
        let text = match self.output {
            None => harmless(plan::text(&plan)),
            Some(Format::Json) => data()? + "\n",
            Some(Format::Yaml) => serde_saphyr::to_string(&plan::data(&plan))?,
            Some(Format::Markdown) => harmless(plan::markdown(&plan)),
        };
        if let Some(path) = &self.svg {
            picture(path, &weir_dashboard::svg::plan(&plan))?;
        }
        print(text.as_bytes())?;
        Ok(if plan.is_inhibited() || self.fails(&plan) { Outcome::Blocked } else { Outcome::Done })
    }

    /// Whether it does what `--fail-on` names, or that is not known.
    fn fails(&self, plan: &plan::Plan) -> bool {
        let Some(on) = self.fail_on else { return false };
        let number = match on {
            FailOn::Reboot => plan.reboots(),
            FailOn::Drain => plan.drains(),
            FailOn::Disruption => plan.disruptions(),
        };
        number > 0 || plan.leaves_open()
    }

    /// Plans with what registries say: about the release, and about the images that pools change to.
    async fn with_images(&self, mut world: World, mut changes: Vec<Change>, mut facts: Facts) -> Result<plan::Plan> {
        let images = images::of_cluster(&world, &self.source, self.release.as_deref())?;
        if let Some(reference) = &self.release {
            images::update(&images, reference, &mut world, &mut changes, &mut facts).await?;
        }
        images::planned(&images, &world, &changes, facts, self.images, Timestamp::now()).await
    }

    /// What the cluster is like, what is not known of it, and which of the Secrets that images are built with it has.
    fn world(&self, changes: &[Change]) -> Result<(World, Option<String>, BTreeMap<String, bool>)> {
        if !self.from.is_empty() {
            return Ok((rollout_objects::everything_of_files(&self.from)?, None, BTreeMap::new()));
        }
        runtime()?.block_on(async {
            let client = self.cluster.connect("plan").await?;
            let (world, unknown) = rollout_objects::everything_of_cluster(&client).await?;
            let secrets = rollout_objects::secrets_of_cluster(&client, plan::secrets(&world, changes)).await;
            Ok((world, unknown, secrets))
        })
    }

    /// What the command line asks for.
    fn changes(&self) -> Result<Given> {
        let (mut changes, mut others, mut secrets) = (Vec::new(), Vec::new(), Vec::new());
        if !self.files.is_empty() {
            let wants: Vec<Want<'_>> = KINDS.iter().map(|(kind, _)| Want::all(*kind)).collect();
            let wants: Vec<Want<'_>> = wants.into_iter().chain([Want::all(SECRET)]).collect();
            let read = weir_manifests::read(&self.files, Rule::Objects(&wants));
            let seen = read.each(|manifest| {
                if (manifest.group(), manifest.kind()) == SECRET {
                    let is_ours = manifest.object["metadata"]["namespace"] == OPERATOR_NAMESPACE;
                    secrets.extend(is_ours.then(|| manifest.name().to_owned()));
                    return anyhow::Ok(());
                }
                changes.push(Change::Apply(manifest.object));
                anyhow::Ok(())
            })?;
            others.extend(seen.kinds().filter(|kind| is_of_others(*kind)).map(|(_, kind)| kind.to_owned()));
            if changes.is_empty() && others.is_empty() {
                bail!("the files hold no object that the configuration of machines depends on");
            }
        }
        let of_others = |named: &&Named| is_of_others((&named.0.group, &named.0.kind));
        let deleted: Vec<&Named> = self.delete.iter().filter(of_others).collect();
        changes
            .extend(self.delete.iter().filter(|named| !of_others(named)).map(|named| Change::Delete(named.0.clone())));
        let streams = self.stream.iter().cloned().map(|StreamOf { pool, stream }| Change::Stream { pool, stream });
        changes.extend(streams);
        changes.extend(self.default_stream.clone().map(Change::DefaultStream));
        let mut what = Vec::new();
        if !others.is_empty() {
            what.push(format!("the {} among the files", others.join(", ")));
        }
        what.extend(deleted.iter().map(|named| format!("the deletion of {}", named.0)));
        let what = what.join(" and ");
        if changes.is_empty() && !what.is_empty() && self.release.is_none() {
            bail!(
                "what {what} will do is not planned: others write what follows from it, or it is in the release's templates"
            );
        }
        let passed_over = (!what.is_empty()).then(|| format!("what {what} will do: it is not planned"));
        Ok(Given { changes, secrets, passed_over })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_as_in_kubectl() {
        let of = |text: &str| text.parse::<Named>().map(|named| (named.0.group, named.0.kind, named.0.name));
        let config = (MACHINE_CONFIG_GROUP.to_owned(), "MachineConfig".to_owned(), "99-a".to_owned());
        for text in ["mc/99-a", "machineconfig/99-a", "MachineConfigs/99-a"] {
            assert_eq!(of(text), Ok(config.clone()), "{text}");
        }
        assert_eq!("imagepolicy/ns/a".parse::<Named>().unwrap().0.namespace, "ns");
        let kind = |text: &str| of(text).map(|(group, kind, _)| (group, kind));
        let core = Ok((String::new(), "Node".to_owned()));
        for text in ["node/a", "nodes/a", "no/a", "Node/a"] {
            assert_eq!(kind(text), core, "{text}: kubectl takes the kind of the core group");
        }
        let of_config = Ok((CONFIG_GROUP.to_owned(), "Node".to_owned()));
        for text in ["node.config.openshift.io/cluster", "nodes.v1.config.openshift.io/cluster"] {
            assert_eq!(kind(text), of_config, "{text}");
        }
        let policies = Ok((CONFIG_GROUP.to_owned(), "ImagePolicy".to_owned()));
        assert_eq!(kind("imagepolicies/ns/a"), policies);
        assert!(kind("machineconfig.config.openshift.io/a").is_err());
        assert!(of("pod/a").unwrap_err().starts_with("\"pod\" is no kind whose changes are planned"));
        assert!(of("mc/").unwrap_err().contains("write KIND/NAME") && of("mc").is_err());
        let stream = |text: &str| text.parse::<StreamOf>().map(|of| (of.pool, of.stream));
        assert_eq!(stream("worker=a"), Ok(("worker".to_owned(), "a".to_owned())));
        assert!(stream("worker").is_err() && stream("=a").is_err());
    }
}
