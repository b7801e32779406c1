//! Reads the images of a release payload.

use std::collections::BTreeMap;
use weir_api::{Class, keys::image::SOURCE_LOCATION};
use weir_distro::Profile;
use weir_images::{Images, Release, Way};
use weir_rules::stream::catalog::{
    Candidate, Failure, Inspected, PayloadTag, Source, SourceKind, candidates, os_image_url,
};

/// The result of reading a release.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Version of the release; empty when it could not be read.
    pub version: String,
    /// Names of the release's tags; empty when it could not be read.
    pub tags: Vec<String>,
    /// The payload as a source of streams.
    pub source: Source,
    /// How each readable image was reached, by pull spec.
    pub ways: BTreeMap<String, Way>,
}

/// Reads the release image and the labels of those of its images that may be an operating system.
pub async fn payload(images: &Images, profile: &Profile, release: &str) -> Payload {
    match images.release(release).await {
        Ok(release) => of_release(images, profile, &release).await,
        Err(error) => {
            let source = Source { kind: SourceKind::Payload, images: Err(failure(&error)) };
            Payload { version: String::new(), tags: Vec::new(), source, ways: BTreeMap::new() }
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
    let (inspected, ways) = inspected(images, candidates).await;
    Payload {
        version: release.version.clone(),
        tags: release.tags.iter().map(|tag| tag.name.clone()).collect(),
        source: Source { kind: SourceKind::Payload, images: Ok(inspected) },
        ways,
    }
}

/// Reads the labels of the pair in ConfigMap `machine-config-osimageurl`, on the way to the release `desired`.
pub async fn os_image_url(images: &Images, data: &BTreeMap<String, String>, desired: &str) -> Source {
    let candidates = match os_image_url::candidates(data, desired) {
        Ok(candidates) => candidates,
        Err(why) => {
            // There is nothing to read but the ConfigMap; when it changes, it is read again.
            let failure = Failure { class: Class::Final, message: why.to_string() };
            return Source { kind: SourceKind::OsImageUrl, images: Err(failure) };
        }
    };
    Source { kind: SourceKind::OsImageUrl, images: Ok(inspected(images, candidates).await.0) }
}

async fn inspected(images: &Images, candidates: Vec<Candidate>) -> (Vec<Inspected>, BTreeMap<String, Way>) {
    let names: Vec<String> = candidates.iter().map(|candidate| candidate.image.clone()).collect();
    let mut ways = BTreeMap::new();
    let mut all = Vec::new();
    for (candidate, read) in candidates.into_iter().zip(images.labels_of(&names).await) {
        let labels = match read {
            Ok((labels, way)) => {
                ways.insert(candidate.image.clone(), way);
                Ok(labels)
            }
            Err(error) => Err(failure(&error)),
        };
        all.push(Inspected { candidate, labels });
    }
    (all, ways)
}

fn failure(error: &weir_images::Error) -> Failure {
    Failure { class: error.class(), message: weir_kubeio::drive::chain(error) }
}
