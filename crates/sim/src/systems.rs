//! Readable names of an image's operating system.

use std::{collections::BTreeMap, sync::Arc};
use weir_api::keys::image::STREAM_CLASS;
use weir_rules::stream::catalog::Source;

/// Names that a release's operating systems give themselves, by pull spec.
#[must_use]
pub fn os_names(source: &Source) -> BTreeMap<String, String> {
    let images = source.images.iter().flatten();
    let labelled = images.filter_map(|image| Some((image.candidate.image.clone(), image.labels.clone().ok()?)));
    labelled.map(|(image, labels)| (image, os_name(&labels))).collect()
}

/// The operating system of an image as a node reports it.
fn os_name(labels: &BTreeMap<String, String>) -> String {
    let label = |key: &str| labels.get(key).map(String::as_str).unwrap_or_default();
    let version = [VERSION_LABEL, "version"].into_iter().map(label).find(|version| !version.is_empty());
    let (stream, version) = (label(STREAM_CLASS), version.unwrap_or_default());
    // Every image-based system has this word in its name.
    let name = if stream.is_empty() && version.is_empty() { "" } else { "CoreOS" };
    [stream, version, name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Version of the image's contents (OCI image annotations).
const VERSION_LABEL: &str = "org.opencontainers.image.version";

/// Turns an OS image's pull spec into a readable name; an unknown one is shown as it is.
pub fn os_text(names: BTreeMap<String, String>) -> Arc<dyn Fn(&str) -> String + Send + Sync> {
    Arc::new(move |image| {
        names.get(image).filter(|name| !name.is_empty()).map_or_else(|| image.to_owned(), Clone::clone)
    })
}
