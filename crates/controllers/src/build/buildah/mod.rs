//! Builds images with buildah, a program of this machine.
//!
//! | module | part |
//! |---|---|
//! | `found` | whether it works here, and how it is called |
//! | `place` | the folder that a build works in |
//! | `settings` | what it is told of registries: logins, certificates, mirrors, proxy |
//! | `process` | a child process whose output is bounded, and that does not outlive its future |

mod found;
mod place;
mod process;
mod settings;

pub use found::NotHere;

use super::{
    builder::{Builder, Files, Log, Order},
    layers::entry,
    registry::{Registries as _, Registry, presence},
};
use flate2::{Compression, write::GzEncoder};
use found::Found;
use futures::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use place::Place;
use settings::Settings;
use std::{
    fs,
    io::{self, Read as _, Write as _},
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, time::timeout};
use weir_images::{derive::archive, manifest::Platform};
use weir_rules::build::{
    containerfile::{IGNITION, context, without_programs},
    documents::beside,
    identity::without_tag,
    output::Output,
    plan::Presence,
    ready::Ability,
    root::root,
};

/// How long a build may take: a real one, with packages, on a slow line is done in a fraction of it, and one that hangs would hang for
/// ever.
const LONGEST: Duration = Duration::from_hours(2);
/// Bytes of the file with the digest.
const LONGEST_DIGEST: u64 = 256;
/// Where the optional inputs are while steps run.
const ENTITLEMENT: &str = "/etc/pki/entitlement";
const YUM_REPOSITORIES: &str = "/etc/yum.repos.d";
const GPG_KEYS: &str = "/etc/pki/rpm-gpg";
/// Login of a registered machine, which its containers get as well.
const SUBSCRIPTION: &str = "/var/run/secrets/rhsm";
const SUBSCRIPTION_INSIDE: &str = "/run/secrets/rhsm";
/// Said of what fails where files can belong to nobody but who builds.
const ONE_OWNER: &str = "(files of other owners cannot be made here: the user who builds has no ids but its own; give it ranges in \
    /etc/subuid and /etc/subgid, and newuidmap and newgidmap, which in a container without CAP_SYS_ADMIN need file capabilities: \
    `setcap cap_setuid+ep`, `setcap cap_setgid+ep`)";
/// An entitlement's key spans lines; shorter ones are no part of it.
const SHORTEST_KEY_LINE: usize = 16;

/// The builder.
#[derive(Clone, Debug)]
pub struct Buildah {
    found: Arc<Found>,
    registry: Registry,
    platform: Platform,
    /// How many builds there are, with those that are being ended.
    builds: watch::Sender<usize>,
}

/// Counts a build for as long as there is something of it.
struct Counted(watch::Sender<usize>);

impl Counted {
    fn new(builds: &watch::Sender<usize>) -> Self {
        builds.send_modify(|count| *count += 1);
        Self(builds.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Buildah {
    /// Finds out whether and how buildah works here. Builds work in this folder, which is the builder's own: what earlier ones left there
    /// is removed.
    ///
    /// # Errors
    /// With why it does not work, and what to do.
    pub async fn find(folder: &Path, registry: impl Into<Registry>) -> Result<Self, NotHere> {
        let found = Arc::new(found::find(folder).await?);
        Ok(Self { found, registry: registry.into(), platform: Platform::host(), builds: watch::Sender::new(0) })
    }

    /// The same for images that are read otherwise.
    #[must_use]
    pub fn reading(&self, registry: impl Into<Registry>) -> Self {
        Self { registry: registry.into(), ..self.clone() }
    }

    /// Makes an image and throws it away.
    ///
    /// # Errors
    /// As [`Builder::build`], without pushing.
    pub async fn try_out(&self, order: &Order) -> Result<(), String> {
        let made = async {
            let place = self.found.place().map_err(|error| unusable(&error))?;
            self.built(order, &place).await.map(drop)
        };
        timeout(LONGEST, made).await.unwrap_or_else(|_| Err(late()))
    }

    /// Makes an image in this place.
    async fn built<'a>(&'a self, order: &'a Order, place: &'a Place) -> Result<Build<'a>, String> {
        let settings = Settings::of(&self.registry, order).await?;
        settings.write(place).map_err(|error| unusable(&error))?;
        let (found, log) = (&*self.found, order.log.clone());
        let mut build = Build { found, place, order, settings, output: Output::default(), log };
        build.output = Output::hiding(build.secrets());
        build.pull().await?;
        build.prepare()?;
        build.build().await?;
        Ok(build)
    }

    /// Makes an image and pushes it.
    async fn make(&self, order: Order) -> Result<String, String> {
        let place = self.found.place().map_err(|error| unusable(&error))?;
        let mut build = self.built(&order, &place).await?;
        let digest = build.push().await?;
        let image = format!("{}@{digest}", without_tag(&order.push_spec));
        match presence(&image, self.registry.labels(image.clone(), order.push_secret.clone()).await) {
            Presence::Gone => {
                Err(format!("pushing to {}: the registry took the image, and does not have {digest}", order.push_spec))
            }
            Presence::There | Presence::Unknown => Ok(image),
        }
    }
}

/// What is used, for people.
impl std::fmt::Display for Buildah {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.found.fmt(f)
    }
}

fn late() -> String {
    format!("building the image: it was not done within {LONGEST:?}, and was ended")
}

fn unusable(error: &io::Error) -> String {
    format!("preparing the build: {error}")
}

/// One build.
struct Build<'a> {
    found: &'a Found,
    place: &'a Place,
    order: &'a Order,
    settings: Settings,
    output: Output,
    log: Log,
}

impl Build<'_> {
    /// What must not be shown.
    fn secrets(&self) -> Vec<String> {
        let inputs = &self.order.inputs;
        let keys = inputs.entitlement.values().map(|key| String::from_utf8_lossy(key));
        let lines = keys.flat_map(|key| key.lines().map(str::to_owned).collect::<Vec<_>>());
        self.settings.secrets().into_iter().chain(lines.filter(|line| line.len() >= SHORTEST_KEY_LINE)).collect()
    }

    /// Runs buildah with these arguments.
    async fn run(&mut self, what: &str, arguments: &[&str]) -> Result<(), String> {
        self.place.hand_over().map_err(|error| unusable(&error))?;
        let registries = self.place.at(settings::REGISTRIES).to_string_lossy().into_owned();
        let all: Vec<&str> = ["--registries-conf", &registries].into_iter().chain(arguments.iter().copied()).collect();
        let mut command = self.found.command(self.place, &all);
        command.envs(self.settings.variables());
        self.output.next();
        let done = process::run(command, &mut self.output, &self.log).await;
        done.map_err(|error| {
            let told = self.output.told(what, &error.to_string());
            if self.found.owners { told } else { format!("{told}\n{ONE_OWNER}") }
        })
    }

    async fn pull(&mut self) -> Result<(), String> {
        let base = &self.order.base;
        self.log.line(&format!("pulling {base}"));
        let mut arguments = vec!["pull".to_owned(), "--quiet".to_owned()];
        arguments.extend(self.settings.pulling(self.place));
        arguments.extend(["--".to_owned(), format!("docker://{base}")]);
        self.run(&format!("pulling the base image {base}"), &borrowed(&arguments)).await
    }

    /// Lays out what the build has beside the Containerfile.
    fn prepare(&self) -> Result<(), String> {
        let mut text = self.order.containerfile.clone();
        if !self.found.stores(self.place, IGNITION) {
            text = without_programs(&text).map_err(|error| error.to_string())?;
        }
        let text = beside(&text, self.found.reads_documents()).map_err(|error| error.to_string())?;
        let write = |path: &str, content: &[u8]| {
            let written = self.place.write(&format!("context/{path}"), content);
            written.map(drop).map_err(|error| unusable(&error))
        };
        if text.containerfile.contains(context::ROOT) {
            let entries = root(&self.order.rendered).map_err(|error| error.to_string())?;
            let entries: Vec<_> = entries.into_iter().map(entry).collect();
            write(context::ROOT, &archive(&entries).map_err(|error| unusable(&error))?)?;
        }
        if text.containerfile.contains(context::MACHINE_CONFIG) {
            write(context::MACHINE_CONFIG, &self.packed().map_err(|error| unusable(&error))?)?;
        }
        write(context::CERTIFICATES, self.order.inputs.trust_bundle.as_deref().unwrap_or_default())?;
        for (path, content) in &text.files {
            write(path, content.as_bytes())?;
        }
        self.place.write("Containerfile", text.containerfile).map(drop).map_err(|error| unusable(&error))
    }

    /// The rendered MachineConfig, compressed.
    fn packed(&self) -> io::Result<Vec<u8>> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        serde_json::to_writer(&mut packed, &*self.order.rendered)?;
        packed.flush()?;
        packed.finish()
    }

    async fn build(&mut self) -> Result<(), String> {
        let path = |below: &str| self.place.at(below).to_string_lossy().into_owned();
        let mut arguments: Vec<String> =
            vec!["build".into(), "--isolation".into(), "chroot".into(), "--pull=false".into()];
        arguments.extend(self.settings.pulling(self.place));
        for (name, _) in self.settings.variables() {
            // Its value is that of the environment: what is said here can be seen by everybody.
            arguments.extend(["--build-arg".to_owned(), name.to_owned()]);
        }
        for (outside, inside) in self.volumes().map_err(|error| unusable(&error))? {
            arguments.extend(["--volume".to_owned(), format!("{outside}:{inside}:z,rw")]);
        }
        arguments.extend([
            "--tag".to_owned(),
            self.order.push_spec.clone(),
            "--file".to_owned(),
            path("Containerfile"),
        ]);
        arguments.extend(["--".to_owned(), path("context")]);
        self.run("building the image", &borrowed(&arguments)).await
    }

    /// Folders that steps see, and where.
    fn volumes(&self) -> io::Result<Vec<(String, &'static str)>> {
        let inputs = &self.order.inputs;
        let given: [(&Files, &str); 3] = [
            (&inputs.entitlement, ENTITLEMENT),
            (&inputs.yum_repositories, YUM_REPOSITORIES),
            (&inputs.gpg_keys, GPG_KEYS),
        ];
        let mut volumes = Vec::new();
        for (files, inside) in given.into_iter().filter(|(files, _)| !files.is_empty()) {
            for (name, content) in files {
                // Keys of Secrets and ConfigMaps have no slash, and names of files need none.
                if name.contains('/') || name.starts_with("..") {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidInput,
                        format!("{name:?} is no name for a file in {inside}"),
                    ));
                }
                self.place.write(&format!("volumes{inside}/{name}"), content)?;
            }
            volumes.push((self.place.at(&format!("volumes{inside}")).to_string_lossy().into_owned(), inside));
        }
        if Path::new(SUBSCRIPTION).is_dir() {
            volumes.push((SUBSCRIPTION.to_owned(), SUBSCRIPTION_INSIDE));
        }
        Ok(volumes)
    }

    /// Pushes the image; gives its digest.
    async fn push(&mut self) -> Result<String, String> {
        let (to, digest) = (&self.order.push_spec, self.place.at("home/digest"));
        self.log.line(&format!("pushing to {to}"));
        let what = format!("pushing to {to}");
        let mut arguments: Vec<String> = vec!["push".into(), "--quiet".into()];
        arguments.extend(["--digestfile".to_owned(), digest.to_string_lossy().into_owned()]);
        arguments.extend(self.settings.pushing(self.place));
        arguments.extend(["--".to_owned(), to.clone(), format!("docker://{to}")]);
        self.run(&what, &borrowed(&arguments)).await?;
        let mut text = String::new();
        let read = fs::File::open(digest).and_then(|file| file.take(LONGEST_DIGEST).read_to_string(&mut text));
        read.map_err(|error| format!("{what}: reading the digest: {error}"))?;
        let digest = text.trim();
        let parsed: Result<weir_images::Digest, _> = digest.parse();
        parsed.map_err(|error| format!("{what}: {digest:?} is no digest: {error}"))?;
        Ok(digest.to_owned())
    }
}

fn borrowed(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

impl Builder for Buildah {
    fn ability(&self) -> BoxFuture<'_, Ability<'_>> {
        ready(Ability { programs: true, architecture: &self.platform.architecture }).boxed()
    }

    fn build(&self, order: Order) -> BoxFuture<'static, Result<String, String>> {
        let this = self.clone();
        async move {
            let _counted = Counted::new(&this.builds);
            timeout(LONGEST, this.make(order)).await.unwrap_or_else(|_| Err(late()))
        }
        .boxed()
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        let mut builds = self.builds.subscribe();
        // Its error means that nobody counts any more.
        async move { _ = builds.wait_for(|count| *count == 0).await }.boxed()
    }
}
