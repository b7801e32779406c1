//! Recorded configurations of kubelets, case by case: MachineConfigs and what is inside their files, names, finalizers, statuses.

use super::{BUILD, difference, templates::templates};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    APIServer, Class, ControllerConfig, KubeletConfig, MachineConfig, MachineConfigPool, NodeConfig,
    keys::config::NAME_SUFFIX,
};
use weir_distro::ReleaseVersion;
use weir_rules::{
    generated::base::Templates,
    kubelet::{KubeletView, bootstrap::bootstrap, node_config, sync::sync, validate},
    objects::edit::means_same,
};

/// The release that was recorded.
const RELEASE: ReleaseVersion = ReleaseVersion { major: 5, minor: 0 };

/// Cases in which weir differs on purpose, with the first of docs/user/differences.md that says why.
const DIFFERENT: [(&str, &str); 3] = [
    ("kc-118", "`protectKernelDefaults: false`"),
    ("kc-156", "`97-` at bootstrap without nodes.config"),
    ("kc-221", "A MachineConfig that a user made"),
];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Case {
    case: String,
    kind: String,
    overlay: Option<BTreeMap<String, Option<String>>>,
    controller_config: ControllerConfig,
    pools: Vec<MachineConfigPool>,
    kubelet_configs: Vec<KubeletConfig>,
    machine_configs: Vec<MachineConfig>,
    node_config: Option<NodeConfig>,
    api_server: Option<APIServer>,
    enabled: Vec<String>,
    disabled: Vec<String>,
    steps: Vec<Step>,
    results: Vec<Value>,
    result: Option<Value>,
    error: Option<String>,
    user_error: Option<String>,
    static_pod_path_error: Option<String>,
}

#[derive(Deserialize)]
struct Step {
    op: String,
    name: Option<String>,
    object: Option<KubeletConfig>,
}

/// A cluster to which the rules are applied.
struct Cluster<'c> {
    case: &'c Case,
    templates: Templates,
    gates: BTreeMap<String, bool>,
    configs: BTreeMap<String, KubeletConfig>,
    machine_configs: BTreeMap<String, MachineConfig>,
    is_adopting: bool,
}

impl<'c> Cluster<'c> {
    fn new(case: &'c Case) -> Self {
        let off = case.disabled.iter().map(|gate| (gate.clone(), false));
        Self {
            case,
            templates: templates(case.overlay.as_ref(), &case.controller_config, case.api_server.as_ref(), &case.pools),
            gates: off.chain(case.enabled.iter().map(|gate| (gate.clone(), true))).collect(),
            configs: case.kubelet_configs.iter().map(|c| (c.metadata.name.clone().unwrap(), c.clone())).collect(),
            machine_configs: case
                .machine_configs
                .iter()
                .map(|c| (c.metadata.name.clone().unwrap(), c.clone()))
                .collect(),
            is_adopting: true,
        }
    }

    fn look<T>(&self, decide: impl FnOnce(&KubeletView<'_>) -> T) -> T {
        decide(&KubeletView {
            controller_config: Some(&self.case.controller_config),
            pools: &self.case.pools.iter().collect::<Vec<_>>(),
            configs: &self.configs.values().collect::<Vec<_>>(),
            machine_configs: &self.machine_configs.values().collect::<Vec<_>>(),
            templates: &self.templates,
            gates: &self.gates,
            node_config: self.case.node_config.as_ref(),
            build: BUILD,
            release: RELEASE,
            is_adopting: self.is_adopting,
        })
    }

    fn write(&mut self, writes: Vec<MachineConfig>, deletes: &[String]) {
        self.machine_configs.extend(writes.into_iter().map(|c| (c.metadata.name.clone().unwrap(), c)));
        self.machine_configs.retain(|name, _| !deletes.contains(name));
    }

    fn sync(&mut self, name: &str) -> Option<String> {
        let config = self.configs.get(name)?.clone();
        let outcome = self.look(|view| sync(view, &config, Timestamp::UNIX_EPOCH));
        self.write(outcome.writes, &outcome.deletes);
        let config = self.configs.get_mut(name)?;
        if let Some(suffix) = outcome.suffix {
            config.metadata.annotations.get_or_insert_default().insert(NAME_SUFFIX.to_owned(), suffix);
        }
        config.metadata.finalizers = outcome.finalizers.or(config.metadata.finalizers.take());
        config.status = outcome.status.or(config.status.take());
        outcome.error.map(|error| error.to_string())
    }

    fn all(&mut self, number: &str) -> Option<String> {
        let plan = match number {
            "97" => self.look(node_config::node_config),
            _ => Ok(self.look(node_config::feature_gates)),
        };
        match plan {
            Ok(plan) => {
                self.write(plan.writes, &plan.deletes);
                plan.failed.first().map(|(_, error)| error.to_string())
            }
            Err(error) => Some(error.to_string()),
        }
    }

    fn step(&mut self, step: &Step) -> Option<String> {
        match (step.op.as_str(), step.name.as_deref(), &step.object) {
            ("create", _, Some(object)) => {
                self.configs.insert(object.metadata.name.clone().unwrap(), object.clone());
                None
            }
            ("update", _, Some(object)) => {
                let config = self.configs.get_mut(object.metadata.name.as_deref().unwrap()).unwrap();
                config.spec = object.spec.clone();
                config.metadata.generation = config.metadata.generation.map(|generation| generation + 1);
                None
            }
            ("markDeleted", Some(name), _) => {
                let now = "2026-08-20T12:00:00Z".parse::<Timestamp>().unwrap();
                self.configs.get_mut(name).unwrap().metadata.deletion_timestamp =
                    Some(serde_json::from_value(json!(now)).unwrap());
                None
            }
            ("remove", Some(name), _) => {
                self.configs.remove(name);
                None
            }
            ("sync", Some(name), _) => self.sync(name),
            ("syncFeature", ..) => self.all("98"),
            ("syncNode", ..) => {
                let names: Vec<String> = self.configs.keys().cloned().collect();
                let mut errors = vec![self.all("97")];
                errors.extend(names.iter().map(|name| self.sync(name)));
                errors.push(self.all("98"));
                errors.into_iter().flatten().next()
            }
            (op, ..) => panic!("a step that is not known: {op}"),
        }
    }
}

/// How one step differs.
fn step_difference(cluster: &Cluster<'_>, error: Option<&str>, expected: &Value) -> Option<String> {
    if !same_error(error, expected["error"].as_str()) {
        return Some(format!("error {error:?} where {:?}", expected["error"]));
    }
    if let Some(difference) = difference(&cluster.machine_configs, &expected["machineConfigs"]) {
        return Some(difference);
    }
    let recorded = expected["kubeletConfigs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if recorded.len() != cluster.configs.len() {
        return Some(format!("{} KubeletConfigs where {}", cluster.configs.len(), recorded.len()));
    }
    recorded.iter().find_map(|recorded| {
        let mut found = serde_json::to_value(&cluster.configs[recorded["metadata"]["name"].as_str().unwrap()]).unwrap();
        let mut recorded = recorded.clone();
        // What only weir says.
        if let Some(conditions) = found.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
            conditions.retain(|condition| condition["type"] != "Warning");
        }
        for object in [&mut found, &mut recorded] {
            for condition in
                object.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten()
            {
                condition["lastTransitionTime"] = Value::Null;
                let message = condition["message"].as_str().unwrap_or_default().to_owned();
                condition["message"] = reason(&message).into();
            }
        }
        let parts = ["/metadata/annotations", "/metadata/finalizers", "/status"];
        parts.into_iter().find_map(|part| {
            let [found, recorded] = [&found, &recorded].map(|value| value.pointer(part).unwrap_or(&Value::Null));
            (!means_same(found, recorded)).then(|| format!("{part}: {found}\n where {recorded}"))
        })
    })
}

/// What of an error is the reason. Where a value does not fit and what a template lacks is worded by others.
fn reason(error: &str) -> &str {
    const WORDED: [&str; 4] = [
        "KubeletConfig could not be unmarshalled, err: ",
        "could not deserialize the Kubelet source: ",
        "unknown worker latency",
        "unknown cgroup mode found",
    ];
    const WITHIN: [&str; 1] = ["can't evaluate field Nope"];
    let found = WORDED.iter().find(|prefix| error.contains(*prefix)).copied();
    found.or_else(|| WITHIN.iter().find(|part| error.contains(*part)).copied()).unwrap_or(error)
}

fn same_error(found: Option<&str>, expected: Option<&str>) -> bool {
    let [found, expected] = [found, expected].map(|error| error.filter(|error| !error.is_empty()).map(reason));
    found == expected
}

fn bootstrapped(case: &Case) -> Option<String> {
    let cluster = Cluster::new(case);
    let made: Result<Vec<MachineConfig>, String> = match case.kind.as_str() {
        "kubeletBootstrap" => {
            let all = cluster.look(bootstrap);
            let all: Result<Vec<_>, _> = all.into_iter().map(|(_, made)| made).collect();
            all.map(|all| all.concat()).map_err(|error| error.to_string())
        }
        kind => {
            let plan = if kind == "nodeBootstrap" {
                cluster.look(node_config::node_config)
            } else {
                Ok(cluster.look(node_config::feature_gates))
            };
            plan.map(|plan| plan.writes).map_err(|error| error.to_string())
        }
    };
    match made {
        Err(error) if same_error(Some(&error), case.error.as_deref()) => None,
        Ok(made) if case.error.is_none() => {
            let made = made.into_iter().map(|c| (c.metadata.name.clone().unwrap(), c)).collect();
            difference(&made, case.result.as_ref().unwrap())
        }
        other => Some(format!("{:?} where {:?}", other.map(|made| made.len()), case.error)),
    }
}

fn validated(case: &Case) -> Option<String> {
    let (config, pool) = (&case.kubelet_configs[0], &case.pools[0]);
    let user = validate::validate(config, RELEASE).err().map(|error| error.to_string());
    let path = validate::static_pod_path(config, pool, RELEASE).err().map(|error| error.to_string());
    let same = same_error(user.as_deref(), case.user_error.as_deref())
        && same_error(path.as_deref(), case.static_pod_path_error.as_deref());
    (!same).then(|| format!("{user:?}, {path:?} where {:?}, {:?}", case.user_error, case.static_pod_path_error))
}

fn synced(case: &Case) -> Option<String> {
    let mut cluster = Cluster::new(case);
    case.steps.iter().zip(&case.results).enumerate().find_map(|(index, (step, expected))| {
        let error = cluster.step(step);
        let difference = step_difference(&cluster, error.as_deref(), expected)?;
        Some(format!("step {index} {}: {difference}", step.op))
    })
}

#[test]
fn recorded_kubelets() {
    let text = weir_recorded::read("generated/kubelet-config.jsonl");
    let (mut wrong, mut different, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        count += 1;
        let found = match case.kind.as_str() {
            "kubeletValidate" => validated(&case),
            "kubeletSync" => synced(&case),
            _ => bootstrapped(&case),
        };
        let on_purpose = DIFFERENT.iter().find(|(name, _)| *name == case.case);
        match (found, on_purpose) {
            (Some(_), Some((name, _))) => _ = different.insert(*name),
            (Some(found), None) => wrong.push(format!("{}: {found}", case.case)),
            _ => {}
        }
    }
    println!("{count} cases, {} differ on purpose", different.len());
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(different.len(), DIFFERENT.len(), "listed as different, and equal");
    assert!(count >= 100, "the recording has lost cases: {count}");
}

fn case(name: &str) -> Case {
    let text = weir_recorded::read("generated/kubelet-config.jsonl");
    let line = text.lines().find(|line| line.contains(&format!("\"case\":\"{name}\"")));
    serde_json::from_str(line.unwrap()).unwrap()
}

/// The text of `kubelet.conf` of a MachineConfig.
fn kubelet_conf(cluster: &Cluster<'_>, name: &str) -> String {
    let readable = super::readable(&serde_json::to_value(&cluster.machine_configs[name].spec).unwrap());
    readable.split_once("apiVersion: kubelet.config.k8s.io/v1beta1").unwrap().1.to_owned()
}

const OF_WORKERS: &str = "99-worker-generated-kubelet";

#[test]
fn what_was_taken_over_follows_when_its_inputs_change() {
    let case = case("kc-243");
    let mut cluster = Cluster::new(&case);
    let before = cluster.machine_configs[OF_WORKERS].spec.clone();
    cluster.sync("a");
    assert_eq!(cluster.machine_configs[OF_WORKERS].spec, before);
    cluster.is_adopting = false;
    let noted = cluster.machine_configs.clone();
    cluster.sync("a");
    assert_eq!(cluster.machine_configs, noted);
    cluster.gates.insert("FeatNew".to_owned(), true);
    cluster.sync("a");
    let text = kubelet_conf(&cluster, OF_WORKERS);
    assert!(text.contains("FeatNew: true") && text.contains("tlsMinVersion: VersionTLS13"), "{text}");
    // Without a take-over it follows at once.
    let mut fresh = Cluster::new(&case);
    fresh.is_adopting = false;
    fresh.sync("a");
    assert!(kubelet_conf(&fresh, OF_WORKERS).contains("tlsMinVersion: VersionTLS13"));
}

#[test]
fn a_generated_config_without_its_file_is_written_anew() {
    let case = case("kc-243");
    let mut cluster = Cluster::new(&case);
    cluster.machine_configs.get_mut(OF_WORKERS).unwrap().spec.config = Some(json!({"ignition": {"version": "3.5.0"}}));
    assert_eq!(cluster.sync("a"), None);
    assert!(kubelet_conf(&cluster, OF_WORKERS).contains("maxPods: 101"));
}

#[test]
fn the_config_of_another_is_not_overwritten_and_annotations_stay() {
    let case = case("kc-203");
    let mut cluster = Cluster::new(&case);
    let mut both = cluster.configs["a"].clone();
    both.metadata.name = Some("b".to_owned());
    both.metadata.uid = Some("b".to_owned());
    both.metadata.annotations = Some([("x".to_owned(), "y".to_owned())].into());
    let of_workers = json!({"matchLabels": {"pools.operator.machineconfiguration.openshift.io/worker": ""}});
    cluster.configs.get_mut("a").unwrap().spec.machine_config_pool_selector =
        serde_json::from_value(of_workers).unwrap();
    cluster.sync("a");
    cluster.configs.insert("b".to_owned(), both);
    cluster.sync("b");
    let numbered = format!("{OF_WORKERS}-1");
    let names = ["99-master-generated-kubelet", OF_WORKERS, &numbered];
    assert!(cluster.machine_configs.keys().eq(names), "{:?}", cluster.machine_configs.keys());
    let owner = |name: &str| cluster.machine_configs[name].metadata.owner_references.as_ref().unwrap()[0].name.clone();
    assert_eq!([owner(OF_WORKERS), owner(&numbered)], ["a", "b"]);
    let metadata = &cluster.configs["b"].metadata;
    assert_eq!(metadata.finalizers.as_ref().unwrap(), &[names[0].to_owned(), numbered]);
    assert_eq!(metadata.annotations.as_ref().unwrap().len(), 2);
    let settled = (cluster.machine_configs.clone(), cluster.configs.clone());
    for name in ["a", "b"] {
        let config = cluster.configs[name].clone();
        let outcome = cluster.look(|view| sync(view, &config, Timestamp::UNIX_EPOCH));
        assert_eq!(outcome, weir_rules::kubelet::KubeletOutcome::default(), "{name}");
    }
    assert_eq!((cluster.machine_configs, cluster.configs), settled);
}

#[test]
fn one_pool_that_fails_leaves_all_as_they_are() {
    let case = case("kc-203");
    let mut cluster = Cluster::new(&case);
    cluster.configs.get_mut("a").unwrap().spec.kubelet_config = Some(json!({"staticPodPath": "/x", "maxPods": 5}));
    let error = cluster.sync("a").unwrap();
    assert!(error.contains("for control plane pool \"master\"") && cluster.machine_configs.is_empty(), "{error}");
    let mut waiting = case.controller_config.clone();
    waiting.metadata.generation = Some(7);
    let config = cluster.configs["a"].clone();
    let class = |controller_config: &ControllerConfig| {
        let outcome = cluster.look(|view| {
            sync(&KubeletView { controller_config: Some(controller_config), ..*view }, &config, Timestamp::UNIX_EPOCH)
        });
        outcome.error.unwrap().class()
    };
    assert_eq!([class(&waiting), class(&case.controller_config)], [Class::Transient, Class::Permanent]);
    // A pool without templates, after one with them.
    cluster.configs.get_mut("a").unwrap().spec.kubelet_config = Some(json!({"maxPods": 5}));
    cluster.templates.insert("worker".to_owned(), Err("no field Nope".to_owned()));
    assert!(cluster.sync("a").unwrap().contains("no field Nope") && cluster.machine_configs.is_empty());
    let plan = cluster.look(node_config::feature_gates);
    assert_eq!((plan.writes.len(), plan.failed.len()), (1, 1));
}

#[test]
fn all_together_see_the_names_of_each_other() {
    let case = case("kc-198");
    let mut cluster = Cluster::new(&case);
    let mut second = cluster.configs["a"].clone();
    second.metadata.name = Some("b".to_owned());
    second.metadata.uid = Some("b".to_owned());
    cluster.configs.insert("b".to_owned(), second);
    let made = cluster.look(|view| weir_rules::kubelet::sync::generate(view, Timestamp::UNIX_EPOCH));
    let names: Vec<&str> =
        made.iter().flat_map(|(_, outcome)| &outcome.writes).filter_map(|c| c.metadata.name.as_deref()).collect();
    assert_eq!(names, [format!("{OF_WORKERS}-1"), format!("{OF_WORKERS}-2")]);
}

#[test]
fn what_has_no_effect_is_told() {
    let case = case("kc-243");
    let mut cluster = Cluster::new(&case);
    cluster.configs.get_mut("a").unwrap().spec.kubelet_config = Some(json!({"maxPods": 0, "maxPids": 7}));
    let config = cluster.configs["a"].clone();
    let outcome = cluster.look(|view| sync(view, &config, Timestamp::UNIX_EPOCH));
    let told: Vec<String> = outcome.warnings.iter().map(ToString::to_string).collect();
    assert!(told[0].starts_with("spec.kubeletConfig.maxPids: no such field in this release"), "{told:?}");
    assert!(told[1].starts_with("spec.kubeletConfig.maxPods: 0 has no effect, 110 stays"), "{told:?}");
}
