//! What the cluster should run, and its distribution.

use super::There;
use crate::cli::run::Options;
use anyhow::{Context as _, Result, bail};
use kube::Client;
use std::time::Duration;
use weir_controllers::access;
use weir_distro::{Evidence, Profile, detect};
use weir_images::{Images, Patience, Release, Source};
use weir_rules::operator::made_for::made_for;

/// An unreachable registry does not delay startup: the controllers retry.
const PATIENCE: Patience =
    Patience { pause: Duration::from_millis(250), retry: Duration::from_secs(2), total: Duration::from_secs(30) };

/// What the cluster should run.
pub(super) struct Wanted {
    pub(super) images: Images,
    /// Absent when the cluster names one that cannot be read now; the controllers keep trying.
    pub(super) release: Option<Release>,
    pub(super) profile: &'static Profile,
}

/// Reads the release that `--release` or else ClusterVersion names.
///
/// # Errors
/// When neither does, it cannot be read, or does not identify the distribution.
pub(super) async fn wanted(client: &Client, options: &Options, there: &There) -> Result<Wanted> {
    let mut source = options.images.open()?;
    let (images, release) = match (&options.release, there.desired()) {
        (Some(reference), _) => {
            source = source.with_layout_of(reference)?;
            let images = Images::new(source);
            let release = images.release(reference).await.with_context(|| format!("reading release {reference}"))?;
            (images, Some(release))
        }
        // The controllers read it; here it only identifies the distribution.
        (None, Some(_)) if options.distribution.is_some() => (Images::new(source), None),
        (None, Some(desired)) => {
            let images = Images::new(Source { patience: PATIENCE, ..source.clone() });
            // The mirrors and the pull secret needed for the release are in the cluster.
            let release = match access::once(client.clone(), images.clone()).await {
                Ok(images) => images.release(desired).await.map_err(anyhow::Error::from),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = &release {
                tell!("the release of ClusterVersion cannot be read now: {error}");
            }
            (Images::new(source), release.ok())
        }
        (None, None) if options.take_over => bail!(
            "there is no ClusterVersion here, so no operator has worked that could be taken over from; is this the cluster you \
             meant?"
        ),
        (None, None) => bail!(
            "there is no ClusterVersion that says which release to run: name it with --release, and what else OpenShift \
             would have here is made as well"
        ),
    };
    let profile = profile(options, there, release.as_ref())?;
    Ok(Wanted { images, release, profile })
}

/// Flag, then payload, then FeatureSet; a release that is to be seeded must fit.
fn profile(options: &Options, there: &There, release: Option<&Release>) -> Result<&'static Profile> {
    let tags: Vec<&str> = release.iter().flat_map(|r| &r.tags).map(|tag| tag.name.as_str()).collect();
    let found = detect(Evidence {
        explicit: options.distribution.map(|profile| profile.name.as_str()),
        payload_tags: &tags,
        feature_set: there.gates.as_ref().map(|gates| gates.spec.feature_set.as_str()),
    })?;
    if let Some(made_for) = made_for(there.version.as_ref(), there.gates.as_ref()).filter(|_| options.release.is_some())
        && made_for.name != found.profile.name
    {
        bail!(
            "weir made this cluster for {} ({}), and --release is of {}: a cluster keeps its distribution; give a release of it, \
             or another API server",
            made_for.title,
            made_for.name,
            found.profile.title
        );
    }
    if !found.contradictions.is_empty() {
        let against: Vec<String> = found.contradictions.iter().map(ToString::to_string).collect();
        let against = format!("{} does not fit: {}", found.profile.name, against.join("; "));
        if options.release.is_some() && !there.is_openshift() {
            bail!("{against}; give another --release, or mend FeatureGate cluster (spec.featureSet)");
        }
        tell!("{against}; nothing is rendered or rolled out until that is mended");
    }
    Ok(found.profile)
}
