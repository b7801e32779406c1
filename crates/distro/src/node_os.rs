//! Which operating system a node runs, from its os-release.
//!
//! Source: os-release(5), and `pkg/daemon/osrelease/osrelease.go` of github.com/openshift/machine-config-operator for
//! which of them count as Enterprise Linux.

use std::collections::BTreeMap;

/// The operating system of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeOs {
    /// `ID`, lower case: `rhel`, `rhcos`, `scos`, `centos`, `fedora`, ….
    pub id: String,
    /// `VARIANT_ID`; `coreos` on image-based variants.
    pub variant: String,
    /// Version of the operating system itself, such as `9.6` or `10`; empty when os-release has none.
    pub version: String,
    /// `ID_LIKE`, split at blanks.
    pub like: Vec<String>,
}

impl NodeOs {
    /// Reads os-release text. Lines that are not assignments are skipped; a missing key reads as empty.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let values: BTreeMap<&str, String> = text.lines().filter_map(assignment).collect();
        let get = |key: &str| values.get(key).cloned().unwrap_or_default();
        Self {
            id: get("ID"),
            variant: get("VARIANT_ID"),
            version: version(&values),
            like: get("ID_LIKE").split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// An image-based variant of Enterprise Linux.
    #[must_use]
    pub fn is_enterprise_linux(&self) -> bool {
        matches!((self.id.as_str(), self.variant.as_str()), ("rhcos" | "scos", _) | ("rhel" | "centos", "coreos"))
    }

    /// Enterprise Linux of this major version. A version that is just the major number counts without the variant.
    #[must_use]
    pub fn is_enterprise_linux_major(&self, major: u32) -> bool {
        let major = major.to_string();
        self.version == major
            || self.is_enterprise_linux() && self.version.strip_prefix(&major).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Fedora CoreOS.
    #[must_use]
    pub fn is_fedora_coreos(&self) -> bool {
        self.id == "fedora" && self.variant == "coreos"
    }

    /// Updated as a whole image: the OS can be replaced.
    #[must_use]
    pub fn is_coreos(&self) -> bool {
        self.variant == "coreos" || self.is_enterprise_linux()
    }

    /// Related to RHEL according to itself.
    #[must_use]
    pub fn is_like_rhel(&self) -> bool {
        self.id == "rhel" || self.like.iter().any(|like| like == "rhel")
    }

    /// First number of the version.
    #[must_use]
    pub fn major(&self) -> Option<u32> {
        self.version.split('.').next()?.parse().ok()
    }

    /// Second number of the version, if there is one.
    #[must_use]
    pub fn minor(&self) -> Option<u32> {
        // A build stamp such as 202211241749-0 or 202508051200 is not a minor version.
        self.version.split('.').nth(1)?.parse().ok().filter(|minor| *minor < 1000)
    }
}

fn assignment(line: &str) -> Option<(&str, String)> {
    let (key, value) = line.trim().split_once('=')?;
    if key.starts_with('#') {
        return None;
    }
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    Some((key, quoted('"').or_else(|| quoted('\'')).unwrap_or(value).replace("\\\"", "\"")))
}

fn version(values: &BTreeMap<&str, String>) -> String {
    if let Some(version) = values.get("RHEL_VERSION") {
        return version.clone();
    }
    // RHEL CoreOS of the 4.x days wrote the release before the OS version: 412.86.… on OpenShift 4.12.
    if let (Some(release), Some(version)) = (values.get("OPENSHIFT_VERSION"), values.get("VERSION")) {
        let prefix = format!("{}.", release.replace('.', ""));
        if version.starts_with(&prefix) {
            return version.replace(&prefix, "");
        }
    }
    values.get("VERSION_ID").cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::NodeOs;

    #[test]
    fn os_release_of_real_nodes() {
        // text; EL, EL9, EL10, Fedora CoreOS, CoreOS; version, major, minor
        let cases = [
            ("ID=centos\nVARIANT_ID=coreos\nVERSION_ID=10", [1, 0, 1, 0, 1], "10", Some(10), None),
            ("ID=\"centos\"\nVERSION_ID=\"10\"", [0, 0, 1, 0, 0], "10", Some(10), None),
            (
                "ID=scos\nOPENSHIFT_VERSION=\"4.12\"\nVERSION=412.9.202211241749-0\nVERSION_ID=4.12",
                [1, 1, 0, 0, 1],
                "9.202211241749-0",
                Some(9),
                None,
            ),
            ("ID=rhcos\nRHEL_VERSION=9.4\nVERSION_ID=4.16", [1, 1, 0, 0, 1], "9.4", Some(9), Some(4)),
            ("ID=rhel\nVARIANT_ID=coreos\nVERSION_ID=9.6", [1, 1, 0, 0, 1], "9.6", Some(9), Some(6)),
            ("ID=rhel\nVERSION_ID=9", [0, 1, 0, 0, 0], "9", Some(9), None),
            ("ID=fedora\nVARIANT_ID=coreos\nVERSION_ID=40", [0, 0, 0, 1, 1], "40", Some(40), None),
            ("# comment\nnot an assignment\n", [0, 0, 0, 0, 0], "", None, None),
        ];
        for (text, flags, version, major, minor) in cases {
            let os = NodeOs::parse(text);
            let found = [
                os.is_enterprise_linux(),
                os.is_enterprise_linux_major(9),
                os.is_enterprise_linux_major(10),
                os.is_fedora_coreos(),
                os.is_coreos(),
            ];
            assert_eq!(found.map(u8::from), flags, "{text}");
            assert_eq!((os.version.as_str(), os.major(), os.minor()), (version, major, minor), "{text}");
        }
    }

    #[test]
    fn ten_is_not_one() {
        let os = NodeOs::parse("ID=rhel\nVARIANT_ID=coreos\nVERSION_ID=10.1");
        assert!(os.is_enterprise_linux_major(10) && !os.is_enterprise_linux_major(1));
        assert!(NodeOs::parse("ID=rocky\nID_LIKE=\"rhel centos fedora\"").is_like_rhel());
    }
}
