//! Who this build is.

use weir_controllers::Build;

/// Identity of this build; it belongs to no release until it is told which.
#[must_use]
pub fn identity() -> Build {
    let version = env!("CARGO_PKG_VERSION");
    let commit = option_env!("WEIR_COMMIT").unwrap_or("unknown");
    Build { raw: format!("v{version}"), hash: format!("weir-{version}-{commit}"), release: None }
}
