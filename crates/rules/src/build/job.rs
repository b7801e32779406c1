//! The Job that builds an image, and what its pod may do.
//!
//! R-JOB-1 Name, labels, owner and number of tries are those of the reference, so that either operator continues with the
//! other's Jobs.
//! R-JOB-2 Its pod copies the program out of weir's own image and runs it in an image that has buildah: the release's image of the
//! machine config operator, or the one that is named for it.
//! R-JOB-3 What the build reads is mounted below one folder, each thing in a folder of its own ([`mount`]). Only what is there is
//! mounted.
//! R-JOB-4 The pod has an account of its own, and a role that allows reading and changing the ConfigMap for this build's digest, and
//! nothing else. The role is deleted with the Job. (The reference's pods may do whatever its builder may.)
//! R-JOB-5 When the pod fails, its last lines of output become its termination message.
//! R-JOB-6 The cluster's proxy is passed on.
//! R-JOB-7 A try whose pod was evicted does not count: drains of nodes are part of an update, and take any number of tries along.
//!
//! Source: `pkg/controller/build/imagebuilder` of github.com/openshift/machine-config-operator; "Job" of the Kubernetes API
//! reference.

use super::{
    identity::{Made, labels_of_made},
    inputs::{named, of_build},
    progress::RETRIES,
};
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::ConfigMap,
        rbac::v1::{Role, RoleBinding},
    },
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use serde_json::{Value, json};
use weir_api::{
    ControllerConfig, MachineOSBuild,
    docker_config::SECRET_KEYS,
    keys::{
        config_maps::IMAGES,
        names::{BUILD_PODS, OPERATOR_NAMESPACE},
    },
};

/// Service account of the pods.
pub const ACCOUNT: &str = BUILD_PODS;
/// Container that copies the program.
pub const PROGRAM: &str = "program";
/// Container that builds.
pub const BUILD: &str = "image-build";
/// Folder below which everything that the build reads is mounted.
pub const INPUT: &str = "/input";
/// Program that the pod runs.
const PATH: &str = "/program/weir";
/// Where buildah of root, and of another user, keeps layers.
const STORAGE: [&str; 2] = ["/var/lib/containers", "/home/build/.local/share/containers"];
/// Seconds that a pod gets to end its work.
const GRACE_SECONDS: u32 = 10;
const RBAC: &str = "rbac.authorization.k8s.io";
/// Label by which a Job, and those who look for its pods, know them.
pub const JOB_NAME: &str = "batch.kubernetes.io/job-name";

/// Folders below [`INPUT`].
pub mod mount {
    /// The Containerfile.
    pub const CONTAINERFILE: &str = "containerfile";
    /// The rendered MachineConfig.
    pub const MACHINE_CONFIG: &str = "machineconfig";
    /// The login to pull with, as [`CONFIG`].
    pub const PULL: &str = "pull";
    /// The login to push with, as [`CONFIG`].
    pub const PUSH: &str = "push";
    /// The administrator's certificates.
    pub const TRUST: &str = "trust";
    /// The policy for signatures.
    pub const POLICY: &str = "policy";
    /// The configuration of registries.
    pub const REGISTRIES: &str = "registries";
    /// The nodes' subscription.
    pub const ENTITLEMENT: &str = "entitlement";
    /// Repositories of packages.
    pub const YUM_REPOS: &str = "yum-repos";
    /// Keys of packages.
    pub const GPG_KEYS: &str = "gpg";
    /// File with a login.
    pub const CONFIG: &str = "config.json";
}

/// What the operator's namespace has for packages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Optional {
    /// Secret with the subscription of the pool's nodes.
    pub entitlement: bool,
    /// ConfigMap with repositories.
    pub yum_repos: bool,
    /// Secret with keys.
    pub gpg_keys: bool,
}

impl Optional {
    /// ConfigMap with repositories.
    pub const YUM_REPOS: &str = "etc-yum-repos-d";
    /// Secret with keys.
    pub const GPG_KEYS: &str = "etc-pki-rpm-gpg";

    /// Secret with the subscription of a pool's nodes.
    #[must_use]
    pub fn entitlement_of(pool: &str) -> String {
        format!("etc-pki-entitlement-{pool}")
    }
}

/// Images of the pod.
#[derive(Clone, Copy, Debug)]
pub struct PodImages<'a> {
    /// The one that has weir.
    pub program: &'a str,
    /// The one that has buildah.
    pub builder: &'a str,
}

/// What the Job is made from.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The build as the cluster has it, with its uid.
    pub build: &'a MachineOSBuild,
    /// The pool.
    pub pool: &'a str,
    /// Pull spec of the base image.
    pub base: &'a str,
    /// Objects that were made for it.
    pub made: &'a [Made],
    /// What the namespace has for packages.
    pub optional: Optional,
    /// Images of the pod.
    pub images: PodImages<'a>,
    /// The cluster's configuration: its proxy.
    pub cluster: Option<&'a ControllerConfig>,
}

/// The Job.
///
/// # Errors
/// Never for what [`Wanted`] can hold; the objects are written as text first.
pub fn job(wanted: &Wanted<'_>) -> serde_json::Result<Job> {
    let mut metadata = named(wanted.build, Made::Job, wanted.optional);
    metadata.owner_references = Some(vec![of_build(wanted.build, true)]);
    let volumes = volumes(wanted);
    let mut mounts: Vec<Value> = volumes
        .iter()
        .map(|volume| &volume["name"])
        .map(|name| json!({"name": name, "mountPath": format!("{INPUT}/{}", name.as_str().unwrap_or_default())}))
        .collect();
    mounts.push(json!({"name": PROGRAM, "mountPath": "/program", "readOnly": true}));
    mounts.extend(STORAGE.map(|path| json!({"name": "buildah-cache", "mountPath": path})));
    let messages = "FallbackToLogsOnError";
    let program = json!({
        "name": PROGRAM, "image": wanted.images.program, "command": ["weir", "copy-program", PATH],
        "terminationMessagePolicy": messages, "volumeMounts": [{"name": PROGRAM, "mountPath": "/program"}],
    });
    let build = json!({
        "name": BUILD, "image": wanted.images.builder, "command": [PATH], "args": arguments(wanted),
        "env": environment(wanted.cluster), "terminationMessagePolicy": messages, "volumeMounts": mounts,
    });
    let empty = ["buildah-cache", PROGRAM].map(|name| json!({"name": name, "emptyDir": {}}));
    let volumes: Vec<Value> = volumes.into_iter().chain(empty).collect();
    let pod = json!({
        "restartPolicy": "Never", "serviceAccountName": ACCOUNT, "terminationGracePeriodSeconds": GRACE_SECONDS,
        "initContainers": [program], "containers": [build], "volumes": volumes,
    });
    let evicted = json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]});
    let spec = json!({
        "backoffLimit": RETRIES, "completions": 1, "podFailurePolicy": {"rules": [evicted]},
        "template": {"metadata": {}, "spec": pod},
    });
    serde_json::from_value(json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}))
}

/// What the program is told; the labels are those of the ConfigMap for the digest.
fn arguments(wanted: &Wanted<'_>) -> Vec<String> {
    let name = wanted.build.metadata.name.as_deref().unwrap_or_default();
    let labels: Vec<String> =
        labels_of_made(wanted.build).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    [
        "build-image".to_owned(),
        format!("--input={INPUT}"),
        format!("--base={}", wanted.base),
        format!("--push-spec={}", wanted.build.spec.rendered_image_push_spec),
        format!("--digest-configmap={}", Made::Digest.name(name)),
        format!("--labels={}", labels.join(",")),
    ]
    .into()
}

fn environment(cluster: Option<&ControllerConfig>) -> Vec<Value> {
    let proxy = cluster.and_then(|cluster| cluster.spec.proxy.clone()).unwrap_or_default();
    let set = [("HTTP_PROXY", proxy.http_proxy), ("HTTPS_PROXY", proxy.https_proxy), ("NO_PROXY", proxy.no_proxy)];
    let set = set.into_iter().filter(|(_, value)| !value.is_empty());
    let own = [("HOME", "/home/build".to_owned()), ("BUILDAH_ISOLATION", "chroot".to_owned())];
    own.into_iter().chain(set).map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// Volumes named after their folders.
fn volumes(wanted: &Wanted<'_>) -> Vec<Value> {
    let build = wanted.build.metadata.name.as_deref().unwrap_or_default();
    let map = |folder: &str, name: &str| json!({"name": folder, "configMap": {"name": name}});
    let secret = |folder: &str, name: &str| json!({"name": folder, "secret": {"secretName": name}});
    let login = |folder: &str, what: Made| {
        let items = json!([{"key": SECRET_KEYS[0], "path": mount::CONFIG}]);
        json!({"name": folder, "secret": {"secretName": what.name(build), "items": items}})
    };
    let made = wanted.made.iter().filter_map(|what| match what {
        Made::Containerfile => Some(map(mount::CONTAINERFILE, &what.name(build))),
        Made::MachineConfig => Some(map(mount::MACHINE_CONFIG, &what.name(build))),
        Made::TrustBundle => Some(map(mount::TRUST, &what.name(build))),
        Made::Policy => Some(map(mount::POLICY, &what.name(build))),
        Made::Registries => Some(map(mount::REGISTRIES, &what.name(build))),
        Made::BasePullSecret => Some(login(mount::PULL, *what)),
        Made::PushSecret => Some(login(mount::PUSH, *what)),
        Made::Job | Made::Digest => None,
    });
    let Optional { entitlement, yum_repos, gpg_keys } = wanted.optional;
    let packages = [
        entitlement.then(|| secret(mount::ENTITLEMENT, &Optional::entitlement_of(wanted.pool))),
        yum_repos.then(|| map(mount::YUM_REPOS, Optional::YUM_REPOS)),
        gpg_keys.then(|| secret(mount::GPG_KEYS, Optional::GPG_KEYS)),
    ];
    made.chain(packages.into_iter().flatten()).collect()
}

/// The role of the pod, and what gives it to the account (R-JOB-4).
///
/// # Errors
/// As [`job`].
pub fn role(build: &MachineOSBuild) -> serde_json::Result<(Role, RoleBinding)> {
    let metadata = named(build, Made::Job, Optional::default());
    let name = metadata.name.clone().unwrap_or_default();
    let digest = Made::Digest.name(build.metadata.name.as_deref().unwrap_or_default());
    let rule = json!({
        "apiGroups": [""], "resources": ["configmaps"], "resourceNames": [digest], "verbs": ["get", "update", "patch"],
    });
    let role = json!({"apiVersion": format!("{RBAC}/v1"), "kind": "Role", "metadata": metadata, "rules": [rule]});
    let binding = json!({
        "apiVersion": format!("{RBAC}/v1"), "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": OPERATOR_NAMESPACE}],
    });
    Ok((serde_json::from_value(role)?, serde_json::from_value(binding)?))
}

/// Why the image that has buildah is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the image that builds is not known: ConfigMap {OPERATOR_NAMESPACE}/{IMAGES} {0}; name an image that has buildah with --builder-image"
)]
pub struct NoImage(pub String);

/// Key of that ConfigMap, and the image in it.
const IMAGES_KEY: &str = "images.json";
const OPERATOR_IMAGE: &str = "machineConfigOperator";

/// The release's image that has buildah, as its ConfigMap names it.
///
/// # Errors
/// When it does not.
pub fn release_image(map: Option<&ConfigMap>) -> Result<String, NoImage> {
    let why = |why: &str| NoImage(why.to_owned());
    let text = map.ok_or_else(|| why("is missing"))?.data.as_ref().and_then(|data| data.get(IMAGES_KEY));
    let images: Value = serde_json::from_str(text.ok_or_else(|| why("lacks its key images.json"))?)
        .map_err(|error| NoImage(format!("holds no JSON: {error}")))?;
    let image = images.get(OPERATOR_IMAGE).and_then(Value::as_str).filter(|image| !image.is_empty());
    image.map(str::to_owned).ok_or_else(|| why("names no machineConfigOperator"))
}

/// Owner reference to a Job, of what is made for its build.
#[must_use]
pub fn of_job(job: &Job) -> OwnerReference {
    OwnerReference {
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        name: job.metadata.name.clone().unwrap_or_default(),
        uid: job.metadata.uid.clone().unwrap_or_default(),
        controller: Some(false),
        block_owner_deletion: Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::inputs::tests::begun, *};
    use weir_api::controller_config::ProxyStatus;

    #[test]
    fn a_job_as_either_operator_knows_it() {
        let (build, ..) = begun();
        let name = build.metadata.name.clone().unwrap();
        let mut cluster = ControllerConfig::named("machine-config-controller", Default::default());
        cluster.spec.proxy = Some(ProxyStatus { https_proxy: "http://p:1".into(), ..ProxyStatus::default() });
        let wanted = Wanted {
            build: &build,
            pool: "worker",
            base: "os@sha256:1",
            made: &[Made::Containerfile, Made::MachineConfig, Made::PushSecret],
            optional: Optional { gpg_keys: true, ..Optional::default() },
            images: PodImages { program: "weir:1", builder: "mco:1" },
            cluster: Some(&cluster),
        };
        let job = job(&wanted).unwrap();
        assert_eq!(job.metadata.name, Some(format!("build-{name}")));
        let owner = &job.metadata.owner_references.as_ref().unwrap()[0];
        assert_eq!((owner.uid.as_str(), owner.controller, owner.block_owner_deletion), ("b1", Some(true), Some(true)));
        let spec = serde_json::to_value(&job.spec).unwrap();
        assert_eq!((&spec["backoffLimit"], &spec["completions"]), (&json!(3), &json!(1)));
        let evicted = &spec["podFailurePolicy"]["rules"][0];
        assert_eq!(
            (&evicted["action"], &evicted["onPodConditions"][0]["type"]),
            (&json!("Ignore"), &json!("DisruptionTarget"))
        );
        let pod = &spec["template"]["spec"];
        let volumes: Vec<_> = pod["volumes"].as_array().unwrap().iter().map(|v| v["name"].as_str().unwrap()).collect();
        assert_eq!(volumes, ["containerfile", "machineconfig", "push", "gpg", "buildah-cache", "program"]);
        assert_eq!(pod["volumes"][2]["secret"]["secretName"], json!(format!("final-{name}")));
        let container = &pod["containers"][0];
        let arguments = container["args"].as_array().unwrap();
        assert!(arguments.contains(&json!(format!("--digest-configmap=digest-{name}"))), "{arguments:?}");
        assert!(arguments.contains(&json!(format!("--push-spec=quay.io/org/os:{name}"))), "{arguments:?}");
        let variables = container["env"].as_array().unwrap();
        assert!(variables.contains(&json!({"name": "HTTPS_PROXY", "value": "http://p:1"})), "{variables:?}");
        assert!(!variables.iter().any(|variable| variable["name"] == "HTTP_PROXY"));
        assert_eq!(pod["initContainers"][0]["image"], "weir:1");
    }

    #[test]
    fn the_release_says_which_image_builds() {
        let map = |text: &str| ConfigMap {
            data: Some([(IMAGES_KEY.to_owned(), text.to_owned())].into()),
            ..ConfigMap::default()
        };
        assert_eq!(release_image(Some(&map(r#"{"machineConfigOperator":"mco@1"}"#))).as_deref(), Ok("mco@1"));
        for (map, says) in [
            (None, "is missing"),
            (Some(ConfigMap::default()), "lacks its key"),
            (Some(map("x")), "holds no JSON"),
            (Some(map("{}")), "names no"),
        ] {
            let said = release_image(map.as_ref()).unwrap_err().to_string();
            assert!(said.contains(says) && said.contains("--builder-image"), "{said}");
        }
    }

    #[test]
    fn the_pod_may_write_its_digest_and_nothing_else() {
        let (build, ..) = begun();
        let (role, binding) = role(&build).unwrap();
        let rules = role.rules.unwrap();
        let [rule] = rules.as_slice() else { panic!("{rules:?}") };
        assert_eq!(rule.resource_names, Some(vec![Made::Digest.name(build.metadata.name.as_ref().unwrap())]));
        assert_eq!(rule.resources, Some(vec!["configmaps".to_owned()]));
        assert!(!rule.verbs.contains(&"create".to_owned()));
        assert_eq!((binding.role_ref.name, binding.subjects.unwrap().len()), (role.metadata.name.unwrap(), 1));
    }
}
