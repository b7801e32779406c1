//! Which stream the OS image of a pool is built on.
//!
//! R-BUILT-ON-1 What counts is the image that the pool's nodes are given: its base is the OS image of the rendered MachineConfig that
//! the MachineOSBuild of this image names. The base of a pre-built image is not known.
//! R-BUILT-ON-2 The stream is the one that has this base now. Without one, the base is of another release, or a MachineConfig names it.
//! R-BUILT-ON-3 An image has to be rebuilt when its stream is one that the release no longer carries, or when its base is not what the
//! pool is rendered with. The second happens by itself; the first needs a user who names another stream, unless pools follow the only
//! stream there is.
//!
//! All of this is ours.

use super::{limits::of_pool, pinned::pinned, seed::stands_for_image};
use crate::{stream::catalog::due::retained, view::PoolView, world::World};
use std::fmt;
use weir_api::MachineOSConfig;

/// What an image is built on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltOn {
    /// The pool.
    pub pool: String,
    /// The MachineOSBuild that made the image.
    pub build: String,
    /// The image, by digest.
    pub image: String,
    /// Its base.
    pub base: Base,
    /// Why it has to be rebuilt; absent when it need not be.
    pub going: Option<Going>,
}

/// A base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Base {
    /// The image of a stream.
    Stream(String),
    /// An image that no stream has: its pull spec.
    Image(String),
    /// It is a pre-built image, or what it was built for is gone.
    Unknown,
}

/// Why an image has to be rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Going {
    /// The release no longer carries its stream.
    Retained,
    /// The pool is rendered with another base.
    Behind,
}

/// What the image of this pool is built on; absent outside image mode, and while there is no image.
#[must_use]
pub fn built_on(world: &World, pool: &PoolView<'_>) -> Option<BuiltOn> {
    let os_configs: Vec<&MachineOSConfig> = world.os_configs.iter().map(AsRef::as_ref).collect();
    let config = of_pool(pool.name, &os_configs)?;
    let image = config.status.as_ref()?.current_image_pull_spec.clone().filter(|image| !image.is_empty())?;
    let has_it = |build: &&std::sync::Arc<weir_api::MachineOSBuild>| {
        let digest = build.status.as_ref().and_then(|status| status.digested_image_push_spec.as_ref());
        digest == Some(&image)
    };
    let build = world.os_builds.iter().find(has_it);
    let base_of = |rendered: &str| world.config(rendered)?.spec.os_image_url.clone().filter(|image| !image.is_empty());
    let known = build.filter(|build| !stands_for_image(build));
    let found = known.and_then(|build| base_of(&build.spec.machine_config.name));
    let wanted = pool.target.and_then(base_of);
    let streams = world.streams_in_effect();
    let listed = || streams.iter().flat_map(|object| object.status.iter().flat_map(|status| &status.available_streams));
    let stream = |image: &str| listed().find(|set| set.os_image == image).map(|set| set.name.clone());
    let base = match &found {
        None => Base::Unknown,
        Some(image) => stream(image).map_or_else(|| Base::Image(image.clone()), Base::Stream),
    };
    let is_retained = |name: &str| streams.is_some_and(|object| retained(object).contains(name));
    let going = match &base {
        Base::Stream(name) if is_retained(name) => Some(Going::Retained),
        // A pre-built image stays until a user asks for another.
        Base::Unknown if pinned(world, pool.object).is_some() => None,
        _ => (wanted.is_some() && found != wanted).then_some(Going::Behind),
    };
    let build = build.and_then(|build| build.metadata.name.clone()).unwrap_or_default();
    Some(BuiltOn { pool: pool.name.to_owned(), build, image, base, going })
}

/// What the images of all pools are built on, by pool.
#[must_use]
pub fn all(world: &World) -> Vec<BuiltOn> {
    world.pool_views().iter().filter_map(|pool| built_on(world, pool)).collect()
}

impl BuiltOn {
    /// Name of the stream; absent when the base is of none.
    #[must_use]
    pub fn stream(&self) -> Option<&str> {
        match &self.base {
            Base::Stream(name) => Some(name),
            Base::Image(_) | Base::Unknown => None,
        }
    }
}

impl fmt::Display for BuiltOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { image, build, base, going, .. } = self;
        write!(f, "image {image}")?;
        if !build.is_empty() {
            write!(f, " (MachineOSBuild {build})")?;
        }
        match base {
            Base::Stream(name) => write!(f, " is built on stream {name}")?,
            Base::Image(base) => write!(f, " is built on {base}, which no stream has")?,
            Base::Unknown => f.write_str(" is built on something that is not known")?,
        }
        f.write_str(match going {
            Some(Going::Retained) => ", which the release no longer carries: it has to be built anew on another stream",
            Some(Going::Behind) => ", and one is to be built on what the pool is rendered with now",
            None => "",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::identity::{build_of, tests::sample};
    use serde_json::json;
    use weir_api::{FeatureGate, OSImageStream};

    /// A pool with an image on the OS image `old`, which the pool is or is no longer rendered with.
    fn world(target: &str, kept: &str, streams: bool) -> World {
        let (mut pool, mut config, mut rendered) = sample();
        let name = rendered.metadata.name.clone().unwrap();
        rendered.spec.os_image_url = Some("old".to_owned());
        let mut build = build_of(&pool, &config, &rendered).unwrap();
        build.status.get_or_insert_default().digested_image_push_spec = Some("image".to_owned());
        config.status.get_or_insert_default().current_image_pull_spec = Some("image".to_owned());
        let mut other = rendered.clone();
        other.metadata.name = Some(target.to_owned());
        if name != target {
            other.spec.os_image_url = Some("new".to_owned());
        }
        pool.spec.configuration.get_or_insert_default().reference.name = Some(target.to_owned());
        let gates: FeatureGate = serde_json::from_value(json!({
            "metadata": {"name": "cluster"}, "spec": {}, "status": {"featureGates": [{
                "version": "5", "enabled": if streams { json!([{"name": "OSStreams"}]) } else { json!([]) }, "disabled": [],
            }]},
        }))
        .unwrap();
        let sets = json!([{"name": "a", "osImage": "old", "osExtensionsImage": ""}, {"name": "b", "osImage": "new", "osExtensionsImage": ""}]);
        let object: OSImageStream = serde_json::from_value(json!({
            "metadata": {"name": "cluster", "annotations": {"machineconfiguration.openshift.io/retained-streams": kept}},
            "spec": {"defaultStream": "b"}, "status": {"defaultStream": "b", "availableStreams": sets},
        }))
        .unwrap();
        let first = [pool.into(), config.into(), rendered.into(), build.into(), gates.into(), object.into()];
        World::of(first.into_iter().chain([other.into()]))
    }

    fn said(world: &World) -> String {
        all(world).first().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn the_stream_is_that_of_the_base_and_it_is_told_when_it_goes() {
        let (_, _, rendered) = sample();
        let same = rendered.metadata.name.unwrap();
        assert!(said(&world(&same, "", true)).ends_with(") is built on stream a"));
        let kept = world(&same, "a", true);
        assert_eq!((all(&kept)[0].stream(), all(&kept)[0].going), (Some("a"), Some(Going::Retained)));
        assert!(said(&kept).contains("no longer carries: it has to be built anew"), "{}", said(&kept));
        let behind = said(&world("rendered-worker-2", "", true));
        assert!(
            behind.ends_with("is built on stream a, and one is to be built on what the pool is rendered with now"),
            "{behind}"
        );
        assert!(said(&world(&same, "a", false)).ends_with("is built on old, which no stream has"));
    }

    #[test]
    fn what_cannot_be_known_is_not_made_up() {
        let (_, _, rendered) = sample();
        let mut gone = world(&rendered.metadata.name.unwrap(), "", true);
        gone.os_builds.clear();
        assert_eq!((all(&gone)[0].base.clone(), all(&gone)[0].going), (Base::Unknown, Some(Going::Behind)));
        gone.os_configs.clear();
        assert!(all(&gone).is_empty());
    }
}
