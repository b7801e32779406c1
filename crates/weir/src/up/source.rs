//! Where the release comes from, which distribution it is, and whether it can be used.

use crate::cli::{ImageSource, up::Up};
use anyhow::{Context as _, Result, bail};
use parking_lot::RwLock;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use weir_controllers::stream::observe;
use weir_distro::{Evidence, Profile, detect};
use weir_images::{Images, Layout, Patience, Release, payload};
use weir_rules::stream::catalog::{Catalog, Existing, Input, catalog};
use weir_sim::systems::os_names;

/// A usable release.
pub(super) struct Chosen {
    pub(super) images: Images,
    /// Layouts that it is read from.
    pub(super) layouts: Vec<Layout>,
    pub(super) release: Release,
    pub(super) profile: &'static Profile,
    /// The catalogue of a new cluster.
    pub(super) catalog: Catalog,
    /// Names that the operating systems give themselves, by pull spec.
    pub(super) names: OsNames,
}

/// Names that operating systems give themselves, by pull spec; those of another release may come.
pub(super) type OsNames = Arc<RwLock<BTreeMap<String, String>>>;

pub(super) async fn choose(up: &Up) -> Result<Chosen> {
    let (source, reference) = images(up)?;
    let layouts = source.layouts.clone();
    let images = Images::new(source);
    let release = images.release(&reference).await.with_context(|| format!("reading release {reference}"))?;
    let profile = profile(up, &release)?;
    let found = observe::of_release(&images, profile, &release).await;
    let names = Arc::new(RwLock::new(os_names(&found.source)));
    let input = Input {
        sources: vec![found.source],
        existing: Existing::default(),
        in_use: &Default::default(),
        installed: release.version.parse().ok(),
    };
    let catalog = catalog(profile, input).with_context(|| format!("finding the OS image streams of {reference}"))?;
    Ok(Chosen { images, layouts, release, profile, catalog, names })
}

/// Where to read, and the pull spec of the release there.
fn images(up: &Up) -> Result<(weir_images::Source, String)> {
    let mut source = up.images.open()?;
    source.patience = PATIENCE;
    if let Some(reference) = &up.release {
        return Ok((source.with_layout_of(reference)?, reference.clone()));
    }
    let profile = up.distribution.or_else(|| Profile::all().first()).context("no distribution is built in")?;
    let layout = payload::build(profile, None, &[]).context("making the sample payload")?;
    let reference =
        layout.images().first().map(|image| layout.name(image).to_string()).context("the sample payload is empty")?;
    source.layouts.push(layout);
    Ok((source, reference))
}

/// Somebody is waiting at a terminal: report an unreachable registry soon.
pub(super) const PATIENCE: Patience =
    Patience { pause: Duration::from_millis(250), retry: Duration::from_secs(3), total: Duration::from_secs(60) };

fn profile(up: &Up, release: &Release) -> Result<&'static Profile> {
    let tags: Vec<&str> = release.tags.iter().map(|tag| tag.name.as_str()).collect();
    let explicit = up.distribution.map(|profile| profile.name.as_str());
    let found = detect(Evidence { explicit, payload_tags: &tags, feature_set: None })?;
    if !found.contradictions.is_empty() {
        let against: Vec<String> = found.contradictions.iter().map(ToString::to_string).collect();
        bail!(
            "--distribution {} does not fit: {}; leave it out to let the release decide",
            found.profile.name,
            against.join("; ")
        );
    }
    Ok(found.profile)
}

/// Names that a release's operating systems give themselves, by pull spec, for callers that know nothing else about it.
pub async fn os_names_of(source: &ImageSource, reference: &str) -> Result<BTreeMap<String, String>> {
    let mut images = source.open()?;
    images.patience = PATIENCE;
    let images = Images::new(images.with_layout_of(reference)?);
    let release = images.release(reference).await.with_context(|| format!("reading release {reference}"))?;
    let tags: Vec<&str> = release.tags.iter().map(|tag| tag.name.as_str()).collect();
    let profile = detect(Evidence { explicit: None, payload_tags: &tags, feature_set: None })?.profile;
    Ok(os_names(&observe::of_release(&images, profile, &release).await.source))
}

impl Chosen {
    /// Turns an OS image's pull spec into a readable name.
    pub(super) fn os_text(&self) -> Arc<dyn Fn(&str) -> String + Send + Sync> {
        let names = self.names.clone();
        Arc::new(move |image| {
            let known = names.read().get(image).filter(|name| !name.is_empty()).cloned();
            known.unwrap_or_else(|| image.to_owned())
        })
    }
}
