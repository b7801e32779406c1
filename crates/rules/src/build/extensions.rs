//! Which packages extensions and kernel types are.
//!
//! R-EXTENSIONS-1 An extension is a list of packages; order and repetitions are kept. Unknown extensions are refused, all in
//! one message.
//! R-EXTENSIONS-2 A kernel type other than the default replaces the packages of the kernel that is installed. An empty value and
//! `default` change nothing.
//! R-EXTENSIONS-3 The kernel with 64 KiB pages exists for one architecture, which the base image has to have.
//! R-EXTENSIONS-4 Packages come from the extensions image: asking for any without one is refused. (The reference leaves
//! them out without a word.)
//!
//! Source: `pkg/controller/build/buildrequest` and `SupportedExtensions` in `pkg/controller/common` of
//! github.com/openshift/machine-config-operator.

use super::base::Base;
use weir_api::MachineConfig;

/// Packages of an extension.
const EXTENSIONS: [(&str, &[&str]); 7] = [
    ("two-node-ha", &["pacemaker", "pcs", "fence-agents-all"]),
    ("ipsec", &["NetworkManager-libreswan", "libreswan", "openvswitch3.5-ipsec"]),
    ("usbguard", &["usbguard"]),
    ("kerberos", &["krb5-workstation", "libkadm5"]),
    ("kernel-devel", &["kernel-devel", "kernel-headers"]),
    ("sandboxed-containers", &["kata-containers"]),
    ("sysstat", &["sysstat"]),
];
/// The architecture that has a kernel with large pages, as Go calls it.
const LARGE_PAGES: &str = "arm64";

/// A kernel that is not the default one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// The real-time kernel.
    Realtime,
    /// With pages of 64 KiB.
    LargePages,
}

/// What is installed on top of the base.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packages {
    /// Packages of the extensions.
    pub extensions: Vec<&'static str>,
    /// The kernel, when it is not the default one.
    pub kernel: Option<Kernel>,
}

/// What cannot be installed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uninstallable {
    /// Extensions that are not known.
    #[error("invalid extensions found: [{}]; known are: {}", .0.join(" "), known().join(", "))]
    Unknown(Vec<String>),
    /// A kernel type that does not exist.
    #[error("invalid kernelType {0:?}; known are: default, realtime, 64k-pages")]
    KernelType(String),
    /// Large pages on another architecture.
    #[error("64k-pages is only supported for aarch64 architecture, and the base image is for {0}")]
    Architecture(String),
    /// There is no extensions image.
    #[error(
        "extensions and kernel types come from the extensions image, and {0} has none; use a stream that has one, or name it in baseOSExtensionsContainerImage"
    )]
    NoImage(String),
}

/// Names of all extensions.
#[must_use]
pub fn known() -> Vec<&'static str> {
    EXTENSIONS.iter().map(|(name, _)| *name).collect()
}

/// The packages of an extension; none of one that is not known.
#[must_use]
pub fn of_extension(name: &str) -> &'static [&'static str] {
    EXTENSIONS.iter().find(|(known, _)| *known == name).map_or(&[], |(_, packages)| packages)
}

/// The name of the package in a file, `usbguard` of `x/usbguard-1.0.0-15.el9.x86_64.rpm`; absent if it is none. Name, version and release
/// are joined by `-`, and only the name may contain that.
///
/// Source: "Package filenames" in the manual of RPM, <https://rpm.org/docs/>.
#[must_use]
pub fn package_of(file: &str) -> Option<&str> {
    let name = file.rsplit('/').next()?.strip_suffix(".rpm")?;
    let (name, _release) = name.rsplit_once('-')?;
    let (name, _version) = name.rsplit_once('-')?;
    Some(name)
}

/// The packages that a rendered MachineConfig asks for, on a base for this architecture (as Go calls it).
///
/// # Errors
/// When it asks for something that is not there.
pub fn packages(rendered: &MachineConfig, base: &Base, architecture: &str) -> Result<Packages, Uninstallable> {
    let wanted = rendered.spec.extensions.as_deref().unwrap_or_default();
    let find = |name: &String| EXTENSIONS.iter().find(|(known, _)| known == name);
    let unknown: Vec<String> = wanted.iter().filter(|name| find(name).is_none()).cloned().collect();
    if !unknown.is_empty() {
        return Err(Uninstallable::Unknown(unknown));
    }
    let kernel = match rendered.spec.kernel_type.as_deref().unwrap_or_default() {
        "" | "default" => None,
        "realtime" => Some(Kernel::Realtime),
        "64k-pages" if architecture == LARGE_PAGES => Some(Kernel::LargePages),
        "64k-pages" => return Err(Uninstallable::Architecture(architecture.to_owned())),
        other => return Err(Uninstallable::KernelType(other.to_owned())),
    };
    if base.extensions.is_none() && (!wanted.is_empty() || kernel.is_some()) {
        return Err(Uninstallable::NoImage(base.image.clone()));
    }
    let extensions = wanted.iter().filter_map(find).flat_map(|(_, packages)| packages.iter().copied()).collect();
    Ok(Packages { extensions, kernel })
}

impl Kernel {
    /// Packages of this kernel.
    #[must_use]
    pub fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Realtime => &["kernel-rt-core", "kernel-rt-modules", "kernel-rt-modules-extra", "kernel-rt-kvm"],
            Self::LargePages => {
                &["kernel-64k-core", "kernel-64k-modules", "kernel-64k-modules-core", "kernel-64k-modules-extra"]
            }
        }
    }
}

/// Packages of the kernel that every image has at first.
pub const DEFAULT_KERNEL: [&str; 5] =
    ["kernel", "kernel-core", "kernel-modules", "kernel-modules-core", "kernel-modules-extra"];

#[cfg(test)]
mod tests {
    use super::{
        super::{base::BaseReason, identity::tests::sample},
        *,
    };

    fn of(extensions: &[&str], kernel: &str, has_image: bool, architecture: &str) -> Result<Packages, String> {
        let (_, _, mut rendered) = sample();
        rendered.spec.extensions = Some(extensions.iter().map(|name| (*name).to_owned()).collect());
        rendered.spec.kernel_type = Some(kernel.to_owned());
        let extensions = has_image.then(|| "extensions".to_owned());
        let base = Base { image: "base".into(), extensions, because: BaseReason::Release };
        packages(&rendered, &base, architecture).map_err(|error| error.to_string())
    }

    #[test]
    fn names_of_packages_and_those_of_extensions() {
        assert_eq!(package_of("a/krb5-workstation-1.21.1-8.el9.x86_64.rpm"), Some("krb5-workstation"));
        assert_eq!(package_of("usbguard-1.0.0-15.el9.x86_64.rpm"), Some("usbguard"));
        for odd in ["repodata/repomd.xml", "usbguard.rpm", "usbguard-1.rpm", ""] {
            assert_eq!(package_of(odd), None, "{odd}");
        }
        assert!(known().into_iter().all(|name| !of_extension(name).is_empty()) && of_extension("none").is_empty());
    }

    #[test]
    fn what_is_asked_for_is_installed_or_refused() {
        let found = of(&["kerberos", "usbguard", "usbguard"], "realtime", true, "amd64").unwrap();
        assert_eq!(found.extensions, ["krb5-workstation", "libkadm5", "usbguard", "usbguard"]);
        assert_eq!(found.kernel.map(|kernel| kernel.packages().len()), Some(4));
        assert_eq!(of(&[], "default", false, "amd64"), Ok(Packages::default()));
        assert_eq!(of(&[], "64k-pages", true, "arm64").unwrap().kernel, Some(Kernel::LargePages));
        for (result, says) in [
            (of(&["a", "usbguard", "b"], "", true, "amd64"), "invalid extensions found: [a b]"),
            (of(&[], "64k-pages", true, "amd64"), "64k-pages is only supported for aarch64 architecture"),
            (of(&[], "fast", true, "amd64"), "invalid kernelType \"fast\""),
            (of(&["usbguard"], "", false, "amd64"), "base has none"),
            (of(&[], "realtime", false, "amd64"), "base has none"),
        ] {
            let error = result.unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
