//! Which image is built on.
//!
//! R-BUILD-BASE-1 The base is the OS image of the pool's rendered MachineConfig: rendering has already decided which stream
//! the pool gets, and it is not decided a second time.
//! R-BUILD-BASE-2 While the rendered MachineConfig still has another image than the pool's stream, rendering is about to catch
//! up, and no build starts on the image that is about to be replaced. An image that a MachineConfig sets is used as it is.
//! R-BUILD-BASE-4 A release may have images in streams alone. With streams off a pool is then rendered without an image, and there is
//! nothing to build on until a user turns them on or sets one.
//! R-BUILD-BASE-3 The extensions image belongs to the base; without one no packages can be installed.
//!
//! Source: `pkg/controller/build/buildrequest` of github.com/openshift/machine-config-operator.

use crate::stream::{ResolvedStream, StreamReason};
use weir_api::MachineConfig;

/// What a pool's image is built on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// Pull spec of the OS image.
    pub image: String,
    /// Pull spec of the extensions image; absent when there is none.
    pub extensions: Option<String>,
    /// Where the image comes from.
    pub because: BaseReason,
}

/// Where a base image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseReason {
    /// It is that of a stream.
    Stream {
        /// Name of the stream.
        name: String,
        /// Why the pool gets it.
        because: StreamReason,
    },
    /// There are no streams: it is that of the release.
    Release,
    /// A MachineConfig names it.
    Override,
}

/// Why there is no base to build on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBase {
    /// Rendering has not caught up yet.
    #[error(
        "the pool gets stream {stream} with image {wanted}, and {config} still has {found}: waiting for the pool to be rendered"
    )]
    Behind {
        /// The rendered MachineConfig.
        config: String,
        /// The stream.
        stream: String,
        /// Its image.
        wanted: String,
        /// The image that is rendered.
        found: String,
    },
    /// The rendered MachineConfig has no image, and will get none by itself.
    #[error(
        "{0} names no OS image, as the release has images in streams alone, which are off: turn the feature gate OSStreams on, or \
         set osImageURL in a MachineConfig of the pool"
    )]
    NoImage(String),
}

/// The base of a pool's image. `overridden` is whether one of the MachineConfigs that it is rendered from names an image.
///
/// # Errors
/// While rendering has not caught up with the stream.
pub fn base(rendered: &MachineConfig, stream: &ResolvedStream, overridden: bool) -> Result<Base, NoBase> {
    let set = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    let config = rendered.metadata.name.clone().unwrap_or_default();
    let image = match set(&rendered.spec.os_image_url) {
        Some(image) => image,
        // It is compared with that of the stream, and found to be another.
        None if stream.set.is_some() => String::new(),
        None => return Err(NoBase::NoImage(config)),
    };
    let extensions = set(&rendered.spec.base_os_extensions_container_image);
    let because = match &stream.set {
        _ if overridden => BaseReason::Override,
        None => BaseReason::Release,
        Some(set) if set.os_image == image => {
            BaseReason::Stream { name: set.name.clone(), because: stream.because.clone() }
        }
        Some(set) => {
            let (stream, wanted) = (set.name.clone(), set.os_image.clone());
            return Err(NoBase::Behind { config, stream, wanted, found: image });
        }
    };
    Ok(Base { image, extensions, because })
}

#[cfg(test)]
mod tests {
    use super::{super::identity::tests::sample, *};
    use weir_api::os_image_stream::OSImageStreamSet;

    #[test]
    fn nothing_is_built_on_an_image_that_is_going() {
        let (_, _, mut rendered) = sample();
        let image = rendered.spec.os_image_url.clone().unwrap();
        let of = |os_image: &str| {
            let set = OSImageStreamSet { name: "s".into(), os_image: os_image.into(), ..Default::default() };
            ResolvedStream { set: Some(set), because: StreamReason::Explicit }
        };
        let found = base(&rendered, &of(&image), false).unwrap();
        assert_eq!(found.because, BaseReason::Stream { name: "s".into(), because: StreamReason::Explicit });
        assert!(found.extensions.is_some());
        let behind = base(&rendered, &of("other"), false).unwrap_err();
        assert!(behind.to_string().contains("waiting for the pool to be rendered"), "{behind}");
        assert_eq!(base(&rendered, &of("other"), true).unwrap().because, BaseReason::Override);
        let off = ResolvedStream { set: None, because: StreamReason::GateOff { ignored: None } };
        assert_eq!(base(&rendered, &off, false).unwrap().because, BaseReason::Release);
        rendered.spec.os_image_url = Some(String::new());
        assert!(matches!(base(&rendered, &off, false), Err(NoBase::NoImage(_))));
        assert!(matches!(base(&rendered, &of("other"), false), Err(NoBase::Behind { .. })));
    }
}
