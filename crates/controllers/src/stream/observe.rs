//! Reads the images of a release payload.

use weir_api::keys::image::SOURCE_LOCATION;
use weir_distro::Profile;
use weir_images::{Images, Release};
use weir_rules::catalog::{Failure, Inspected, PayloadTag, Source, SourceKind, candidates};

/// What reading a release came to.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Version of the release; empty when it could not be read.
    pub version: String,
    /// Names of the release's tags; none when it could not be read.
    pub tags: Vec<String>,
    /// The payload as a source of streams.
    pub source: Source,
}

/// Reads the release image and the labels of those of its images that may be an operating system.
pub async fn payload(images: &Images, profile: &Profile, release: &str) -> Payload {
    match images.release(release).await {
        Ok(release) => of_release(images, profile, &release).await,
        Err(error) => {
            let source = Source { kind: SourceKind::Payload, images: Err(failure(&error)) };
            Payload { version: String::new(), tags: Vec::new(), source }
        }
    }
}

/// Reads the labels of those images of a release that may be an operating system.
pub async fn of_release(images: &Images, profile: &Profile, release: &Release) -> Payload {
    let candidates = candidates(
        profile,
        release.tags.iter().map(|tag| PayloadTag {
            name: &tag.name,
            source_location: tag.annotations.get(SOURCE_LOCATION).map(String::as_str),
            image: tag.image.as_deref(),
        }),
    );
    let names: Vec<String> = candidates.iter().map(|candidate| candidate.image.clone()).collect();
    let labels = images.labels_of(&names).await.into_iter().map(|labels| labels.map_err(|error| failure(&error)));
    let inspected = candidates.into_iter().zip(labels).map(|(candidate, labels)| Inspected { candidate, labels });
    Payload {
        version: release.version.clone(),
        tags: release.tags.iter().map(|tag| tag.name.clone()).collect(),
        source: Source { kind: SourceKind::Payload, images: Ok(inspected.collect()) },
    }
}

fn failure(error: &weir_images::Error) -> Failure {
    Failure { transient: error.class() == weir_images::Class::Transient, message: weir_kubeio::drive::chain(error) }
}
