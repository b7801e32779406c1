//! What the world is once a cluster is updated to a release, and what is in the way of that.
//!
//! R-UPDATE-1 The OSImageStream becomes what the controllers make of the release (R-CATALOG), with the default and the streams in use as
//! they are. A release that has no catalogue, or contradicts the distribution (R-MISMATCH), is refused: its controllers would stop.
//! R-UPDATE-2 The ControllerConfig names the release and those of its images that it named of the one before. What the release's operator
//! would find out otherwise about the cluster is not known; everything else stays.
//! R-UPDATE-3 The features are those that the FeatureGate lists for the release. Where it lists none, those of the present release are
//! taken, which is said.
//! R-UPDATE-4 MachineConfigs of templates are generated from those of the release (R-REGENERATE-4).
//! R-UPDATE-5 A release is reached from the one before it only: one that skips a minor version or is older is in the way.
//! R-UPDATE-6 So is a node whose kubelet is more than [`KUBELETS`] minor versions older than the release's API server, or newer than it.
//!
//! Sources: <https://kubernetes.io/releases/version-skew-policy/> for R-UPDATE-6; for R-UPDATE-5 "Understanding OpenShift updates" in the
//! documentation of OpenShift; `install/0000_80_machine-config_02_images.configmap.yaml` of
//! github.com/openshift/machine-config-operator for the tags of images.

use super::{
    change::{Changed, Happens, Reference, Refused},
    finding::{Code, Finding},
};
use crate::{
    objects::counted::Count,
    rollout::listed,
    stream::{
        catalog::{Catalog, CatalogError, DefaultReason, Existing, Input, Source, catalog},
        former::former_after,
        mismatch::{MismatchView, clause, mismatches},
        release::installed_version,
    },
    world::{World, generated::ReleaseTemplates},
};
use std::{collections::BTreeMap, sync::Arc};
use weir_api::{
    ClusterVersion, OSImageStream,
    cluster_version::Release,
    feature_gate::FeatureGateDetails,
    keys::{
        config::{FORMER_STREAMS, RELEASE_IMAGE_VERSION, RELEASE_PAYLOAD_IMAGE, RETAINED_STREAMS},
        names::{CLUSTER, VERSION},
    },
    kind::CONFIG_GROUP,
    os_image_stream::{OSImageStreamSpec, OSImageStreamStatus},
};
use weir_distro::{Profile, ReleaseVersion};

/// How many minor versions a kubelet may be older than the API server (R-UPDATE-6).
pub const KUBELETS: u32 = 3;

/// Keys of the images that the ControllerConfig names for templates, and the tags that a release has them under.
const IMAGES: [(&str, &str); 9] = [
    ("machineConfigOperator", "machine-config-operator"),
    ("apiServerWatcherKey", "machine-config-operator"),
    ("infraImageKey", "pod"),
    ("keepalivedImage", "keepalived-ipfailover"),
    ("corednsImage", "coredns"),
    ("haproxyImage", "haproxy-router"),
    ("baremetalRuntimeCfgImage", "baremetal-runtimecfg"),
    ("kubeRbacProxyImage", "kube-rbac-proxy"),
    ("dockerRegistryImage", "docker-registry"),
];

/// A release, as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Payload {
    /// Pull spec of its image.
    pub image: String,
    /// Its version.
    pub version: String,
    /// Its tags, and the pull specs of those that are images.
    pub tags: BTreeMap<String, Option<String>>,
    /// Its operating systems.
    pub source: Source,
    /// Its templates.
    pub templates: ReleaseTemplates,
    /// Version of its API server; absent if it does not say.
    pub kubernetes: Option<ReleaseVersion>,
}

impl Payload {
    fn tag(&self, name: &str) -> Option<&str> {
        self.tags.get(name)?.as_deref()
    }
}

/// Makes the world that of a cluster that was updated to a release. What is not known of that is added to `unknown`.
///
/// # Errors
/// When the cluster's controllers would not go to this release (R-UPDATE-1).
pub(super) fn update(world: &mut World, release: &Payload, unknown: &mut Vec<String>) -> Result<Changed, Refused> {
    let profile = world.distribution().ok_or_else(|| Refused::NoDistribution(release.version.clone()))?;
    let tags: Vec<&str> = release.tags.keys().map(String::as_str).collect();
    let misfit = |several: &[String]| {
        let found =
            mismatches(&MismatchView { profile, payload_tags: &tags, several_streams: several, feature_set: None });
        (!found.is_empty())
            .then(|| Refused::OtherDistribution { release: release.version.clone(), why: clause(profile, &found) })
    };
    if let Some(refused) = misfit(&[]) {
        return Err(refused);
    }
    features(world, &release.version, unknown);
    if !world.whole && world.settings.secrets.is_empty() {
        unknown.push(
            "what Secrets would change: there are none among the files, and machines keep the logins that they have"
                .to_owned(),
        );
    }
    if world.has_streams()? {
        let made = make(world, profile, release).map_err(|error| match &error {
            CatalogError::SeveralStreams(names) => misfit(names).unwrap_or(Refused::Catalog(error)),
            _ => Refused::Catalog(error),
        })?;
        take(world, &made, release);
    }
    configure(world, profile, release);
    Ok(desire(world, release))
}

/// R-UPDATE-3.
fn features(world: &mut World, version: &str, unknown: &mut Vec<String>) {
    let present = world.gate_list().ok().cloned();
    world.release = Some(version.to_owned());
    let Some(object) = world.feature_gate.as_mut() else { return };
    let listed = object.status.iter().flat_map(|status| &status.feature_gates).any(|list| list.version == version);
    if let (false, Some(present)) = (listed, present) {
        let list = FeatureGateDetails { version: version.to_owned(), ..present };
        Arc::make_mut(object).status.get_or_insert_default().feature_gates.push(list);
        unknown.push(format!(
            "which features release {version} has: the FeatureGate lists none for it, so those of the present release are taken"
        ));
    }
}

/// R-UPDATE-1.
fn make(world: &World, profile: &Profile, release: &Payload) -> Result<Catalog, CatalogError> {
    let installed = world.version.as_deref().and_then(installed_version);
    let input = Input {
        sources: vec![release.source.clone()],
        existing: world.streams.as_deref().map_or_else(Existing::default, Existing::of),
        in_use: &world.streams_in_use(),
        installed: installed.or_else(|| release.version.parse().ok()),
    };
    catalog(profile, input)
}

fn take(world: &mut World, made: &Catalog, release: &Payload) {
    let object = world
        .streams
        .get_or_insert_with(|| Arc::new(OSImageStream::named(CLUSTER, OSImageStreamSpec::asking_for(&made.default))));
    let object = Arc::make_mut(object);
    let listed: Vec<&str> = made.streams.iter().map(|stream| stream.set.name.as_str()).collect();
    let former = former_after(Some(&*object), &listed);
    if matches!(made.because, DefaultReason::Followed { .. }) {
        object.spec.default_stream.clone_from(&made.default);
    }
    object.status = Some(OSImageStreamStatus {
        available_streams: made.available_streams(),
        default_stream: made.default.clone(),
        ..object.status.take().unwrap_or_default()
    });
    let marks = object.metadata.annotations.get_or_insert_default();
    marks.insert(RELEASE_PAYLOAD_IMAGE.to_owned(), release.image.clone());
    let retained: Vec<&str> = made.retained().collect();
    let retained = (!retained.is_empty()).then(|| retained.join(","));
    for (key, value) in [(RETAINED_STREAMS, retained), (FORMER_STREAMS, former)] {
        match value {
            Some(value) => _ = marks.insert(key.to_owned(), value),
            None => _ = marks.remove(key),
        }
    }
}

/// R-UPDATE-2.
fn configure(world: &mut World, profile: &Profile, release: &Payload) {
    let Some(object) = world.controller_config.as_mut() else { return };
    let object = Arc::make_mut(object);
    let marks = object.metadata.annotations.get_or_insert_default();
    marks.insert(RELEASE_IMAGE_VERSION.to_owned(), release.version.clone());
    let (spec, layout) = (&mut object.spec, &profile.payload);
    spec.release_image.clone_from(&release.image);
    for (key, tag) in IMAGES {
        if let (Some(held), Some(image)) = (spec.images.get_mut(key), release.tag(tag)) {
            image.clone_into(held);
        }
    }
    let of_os = [
        (&mut spec.base_os_container_image, &layout.base_os_tag),
        (&mut spec.base_os_extensions_container_image, &layout.base_extensions_tag),
    ];
    for (held, tag) in of_os {
        if let Some(image) = release.tag(tag).filter(|_| !held.is_empty()) {
            image.clone_into(held);
        }
    }
}

fn desire(world: &mut World, release: &Payload) -> Changed {
    let object = Reference {
        group: CONFIG_GROUP.to_owned(),
        kind: "ClusterVersion".to_owned(),
        namespace: String::new(),
        name: VERSION.to_owned(),
    };
    let Some(held) = world.version.as_mut() else { return Changed { object, what: Happens::Changed } };
    let desired = Release { version: release.version.clone(), image: release.image.clone(), ..Release::default() };
    let status = Arc::make_mut(held).status.get_or_insert_default();
    let is_there = (&status.desired.version, &status.desired.image) == (&desired.version, &desired.image);
    status.desired = desired;
    Changed { object, what: if is_there { Happens::Unchanged } else { Happens::Changed } }
}

/// What is in the way of an update to this release.
pub(super) fn findings(before: &World, release: &Payload) -> Vec<Finding> {
    let mut found = Vec::new();
    let present =
        before.version.as_deref().and_then(|version: &ClusterVersion| Some(&version.status.as_ref()?.desired));
    if let Some((present, why)) =
        present.and_then(|present| Some((present, skips(&present.version, &release.version)?)))
    {
        let remedy = match why {
            Skips::Older => "clusters do not go back; mend what is wrong, or install the older release anew",
            Skips::Minor => "update to a release of the next minor version first",
        };
        let said = match why {
            Skips::Older => "is older than the one that the cluster runs",
            Skips::Minor => "skips a minor version",
        };
        let evidence = vec![format!("ClusterVersion {VERSION}: status.desired.version {}", present.version)];
        let said = format!("release {} {said}, {}", release.version, present.version);
        found.push(Finding::of(Code::VersionSkew, None, said, remedy.to_owned()).seen_in(evidence));
    }
    found.extend(release.kubernetes.and_then(|server| kubelets(before, server)));
    found
}

enum Skips {
    Older,
    Minor,
}

/// R-UPDATE-5. Of another major version it is not known which minor versions precede it.
fn skips(present: &str, wanted: &str) -> Option<Skips> {
    let (from, to): (ReleaseVersion, ReleaseVersion) = (present.parse().ok()?, wanted.parse().ok()?);
    match (from.major == to.major, from > to, to.minor.saturating_sub(from.minor)) {
        (_, true, _) => Some(Skips::Older),
        (true, false, 2..) => Some(Skips::Minor),
        _ => None,
    }
}

/// R-UPDATE-6.
fn kubelets(before: &World, server: ReleaseVersion) -> Option<Finding> {
    let (mut odd, mut versions) = (Vec::new(), Vec::new());
    for node in &before.nodes {
        let Some(info) = node.status.as_ref().and_then(|status| status.node_info.as_ref()) else { continue };
        let Ok(kubelet) = info.kubelet_version.parse::<ReleaseVersion>() else { continue };
        let fits = kubelet <= server && (kubelet.major, kubelet.minor + KUBELETS) >= (server.major, server.minor);
        if !fits {
            odd.push(node.metadata.name.as_deref().unwrap_or_default());
            versions.push(kubelet);
        }
    }
    let (oldest, number) = (versions.iter().min()?, odd.len());
    let found = format!(
        "the release's API server is {server}, and the kubelets of {} do not go with it: {oldest}",
        Count(number, "node")
    );
    let remedy = format!(
        "update these nodes first: kubelets may be {KUBELETS} minor versions older than the API server, and not newer"
    );
    Some(Finding::of(Code::VersionSkew, None, found, remedy).seen_in(vec![listed(odd)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_reached_from_the_one_before_it() {
        for (from, to, wanted) in [
            ("4.20.1", "4.20.9", ""),
            ("4.20.9", "4.20.1", ""),
            ("4.20.1", "4.21.0", ""),
            ("4.20.1", "4.22.0", "minor"),
            ("4.21.0", "4.20.5", "older"),
            ("4.22.0", "5.0.0", ""),
            ("5.0.0", "4.22.0", "older"),
            ("4.21.0-okd-scos.1", "4.23.0-okd-scos.0", "minor"),
            ("odd", "4.20.0", ""),
        ] {
            let said = match skips(from, to) {
                None => "",
                Some(Skips::Older) => "older",
                Some(Skips::Minor) => "minor",
            };
            assert_eq!(said, wanted, "{from} {to}");
        }
    }
}
