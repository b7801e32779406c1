//! What blocks an update of the cluster.
//!
//! R-UPGRADE-1 First, a pool that is Degraded, or whose image build was interrupted.
//! R-UPGRADE-2 A stream that this release no longer carries and that a pool, its OS image in image mode (R-BUILT-ON) or the default
//! still uses: the next release may have nothing to keep it alive with.
//! R-UPGRADE-3 That another operator generates, and weir only rolls out what that one generated: the next release would be half
//! an update.
//! R-UPGRADE-4 Boot images that are too old, where that is enforced: older than release 4.13.0, or than OS 9.2 when only
//! the OS version is known. An unparsable version blocks nothing.
//! R-UPGRADE-5 How old they are is not known where no version is recorded, where the recorded one cannot be read, and where it is too old and
//! the cluster has yet to say that it has updated them. That blocks nothing either; a plan says so.
//!
//! Source: `pkg/operator/status.go` (Upgradeable) and `pkg/operator/sync.go` (boot image skew) of
//! github.com/openshift/machine-config-operator; R-UPGRADE-2, R-UPGRADE-3 and R-UPGRADE-5 are ours.

use crate::{build::built_on::BuiltOn, stream::catalog::due::retained, view::PoolView};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use weir_api::{
    MachineConfiguration, OSImageStream,
    condition::{TRUE, find, find_true, is_true},
    keys::{
        machine_configuration::{BOOT_IMAGE_UPDATE_DEGRADED, BOOT_IMAGE_UPDATE_PROGRESSING},
        pool::{BUILD_INTERRUPTED, DEGRADED},
    },
    machine_configuration::MachineConfigurationStatus,
};

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct UpgradeView<'a> {
    /// All pools, by name.
    pub pools: &'a [PoolView<'a>],
    /// The one OSImageStream; absent when there is none or the gate is off.
    pub streams: Option<&'a OSImageStream>,
    /// What the images of pools in image mode are built on.
    pub images: &'a [BuiltOn],
    /// Why weir leaves to another operator what is generated; absent when it does not.
    pub not_adopted: Option<&'a str>,
    /// The one MachineConfiguration; absent when there is none or boot images are not checked.
    pub boot_images: Option<&'a MachineConfiguration>,
    /// Version of the release the cluster runs, for a link; empty when unknown.
    pub version: &'a str,
}

/// What blocks the update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// A pool is Degraded.
    DegradedPool,
    /// The image build of a pool was interrupted.
    InterruptedBuild,
    /// Streams that the release dropped are in use.
    RetainedStreams {
        /// Their users, by stream: `pool worker`, `the OS image of pool worker`, `the default`.
        used: BTreeMap<String, Vec<String>>,
        /// The streams of this release.
        available: Vec<String>,
    },
    /// Another operator generates.
    NotAdopted(String),
    /// Boot images are too old, or were not updated.
    BootImages {
        /// What is wrong, as a sentence.
        why: String,
    },
}

/// Decides it; `None` when nothing blocks an update.
#[must_use]
pub fn upgradeable(view: &UpgradeView<'_>) -> Option<Blocked> {
    let pools = view.pools.iter().find_map(|pool| {
        if is_true(pool.conditions(), DEGRADED) {
            Some(Blocked::DegradedPool)
        } else if is_true(pool.conditions(), BUILD_INTERRUPTED) {
            Some(Blocked::InterruptedBuild)
        } else {
            None
        }
    });
    let not_adopted = || view.not_adopted.map(|why| Blocked::NotAdopted(why.to_owned()));
    pools.or_else(|| retained_in_use(view)).or_else(not_adopted).or_else(|| boot_images(view))
}

/// How a user of a stream begins that is an image.
const OF_IMAGE: &str = "the OS image of pool ";

fn retained_in_use(view: &UpgradeView<'_>) -> Option<Blocked> {
    let object = view.streams?;
    let status = object.status.as_ref()?;
    let kept = retained(object);
    let mut used: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in kept.iter().filter(|name| **name == status.default_stream || **name == object.spec.default_stream) {
        used.entry((*name).to_owned()).or_default().push("the default".to_owned());
    }
    for pool in view.pools {
        let runs = pool.object.status.as_ref().and_then(|s| s.os_image_stream.as_ref()).map(|s| s.name.as_str());
        let names: BTreeSet<&str> = pool.stream.into_iter().chain(runs).collect();
        for name in names.into_iter().filter(|name| kept.contains(name)) {
            used.entry(name.to_owned()).or_default().push(format!("pool {}", pool.name));
        }
    }
    for image in view.images {
        if let Some(name) = image.stream().filter(|name| kept.contains(name)) {
            used.entry(name.to_owned()).or_default().push(format!("{OF_IMAGE}{} ({})", image.pool, image.build));
        }
    }
    let all = status.available_streams.iter().map(|set| set.name.clone());
    let available = all.filter(|name| !kept.contains(name.as_str())).collect();
    (!used.is_empty()).then_some(Blocked::RetainedStreams { used, available })
}

/// Oldest release whose boot images are accepted.
const OLDEST_RELEASE: [u32; 3] = [4, 13, 0];
/// Oldest OS whose boot images are accepted.
const OLDEST_OS: [u32; 2] = [9, 2];

fn boot_images(view: &UpgradeView<'_>) -> Option<Blocked> {
    let status = view.boot_images?.status.as_ref()?;
    let BootImages::Old(what) = age_of_boot_images(status) else { return None };
    let docs = match view.version.split('.').collect::<Vec<_>>()[..] {
        [major, minor, ..] => format!("{major}.{minor}"),
        _ => "latest".to_owned(),
    };
    let why = match what {
        OldBootImages::NotUpdated(why) => {
            format!("Upgrades have been disabled due to boot image update failures: {why}")
        }
        OldBootImages::TooOld(what) => format!(
            "Upgrades have been disabled because {what}. To enable upgrades, please update your boot images or disable boot \
             image skew enforcement by following the documentation at \
             https://docs.redhat.com/en/documentation/openshift_container_platform/{docs}/html/machine_configuration/mco-update-boot-skew-mgmt"
        ),
    };
    Some(Blocked::BootImages { why })
}

/// What is wrong with boot images, as a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OldBootImages {
    /// They were not updated.
    NotUpdated(String),
    /// They are older than what is accepted.
    TooOld(String),
}

/// How old boot images are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BootImages {
    /// They are new enough.
    Accepted,
    /// They are too old.
    Old(OldBootImages),
    /// It is not known, for this reason.
    Unknown(String),
}

/// How old boot images are, as far as the cluster records it (R-UPGRADE-4, R-UPGRADE-5).
pub(crate) fn age_of_boot_images(status: &MachineConfigurationStatus) -> BootImages {
    let unknown = |why: &str| BootImages::Unknown(why.to_owned());
    let Some(skew) = &status.boot_image_skew_enforcement_status else {
        return unknown("MachineConfiguration cluster has no bootImageSkewEnforcementStatus");
    };
    let mut unsettled = None;
    let recorded = match skew.mode.as_str() {
        "Automatic" => {
            let conditions = status.conditions.as_deref().unwrap_or_default();
            if let Some(failed) = find_true(conditions, BOOT_IMAGE_UPDATE_DEGRADED) {
                let why = format!("boot image controller is degraded: {}", failed.message);
                return BootImages::Old(OldBootImages::NotUpdated(why));
            }
            unsettled = match find(conditions, BOOT_IMAGE_UPDATE_PROGRESSING) {
                None => Some("nothing says whether they are being updated"),
                Some(condition) => (condition.status == TRUE).then_some("they are being updated"),
            };
            skew.automatic.as_ref().map(|found| (&found.release_version, &found.os_version))
        }
        "Manual" => skew.manual.as_ref().map(|given| (&given.release_version, &given.os_version)),
        mode => return BootImages::Unknown(format!("in mode {mode} of boot image skew enforcement none is recorded")),
    };
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let recorded = recorded.map(|(release, os)| (filled(release), filled(os))).unwrap_or_default();
    let (version, old) = match recorded {
        (Some(release), _) => (release.clone(), old_release(&release)),
        (None, Some(os)) => (os.clone(), old_os(&os)),
        (None, None) => {
            return unknown("the bootImageSkewEnforcementStatus of MachineConfiguration cluster names no version");
        }
    };
    match (old, unsettled) {
        (None, _) => BootImages::Unknown(format!("the recorded version {version:?} cannot be read")),
        (Some(None), _) => BootImages::Accepted,
        (Some(Some(what)), None) => BootImages::Old(OldBootImages::TooOld(what)),
        (Some(Some(_)), Some(why)) => {
            BootImages::Unknown(format!("{version} is recorded, which is too old, and {why}"))
        }
    }
}

/// What is too old about a release; absent if nothing is. Absent as a whole if the version cannot be read.
fn old_release(version: &str) -> Option<Option<String>> {
    let numbers: Option<Vec<u32>> =
        version.split(['-', '+']).next()?.split('.').map(|part| part.parse().ok()).collect();
    let [major, minor, patch] = numbers?.try_into().ok()?;
    Some(([major, minor, patch] < OLDEST_RELEASE).then(|| {
        let [a, b, c] = OLDEST_RELEASE;
        format!(
            "the cluster is using OCP boot image version {version}, which is below the minimum required version {a}.{b}.{c}"
        )
    }))
}

/// As [`old_release`]. The OS version inside a boot image's version: `9.6.20250523-0` starts with it, `414.92.202310210434-0` has it in the
/// middle.
fn old_os(version: &str) -> Option<Option<String>> {
    let parts: Vec<&str> = version.split('.').collect();
    let [first, second, third, ..] = parts[..] else { return None };
    let os = match third.split('-').next()?.len() {
        8 => format!("{first}.{second}"),
        12 => format!("{}.{}", second.get(..1)?, second.get(1..).filter(|rest| !rest.is_empty())?),
        _ => return None,
    };
    let (major, minor) = os.split_once('.')?;
    let number = [major.parse().ok()?, minor.parse().ok()?];
    Some((number < OLDEST_OS).then(|| {
        let [a, b] = OLDEST_OS;
        format!(
            "the cluster is using RHCOS boot image version {version}(RHEL version: {os}), which is below the minimum \
             required RHEL version {a}.{b}"
        )
    }))
}

impl Blocked {
    /// Reason of the condition.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::DegradedPool => "DegradedPool",
            Self::InterruptedBuild => "InterruptedBuild",
            Self::RetainedStreams { .. } => "RetainedStreamInUse",
            Self::NotAdopted(_) => "GeneratedConfigsNotAdopted",
            Self::BootImages { .. } => "ClusterBootImageSkewError",
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DegradedPool => f.write_str(
                "One or more machine config pools are degraded, please see `oc get mcp` for further details and resolve before upgrading",
            ),
            Self::InterruptedBuild => f.write_str(
                "One or more machine config pools' builds have been interrupted, please see `oc get mcp` for further details and resolve before upgrading",
            ),
            Self::RetainedStreams { used, available } => {
                let each: Vec<_> =
                    used.iter().map(|(stream, by)| format!("{stream} by {}", by.join(", "))).collect();
                write!(
                    f,
                    "OS image streams that this release no longer carries are in use: {}; move to {} before upgrading",
                    each.join("; "),
                    available.join(" or ")
                )?;
                let image = used.values().flatten().any(|user| user.starts_with(OF_IMAGE));
                f.write_str(if image { "; an OS image is built anew by that" } else { "" })
            }
            Self::NotAdopted(why) | Self::BootImages { why } => f.write_str(why),
        }
    }
}
