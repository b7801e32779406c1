//! The objects of a scenario and the commands that change and print them.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    core::v1::{Node, Pod},
    policy::v1::PodDisruptionBudget,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{
    ControllerConfig, MachineConfig, MachineConfigNode, MachineConfigPool, MachineOSBuild, MachineOSConfig,
};
use weir_rules::{
    rollout::{
        RolloutPlan, RolloutView, Start,
        check::check_plan,
        drain::{Answer, DrainView, Step, Tried, drain},
        halt::Halt,
        plan_rollout,
        settle::dated,
    },
    status::{
        node_status::{drain_reports, record, status_patch},
        pool_status::{PoolStatusView, pool_status, status_changed},
    },
    view::{BudgetView, NodeReport, NodeView, PodView, PoolView},
    world::{Object, World},
};

const PREFIX: &str = "machineconfiguration.openshift.io";
const DAY: i64 = 24 * 60 * 60;

/// The objects.
pub(crate) struct Scenario {
    pub(crate) now: Timestamp,
    pools: BTreeMap<String, Value>,
    nodes: BTreeMap<String, Value>,
    reports: BTreeMap<String, Value>,
    pods: BTreeMap<String, Value>,
    budgets: BTreeMap<String, Value>,
    tried: BTreeMap<String, Tried>,
    topology: String,
    operator: Option<String>,
    os_configs: BTreeMap<String, Value>,
    os_builds: BTreeMap<String, Value>,
    configs: Option<BTreeSet<String>>,
    owners: BTreeMap<String, String>,
    halted: Option<String>,
    settle: Option<SignedDuration>,
    plan: Option<RolloutPlan>,
}

type Printed = Result<Vec<String>, String>;

/// `name=value` words of a command.
struct Words<'a> {
    plain: Vec<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn new(text: &'a str) -> Self {
        let (named, plain): (Vec<_>, Vec<_>) = text.split_whitespace().partition(|word| word.contains('='));
        Self { plain, named: named.iter().filter_map(|word| word.split_once('=')).collect() }
    }

    fn name(&self) -> Result<&'a str, String> {
        self.plain.first().copied().ok_or_else(|| "a name is missing".to_owned())
    }

    fn only(&self, known: &[&str]) -> Result<(), String> {
        match self.named.keys().find(|key| !known.contains(key)) {
            Some(key) => Err(format!("{key}= is none of {known:?}")),
            None => Ok(()),
        }
    }
}

impl Scenario {
    pub(crate) fn new() -> Self {
        Self {
            now: Timestamp::from_second(1_800_000_000).unwrap(),
            pools: BTreeMap::new(),
            nodes: BTreeMap::new(),
            reports: BTreeMap::new(),
            pods: BTreeMap::new(),
            budgets: BTreeMap::new(),
            tried: BTreeMap::new(),
            topology: String::new(),
            operator: None,
            os_configs: BTreeMap::new(),
            os_builds: BTreeMap::new(),
            configs: None,
            owners: BTreeMap::new(),
            halted: None,
            settle: None,
            plan: None,
        }
    }

    pub(crate) fn run(&mut self, command: &str) -> Printed {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let words = Words::new(rest);
        match verb {
            "pool" => self.pool(&words),
            "node" => self.node(&words),
            "pod" => self.pod(&words),
            "budget" => self.budget(&words),
            "topology" => {
                words.name()?.clone_into(&mut self.topology);
                Ok(Vec::new())
            }
            "first" => self.first(&words),
            "configs" => {
                self.configs = Some(words.plain.iter().map(|&name| name.to_owned()).collect());
                Ok(Vec::new())
            }
            "operator" => {
                self.operator = Some(words.name()?.to_owned());
                Ok(Vec::new())
            }
            "halt" => {
                self.halted = Some(rest.to_owned()).filter(|why| !why.is_empty());
                Ok(Vec::new())
            }
            "gone" => match self.nodes.remove(words.name()?) {
                Some(_) => Ok(Vec::new()),
                None => Err("no such node".to_owned()),
            },
            "settle" => {
                self.settle = Some(duration(words.name()?)?);
                Ok(Vec::new())
            }
            "delete" => {
                let name = words.name()?;
                self.pools.remove(name).ok_or("no such pool")?;
                Ok(Vec::new())
            }
            "plan" => self.plan(),
            "mark" => self.mark(),
            "go" => self.go(),
            "daemon" => self.daemon(rest),
            "drain" => self.drain(words.name()?),
            "status" => self.status(words.name()?),
            "build" => self.build(rest),
            "wait" => self.wait(words.name()?),
            _ => Err("no such command".to_owned()),
        }
    }

    fn pool(&mut self, words: &Words<'_>) -> Printed {
        words.only(&["target", "max", "paused", "selector", "image-mode", "deleting"])?;
        let name = words.name()?;
        let pool = self.pools.entry(name.to_owned()).or_insert_with(|| {
            json!({
                "metadata": {"name": name, "generation": 1},
                "spec": {"nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}}},
            })
        });
        for (key, value) in &words.named {
            match *key {
                "target" => {
                    let before: MachineConfigPool = serde_json::from_value(pool.clone()).unwrap();
                    let dates = dated(&PoolView::new(&before), self.settle.unwrap_or_default(), self.now);
                    merge(
                        pool,
                        &json!({"metadata": {"annotations": dates}, "spec": {"configuration": {"name": value}}}),
                    );
                }
                "max" => pool["spec"]["maxUnavailable"] = value.parse::<i32>().map_or(json!(value), |n| json!(n)),
                "image-mode" if *value == "no" => _ = self.os_configs.remove(name),
                "image-mode" => {
                    let config = json!({"metadata": {"name": name}, "spec": {"machineConfigPool": {"name": name}}, "status": {}});
                    self.os_configs.entry(name.to_owned()).or_insert(config);
                }
                "deleting" => pool["metadata"]["deletionTimestamp"] = json!(self.now),
                "paused" => pool["spec"]["paused"] = json!(*value == "yes"),
                _ => {
                    pool["spec"]["nodeSelector"] = json!({"matchExpressions": [{"key": value, "operator": "Bogus"}]});
                }
            }
        }
        Ok(Vec::new())
    }

    fn node(&mut self, words: &Words<'_>) -> Printed {
        words.only(&["pool", "runs", "zone", "age", "cordoned", "ready"])?;
        let name = words.name()?;
        let created = self.now;
        let node = self.nodes.entry(name.to_owned()).or_insert_with(|| {
            json!({
                "metadata": {
                    "name": name, "uid": format!("uid-{name}"), "creationTimestamp": created, "labels": {}, "annotations": {},
                },
                "spec": {},
                "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": created}]},
            })
        });
        for (key, value) in &words.named {
            match *key {
                "pool" => {
                    let zone = node["metadata"]["labels"].get("topology.kubernetes.io/zone").cloned();
                    let roles = value.split(',').map(|role| (format!("node-role.kubernetes.io/{role}"), json!("")));
                    let zone = zone.map(|zone| ("topology.kubernetes.io/zone".to_owned(), zone));
                    node["metadata"]["labels"] = Value::Object(roles.chain(zone).collect());
                }
                "runs" => {
                    for key in ["currentConfig", "desiredConfig"] {
                        node["metadata"]["annotations"][format!("{PREFIX}/{key}")] = json!(value);
                    }
                    node["metadata"]["annotations"][format!("{PREFIX}/state")] = json!("Done");
                }
                "zone" => node["metadata"]["labels"]["topology.kubernetes.io/zone"] = json!(value),
                "age" => {
                    let age = SignedDuration::from_secs(value.parse::<i64>().map_err(|e| e.to_string())? * DAY);
                    node["metadata"]["creationTimestamp"] = json!(created - age);
                }
                "cordoned" => node["spec"] = if *value == "yes" { json!({"unschedulable": true}) } else { json!({}) },
                _ => {
                    let status = if *value == "yes" { "True" } else { "Unknown" };
                    node["status"]["conditions"] =
                        json!([{"type": "Ready", "status": status, "lastTransitionTime": created}]);
                }
            }
        }
        Ok(Vec::new())
    }

    fn build(&mut self, rest: &str) -> Printed {
        let (pool, does) = rest.split_once(' ').ok_or("build POOL WHAT")?;
        let (state, more) = does.split_once(' ').unwrap_or((does, ""));
        let target = &self.pools.get(pool).ok_or("no such pool")?["spec"]["configuration"]["name"];
        let target = target.as_str().ok_or("the pool has no target")?.to_owned();
        let config = self.os_configs.get_mut(pool).ok_or("the pool is not in image mode")?;
        let name = format!("{pool}-{target}");
        let spec = json!({"machineConfig": {"name": target}, "machineOSConfig": {"name": pool}});
        let build = self.os_builds.entry(name.clone()).or_insert(json!({"metadata": {"name": name}, "spec": spec}));
        let type_ = match state {
            "prepared" => "Prepared",
            "building" => "Building",
            "fails" => "Failed",
            "interrupted" => "Interrupted",
            "done" => "Succeeded",
            "named" => {
                config["status"]["currentImagePullSpec"] = json!(more);
                return Ok(Vec::new());
            }
            _ => return Err("no such thing does a build do".to_owned()),
        };
        build["status"] = json!({"conditions": [{"type": type_, "status": "True", "message": more}]});
        if state == "done" {
            build["status"]["digestedImagePushSpec"] = json!(more);
        }
        Ok(Vec::new())
    }

    fn first(&mut self, words: &Words<'_>) -> Printed {
        let [node, config, pool] = words.plain[..] else { return Err("first NODE CONFIG POOL".to_owned()) };
        let object = self.nodes.get_mut(node).ok_or("no such node")?;
        object["metadata"]["annotations"][format!("{PREFIX}/firstPivotConfig")] = json!(config);
        self.owners.insert(config.to_owned(), pool.to_owned());
        Ok(Vec::new())
    }

    fn pod(&mut self, words: &Words<'_>) -> Printed {
        words.only(&["app", "daemonset"])?;
        let [node, name] = words.plain[..] else { return Err("pod NODE NAME".to_owned()) };
        let app = words.named.get("app").copied().unwrap_or(name);
        let mut pod = json!({
            "metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"), "labels": {"app": app}},
            "spec": {"nodeName": node},
        });
        if words.named.contains_key("daemonset") {
            pod["metadata"]["ownerReferences"] =
                json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": app, "uid": "u", "controller": true}]);
        }
        self.pods.insert(name.to_owned(), pod);
        Ok(Vec::new())
    }

    fn budget(&mut self, words: &Words<'_>) -> Printed {
        words.only(&["app", "allows"])?;
        let (name, allows) = (words.name()?, words.named.get("allows").copied().unwrap_or("0"));
        let allows: i32 = allows.parse().map_err(|_| "allows= is no number".to_owned())?;
        let old = self.budgets.get(name).map(|b| b["spec"]["selector"]["matchLabels"]["app"].clone());
        let app = words.named.get("app").map(|app| json!(app)).or(old).ok_or("app= is missing")?;
        let counts = json!({"disruptionsAllowed": allows, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1});
        let budget = json!({
            "metadata": {"namespace": "shop", "name": name}, "spec": {"selector": {"matchLabels": {"app": app}}},
            "status": counts,
        });
        self.budgets.insert(name.to_owned(), budget);
        Ok(Vec::new())
    }

    fn wait(&mut self, how_long: &str) -> Printed {
        self.now += duration(how_long)?;
        Ok(Vec::new())
    }

    fn daemon(&mut self, rest: &str) -> Printed {
        let (node, does) = rest.split_once(' ').ok_or("daemon NODE WHAT")?;
        let object = self.nodes.get_mut(node).ok_or("no such node")?;
        let annotations = &mut object["metadata"]["annotations"];
        let key = |name: &str| format!("{PREFIX}/{name}");
        let desired = annotations[key("desiredConfig")].as_str().unwrap_or_default().to_owned();
        let (verb, why) = does.split_once(' ').unwrap_or((does, ""));
        match verb {
            "working" => annotations[key("state")] = json!("Working"),
            "drain" => annotations[key("desiredDrain")] = json!(format!("drain-{desired}")),
            "rebooting" => annotations[key("post-config-action")] = json!("Rebooting"),
            "uncordon" => {
                annotations[key("post-config-action")] = json!("");
                annotations[key("desiredDrain")] = json!(format!("uncordon-{desired}"));
            }
            "done" => {
                annotations[key("state")] = json!("Done");
                annotations[key("reason")] = json!("");
                annotations[key("post-config-action")] = json!("");
                annotations[key("currentConfig")] = json!(desired);
                match annotations.get(key("desiredImage")).cloned() {
                    Some(image) => annotations[key("currentImage")] = image,
                    None => _ = annotations.as_object_mut().and_then(|all| all.remove(&key("currentImage"))),
                }
            }
            "fails" => {
                annotations[key("state")] = json!("Degraded");
                annotations[key("reason")] = json!(why);
            }
            _ => return Err("no such thing does a daemon do".to_owned()),
        }
        Ok(Vec::new())
    }

    pub(crate) fn world(&self) -> World {
        fn read<K: DeserializeOwned + Into<Object>>(value: &Value) -> Object {
            serde_json::from_value::<K>(value.clone()).unwrap().into()
        }
        fn all<K: DeserializeOwned + Into<Object>>(values: &BTreeMap<String, Value>) -> impl Iterator<Item = Object> {
            values.values().map(read::<K>)
        }
        let controller = json!({
            "metadata": {"name": "machine-config-controller"},
            "spec": {"infra": {"status": {"controlPlaneTopology": Some(&self.topology).filter(|text| !text.is_empty())}}},
        });
        let operator = self.operator.iter().map(|node| {
            json!({"metadata": {"name": "operator", "labels": {"k8s-app": "machine-config-operator"}}, "spec": {"nodeName": node}})
        });
        let names: BTreeSet<&String> = self.configs.iter().flatten().chain(self.owners.keys()).collect();
        let configs = names.into_iter().map(|name| {
            let owner =
                self.owners.get(name).map(|pool| json!({"apiVersion": "v1", "kind": "P", "name": pool, "uid": "u"}));
            json!({"metadata": {"name": name, "ownerReferences": owner.into_iter().collect::<Vec<_>>()}})
        });
        let objects = (all::<MachineConfigPool>(&self.pools))
            .chain(all::<Node>(&self.nodes))
            .chain(all::<MachineConfigNode>(&self.reports))
            .chain(operator.map(|pod| read::<Pod>(&pod)))
            .chain(all::<MachineOSConfig>(&self.os_configs))
            .chain(all::<MachineOSBuild>(&self.os_builds))
            .chain(configs.map(|config| read::<MachineConfig>(&config)))
            .chain([read::<ControllerConfig>(&controller)]);
        World { whole: self.configs.is_some(), ..World::of(objects) }
    }

    fn make_plan(&self) -> RolloutPlan {
        let halted = self.halted.clone().map(Halt::Mismatch);
        self.world().views().with_rollout(self.plan.as_ref(), |view| {
            let view = RolloutView { settle: self.settle, halted: halted.as_ref(), ..*view };
            let plan = plan_rollout(&view, self.now);
            assert_eq!(check_plan(&view, &plan), []);
            plan
        })
    }

    fn plan(&mut self) -> Printed {
        let plan = self.make_plan();
        let mut lines = BTreeMap::new();
        for done in &plan.done {
            lines.insert(done.node.clone(), "done".to_owned());
        }
        for (order, start) in plan.start.iter().enumerate() {
            lines.insert(start.node.clone(), format!("starts, number {}: {}", order + 1, told(start)));
        }
        for held in &plan.hold {
            let since = held.since.map(|since| format!(" (for {:#})", self.now.duration_since(since)));
            let text = format!("waits: {}{}", held.reason, since.unwrap_or_default());
            lines.insert(held.node.clone(), text);
        }
        let mut lines: Vec<_> = lines.into_iter().map(|(node, text)| format!("{node}  {text}")).collect();
        for adopt in &plan.adopt {
            let labels: Vec<_> = adopt.labels.keys().cloned().collect();
            lines.push(format!("{} first gets the labels {}", adopt.node, labels.join(", ")));
        }
        self.plan = Some(plan);
        Ok(lines)
    }

    fn go(&mut self) -> Printed {
        let plan = self.make_plan();
        let mut lines = Vec::new();
        for start in &plan.start {
            let node = self.nodes.get_mut(&start.node).unwrap();
            let annotations = &mut node["metadata"]["annotations"];
            annotations[format!("{PREFIX}/desiredConfig")] = json!(start.config);
            if let Some(image) = &start.image {
                annotations[format!("{PREFIX}/desiredImage")] = json!(image);
            } else if start.drop_image {
                annotations.as_object_mut().unwrap().remove(&format!("{PREFIX}/desiredImage"));
            }
            lines.push(format!("{} is told {}", start.node, told(start)));
        }
        for adopt in &plan.adopt {
            let metadata = &mut self.nodes.get_mut(&adopt.node).unwrap()["metadata"];
            for (label, value) in &adopt.labels {
                metadata["labels"][label] = json!(value);
            }
            metadata["annotations"][format!("{PREFIX}/customPoolLabelsApplied")] = json!("");
            lines.push(format!("{} gets the labels of its pool", adopt.node));
        }
        if lines.is_empty() {
            lines.push("nobody may start".to_owned());
        }
        self.plan = Some(plan);
        Ok(lines)
    }

    fn mark(&mut self) -> Printed {
        let marks = self.make_plan().marks;
        let mut lines = Vec::new();
        for mark in marks {
            let object = self.nodes.get_mut(&mark.node).unwrap();
            let node: Node = serde_json::from_value(object.clone()).unwrap();
            merge(object, &mark.patch(&NodeView::new(&node)).ok_or("a mark that changes nothing")?);
            let taint = mark.taint.map(|on| if on { "is tainted" } else { "loses its taint" });
            let topology = mark.topology.as_deref().map(|topology| format!("is told {topology}"));
            let said: Vec<_> = taint.map(str::to_owned).into_iter().chain(topology).collect();
            lines.push(format!("{} {}", mark.node, said.join(", ")));
        }
        if lines.is_empty() {
            lines.push("nothing is to be noted".to_owned());
        }
        Ok(lines)
    }

    fn drain(&mut self, name: &str) -> Printed {
        let node: Node = serde_json::from_value(self.nodes.get(name).ok_or("no such node")?.clone()).unwrap();
        let pods: Vec<Pod> = self.pods.values().map(|pod| serde_json::from_value(pod.clone()).unwrap()).collect();
        let budgets: Vec<PodDisruptionBudget> =
            self.budgets.values().map(|budget| serde_json::from_value(budget.clone()).unwrap()).collect();
        let (node_view, pods): (_, Vec<_>) = (NodeView::new(&node), pods.iter().map(PodView::new).collect());
        let budgets: Vec<_> = budgets.iter().map(BudgetView::new).collect();
        let pods_of: Vec<&PodView<'_>> = pods.iter().collect();
        let mut tried = self.tried.remove(name).unwrap_or_default();
        let report = self.report_of(name);
        let view = DrainView {
            node: &node_view,
            pods: &pods_of,
            budgets: &budgets,
            daemon_sets: None,
            cordon_reported: NodeReport::new(&report).cordoned,
            tried: &tried,
        };
        let Some(plan) = drain(&view, self.now) else { return Ok(vec!["nothing is asked".to_owned()]) };
        let mut lines: Vec<_> = plan.blockers.iter().map(ToString::to_string).collect();
        if let Some(notice) = &plan.notice {
            lines.push(format!("event {}: {}", notice.reason, notice.message));
            tried.told = Some((plan.stage, self.now, notice.who.clone()));
        }
        if let Some(status) = record(&report, &node_view, &drain_reports(&node_view, &plan, &tried), false, self.now) {
            let mut object = serde_json::to_value(&report).unwrap();
            merge(&mut object, &serde_json::to_value(status_patch(&report, &status)).unwrap());
            self.reports.insert(name.to_owned(), object);
        }
        lines.push(said(&plan.step));
        if let Step::Evict { pods } = &plan.step {
            for pod in pods {
                let keeps =
                    budgets.iter().any(|b| b.allowed < 1 && pods_of.iter().any(|p| p.uid == pod.uid && b.covers(p)));
                if keeps {
                    let words = "Cannot evict pod as it would violate the pod's disruption budget.";
                    tried.evicted(&pod.uid, Answer::Refused(words.to_owned()), self.now);
                } else {
                    self.pods.remove(&pod.name);
                }
            }
        }
        if let Some(patch) = plan.step.patch(&node_view, &plan.asked, self.now) {
            merge(self.nodes.get_mut(name).unwrap(), &patch);
        }
        self.tried.insert(name.to_owned(), tried);
        Ok(lines)
    }

    fn report_of(&self, name: &str) -> MachineConfigNode {
        match self.reports.get(name) {
            Some(report) => serde_json::from_value(report.clone()).unwrap(),
            None => MachineConfigNode::named(name, Default::default()),
        }
    }

    fn status(&mut self, name: &str) -> Printed {
        let plan = self.make_plan();
        let world = self.world();
        let views = world.views();
        let pool = views.pools.iter().find(|pool| pool.name == name).ok_or("no such pool")?;
        let status = pool_status(
            &PoolStatusView {
                pool,
                nodes: &views.nodes_of(name),
                reports: &views.reports,
                configs: &BTreeMap::new(),
                streams: None,
                counts_from_reports: false,
                certificates: &[],
                standing: plan.standing(name),
                lost: &views.lost(),
            },
            self.now,
        );
        let mut lines = vec![format!(
            "{} nodes, {} updated, {} ready, {} unavailable, {} degraded",
            status.machine_count,
            status.updated_machine_count,
            status.ready_machine_count,
            status.unavailable_machine_count,
            status.degraded_machine_count
        )];
        for condition in status.conditions.iter().flatten().filter(|c| c.status == "True" || !c.message.is_empty()) {
            let reason = if condition.reason.is_empty() { String::new() } else { format!(" {}:", condition.reason) };
            lines.push(format!("{}={}{reason} {}", condition.type_, condition.status, condition.message));
        }
        if !status_changed(pool.object.status.as_ref(), &status) {
            lines.push("(as before: nothing is written)".to_owned());
        }
        self.pools.get_mut(name).unwrap()["status"] = serde_json::to_value(&status).unwrap();
        Ok(lines.into_iter().map(|line| line.trim_end().to_owned()).collect())
    }
}

/// What a node that starts is told.
fn told(start: &Start) -> String {
    match (&start.image, start.drop_image) {
        (Some(image), _) => format!("{} with image {image}", start.config),
        (None, true) => format!("{} and no image", start.config),
        (None, false) => start.config.clone(),
    }
}

fn said(step: &Step) -> String {
    match step {
        Step::Begin { foreign: false } => "is cordoned".to_owned(),
        Step::Begin { foreign: true } => "was cordoned by somebody else before".to_owned(),
        Step::Evict { pods } => {
            let names: Vec<_> = pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect();
            format!("asks to go: {}", names.join(", "))
        }
        Step::Wait => "waits".to_owned(),
        Step::Drained => "is drained".to_owned(),
        Step::Uncordoned { foreign: false } => "is schedulable".to_owned(),
        Step::Uncordoned { foreign: true } => "stays cordoned: somebody else did it".to_owned(),
        Step::Unknown { verb } => format!("nobody knows how to {verb}"),
    }
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    let (number, unit) = text.split_at(text.len() - 1);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("write N[s|m|h]".to_owned()),
    };
    let number: i64 = number.parse().map_err(|_| "no number".to_owned())?;
    Ok(SignedDuration::from_secs(number * seconds))
}

/// A merge patch, as RFC 7396 has it.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}
