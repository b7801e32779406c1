//! The MachineConfig with which an installer pins the OS image of a pool, and the way out.
//!
//! R-SEED-4 The MachineConfig that the installer made for a pre-built image pins this image, so that the pool follows no stream. The
//! pool says which MachineConfig it is, since when, and how to get rid of it.
//! R-SEED-5 A user asks for another image when the pool itself names a stream while there are streams, when the MachineOSConfig is
//! changed, or when a new build is asked for, each after the image was adopted. An update of the cluster or a stream that the
//! pool would inherit is no such request, and neither is a take-over: what the installer pinned stays as it is.
//! R-SEED-6 From then on the pool is rendered as if the MachineConfig named no image, and the MachineConfig loses the image, which is
//! recorded on it. It stays without the image when the stream is no longer named, and for whoever renders the pool after us. Without
//! an image it has no effect; with an image that a user writes into it, it overrides the stream as any other MachineConfig does.
//! R-SEED-7 Nodes keep the pre-built image until one is built on the pool's stream; no build starts before the pool is rendered with
//! that stream. (In the reference the image stays pinned for ever, and naming a stream fails.)
//! R-SEED-8 Without a MachineOSConfig for the pool the image is not removed: during an installation the MachineOSConfig may come later.
//! The pool says that the MachineConfig has to be deleted.
//!
//! Source: `CreatePreBuiltImageMachineConfig` in `pkg/controller/common/helpers.go` of github.com/openshift/machine-config-operator.
//! The way out is ours.

use super::{limits::of_pool, seed::is_told};
use crate::{view::Annotations, world::World};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt;
use weir_api::{
    MachineConfig, MachineConfigPool, MachineOSConfig,
    keys::{
        build::{PRE_BUILT_IMAGE, PRE_BUILT_IMAGE_REPLACED, REBUILD},
        names::PREBUILT_IMAGE_PREFIX,
    },
};

/// A MachineConfig of an installer that pins a pool's image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// The MachineConfig.
    pub config: String,
    /// The image.
    pub image: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// The MachineOSConfig of the pool; absent outside image mode.
    pub os_config: Option<String>,
    /// How a user asked for another image; absent while nobody has.
    pub asked: Option<Asked>,
}

/// How a user asked for another image than the pre-built one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Asked {
    /// The pool names a stream.
    #[error("the pool names stream {0}")]
    Stream(String),
    /// The MachineOSConfig changed.
    #[error("MachineOSConfig {0} was changed")]
    Changed(String),
    /// A new build was asked for.
    #[error("a new build was asked for on MachineOSConfig {0}")]
    Rebuild(String),
}

/// The MachineConfig of an installer that pins the image of a pool, if one does.
#[must_use]
pub fn pinned(world: &World, pool: &MachineConfigPool) -> Option<Pinned> {
    let name = pool.metadata.name.as_deref().unwrap_or_default();
    let config = world.config(&format!("{PREBUILT_IMAGE_PREFIX}{name}"))?;
    Annotations::of(&config.metadata).filled(PRE_BUILT_IMAGE)?;
    let image = config.spec.os_image_url.clone().filter(|image| !image.is_empty())?;
    let os_configs: Vec<&MachineOSConfig> = world.os_configs.iter().map(AsRef::as_ref).collect();
    let os_config = of_pool(name, &os_configs);
    Some(Pinned {
        config: config.metadata.name.clone().unwrap_or_default(),
        image,
        since: config.metadata.creation_timestamp.as_ref().map(|time| time.0),
        os_config: os_config.and_then(|config| config.metadata.name.clone()),
        asked: os_config.and_then(|config| asked(world, pool, config)),
    })
}

/// R-SEED-5.
fn asked(world: &World, pool: &MachineConfigPool, config: &MachineOSConfig) -> Option<Asked> {
    let marks = Annotations::of(&config.metadata);
    if marks.filled(PRE_BUILT_IMAGE).is_some() || !is_told(config) {
        return None;
    }
    let name = config.metadata.name.clone().unwrap_or_default();
    let stream = pool.spec.os_image_stream.as_ref().map(|stream| stream.name.clone()).filter(|name| !name.is_empty());
    if let Some(stream) = stream.filter(|_| world.has_streams() == Ok(true)) {
        return Some(Asked::Stream(stream));
    }
    let observed = config.status.as_ref().and_then(|status| status.observed_generation);
    if marks.has(REBUILD) {
        return Some(Asked::Rebuild(name));
    }
    (observed.is_some() && observed < config.metadata.generation).then_some(Asked::Changed(name))
}

impl Pinned {
    /// Whether the MachineConfig is the one that pins, and must stop doing so.
    #[must_use]
    pub fn frees(&self, config: &MachineConfig) -> bool {
        self.asked.is_some() && config.metadata.name.as_deref() == Some(self.config.as_str())
    }

    /// The change that frees the pool, as a merge patch (R-SEED-6).
    #[must_use]
    pub fn freed(&self) -> Value {
        json!({
            "metadata": {"annotations": {PRE_BUILT_IMAGE: null, PRE_BUILT_IMAGE_REPLACED: self.image}},
            "spec": {"osImageURL": null},
        })
    }
}

/// A MachineConfig without its image.
#[must_use]
pub fn without_image(config: &MachineConfig) -> MachineConfig {
    let mut config = config.clone();
    config.spec.os_image_url = None;
    config
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, image, since, os_config, asked } = self;
        write!(f, "MachineConfig {config}, which the installer made, pins the OS image {image}")?;
        if let Some(since) = since {
            write!(f, " since {since:.0}")?;
        }
        match (asked, os_config) {
            (Some(asked), _) => write!(f, "; it loses it, because {asked}"),
            (None, Some(os_config)) => write!(
                f,
                ", so the pool follows no stream and no release; to have an image built on its stream, name a stream in \
                 spec.osImageStream, change MachineOSConfig {os_config}, or annotate it {REBUILD}="
            ),
            (None, None) => write!(
                f,
                ", and no MachineOSConfig names the pool; unless one is to come, delete the MachineConfig: the pool gets the \
                 image of its stream then"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::identity::tests::sample;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use weir_api::{FeatureGate, machine_config::MachineConfigSpec, pool::OsImageStreamReference};

    fn pinning() -> MachineConfig {
        let spec = MachineConfigSpec { os_image_url: Some("image".to_owned()), ..MachineConfigSpec::default() };
        let mut config = MachineConfig::named("10-prebuiltimage-osimageurl-worker", spec);
        config.metadata.creation_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        config.metadata.annotations = Some([(PRE_BUILT_IMAGE.to_owned(), "image".to_owned())].into());
        config
    }

    /// A pool whose pre-built image was adopted, while there are streams or not.
    fn world(streams: bool, change: impl FnOnce(&mut MachineConfigPool, &mut MachineOSConfig)) -> World {
        let (mut pool, mut config, _) = sample();
        config.metadata.generation = Some(1);
        let status = config.status.get_or_insert_default();
        (status.current_image_pull_spec, status.observed_generation) = (Some("image".to_owned()), Some(1));
        change(&mut pool, &mut config);
        let lists = json!([{
            "version": "5", "enabled": if streams { json!([{"name": "OSStreams"}]) } else { json!([]) }, "disabled": [],
        }]);
        let gates: FeatureGate = serde_json::from_value(json!({
            "metadata": {"name": "cluster"}, "spec": {}, "status": {"featureGates": lists},
        }))
        .unwrap();
        World::of([pool.into(), config.into(), gates.into(), pinning().into()])
    }

    fn found(world: &World) -> Option<Pinned> {
        pinned(world, world.pools.first()?)
    }

    fn stream(pool: &mut MachineConfigPool) {
        let name = "rhel-9".to_owned();
        pool.spec.os_image_stream = Some(OsImageStreamReference { name, ..OsImageStreamReference::default() });
    }

    #[test]
    fn what_is_pinned_stays_until_a_user_asks() {
        let asked = |streams, change: fn(&mut MachineConfigPool, &mut MachineOSConfig)| {
            found(&world(streams, change)).unwrap().asked
        };
        assert_eq!(asked(true, |_, _| {}), None);
        assert_eq!(asked(true, |pool, _| stream(pool)), Some(Asked::Stream("rhel-9".to_owned())));
        assert_eq!(asked(false, |pool, _| stream(pool)), None);
        let changed = asked(false, |_, config| config.metadata.generation = Some(2));
        assert_eq!(changed, Some(Asked::Changed("worker".to_owned())));
        let rebuild = asked(true, |_, config| {
            config.metadata.annotations = Some([(REBUILD.to_owned(), String::new())].into());
        });
        assert_eq!(rebuild, Some(Asked::Rebuild("worker".to_owned())));
        // While the image is yet to be adopted, nothing is asked for.
        let taking_in = asked(true, |pool, config| {
            stream(pool);
            config.metadata.annotations = Some([(PRE_BUILT_IMAGE.to_owned(), "image".to_owned())].into());
        });
        assert_eq!(taking_in, None);
        assert_eq!(
            asked(true, |pool, config| {
                stream(pool);
                config.status = None;
            }),
            None
        );
    }

    #[test]
    fn what_is_pinned_is_named_with_the_way_out() {
        let said = found(&world(true, |_, _| {})).unwrap().to_string();
        assert!(
            said.contains("10-prebuiltimage-osimageurl-worker") && said.contains("since 1970-01-01T00:00:00Z"),
            "{said}"
        );
        assert!(said.contains("annotate it machineconfiguration.openshift.io/rebuild="), "{said}");
        let said = found(&world(true, |pool, _| stream(pool))).unwrap().to_string();
        assert!(said.ends_with("it loses it, because the pool names stream rhel-9"), "{said}");
        let mut opted_out = world(true, |pool, _| stream(pool));
        opted_out.os_configs.clear();
        let alone = found(&opted_out).unwrap();
        assert_eq!((alone.asked.as_ref(), alone.to_string().contains("delete the MachineConfig")), (None, true));
    }

    #[test]
    fn a_freed_pool_is_not_pinned_again() {
        let asking = world(true, |pool, _| stream(pool));
        let pinned = found(&asking).unwrap();
        assert!(pinned.frees(&pinning()));
        assert_eq!(without_image(&pinning()).spec.os_image_url, None);
        assert_eq!(pinned.freed()["metadata"]["annotations"][PRE_BUILT_IMAGE_REPLACED], "image");
        let mut freed = asking;
        let mut config = pinning();
        config.spec.os_image_url = None;
        config.metadata.annotations = None;
        freed.put(config.clone().into());
        assert_eq!(found(&freed), None);
        // An image that a user writes into it belongs to the user.
        config.spec.os_image_url = Some("own".to_owned());
        freed.put(config.into());
        assert_eq!(found(&freed), None);
    }
}
