//! Recorded configurations of container runtimes, registries, policies and credential providers, case by case.

use super::{BUILD, difference, templates::templates};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    CRIOCredentialProviderConfig, ClusterImagePolicy, ClusterVersion, ContainerRuntimeConfig, ControllerConfig, Image,
    ImageContentSourcePolicy, ImageDigestMirrorSet, ImagePolicy, ImageTagMirrorSet, MachineConfig, MachineConfigPool,
    feature_gate::Gate,
    keys::{
        config::NAME_SUFFIX,
        gates::{ADDITIONAL_STORAGE_CONFIG, CRIO_CREDENTIAL_PROVIDER_CONFIG, SIGSTORE_IMAGE_VERIFICATION},
    },
};
use weir_rules::{
    generated::base::Templates,
    objects::edit::means_same,
    runtime::{
        blocked,
        credentials::{self, CredentialsView},
        image::{self, ImageView},
        mirrors::MirrorSets,
        settings::validate,
        sync::{RuntimeView, bootstrap, sync},
    },
};

/// Cases in which weir differs on purpose, with the first words of the row of docs/user/differences.md that says why.
const DIFFERENT: [(&str, &str); 6] = [
    ("cr-048", "`storage.conf` of the templates cannot be read"),
    ("cr-131", "Other annotations"),
    ("cr-133", "`storage.conf` of the templates cannot be read"),
    ("im-033", "The release is blocked twice"),
    ("im-148", "Environment of a credential provider"),
    ("im-151", "Environment of a credential provider"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    case: String,
    kind: String,
    overlay: Option<BTreeMap<String, Option<String>>>,
    objects: Objects,
    #[serde(default)]
    steps: Vec<Step>,
    #[serde(default)]
    results: Vec<Value>,
    result: Option<Value>,
    error: Option<String>,
    user_error: Option<String>,
    panic: Option<String>,
    registries_blocked: Option<Vec<String>>,
    policy_blocked: Option<Vec<String>>,
    allowed: Option<Vec<String>>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Objects {
    controller_config: ControllerConfig,
    pools: Vec<MachineConfigPool>,
    machine_configs: Vec<MachineConfig>,
    container_runtime_configs: Vec<ContainerRuntimeConfig>,
    image: Option<Image>,
    cluster_version: Option<ClusterVersion>,
    icsp: Vec<ImageContentSourcePolicy>,
    idms: Vec<ImageDigestMirrorSet>,
    itms: Vec<ImageTagMirrorSet>,
    cluster_image_policies: Vec<ClusterImagePolicy>,
    image_policies: Vec<ImagePolicy>,
    crio_credential_provider_config: Option<CRIOCredentialProviderConfig>,
    enabled: Vec<String>,
}

#[derive(Deserialize)]
struct Step {
    op: String,
    name: Option<String>,
    object: Option<ContainerRuntimeConfig>,
}

/// A cluster to which the rules are applied.
struct Cluster {
    objects: Objects,
    templates: Templates,
    machine_configs: BTreeMap<String, MachineConfig>,
}

impl Cluster {
    fn new(case: &Case) -> Self {
        let objects = case.objects.clone();
        Self {
            templates: templates(case.overlay.as_ref(), &objects.controller_config, None, &objects.pools),
            machine_configs: objects
                .machine_configs
                .iter()
                .map(|c| (c.metadata.name.clone().unwrap(), c.clone()))
                .collect(),
            objects,
        }
    }

    fn is_on(&self, gate: Gate) -> bool {
        self.objects.enabled.iter().any(|enabled| enabled == gate.name())
    }

    fn runtime<T>(&self, decide: impl FnOnce(&RuntimeView<'_>) -> T) -> T {
        decide(&RuntimeView {
            controller_config: Some(&self.objects.controller_config),
            pools: &self.objects.pools.iter().collect::<Vec<_>>(),
            configs: &self.objects.container_runtime_configs.iter().collect::<Vec<_>>(),
            machine_configs: &self.machine_configs.values().collect::<Vec<_>>(),
            templates: &self.templates,
            with_stores: self.is_on(ADDITIONAL_STORAGE_CONFIG),
            build: BUILD,
            is_adopting: true,
        })
    }

    fn image<T>(&self, release: Option<&str>, decide: impl FnOnce(&ImageView<'_>) -> T) -> T {
        let verifies = self.is_on(SIGSTORE_IMAGE_VERIFICATION);
        let objects = &self.objects;
        decide(&ImageView {
            pools: &objects.pools.iter().collect::<Vec<_>>(),
            machine_configs: &self.machine_configs.values().collect::<Vec<_>>(),
            templates: &self.templates,
            image: objects.image.as_ref(),
            release,
            mirrors: MirrorSets {
                digest: &objects.idms.iter().collect::<Vec<_>>(),
                tag: &objects.itms.iter().collect::<Vec<_>>(),
                content_source: &objects.icsp.iter().collect::<Vec<_>>(),
            },
            cluster_policies: &objects.cluster_image_policies.iter().filter(|_| verifies).collect::<Vec<_>>(),
            policies: &objects.image_policies.iter().filter(|_| verifies).collect::<Vec<_>>(),
            build: BUILD,
        })
    }

    fn desired(&self) -> Option<String> {
        self.objects.cluster_version.as_ref()?.status.as_ref().map(|status| status.desired.image.clone())
    }

    fn write(&mut self, writes: Vec<MachineConfig>, deletes: &[String]) {
        self.machine_configs.extend(writes.into_iter().map(|c| (c.metadata.name.clone().unwrap(), c)));
        self.machine_configs.retain(|name, _| !deletes.contains(name));
    }

    fn config(&mut self, name: &str) -> Option<&mut ContainerRuntimeConfig> {
        self.objects.container_runtime_configs.iter_mut().find(|config| config.metadata.name.as_deref() == Some(name))
    }

    fn sync(&mut self, name: &str) -> Option<String> {
        let config = self.config(name)?.clone();
        let outcome = self.runtime(|view| sync(view, &config, Timestamp::UNIX_EPOCH));
        self.write(outcome.writes, &outcome.deletes);
        let config = self.config(name)?;
        if let Some(suffix) = outcome.suffix {
            config.metadata.annotations.get_or_insert_default().insert(NAME_SUFFIX.to_owned(), suffix);
        }
        config.metadata.finalizers = outcome.finalizers.or(config.metadata.finalizers.take());
        config.status = outcome.status.or(config.status.take());
        outcome.error.map(|error| error.to_string())
    }

    fn sync_image(&mut self) -> Option<String> {
        let release = self.desired();
        let plan = self.image(release.as_deref(), |view| image::sync(view, Timestamp::UNIX_EPOCH));
        self.write(plan.writes, &plan.deletes);
        for policy in &mut self.objects.image_policies {
            let key = (policy.metadata.namespace.clone().unwrap(), policy.metadata.name.clone().unwrap());
            policy.status = plan.statuses.get(&key).cloned().or(policy.status.take());
        }
        plan.error.map(|error| error.to_string())
    }

    fn sync_credentials(&mut self) -> Option<String> {
        let config = self.objects.crio_credential_provider_config.clone()?;
        if !self.is_on(CRIO_CREDENTIAL_PROVIDER_CONFIG) {
            return None;
        }
        let plan = credentials::sync(
            &CredentialsView {
                controller_config: &self.objects.controller_config,
                pools: &self.objects.pools.iter().collect::<Vec<_>>(),
                machine_configs: &self.machine_configs.values().collect::<Vec<_>>(),
                templates: &self.templates,
                config: &config,
                build: BUILD,
            },
            Timestamp::UNIX_EPOCH,
        );
        self.write(plan.writes, &[]);
        let config = self.objects.crio_credential_provider_config.as_mut()?;
        config.status = plan.status.or(config.status.take());
        plan.error.map(|error| error.to_string())
    }

    fn step(&mut self, step: &Step) -> Option<String> {
        match (step.op.as_str(), step.name.as_deref(), &step.object) {
            ("create", _, Some(object)) => self.objects.container_runtime_configs.push(object.clone()),
            ("update", _, Some(object)) => {
                let config = self.config(object.metadata.name.as_deref().unwrap()).unwrap();
                config.spec = object.spec.clone();
                config.metadata.generation = config.metadata.generation.map(|generation| generation + 1);
            }
            ("markDeleted", Some(name), _) => {
                let now = Timestamp::UNIX_EPOCH;
                self.config(name).unwrap().metadata.deletion_timestamp =
                    Some(serde_json::from_value(json!(now)).unwrap());
            }
            ("remove", Some(name), _) => {
                self.objects.container_runtime_configs.retain(|config| config.metadata.name.as_deref() != Some(name));
            }
            ("sync", Some(name), _) => return self.sync(name),
            ("syncImage", ..) => return self.sync_image(),
            ("syncCRIOCP", ..) => return self.sync_credentials(),
            (op, ..) => panic!("a step that is not known: {op}"),
        }
        None
    }
}

/// What of an error is the reason. What a file lacks and where a value is wrong is worded by weir itself.
fn reason(error: &str) -> &str {
    const SAME: [(&str, &str); 10] = [
        ("error decoding crio config: ", "error decoding crio config: "),
        ("could not find Storage Config", "writes /etc/containers/storage.conf"),
        ("could not find Policy JSON", "writes /etc/containers/policy.json"),
        ("could not find CRIOCredentialProvider Config", "writes /etc/kubernetes/credential-providers/"),
        ("error converting q to int: ", "error converting q to int: "),
        ("invalid label selector: ", "invalid label selector: "),
        ("Invalid format of dockerRepository \"X Y\": ", "Invalid format of dockerRepository \"X Y\": "),
        ("for a wildcard scope \"*.s.test\"", "for a wildcard scope \"*.s.test\""),
        ("invalid format for mirror \"m.test/UP\"", "invalid format for mirror \"m.test/UP\""),
        ("error parsing reference of release image", "error parsing reference of release image"),
    ];
    let known = SAME.iter().find(|(theirs, ours)| error.contains(theirs) || error.contains(ours));
    if let Some((theirs, _)) = known {
        return theirs;
    }
    match error.split_once(" (of ") {
        Some((reason, _)) => reason,
        None => error.split_once(": a host, a repository").map_or(error, |(reason, _)| reason),
    }
}

fn same_error(found: Option<&str>, expected: Option<&str>) -> bool {
    let [found, expected] = [found, expected].map(|error| error.filter(|error| !error.is_empty()).map(reason));
    found == expected
}

/// How statuses, annotations and finalizers of objects differ.
fn object_difference(found: Value, recorded: &Value) -> Option<String> {
    let [mut found, mut recorded] = [found, recorded.clone()];
    // What only weir says of policies.
    if let Some(conditions) = found.pointer_mut("/status/conditions").and_then(Value::as_array_mut) {
        conditions.retain(|condition| {
            !["InvalidPolicy", "UnreadableKey"].iter().any(|reason| condition["reason"] == *reason)
        });
    }
    for object in [&mut found, &mut recorded] {
        for condition in object.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten() {
            condition["lastTransitionTime"] = Value::Null;
            let message = condition["message"].as_str().unwrap_or_default().to_owned();
            condition["message"] = reason(&message).into();
        }
    }
    ["/metadata/annotations", "/metadata/finalizers", "/status"].into_iter().find_map(|part| {
        let [found, recorded] = [&found, &recorded].map(|value| value.pointer(part).unwrap_or(&Value::Null));
        (!means_same(found, recorded)).then(|| format!("{part}: {found}\n where {recorded}"))
    })
}

fn step_difference(cluster: &Cluster, error: Option<&str>, expected: &Value) -> Option<String> {
    if !same_error(error, expected["error"].as_str()) {
        return Some(format!("error {error:?} where {:?}", expected["error"]));
    }
    if let Some(difference) = difference(&cluster.machine_configs, &expected["machineConfigs"]) {
        return Some(difference);
    }
    let value = |object: Value| (object["metadata"]["name"].as_str().unwrap().to_owned(), object);
    let objects = &cluster.objects;
    let mut found: BTreeMap<(&str, String), Value> = BTreeMap::new();
    for config in &objects.container_runtime_configs {
        let (name, object) = value(serde_json::to_value(config).unwrap());
        found.insert(("containerRuntimeConfigs", name), object);
    }
    for policy in &objects.image_policies {
        let (name, object) = value(serde_json::to_value(policy).unwrap());
        found.insert(("imagePolicies", name), object);
    }
    for kind in ["containerRuntimeConfigs", "imagePolicies"] {
        for recorded in expected[kind].as_array().into_iter().flatten() {
            let name = recorded["metadata"]["name"].as_str().unwrap().to_owned();
            let Some(found) = found.remove(&(kind, name.clone())) else {
                return Some(format!("{kind} {name} is gone"));
            };
            if let Some(difference) = object_difference(found, recorded) {
                return Some(format!("{kind} {name}{difference}"));
            }
        }
    }
    let credentials = objects.crio_credential_provider_config.as_ref()?;
    object_difference(serde_json::to_value(credentials).unwrap(), &expected["crioCredentialProviderConfig"])
}

fn synced(case: &Case) -> Option<String> {
    let mut cluster = Cluster::new(case);
    if case.panic.is_some() {
        // Where the reference crashes weir has to come to an end that is none.
        return case.steps.iter().find_map(|step| cluster.step(step));
    }
    case.steps.iter().zip(&case.results).enumerate().find_map(|(index, (step, expected))| {
        let error = cluster.step(step);
        let difference = step_difference(&cluster, error.as_deref(), expected)?;
        Some(format!("step {index} {}: {difference}", step.op))
    })
}

fn bootstrapped(case: &Case) -> Option<String> {
    let cluster = Cluster::new(case);
    let made: Result<Vec<MachineConfig>, String> = if case.kind == "imageBootstrap" {
        let release = cluster.objects.controller_config.spec.release_image.clone();
        let made = cluster.image(Some(&release), image::bootstrap);
        made.map(|(configs, _)| configs).map_err(|error| error.to_string())
    } else {
        let all: Result<Vec<_>, _> = cluster.runtime(bootstrap).into_iter().map(|(_, made)| made).collect();
        all.map(|all| all.concat()).map_err(|error| error.to_string())
    };
    match made {
        Err(error) if same_error(Some(&error), case.error.as_deref()) => None,
        Ok(made) if case.error.is_none() => {
            let made = made.into_iter().map(|c| (c.metadata.name.clone().unwrap(), c)).collect();
            difference(&made, case.result.as_ref().unwrap_or(&Value::Null))
        }
        other => Some(format!("{:?} where {:?}", other.map(|made| made.len()), case.error)),
    }
}

fn validated(case: &Case) -> Option<String> {
    let config = &case.objects.container_runtime_configs[0].spec.container_runtime_config;
    let found = validate(config).err().map(|error| error.to_string());
    (!same_error(found.as_deref(), case.user_error.as_deref()))
        .then(|| format!("{found:?} where {:?}", case.user_error))
}

fn blocked_lists(case: &Case) -> Option<String> {
    let objects = &case.objects;
    let sources = objects.image.as_ref()?.spec.registry_sources.clone().unwrap_or_default();
    let sets = MirrorSets {
        digest: &objects.idms.iter().collect::<Vec<_>>(),
        tag: &objects.itms.iter().collect::<Vec<_>>(),
        content_source: &objects.icsp.iter().collect::<Vec<_>>(),
    };
    let release = objects.cluster_version.as_ref()?.status.as_ref()?.desired.image.clone();
    let found = match blocked::lists(&release, &sources, &sets) {
        Err(error) => return Some(error.to_string()),
        Ok(found) => found,
    };
    let told = found.left_out.is_empty() != case.error.is_some();
    let same = found.registries == case.registries_blocked
        && found.policy == case.policy_blocked
        && found.allowed == case.allowed
        && told;
    (!same).then(|| {
        format!("{found:?} where {:?}, {:?}, {:?}", case.registries_blocked, case.policy_blocked, case.allowed)
    })
}

#[test]
fn recorded_container_runtimes_and_registries() {
    let (mut wrong, mut different, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for file in ["container-runtime", "registries"] {
        for line in weir_recorded::read(&format!("generated/{file}.jsonl")).lines() {
            let case: Case = serde_json::from_str(line).unwrap();
            count += 1;
            let found = match case.kind.as_str() {
                "runtimeValidate" => validated(&case),
                "runtimeSync" => synced(&case),
                "blocked" => blocked_lists(&case),
                _ => bootstrapped(&case),
            };
            let on_purpose = DIFFERENT.iter().find(|(name, _)| *name == case.case);
            match (found, on_purpose) {
                (Some(_), Some((name, _))) => _ = different.insert(*name),
                (Some(found), None) => wrong.push(format!("{}: {found}", case.case)),
                _ => {}
            }
        }
    }
    println!("{count} cases, {} differ on purpose", different.len());
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(different.len(), DIFFERENT.len(), "listed as different, and equal: {different:?}");
    assert!(count >= 110, "the recording has lost cases: {count}");
}

fn case(name: &str) -> Case {
    let texts = ["container-runtime", "registries"].map(|file| weir_recorded::read(&format!("generated/{file}.jsonl")));
    let line = texts.iter().flat_map(|text| text.lines()).find(|line| line.contains(&format!("\"case\":\"{name}\"")));
    serde_json::from_str(line.unwrap()).unwrap()
}

#[test]
fn a_pool_that_comes_later_gets_its_config() {
    let mut case = case("cr-116");
    let mut cluster = Cluster::new(&case);
    assert_eq!(cluster.sync("a"), None);
    let mut new = case.objects.pools.last().unwrap().clone();
    new.metadata.name = Some("new".to_owned());
    case.objects.pools.push(new);
    cluster.objects.pools.clone_from(&case.objects.pools);
    cluster.templates = Cluster::new(&case).templates;
    assert_eq!(cluster.sync("a"), None);
    assert!(cluster.machine_configs.contains_key("99-new-generated-containerruntime"));
}

#[test]
fn settings_that_are_not_there_are_none() {
    let config: ContainerRuntimeConfig = serde_json::from_value(json!({"spec": {}})).unwrap();
    let settings = validate(&config.spec.container_runtime_config).unwrap();
    assert_eq!(settings.files("no TOML, and not looked at", true), Ok(Vec::new()));
}

#[test]
fn the_history_of_a_container_runtime_config_ends() {
    let case = case("cr-116");
    let mut cluster = Cluster::new(&case);
    for number in 0..30 {
        cluster.config("a").unwrap().spec.container_runtime_config.log_level = Some(format!("loud{number}"));
        assert!(cluster.sync("a").unwrap().contains(&format!("\"loud{number}\"")));
    }
    let status = cluster.config("a").unwrap().status.clone().unwrap();
    let conditions = status.conditions.unwrap();
    assert_eq!(conditions.len(), 20);
    assert!(conditions[19].message.contains("loud29"));
    assert!(cluster.machine_configs.is_empty());
}

#[test]
fn policies_of_one_scope_are_in_the_order_of_their_names() {
    let mut case = case("im-081");
    let mut other = case.objects.cluster_image_policies[0].clone();
    other.metadata.name = Some("another".to_owned());
    other.spec.policy.signed_identity = serde_json::from_value(json!({"matchPolicy": "MatchRepository"})).unwrap();
    case.objects.cluster_image_policies.push(other);
    let mut first = Cluster::new(&case);
    case.objects.cluster_image_policies.reverse();
    let mut second = Cluster::new(&case);
    assert_eq!([first.sync_image(), second.sync_image()], [None, None]);
    assert_eq!(first.machine_configs, second.machine_configs);
}

#[test]
fn lists_that_cannot_be_told_leave_nodes_as_they_are() {
    let mut case = case("im-028");
    case.objects.idms[0].spec.image_digest_mirrors.as_mut().unwrap()[0].mirrors = Some(vec!["m.test".to_owned()]);
    let mut cluster = Cluster::new(&case);
    let error = cluster.sync_image().unwrap();
    assert!(error.contains("mirror \"m.test\" of its source names no repository"), "{error}");
    assert!(cluster.machine_configs.is_empty());
    case.objects.idms[0].spec.image_digest_mirrors.as_mut().unwrap()[0].source = "*.test".to_owned();
    case.objects.image.as_mut().unwrap().spec.registry_sources.as_mut().unwrap().insecure_registries =
        Some(vec!["x.test/y".to_owned()]);
    let error = Cluster::new(&case).sync_image().unwrap();
    assert!(error.contains("is blocked: internal error") && error.contains("give it some"), "{error}");
}

#[test]
fn a_mirror_that_names_no_repository_is_told() {
    let mut case = case("im-101");
    case.objects.idms[0].spec.image_digest_mirrors.as_mut().unwrap()[0].mirrors = Some(vec!["m.test".to_owned()]);
    case.objects.cluster_image_policies[0].spec.scopes = vec!["p.test/ns".to_owned()];
    let cluster = Cluster::new(&case);
    let plan = cluster.image(cluster.desired().as_deref(), |view| image::sync(view, Timestamp::UNIX_EPOCH));
    assert_eq!((plan.error, plan.writes.len()), (None, 1));
    let told: Vec<String> = plan.warnings.iter().map(ToString::to_string).collect();
    assert!(told.iter().any(|told| told.starts_with("signatures are not looked for at mirror m.test")), "{told:?}");
    // The recorded key is one letter.
    let key =
        told.iter().any(|told| told.starts_with("keyData has no key") && told.ends_with("(of ClusterImagePolicy cip)"));
    assert!(key && told.len() == 2, "{told:?}");
}

#[test]
fn a_registry_that_the_release_comes_from_is_told() {
    let case = case("im-026");
    let cluster = Cluster::new(&case);
    let plan = cluster.image(cluster.desired().as_deref(), |view| image::sync(view, Timestamp::UNIX_EPOCH));
    let told: Vec<String> = plan.warnings.iter().map(ToString::to_string).collect();
    let expected =
        "error adding [\"*.test\"] to blocked registries, cannot block the repository being used by the payload";
    assert_eq!(told, [expected]);
}

/// A key in PEM as machines read it.
const READABLE: &str = "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0KTUFBPQotLS0tLUVORCBQVUJMSUMgS0VZLS0tLS0K";

#[test]
fn the_condition_of_a_conflict_goes_with_it() {
    let mut case = case("im-108");
    let mut cluster = Cluster::new(&case);
    cluster.sync_image();
    let policy = &cluster.objects.image_policies[0];
    assert_eq!(policy.status.as_ref().unwrap().conditions.as_ref().unwrap().len(), 1);
    case.objects.image_policies = vec![policy.clone()];
    let root = &mut case.objects.image_policies[0].spec.policy.root_of_trust;
    root.public_key.as_mut().unwrap().key_data = READABLE.to_owned();
    case.objects.cluster_image_policies.clear();
    let mut after = Cluster::new(&case);
    after.sync_image();
    assert_eq!(after.objects.image_policies[0].status.as_ref().unwrap().conditions, None);
    // Nothing more is written then.
    let plan = after.image(after.desired().as_deref(), |view| image::sync(view, Timestamp::UNIX_EPOCH));
    assert!(plan.statuses.is_empty() && plan.writes.is_empty());
}
