//! What registries know about a plan: the release, and the images that pools change to.

use crate::{cli::ImageSource, inputs::policy};
use anyhow::{Context as _, Result};
use futures::future::join_all;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use weir_api::keys::{image::BUILD_VERSIONS, namespaces, secrets};
use weir_controllers::{stream::observe, templates};
use weir_distro::{Evidence, Profile, ReleaseVersion, detect};
use weir_images::{Images, Release, manifest::Platform};
use weir_kubeio::drive::chain;
use weir_rules::{
    build::extensions::package_of,
    plan::{self, Change, Facts, ImageFacts, PACKAGES, Payload, Plan},
    world::{World, generated::ReleaseTemplates},
};

/// The component whose version is that of the API server, in the versions that tags of a release name.
const KUBERNETES: &str = "kubernetes";
const LINUX: &str = "linux";

/// Images as the cluster reads them: through its mirrors, with its pull secret, certificates and proxy. What the command line says
/// comes first. Of an index the image for most of its nodes is read.
///
/// # Errors
/// When something that the command line names cannot be read, or the cluster's objects are invalid.
pub(crate) fn of_cluster(world: &World, given: &ImageSource, release: Option<&str>) -> Result<Images> {
    let mut source = given.open()?;
    if let Some(reference) = release {
        source = source.with_layout_of(reference)?;
    }
    if given.platform.is_none()
        && let Some(platform) = platform(world)
    {
        source.platform = platform;
    }
    let is_it = |name: &Option<String>, wanted: &str| name.as_deref() == Some(wanted);
    let pull = world.settings.secrets.iter().find(|secret| {
        is_it(&secret.metadata.namespace, namespaces::CONFIG) && is_it(&secret.metadata.name, secrets::PULL)
    });
    let named = format!("{}/{}", namespaces::CONFIG, secrets::PULL);
    let config = world.controller_config.as_deref().map(|config| &config.spec);
    let pull = pull.map(|secret| (named.as_str(), secret.as_ref()));
    Ok(Images::new(source.with_cluster(&policy(&world.settings), config, pull)?))
}

/// The platform of most nodes; absent without any that says.
fn platform(world: &World) -> Option<Platform> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &world.nodes {
        let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
        if let Some(info) = info.filter(|info| !info.architecture.is_empty()) {
            *numbers.entry(&info.architecture).or_default() += 1;
        }
    }
    let (architecture, _) = numbers.into_iter().max_by_key(|(_, number)| *number)?;
    Some(Platform { architecture: architecture.to_owned(), os: LINUX.to_owned(), variant: String::new() })
}

/// Makes the update to a release the first change: what else is asked for may be about what it brings, such as a stream.
///
/// # Errors
/// As [`payload`].
pub(crate) async fn update(
    images: &Images,
    reference: &str,
    world: &mut World,
    changes: &mut Vec<Change>,
    facts: &mut Facts,
) -> Result<()> {
    let Read { payload, profile, unknown } = payload(world, images, reference).await?;
    world.profile = Some(profile);
    facts.unknown.extend(unknown);
    changes.insert(0, Change::Release(Box::new(payload)));
    Ok(())
}

/// A release that was read.
pub(crate) struct Read {
    pub(crate) payload: Payload,
    /// The distribution that it is read for.
    pub(crate) profile: &'static Profile,
    /// What that leaves open.
    pub(crate) unknown: Option<String>,
}

/// Plans with what registries say about the images that pools change to, and with `packages`, about what extensions images hold.
///
/// # Errors
/// When the changes are refused.
pub(crate) async fn planned(
    images: &Images,
    world: &World,
    changes: &[Change],
    mut facts: Facts,
    packages: bool,
    now: Timestamp,
) -> Result<Plan> {
    let plan = plan::plan(world, changes, &facts, now)?;
    facts.images = self::facts(images, &plan, packages).await;
    Ok(plan::plan(world, changes, &facts, now)?)
}

/// Reads a release as the controllers do: its streams and its templates. The distribution is the cluster's, which the release that the
/// cluster has may have to tell.
///
/// # Errors
/// When it cannot be read, or nothing says of which distribution it is.
pub(crate) async fn payload(world: &World, images: &Images, reference: &str) -> Result<Read> {
    let (release, present) = tokio::join!(images.release(reference), present(world, images));
    let (release, mut unknown) = (release?, None);
    let profile = match world.distribution().or(present) {
        Some(profile) => profile,
        None => {
            unknown = Some(format!(
                "whether release {} is of the cluster's distribution: nothing says which that is; --distribution does",
                release.version
            ));
            of_tags(&release).context("of which distribution the release is; give --distribution")?
        }
    };
    let (found, tree) =
        tokio::join!(observe::of_release(images, profile, &release), templates::of_release(images, &release));
    let kubernetes = kubernetes(&release);
    let templates = ReleaseTemplates { tree: tree?, release: Some(release.version.clone()) };
    let Release { image, version, tags } = release;
    let tags = tags.into_iter().map(|tag| (tag.name, tag.image)).collect();
    Ok(Read {
        payload: Payload { image, version, tags, source: found.source, templates, kubernetes },
        profile,
        unknown,
    })
}

/// The distribution of the release that the cluster has, if nothing else tells and that one can be read.
async fn present(world: &World, images: &Images) -> Option<&'static Profile> {
    let image = &world.version.as_ref()?.status.as_ref()?.desired.image;
    if world.distribution().is_some() || image.is_empty() {
        return None;
    }
    of_tags(&images.release(image).await.ok()?)
}

fn of_tags(release: &Release) -> Option<&'static Profile> {
    let tags: Vec<&str> = release.tags.iter().map(|tag| tag.name.as_str()).collect();
    detect(Evidence { explicit: None, payload_tags: &tags, feature_set: None }).ok().map(|told| told.profile)
}

/// The version of the release's API server, from the versions that its tags name: `kubernetes=1.34.1,machine-os=…`.
fn kubernetes(release: &Release) -> Option<ReleaseVersion> {
    let named = release.tags.iter().filter_map(|tag| tag.annotations.get(BUILD_VERSIONS));
    let mut pairs = named.flat_map(|text| text.split(',')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(component, _)| *component == KUBERNETES).and_then(|(_, version)| version.parse().ok())
}

/// What can be found out about the images that pools change to. The packages of extensions are only looked for if asked: all layers
/// of an image have to be read for that.
async fn facts(images: &Images, plan: &plan::Plan, packages: bool) -> BTreeMap<String, ImageFacts> {
    let os = plan.new_images().into_iter().map(|image| (image, false));
    let extensions = plan.extensions_images().into_iter().filter(|_| packages).map(|image| (image, true));
    let each = os
        .chain(extensions)
        .map(|(image, packages)| async move { (image.to_owned(), fact(images, image, packages).await) });
    join_all(each).await.into_iter().collect()
}

async fn fact(images: &Images, image: &str, packages: bool) -> ImageFacts {
    let listing = async {
        match packages {
            true => images.listing(image, PACKAGES).await,
            false => Ok(None),
        }
    };
    let (labels, architectures, listing) = tokio::join!(images.labels(image), images.architectures(image), listing);
    let wanted = &images.source().platform.architecture;
    // That it is for other machines only is a finding of its own.
    let is_for_others = architectures.as_ref().is_ok_and(|found| !found.is_empty() && !found.contains(wanted));
    let labels = match labels {
        Err(_) if is_for_others => BTreeMap::new(),
        Err(error) => return ImageFacts::Unreadable(chain(&error)),
        Ok(labels) => labels,
    };
    let listing = match listing {
        Err(error) if !is_for_others => return ImageFacts::Unreadable(chain(&error)),
        found => found.ok().flatten(),
    };
    let packages = listing.map(|files| files.iter().filter_map(|file| package_of(file)).map(str::to_owned).collect());
    let packages = packages.filter(|packages: &BTreeSet<String>| !packages.is_empty());
    ImageFacts::Read { labels, architectures: architectures.unwrap_or_default(), packages }
}
