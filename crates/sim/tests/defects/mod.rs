//! Defects that lives have to find. Each stands between the processes and their API server, and makes them act as if they had it: no
//! program that is released contains one.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    convert::Infallible,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    thread,
};
use weir_api::keys::{
    config::SETTLED_FROM,
    drain::{CORDONED_BY, CORDONED_BY_CONTROLLER},
};
use weir_sim::life::{Door, Prepared, Service, live};

const PREFIX: &str = "machineconfiguration.openshift.io/";
/// The first seed.
const FIRST: u64 = 1;
/// What a defect remembers.
type Memory = BTreeMap<String, Value>;

/// A defect.
#[derive(Clone, Copy)]
pub struct Defect {
    pub name: &'static str,
    /// Changes an object that a process reads.
    sees: fn(&mut Value, &mut Memory),
    /// Changes what a process writes to a path.
    writes: fn(&str, &mut Value, &mut Memory),
    /// Whether a process that lost its lease is kept from writing.
    fences: bool,
}

const NONE: Defect = Defect { name: "", sees: unchanged, writes: as_is, fences: true };

pub const DEFECTS: [Defect; 25] = [
    Defect { name: "one node too many", sees: one_too_many, ..NONE },
    Defect { name: "paused pools go on", sees: never_paused, ..NONE },
    Defect { name: "updated at once", writes: updated_at_once, ..NONE },
    Defect { name: "a cordon by hand does not count", sees: not_by_hand, ..NONE },
    Defect { name: "every cordon is ours", sees: all_cordons_ours, ..NONE },
    Defect { name: "transition times move", writes: moving_times, ..NONE },
    Defect { name: "no settling", sees: settled, ..NONE },
    Defect { name: "what the pool wanted before", writes: one_before, ..NONE },
    Defect { name: "streams of pools are ignored", sees: no_stream, ..NONE },
    Defect { name: "never uncordoned", writes: never_uncordoned, ..NONE },
    Defect { name: "no limit", sees: no_limit, ..NONE },
    Defect { name: "the arbiter is always idle", sees: arbiter_idle, ..NONE },
    Defect { name: "nodes that are not ready look ready", sees: always_ready, ..NONE },
    Defect { name: "nodes under way look done", sees: done_at_once, ..NONE },
    Defect { name: "nodes that failed look done", sees: failed_is_done, ..NONE },
    Defect { name: "what users change in pools is not seen", sees: pools_as_first, ..NONE },
    Defect { name: "what users change in MachineConfigs is not seen", sees: configs_as_first, ..NONE },
    Defect { name: "one MachineConfig is left out", sees: one_left_out, ..NONE },
    Defect { name: "the gate is always on", sees: gate_on, ..NONE },
    Defect { name: "the first catalogue stays", sees: catalogue_as_first, ..NONE },
    Defect { name: "the first default stays", sees: default_as_first, ..NONE },
    Defect { name: "nobody is told anything", writes: tells_nobody, ..NONE },
    Defect { name: "no write is conditional", writes: unconditional, ..NONE },
    Defect { name: "transition times of the operator move", writes: operator_times, ..NONE },
    Defect { name: "who lost the lease goes on", fences: false, ..NONE },
];

fn unchanged(_: &mut Value, _: &mut Memory) {}

fn as_is(_: &str, _: &mut Value, _: &mut Memory) {}

fn is_pool(object: &Value) -> bool {
    object["kind"] == "MachineConfigPool"
}

fn one_too_many(object: &mut Value, _: &mut Memory) {
    if is_pool(object) {
        let most = &mut object["spec"]["maxUnavailable"];
        *most = match most.as_u64() {
            Some(number) => json!(number + 1),
            None if most.is_null() => json!(2),
            None => json!("100%"),
        };
    }
}

fn never_paused(object: &mut Value, _: &mut Memory) {
    if is_pool(object) {
        object["spec"]["paused"] = json!(false);
    }
}

fn no_stream(object: &mut Value, _: &mut Memory) {
    if is_pool(object) {
        object["spec"].as_object_mut().map(|spec| spec.remove("osImageStream"));
    }
}

fn settled(object: &mut Value, _: &mut Memory) {
    if let Some(annotations) = annotations(object) {
        annotations.remove(SETTLED_FROM);
    }
}

fn annotations(node: &mut Value) -> Option<&mut serde_json::Map<String, Value>> {
    node.get_mut("metadata")?.get_mut("annotations")?.as_object_mut()
}

fn not_by_hand(object: &mut Value, _: &mut Memory) {
    if object["kind"] == "Node" && object["metadata"]["annotations"].get("sim.weir/cordoned-by-hand").is_some() {
        object["spec"].as_object_mut().map(|spec| spec.remove("unschedulable"));
    }
}

fn all_cordons_ours(object: &mut Value, _: &mut Memory) {
    if object["kind"] == "Node"
        && let Some(by) = annotations(object).and_then(|annotations| annotations.get_mut(CORDONED_BY))
    {
        *by = json!(CORDONED_BY_CONTROLLER);
    }
}

fn no_limit(object: &mut Value, _: &mut Memory) {
    if is_pool(object) {
        object["spec"]["maxUnavailable"] = json!("100%");
    }
}

/// Makes a node look as if it ran what it was told.
fn idle(node: &mut Value) {
    if let Some(annotations) = annotations(node)
        && let Some(told) = annotations.get(&format!("{PREFIX}desiredConfig")).cloned()
    {
        annotations.insert(format!("{PREFIX}currentConfig"), told);
        annotations.insert(format!("{PREFIX}state"), json!("Done"));
    }
}

fn ready(node: &mut Value) {
    conditions(node).filter(|c| c["type"] == "Ready").for_each(|c| c["status"] = json!("True"));
    node.get_mut("spec").and_then(Value::as_object_mut).map(|spec| spec.remove("unschedulable"));
}

fn is_node(object: &Value) -> bool {
    object["kind"] == "Node" && object["metadata"]["annotations"].get(format!("{PREFIX}state")).is_some()
}

fn arbiter_idle(object: &mut Value, _: &mut Memory) {
    if is_node(object) && object["metadata"]["labels"].get("node-role.kubernetes.io/arbiter").is_some() {
        idle(object);
        ready(object);
    }
}

fn always_ready(object: &mut Value, _: &mut Memory) {
    if is_node(object) {
        ready(object);
    }
}

fn done_at_once(object: &mut Value, _: &mut Memory) {
    if is_node(object) && object["metadata"]["annotations"][format!("{PREFIX}state")] == "Working" {
        idle(object);
    }
}

fn failed_is_done(object: &mut Value, _: &mut Memory) {
    if is_node(object) && object["metadata"]["annotations"][format!("{PREFIX}state")] == "Degraded" {
        idle(object);
    }
}

/// Sets a field of an object to what it was when it was first seen.
fn as_first(object: &mut Value, pointer: &str, memory: &mut Memory) {
    let key = format!("{} {} {pointer}", object["kind"], object["metadata"]["name"]);
    let now = object.pointer(pointer).cloned().unwrap_or_default();
    let first = memory.entry(key).or_insert(now).clone();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match object.pointer_mut(parent).and_then(Value::as_object_mut) {
        Some(fields) if first.is_null() => _ = fields.remove(field),
        Some(fields) => _ = fields.insert(field.to_owned(), first),
        None => {}
    }
}

fn pools_as_first(object: &mut Value, memory: &mut Memory) {
    if is_pool(object) {
        for field in ["paused", "maxUnavailable", "osImageStream"] {
            as_first(object, &format!("/spec/{field}"), memory);
        }
    }
}

fn is_of_user(object: &Value) -> bool {
    object["kind"] == "MachineConfig" && object["metadata"]["name"].as_str().is_some_and(|name| name.contains("-sim-"))
}

fn configs_as_first(object: &mut Value, memory: &mut Memory) {
    if is_of_user(object) {
        as_first(object, "/spec/kernelArguments", memory);
    }
}

fn one_left_out(object: &mut Value, _: &mut Memory) {
    if is_of_user(object) && object["metadata"]["name"].as_str().is_some_and(|name| name.ends_with("-1")) {
        object["spec"]["kernelArguments"] = json!([]);
    }
}

fn gate_on(object: &mut Value, _: &mut Memory) {
    if object["kind"] == "FeatureGate" {
        for list in object.pointer_mut("/status/featureGates").and_then(Value::as_array_mut).into_iter().flatten() {
            let off = list["disabled"].as_array_mut().map(std::mem::take).unwrap_or_default();
            list["enabled"].as_array_mut().into_iter().for_each(|on| on.extend(off.clone()));
        }
    }
}

fn catalogue_as_first(object: &mut Value, memory: &mut Memory) {
    if object["kind"] == "OSImageStream" && !object["status"]["availableStreams"].is_null() {
        as_first(object, "/status/availableStreams", memory);
    }
}

fn default_as_first(object: &mut Value, memory: &mut Memory) {
    if object["kind"] == "OSImageStream" && !object["status"]["defaultStream"].is_null() {
        as_first(object, "/status/defaultStream", memory);
    }
}

fn tells_nobody(path: &str, body: &mut Value, _: &mut Memory) {
    if path.starts_with("/api/v1/nodes/") {
        annotations(body).map(|annotations| annotations.remove(&format!("{PREFIX}desiredConfig")));
    }
}

/// Neither merge patches nor JSON patches name a version any more.
fn unconditional(_: &str, body: &mut Value, _: &mut Memory) {
    match body {
        Value::Array(operations) => operations.retain(|operation| operation["path"] != "/metadata/resourceVersion"),
        _ => {
            let metadata = body.get_mut("metadata").and_then(Value::as_object_mut);
            metadata.map(|metadata| metadata.remove("resourceVersion"));
        }
    }
}

fn operator_times(path: &str, body: &mut Value, memory: &mut Memory) {
    if path.contains("/clusteroperators/") {
        let count = memory.get("count").and_then(Value::as_u64).unwrap_or_default() + 1;
        memory.insert("count".to_owned(), json!(count));
        let time = format!("2026-01-01T00:00:{:02}Z", count % 60);
        let of_patch =
            body.as_array_mut().into_iter().flatten().filter_map(|operation| operation["value"].as_array_mut());
        of_patch.flatten().for_each(|c| c["lastTransitionTime"] = json!(time));
        conditions(body).for_each(|c| c["lastTransitionTime"] = json!(time));
    }
}

fn conditions(object: &mut Value) -> impl Iterator<Item = &mut Value> {
    object.pointer_mut("/status/conditions").and_then(Value::as_array_mut).into_iter().flatten()
}

fn of_pool_status(path: &str) -> bool {
    path.contains("/machineconfigpools/") && path.ends_with("/status")
}

fn updated_at_once(path: &str, body: &mut Value, _: &mut Memory) {
    if of_pool_status(path) {
        conditions(body).filter(|c| c["type"] == "Updated").for_each(|c| c["status"] = json!("True"));
    }
}

fn moving_times(path: &str, body: &mut Value, memory: &mut Memory) {
    if of_pool_status(path) {
        let count = memory.get("count").and_then(Value::as_u64).unwrap_or_default() + 1;
        memory.insert("count".to_owned(), json!(count));
        let time = format!("2026-01-01T00:00:{:02}Z", count % 60);
        conditions(body).for_each(|c| c["lastTransitionTime"] = json!(time));
    }
}

/// Every pool's nodes are told what they would have been told the time before.
fn one_before(path: &str, body: &mut Value, memory: &mut Memory) {
    const DESIRED: &str = "machineconfiguration.openshift.io/desiredConfig";
    if path.starts_with("/api/v1/nodes/")
        && let Some(told) = annotations(body).and_then(|annotations| annotations.get_mut(DESIRED))
        && let Some((pool, _)) = told.as_str().and_then(|told| told.rsplit_once('-'))
    {
        let pool = pool.to_owned();
        let [now, before] = ["now", "before"].map(|which| format!("{which} {pool}"));
        if memory.get(&now) != Some(told) {
            let last = memory.insert(now, told.clone());
            memory.extend(last.map(|last| (before.clone(), last)));
        }
        if let Some(last) = memory.get(&before) {
            *told = last.clone();
        }
    }
}

fn never_uncordoned(path: &str, body: &mut Value, _: &mut Memory) {
    if path.starts_with("/api/v1/nodes/") && body["spec"]["unschedulable"].is_null() && body.get("spec").is_some() {
        body.as_object_mut().map(|body| body.remove("spec"));
    }
}

/// The way to the API server, with a defect.
#[derive(Clone)]
struct Defective {
    inner: Service,
    defect: Defect,
    memory: Arc<Mutex<Memory>>,
}

impl Defective {
    fn seen(&self, bytes: &[u8]) -> Vec<u8> {
        let Ok(mut value) = serde_json::from_slice::<Value>(bytes) else { return bytes.to_vec() };
        let mut memory = self.memory.lock();
        let kind = value["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).map(str::to_owned);
        match (value.get("items").is_some(), kind) {
            // The items of a list do not name their kind.
            (true, Some(kind)) => {
                for item in value["items"].as_array_mut().into_iter().flatten() {
                    item["kind"] = json!(kind);
                    (self.defect.sees)(item, &mut memory);
                }
            }
            _ if value.get("object").is_some() => (self.defect.sees)(&mut value["object"], &mut memory),
            _ => (self.defect.sees)(&mut value, &mut memory),
        }
        value.to_string().into_bytes()
    }

    fn written(&self, method: &Method, path: &str, bytes: &Bytes) -> Vec<u8> {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(mut body) if *method == Method::PATCH || *method == Method::PUT => {
                (self.defect.writes)(path, &mut body, &mut self.memory.lock());
                body.to_string().into_bytes()
            }
            _ => bytes.to_vec(),
        }
    }
}

impl tower::Service<Request<Body>> for Defective {
    type Response = <Service as tower::Service<Request<Body>>>::Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut this = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let watches = head.uri.query().is_some_and(|query| query.contains("watch=true"));
            let bytes = body.collect_bytes().await.unwrap();
            let body = this.written(&head.method, head.uri.path(), &bytes);
            let Ok(answer) = this.inner.call(Request::from_parts(head, Body::from(body))).await;
            let (head, body) = answer.into_parts();
            if watches {
                // Whole lines come together.
                let lines = body.map_frame(move |frame| {
                    frame.map_data(|data: Bytes| {
                        let lines = data.split_inclusive(|byte| *byte == b'\n');
                        lines.flat_map(|line| [this.seen(line), b"\n".to_vec()].concat()).collect()
                    })
                });
                return Ok(Response::from_parts(head, lines.boxed_unsync()));
            }
            let Ok(whole) = body.collect().await;
            let body = Full::from(this.seen(&whole.to_bytes())).boxed_unsync();
            Ok(Response::from_parts(head, body))
        })
    }
}

/// How many lives it takes until a defect is found, and by what. On all processors; the answer does not depend on how many there are.
pub fn found(defect: Defect, most: u64) -> Option<(u64, String)> {
    let door = Door::new(move |inner| Service::new(Defective { inner, defect, memory: Arc::default() }));
    let door = if defect.fences { door } else { door.without_fences() };
    let prepared = Prepared::new().unwrap().behind(door);
    let (next, first) = (AtomicU64::new(0), Mutex::new(None::<(u64, String)>));
    let lives = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= most || first.lock().as_ref().is_some_and(|(lives, _)| number >= *lives) {
                return;
            }
            let life = live(FIRST + number, &prepared).unwrap();
            let Some(violation) = life.violations.first() else { continue };
            let mut first = first.lock();
            if first.as_ref().is_none_or(|(lives, _)| number < *lives) {
                *first = Some((number + 1, violation.trim().to_owned()));
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(lives)));
    first.into_inner()
}
