//! The stream of a payload whose images do not say which stream they are of.
//!
//! R-UNLABELLED-1 If the distribution allows it and nothing else forms a stream, the images of the two base tags do, if
//!                neither has a stream label. With only one label missing the payload is inconsistent, and nothing is guessed.
//! R-UNLABELLED-2 The stream gets the name of the requested or previous default, else of the built-in one.

use super::{
    Considered, Existing, Origin, SourceKind, Stream, Verdict,
    classify::{NotTaken, Part},
    default::built_in,
    well_formed,
};
use weir_api::os_image_stream::OSImageStreamSet;
use weir_distro::{Profile, ReleaseVersion, UnlabelledRule};

/// The stream, if there is one; records the outcome for its two images.
pub(super) fn stream(
    profile: &Profile,
    existing: Existing<'_>,
    installed: Option<ReleaseVersion>,
    considered: &mut [Considered],
) -> Option<Stream> {
    if profile.streams.unlabelled == UnlabelledRule::LeftOut {
        return None;
    }
    let tagged = |tag: &str| {
        considered.iter().position(|image| {
            image.source == SourceKind::Payload
                && image.candidate.tag == tag
                && image.verdict == Verdict::NotTaken(NotTaken::NoStream)
        })
    };
    let (os, extensions) = (tagged(&profile.payload.base_os_tag)?, tagged(&profile.payload.base_extensions_tag)?);
    let asked = Some(existing.requested_default()).filter(|name| !name.is_empty());
    let set = OSImageStreamSet {
        name: asked.or_else(|| built_in(profile, installed))?.to_owned(),
        os_image: considered[os].candidate.image.clone(),
        os_extensions_image: considered[extensions].candidate.image.clone(),
        ..OSImageStreamSet::default()
    };
    well_formed::stream(&set).ok()?;
    for (at, part) in [(os, Part::Os), (extensions, Part::Extensions)] {
        considered[at].verdict = Verdict::ByTag(part, set.name.clone());
    }
    Some(Stream { set, origin: Origin::Source(SourceKind::Payload) })
}

#[cfg(test)]
mod tests {
    use crate::stream::catalog::{
        Candidate, Catalog, CatalogError, Existing, Input, Inspected, Notice, Source, SourceKind, catalog,
    };
    use std::collections::{BTreeMap, BTreeSet};
    use weir_api::keys::image;
    use weir_distro::Profile;

    /// A payload with the base tags of `tags`; `labels` is the stream label of OS and extensions image, `-` for none.
    fn make(profile: &str, tags: &str, labels: [&str; 2], existing: Existing<'_>) -> Result<Catalog, CatalogError> {
        let layout = &Profile::by_name(tags).unwrap().payload;
        let parts = [(&layout.base_os_tag, image::BOOTC), (&layout.base_extensions_tag, image::EXTENSIONS)];
        let images = parts.into_iter().zip(labels).map(|((tag, part), label)| {
            let stream = (label != "-").then(|| (image::STREAM_CLASS.to_owned(), label.to_owned()));
            let labels: BTreeMap<_, _> = [(part.to_owned(), "true".to_owned())].into_iter().chain(stream).collect();
            let image = format!("registry.example.com/a/{tag}@sha256:{}", "0a".repeat(32));
            Inspected { candidate: Candidate { tag: tag.clone(), image }, labels: Ok(labels) }
        });
        let sources = vec![Source { kind: SourceKind::Payload, images: Ok(images.collect()) }];
        let input = Input { sources, existing, in_use: &BTreeSet::new(), installed: "4.22.0".parse().ok() };
        catalog(Profile::by_name(profile).unwrap(), input)
    }

    #[test]
    fn the_base_tags_are_the_one_stream_where_there_is_one() {
        let found = make("okd", "okd", ["-", "-"], Existing::default()).unwrap();
        assert_eq!((found.default.as_str(), found.streams.len()), ("centos-10", 1));
        assert_eq!(found.notices, [Notice::Unlabelled("centos-10".to_owned())]);
        assert!(found.considered[0].to_string().contains("by its tag"), "{}", found.considered[0]);
        // A name that the cluster knows is kept: nothing indicates another operating system.
        let existing = Existing { spec_default: "centos-11", ..Existing::default() };
        assert_eq!(make("okd", "okd", ["-", "-"], existing).unwrap().default, "centos-11");
    }

    #[test]
    fn nothing_is_guessed() {
        for (profile, tags, labels) in [
            ("okd", "okd", ["centos-10", "-"]),
            ("okd", "okd", ["-", "centos-10"]),
            ("okd", "ocp", ["-", "-"]),
            ("ocp", "ocp", ["-", "-"]),
        ] {
            let made = make(profile, tags, labels, Existing::default());
            assert!(matches!(made, Err(CatalogError::NoStream { .. })), "{profile} {tags} {labels:?}: {made:?}");
        }
    }
}
