//! `weir build`: the OS image of a pool, built by hand or in CI as a cluster would.

use super::{ImageSource, build_image};
use crate::{builder::Choice, exit::Outcome, signals::asked_to_stop};
use anyhow::{Context as _, Result, anyhow, bail};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use std::path::{Path, PathBuf};
use weir_api::{MachineConfig, MachineConfigPool, MachineOSConfig, kind::MACHINE_CONFIG_GROUP};
use weir_controllers::build::{
    Builder as _,
    buildah::Buildah,
    builder::{Inputs, Log, Order},
    layers::Layers,
    pod,
};
use weir_images::{Images, manifest::Platform};
use weir_manifests::{Rule, Want};
use weir_rules::{
    build::{
        ready::{Ability, Ready, ready},
        root::file,
    },
    world::World,
};

/// What is built, from what, and how
#[derive(Debug, clap::Args)]
pub struct Build {
    /// File with a MachineOSConfig, and with the Secrets that it names; `-` for standard input
    #[arg(long = "machineosconfig", value_name = "FILE")]
    os_config: PathBuf,
    /// File with the rendered MachineConfig of its pool; `-` for standard input
    #[arg(long, value_name = "FILE")]
    rendered: PathBuf,
    /// Push the image to spec.renderedImagePushSpec, and print its pull spec by digest; without this, the image is thrown away
    #[arg(long)]
    push: bool,
    /// Print the Containerfile, and build nothing
    #[arg(long, conflicts_with = "push")]
    print_containerfile: bool,
    /// What builds
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    builder: Choice,
    /// Registry credentials to push with [default: the Secret in the file of the MachineOSConfig, else --authfile]
    #[arg(long, value_name = "FILE")]
    push_authfile: Option<PathBuf>,
    /// Folder with entitlements, which steps see as /etc/pki/entitlement
    #[arg(long, value_name = "DIR")]
    entitlement: Option<PathBuf>,
    /// Folder with yum repositories, which steps see as /etc/yum.repos.d
    #[arg(long, value_name = "DIR")]
    yum_repos: Option<PathBuf>,
    /// Folder with GPG keys, which steps see as /etc/pki/rpm-gpg
    #[arg(long, value_name = "DIR")]
    gpg_keys: Option<PathBuf>,
    #[command(flatten)]
    images: ImageSource,
}

const OS_CONFIG: Want<'static> = Want::all((MACHINE_CONFIG_GROUP, "MachineOSConfig"));
const CONFIG: Want<'static> = Want::all((MACHINE_CONFIG_GROUP, "MachineConfig"));
const SECRET: Want<'static> = Want::all(("", "Secret"));
/// Files of a rendered MachineConfig that say how images are pulled.
const POLICY: &str = "/etc/containers/policy.json";
const REGISTRIES: &str = "/etc/containers/registries.conf";

/// The MachineOSConfig, and the Secrets beside it.
struct Given {
    config: MachineOSConfig,
    secrets: Vec<Secret>,
    rendered: MachineConfig,
}

impl Build {
    /// Builds, or prints what would be.
    ///
    /// # Errors
    /// When something is missing or refused, or a step fails.
    pub fn run(&self) -> Result<Outcome> {
        let given = self.given()?;
        if self.print_containerfile {
            let ready = self.ready(&given, self.builder != Choice::Layers)?;
            super::print(ready.containerfile.as_bytes())?;
            return Ok(Outcome::Done);
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
        runtime.block_on(async {
            tokio::select! {
                built = self.build(&given) => built,
                stopped = asked_to_stop() => {
                    stopped?;
                    bail!("stopped; nothing is left of the build")
                }
            }
        })
    }

    fn given(&self) -> Result<Given> {
        if [&self.os_config, &self.rendered].iter().all(|path| path.as_os_str() == "-") {
            bail!("standard input can be one of --machineosconfig and --rendered");
        }
        let (mut configs, mut secrets, mut rendered) = (Vec::new(), Vec::new(), Vec::new());
        let read = weir_manifests::read(std::slice::from_ref(&self.os_config), Rule::Objects(&[OS_CONFIG, SECRET]));
        read.each(|manifest| {
            match manifest.kind() {
                "Secret" => secrets.push(manifest.read::<Secret>()?),
                _ => configs.push(manifest.read::<MachineOSConfig>()?),
            }
            anyhow::Ok(())
        })?;
        let read = weir_manifests::read(std::slice::from_ref(&self.rendered), Rule::Objects(&[CONFIG]));
        read.each(|manifest| {
            rendered.push(manifest.read::<MachineConfig>()?);
            anyhow::Ok(())
        })?;
        let config = one(configs, "MachineOSConfig", &self.os_config)?;
        Ok(Given { config, secrets, rendered: one(rendered, "MachineConfig", &self.rendered)? })
    }

    /// What is to be built. A pool that is rendered to this, with nothing else in the cluster, gets the same steps.
    fn ready(&self, given: &Given, programs: bool) -> Result<Ready> {
        let name = given.rendered.metadata.name.clone().unwrap_or_default();
        let pool = &given.config.spec.machine_config_pool.name;
        let pool: MachineConfigPool =
            serde_json::from_value(json!({"metadata": {"name": pool}, "spec": {"configuration": {"name": name}}}))?;
        let world = World::of([pool.into(), given.config.clone().into(), given.rendered.clone().into()]);
        let config = world.os_configs.first().context("the MachineOSConfig cannot be used")?;
        let platform = Platform::host();
        let ability = Ability { programs, architecture: &platform.architecture };
        Ok(ready(&world, config, ability)?)
    }

    async fn build(&self, given: &Given) -> Result<Outcome> {
        let images = Images::new(self.images.open()?);
        let folder = build_image::folder(None)?;
        let builder = self.builder(&images, folder.path()).await?;
        let ready = self.ready(given, matches!(builder, Chosen::Buildah(_)))?;
        let order = self.order(given, ready)?;
        if self.push {
            let image = match builder {
                Chosen::Buildah(buildah) => buildah.build(order).await,
                Chosen::Layers(layers) => layers.build(order).await,
            };
            super::print(format!("{}\n", image.map_err(|why| anyhow!(why))?).as_bytes())?;
            return Ok(Outcome::Done);
        }
        match builder {
            Chosen::Buildah(buildah) => buildah.try_out(&order).await.map_err(|why| anyhow!(why))?,
            // Its steps have been looked at; what they need beside is the base.
            Chosen::Layers(_) => _ = images.labels(&order.base).await?,
        }
        tell!("it can be built; --push builds and pushes it");
        Ok(Outcome::Done)
    }

    async fn builder(&self, images: &Images, folder: &Path) -> Result<Chosen> {
        if self.builder == Choice::Layers {
            return Ok(Chosen::Layers(Layers::new(images.clone())));
        }
        match Buildah::find(folder, images.clone()).await {
            Ok(buildah) => Ok(Chosen::Buildah(buildah)),
            Err(why) if self.builder == Choice::Auto => {
                tell!("note: the image is built as layers, without running anything: {why}");
                Ok(Chosen::Layers(Layers::new(images.clone())))
            }
            Err(why) => Err(why).context("--builder buildah"),
        }
    }

    fn order(&self, given: &Given, ready: Ready) -> Result<Order> {
        let spec = &given.config.spec;
        let named = |name: &str| given.secrets.iter().find(|secret| secret.metadata.name.as_deref() == Some(name));
        let pull_secret = spec.base_image_pull_secret.as_ref().and_then(|pull| named(&pull.name)).cloned();
        let authfile = self.push_authfile.as_ref();
        let push_secret = match (authfile, named(&spec.rendered_image_push_secret.name)) {
            (None, Some(secret)) => secret.clone(),
            (given, _) => login(given.or(self.images.authfile.as_ref()))?,
        };
        let folder = |path: &Option<PathBuf>| path.as_deref().map(build_image::files).transpose();
        let inputs = Inputs {
            trust_bundle: None,
            policy: file(&ready.rendered, POLICY)?,
            registries: file(&ready.rendered, REGISTRIES)?,
            entitlement: folder(&self.entitlement)?.unwrap_or_default(),
            yum_repositories: folder(&self.yum_repos)?.unwrap_or_default(),
            gpg_keys: folder(&self.gpg_keys)?.unwrap_or_default(),
        };
        Ok(Order {
            base: ready.base.image,
            rendered: ready.rendered,
            containerfile: ready.containerfile,
            pull_secret,
            push_secret,
            push_spec: spec.rendered_image_push_spec.clone(),
            inputs,
            log: Log::to(|line| tell!("{line}")),
        })
    }
}

enum Chosen {
    Buildah(Buildah),
    Layers(Layers),
}

/// A file with credentials, as a Secret; without one, nobody is logged in.
fn login(path: Option<&PathBuf>) -> Result<Secret> {
    let text = match path {
        Some(path) => build_image::bounded(path).with_context(|| format!("reading the authfile {}", path.display()))?,
        None => b"{\"auths\":{}}".to_vec(),
    };
    Ok(pod::login("the authfile", &text))
}

fn one<T>(mut found: Vec<T>, kind: &str, path: &Path) -> Result<T> {
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => bail!("{}: there is no {kind} in it", path.display()),
        (_, more) => bail!("{}: there are {} of kind {kind} in it, and one is built", path.display(), more + 1),
    }
}
