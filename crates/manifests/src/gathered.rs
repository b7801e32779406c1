//! Recognizing by name what a tool collected.
//!
//! Source: `pkg/cli/admin/inspect` and `pkg/cli/admin/mustgather` of github.com/openshift/oc.

use std::path::Path;

/// One of these in a folder shows that `oc adm must-gather` or `oc adm inspect` wrote the folder and everything below it.
const MARKS: [&str; 4] = [
    "cluster-scoped-resources",
    "event-filter.html",
    "aggregated-discovery-api.yaml",
    "aggregated-discovery-apis.yaml",
];

/// Whether a file or folder of this name shows that a tool wrote its parent folder.
pub(crate) fn is_mark(name: &Path) -> bool {
    MARKS.iter().any(|mark| name == Path::new(mark))
}

/// Suffixes of manifest files, for a message.
pub(crate) const NAMES: &str = " that end in .yaml, .yml or .json";

/// Whether a file is a manifest, by its name.
pub(crate) fn is_manifest(file: &Path) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["yaml", "yml", "json"].contains(&extension)
}
