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
    sync::Arc,
    task::{Context, Poll},
};
use weir_api::keys::{
    config::SETTLED_FROM,
    drain::{CORDONED_BY, CORDONED_BY_CONTROLLER},
};
use weir_sim::life::{Door, Prepared, Service, live};

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
}

pub const DEFECTS: [Defect; 10] = [
    Defect { name: "one node too many", sees: one_too_many, writes: as_is },
    Defect { name: "paused pools go on", sees: never_paused, writes: as_is },
    Defect { name: "updated at once", sees: unchanged, writes: updated_at_once },
    Defect { name: "a cordon by hand does not count", sees: not_by_hand, writes: as_is },
    Defect { name: "every cordon is ours", sees: all_cordons_ours, writes: as_is },
    Defect { name: "transition times move", sees: unchanged, writes: moving_times },
    Defect { name: "no settling", sees: settled, writes: as_is },
    Defect { name: "what the pool wanted before", sees: unchanged, writes: one_before },
    Defect { name: "streams of pools are ignored", sees: no_stream, writes: as_is },
    Defect { name: "never uncordoned", sees: unchanged, writes: never_uncordoned },
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

/// How many lives it takes until a defect is found, and by what.
pub fn found(defect: Defect, most: u64) -> Option<(u64, String)> {
    let door = Door::new(move |inner| Service::new(Defective { inner, defect, memory: Arc::default() }));
    let prepared = Prepared::new().unwrap().behind(door);
    (0..most).find_map(|number| {
        let life = live(FIRST + number, &prepared).unwrap();
        life.violations.first().map(|violation| (number + 1, violation.trim().to_owned()))
    })
}
