//! What a build's Job left: a digest that can be believed, or why there is none.
//!
//! R-OUTCOME-1 A failed build says why its first try failed, in the pod's own words: the last output of the failed container.
//! Later tries are counted, and the last one is quoted if it failed for another reason. The first reason is kept, since its pod may
//! be gone by the end.
//! R-OUTCOME-2 The digest is read from the build's ConfigMap, which must have this build's labels; the value must be a digest.
//! R-OUTCOME-3 Whoever may write ConfigMaps could put another digest there. It is trusted only when the labels of that image, read from
//! the registry, say that it was built for this pool, from this rendered MachineConfig, on this base. (The reference trusts it.)
//! R-OUTCOME-4 A Job that disappears before it is done was deleted: its build is interrupted, and says how to get another one.
//!
//! Source: "Pod" and "Job" of the Kubernetes API reference; `pkg/controller/build/imagebuilder` of
//! github.com/openshift/machine-config-operator.

use super::{
    containerfile::label,
    identity::{Made, labels_of_made, without_tag},
    inputs::key,
};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, ContainerStateTerminated, Pod},
};
use std::collections::BTreeMap;
use weir_api::{
    MachineOSBuild,
    keys::{
        build::{REBUILD, TARGET_POOL},
        names::OPERATOR_NAMESPACE,
    },
};

/// Hexadecimal digits of a SHA-256 digest.
const DIGITS: usize = 64;

/// A try that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// A container ended.
    #[error("{said}")]
    Container {
        /// What it printed last, or what its end was called.
        said: String,
    },
    /// The pod was ended from outside.
    #[error("pod {pod} was ended: {said}")]
    Pod {
        /// The pod.
        pod: String,
        /// By what.
        said: String,
    },
}

/// Why the tries of a Job failed, the oldest first.
#[must_use]
pub fn causes(job: &Job, pods: &[&Pod]) -> Vec<Cause> {
    own(job, pods).into_iter().filter_map(cause).collect()
}

/// The pods of a Job, the oldest first.
pub(super) fn own<'a>(job: &Job, pods: &[&'a Pod]) -> Vec<&'a Pod> {
    let uid = job.metadata.uid.as_deref();
    let is_own = |pod: &&&Pod| {
        let owners = pod.metadata.owner_references.iter().flatten();
        owners.into_iter().any(|owner| Some(owner.uid.as_str()) == uid)
    };
    let mut own: Vec<&Pod> = pods.iter().filter(is_own).copied().collect();
    own.sort_by_key(|pod| (pod.metadata.creation_timestamp.clone(), pod.metadata.name.clone()));
    own
}

fn cause(pod: &Pod) -> Option<Cause> {
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref() == Some("Failed"))?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let mut ended = containers.filter_map(|status| Some((&status.name, status.state.as_ref()?.terminated.as_ref()?)));
    if let Some((name, end)) = ended.find(|(_, end)| end.exit_code != 0) {
        return Some(Cause::Container { said: last_words(name, end) });
    }
    let said = [&status.reason, &status.message].into_iter().flatten().filter(|text| !text.is_empty());
    let said: Vec<&str> = said.map(String::as_str).collect();
    let said = if said.is_empty() { "nobody said why".to_owned() } else { said.join(": ") };
    Some(Cause::Pod { pod: pod.metadata.name.clone().unwrap_or_default(), said })
}

fn last_words(container: &str, end: &ContainerStateTerminated) -> String {
    match end.message.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(said) => said.to_owned(),
        None => {
            let reason = end.reason.as_deref().unwrap_or("Error");
            format!("container {container} ended with exit code {} ({reason}) and printed nothing", end.exit_code)
        }
    }
}

/// What a build says that nothing runs for yet: what keeps it from starting. Absent when there is nothing to say.
#[must_use]
pub fn still_prepared(pending: Option<&str>) -> Option<String> {
    pending.map(|pending| format!("{NOT_BEGUN}{pending}"))
}

/// What a build under way says of its tries: why the first one failed, and what keeps the one at hand from starting. Absent when there
/// is nothing to say.
#[must_use]
pub fn still_building(first: Option<&str>, pending: Option<&str>) -> Option<String> {
    match (first, pending) {
        (None, None) => None,
        (Some(first), None) => Some(format!("{RETRIED}{first}")),
        (None, Some(pending)) => Some(format!("{WAITS}{pending}")),
        (Some(first), Some(pending)) => Some(format!("{RETRIED}{first}{NEXT_WAITS}{pending}")),
    }
}

const NOT_BEGUN: &str = "Build Prepared and Pending; it does not start: ";
const RETRIED: &str = "Image Build In Progress; the first try failed: ";
const WAITS: &str = "Image Build In Progress; it does not start: ";
const NEXT_WAITS: &str = "\n(the next try does not start) ";

/// What a build under way kept of its first try.
#[must_use]
pub fn first_of(message: &str) -> Option<&str> {
    let said = message.strip_prefix(RETRIED)?;
    Some(said.rsplit_once(NEXT_WAITS).map_or(said, |(first, _)| first))
}

/// What a build says, before it is done, of why it does not start.
#[must_use]
pub fn pending_of(message: &str) -> Option<&str> {
    let next = || Some(message.strip_prefix(RETRIED)?.rsplit_once(NEXT_WAITS)?.1);
    message.strip_prefix(NOT_BEGUN).or_else(|| message.strip_prefix(WAITS)).or_else(next)
}

/// Why a build failed (R-OUTCOME-1). `kept` is what was said of the first try when it failed, `tries` how often was tried.
#[must_use]
pub fn failure(causes: &[Cause], kept: Option<&str>, tries: i32, job: &str) -> String {
    let words: Vec<String> = causes.iter().map(ToString::to_string).collect();
    let Some(first) = kept.or(words.first().map(String::as_str)) else {
        return format!("Job {job} failed, and none of its pods is left to say why");
    };
    let mut text = first.to_owned();
    if tries > 1 {
        text.push_str(&format!("\n(tried {tries} times)"));
    }
    if let Some(last) = words.last().filter(|last| *last != first) {
        text.push_str(&format!("\nthe last try failed otherwise: {last}"));
    }
    text
}

/// What is said of a build whose Job was deleted (R-OUTCOME-4).
#[must_use]
pub fn interrupted(job: &str, config: &str) -> String {
    format!(
        "Job {job} was deleted before it was done; for another build: annotate machineosconfig {config} {REBUILD}= --overwrite"
    )
}

/// Why a digest is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDigest {
    /// There is none.
    #[error("the build left no digest in ConfigMap {OPERATOR_NAMESPACE}/{0}, although its Job succeeded")]
    Missing(String),
    /// It is none.
    #[error("ConfigMap {OPERATOR_NAMESPACE}/{map} holds {found:?} instead of a digest: somebody else wrote it")]
    Form {
        /// The ConfigMap.
        map: String,
        /// The beginning of what it holds.
        found: String,
    },
    /// The ConfigMap is not this build's.
    #[error("ConfigMap {OPERATOR_NAMESPACE}/{0} does not have the labels of this build: somebody else wrote it")]
    Labels(String),
    /// There is no such image.
    #[error(
        "ConfigMap {OPERATOR_NAMESPACE}/{map} names {image}, which is not in its registry: the registry did not keep what was pushed, or somebody else wrote the digest"
    )]
    Gone {
        /// The ConfigMap.
        map: String,
        /// Pull spec with digest.
        image: String,
    },
    /// The image is another one.
    #[error(
        "ConfigMap {OPERATOR_NAMESPACE}/{map} names {image}, whose label {label} is {found:?} instead of {wanted:?}: it was not built for this pool and configuration; end the Containerfile with a stage that begins with \"FROM configs\" and leaves this label alone, or find out who else writes that ConfigMap"
    )]
    Other {
        /// The ConfigMap.
        map: String,
        /// Pull spec with digest.
        image: String,
        /// The label.
        label: &'static str,
        /// Its value; empty without one.
        found: String,
        /// What it should be.
        wanted: String,
    },
}

/// The image that a build's ConfigMap names, by digest (R-OUTCOME-2).
///
/// # Errors
/// When it cannot be what the build's Job wrote.
pub fn image(build: &MachineOSBuild, map: Option<&ConfigMap>) -> Result<String, NoDigest> {
    let name = map_of(build);
    let Some(map) = map else { return Err(NoDigest::Missing(name)) };
    let labels = map.metadata.labels.clone().unwrap_or_default();
    if labels_of_made(build).iter().any(|(key, value)| labels.get(key) != Some(value)) {
        return Err(NoDigest::Labels(name));
    }
    let digest = map.data.as_ref().and_then(|data| data.get(key::DIGEST)).map(|text| text.trim()).unwrap_or_default();
    if digest.is_empty() {
        return Err(NoDigest::Missing(name));
    }
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() != DIGITS || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(NoDigest::Form { map: name, found: digest.chars().take(DIGITS).collect() });
    }
    Ok(format!("{}@{digest}", without_tag(&build.spec.rendered_image_push_spec)))
}

/// Whether an image is what was to be built, from its labels in the registry; absent labels when it is not there (R-OUTCOME-3).
///
/// # Errors
/// When it is not.
pub fn check(
    build: &MachineOSBuild,
    base: &str,
    image: &str,
    labels: Option<&BTreeMap<String, String>>,
) -> Result<(), NoDigest> {
    let (map, image) = (map_of(build), image.to_owned());
    let Some(labels) = labels else { return Err(NoDigest::Gone { map, image }) };
    let pool = build.metadata.labels.as_ref().and_then(|labels| labels.get(TARGET_POOL)).cloned().unwrap_or_default();
    let wanted = [
        (label::RENDERED, build.spec.machine_config.name.clone()),
        (label::POOL, pool),
        (label::BASE, base.to_owned()),
    ];
    for (label, wanted) in wanted {
        let found = labels.get(label).cloned().unwrap_or_default();
        if found != wanted {
            return Err(NoDigest::Other { map, image, label, found, wanted });
        }
    }
    Ok(())
}

fn map_of(build: &MachineOSBuild) -> String {
    Made::Digest.name(build.metadata.name.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            identity::labels_of_made,
            inputs::{for_digest, tests::begun},
        },
        *,
    };
    use serde_json::{Value, json};

    fn job() -> Job {
        serde_json::from_value(json!({"metadata": {"name": "build-b", "uid": "j1"}})).unwrap()
    }

    fn pod(name: &str, owner: &str, status: &Value) -> Pod {
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "build-b", "uid": owner});
        let metadata = json!({"name": name, "ownerReferences": [owner]});
        serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
    }

    fn ended(container: &str, code: i32, message: &str) -> Value {
        json!({"name": container, "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": code, "reason": "Error", "message": message}}})
    }

    fn failed(message: &str) -> Value {
        let init = [ended("program", 0, "")];
        json!({"phase": "Failed", "initContainerStatuses": init, "containerStatuses": [ended("image-build", 1, message)]})
    }

    #[test]
    fn the_first_cause_is_told_in_its_own_words_however_often_was_tried() {
        let pods = [
            pod("a", "j1", &failed("STEP 3/9: RUN false\nerror: exit status 1\n")),
            pod("b", "j1", &failed("no space left on device")),
            pod("c", "other", &failed("of another Job")),
            pod("d", "j1", &json!({"phase": "Running"})),
        ];
        let pods: Vec<&Pod> = pods.iter().collect();
        let found = causes(&job(), &pods);
        assert_eq!(found.len(), 2);
        let said = failure(&found, None, 4, "build-b");
        let expected = "STEP 3/9: RUN false\nerror: exit status 1\n(tried 4 times)\n\
                        the last try failed otherwise: no space left on device";
        assert_eq!(said, expected);
        // Its pod is gone by now.
        let kept = still_building(Some(&found[0].to_string()), None).unwrap();
        assert_eq!(failure(&found[1..], first_of(&kept), 4, "build-b"), expected);
        assert_eq!(failure(&found[..1], None, 1, "build-b"), "STEP 3/9: RUN false\nerror: exit status 1");
        assert!(failure(&[], None, 4, "build-b").contains("none of its pods is left"));
    }

    #[test]
    fn what_a_build_under_way_says_is_read_back() {
        for (first, pending) in
            [(None, None), (Some("a\nb"), None), (None, Some("no image")), (Some("a\nb"), Some("no image"))]
        {
            let said = still_building(first, pending);
            assert_eq!(said.is_none(), (first, pending) == (None, None));
            let said = said.unwrap_or_default();
            assert_eq!((first_of(&said), pending_of(&said)), (first, pending), "{said}");
        }
        let said = still_prepared(Some("no pod")).unwrap();
        assert_eq!((first_of(&said), pending_of(&said), still_prepared(None)), (None, Some("no pod"), None));
    }

    #[test]
    fn ends_without_words_are_told_as_well() {
        for (status, says) in [
            (failed(" "), "container image-build ended with exit code 1 (Error) and printed nothing"),
            (
                json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}),
                "pod p was ended: Evicted: low on memory",
            ),
            (json!({"phase": "Failed"}), "pod p was ended: nobody said why"),
        ] {
            let pod = pod("p", "j1", &status);
            assert_eq!(causes(&job(), &[&pod])[0].to_string(), says);
        }
    }

    #[test]
    fn a_digest_is_this_builds_or_none() {
        let (build, ..) = begun();
        let with = |digest: &str| {
            let mut map = for_digest(&build);
            map.data = Some([(key::DIGEST.to_owned(), digest.to_owned())].into());
            map
        };
        let good = format!("sha256:{}", "a".repeat(64));
        let found = image(&build, Some(&with(&format!("{good}\n")))).unwrap();
        assert_eq!(found, format!("quay.io/org/os@{good}"));
        assert!(matches!(image(&build, None), Err(NoDigest::Missing(_))));
        assert!(matches!(image(&build, Some(&for_digest(&build))), Err(NoDigest::Missing(_))));
        for bad in ["sha256:a", &good.to_uppercase(), &format!("{good}a"), &good.replace("sha256", "sha512")] {
            assert!(matches!(image(&build, Some(&with(bad))), Err(NoDigest::Form { .. })), "{bad}");
        }
        let mut other = with(&good);
        other.metadata.labels = Some(labels_of_made(&build).into_iter().skip(1).collect());
        assert!(matches!(image(&build, Some(&other)), Err(NoDigest::Labels(_))));
    }

    #[test]
    fn an_image_that_was_built_for_something_else_is_not_believed() {
        let (build, ..) = begun();
        let rendered = build.spec.machine_config.name.clone();
        let labels = |rendered: &str, pool: &str, base: &str| -> BTreeMap<String, String> {
            let all = [(label::RENDERED, rendered), (label::POOL, pool), (label::BASE, base)];
            all.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
        };
        let check = |labels: Option<&BTreeMap<String, String>>| check(&build, "base@1", "i@1", labels);
        assert_eq!(check(Some(&labels(&rendered, "worker", "base@1"))), Ok(()));
        assert!(matches!(check(None), Err(NoDigest::Gone { .. })));
        for (found, label) in [
            (labels("rendered-worker-0", "worker", "base@1"), label::RENDERED),
            (labels(&rendered, "infra", "base@1"), label::POOL),
            (labels(&rendered, "worker", "base@2"), label::BASE),
            (BTreeMap::new(), label::RENDERED),
        ] {
            let said = check(Some(&found)).unwrap_err();
            assert!(said.to_string().contains(label) && said.to_string().contains("not built for this pool"), "{said}");
        }
    }
}
