//! Whether an expectation of a story holds, and if not, what was found.

use super::{
    judge::annotation,
    script::{Condition, Event, Expectation, Pool, Streams},
};
use crate::history::Seen;
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _};
use weir_api::MachineConfigPool;
use weir_rules::status::settled::{Progress, progress};

const POOL: &str = "MachineConfigPool";
const RETAINED: &str = weir_api::keys::config::RETAINED_STREAMS;

/// What was found instead; `None` when it holds. `since` is where the changes of this step begin, `joined` how many nodes each pool
/// should have, `pruned` how many images were deleted from the registry.
pub(super) fn unmet(
    expected: &Expectation,
    seen: &Seen,
    since: usize,
    joined: &BTreeMap<String, u32>,
    pruned: usize,
) -> Option<String> {
    match expected {
        Expectation::Streams(wanted) => streams(wanted, seen.get("OSImageStream", "cluster")),
        Expectation::NoStreams => {
            let there = !seen.get("OSImageStream", "cluster").is_null();
            there.then(|| "there is an OSImageStream".to_owned())
        }
        Expectation::Pool(wanted) => pool(wanted, seen.get_pool(&wanted.name), joined),
        Expectation::Operator(wanted) => {
            let object = seen.get("ClusterOperator", weir_api::keys::names::CLUSTER_OPERATOR);
            condition(wanted, object).map(|found| format!("the condition is {found}"))
        }
        Expectation::Release(wanted) => {
            let newest = &seen.get("ClusterVersion", weir_api::keys::names::VERSION)["status"]["history"][0];
            let right = newest["version"] == wanted.version.as_str() && newest["state"] == wanted.state.as_str();
            (!right).then(|| format!("ClusterVersion says {} is {}", newest["version"], newest["state"]))
        }
        Expectation::Os { pool, name } => {
            let of_pool = seen.all("Node").filter(|(node, _)| of_pool(node, pool));
            let os = |node: &Value| node["status"]["nodeInfo"]["osImage"].as_str().unwrap_or_default().to_owned();
            let systems: Vec<String> = of_pool.map(|(_, node)| os(node)).collect();
            let right = !systems.is_empty() && systems.iter().all(|os| os.starts_with(name.as_str()));
            (!right).then(|| format!("its nodes run {}", systems.join(", ")))
        }
        Expectation::Image { pool, built } => {
            let of_pool = seen.all("Node").filter(|(node, _)| of_pool(node, pool));
            let images: Vec<&str> =
                of_pool.map(|(_, node)| annotation(node, "currentImage").unwrap_or_default()).collect();
            let right = !images.is_empty() && images.iter().all(|image| image.is_empty() != *built);
            (!right).then(|| format!("its nodes run {images:?}"))
        }
        Expectation::Told(wanted) => {
            let told: BTreeMap<String, usize> =
                wanted.keys().map(|pool| (pool.clone(), told(seen, since, pool))).collect();
            (told != *wanted).then(|| format!("they were told {}", counts(&told)))
        }
        Expectation::Pruned(wanted) => (pruned != *wanted).then(|| format!("{pruned} were")),
        Expectation::Event(wanted) => {
            let found = seen.all("Event").any(|(_, event)| is_event(wanted, event));
            (!found).then(|| "there is no such event".to_owned())
        }
    }
}

/// Nodes are named after the pool they were made for.
fn of_pool(node: &str, pool: &str) -> bool {
    node.rsplit_once('-').is_some_and(|(name, _)| name == pool)
}

fn streams(wanted: &Streams, object: &Value) -> Option<String> {
    let empty = Vec::new();
    let sets = object["status"]["availableStreams"].as_array().unwrap_or(&empty);
    let available: Vec<&str> = sets.iter().filter_map(|set| set["name"].as_str()).collect();
    let (spec, status) = (&object["spec"]["defaultStream"], &object["status"]["defaultStream"]);
    let retained = object["metadata"]["annotations"][RETAINED].as_str().unwrap_or_default();
    let right = available == wanted.available
        && *status == wanted.default.as_str()
        && *spec == wanted.wanted.as_ref().unwrap_or(&wanted.default).as_str()
        && retained == wanted.retained.join(",");
    (!right).then(|| format!("available {available:?}, default {status}, wanted {spec}, retained {retained:?}"))
}

fn pool(wanted: &Pool, object: &Value, joined: &BTreeMap<String, u32>) -> Option<String> {
    let mut instead = String::new();
    let mut say = |what: &str, found: &dyn std::fmt::Display| _ = write!(instead, "{what} {found}; ");
    let name_of = |value: &Value| value["osImageStream"]["name"].as_str().unwrap_or("none").to_owned();
    let (runs, names) = (name_of(&object["status"]), name_of(&object["spec"]));
    if wanted.runs.as_ref().is_some_and(|wanted| *wanted != runs) {
        say("it runs", &runs);
    }
    if wanted.names.as_ref().is_some_and(|wanted| *wanted != names) {
        say("it names", &names);
    }
    if let Some(at_rest) = wanted.at_rest {
        let progress = serde_json::from_value::<MachineConfigPool>(object.clone()).map(|pool| progress(&pool));
        let nodes = i64::from(joined.get(&wanted.name).copied().unwrap_or_default());
        let resting = matches!(progress, Ok(Progress::AtRest { nodes: of }) if i64::from(of) == nodes);
        if resting != at_rest {
            match progress {
                Ok(progress) => say("it is", &progress),
                Err(error) => say("it cannot be read:", &error),
            }
        }
    }
    if let Some(found) = wanted.condition.as_ref().and_then(|wanted| condition(wanted, object)) {
        say("the condition is", found);
    }
    let instead = instead.trim_end_matches("; ");
    (!instead.is_empty()).then(|| instead.to_owned())
}

/// The actual condition, if it is not the expected one.
fn condition<'a>(wanted: &Condition, object: &'a Value) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let found = conditions.iter().find(|c| c["type"] == wanted.type_.as_str()).unwrap_or(&Value::Null);
    let right = found["status"] == wanted.status.as_str()
        && wanted.reason.as_ref().is_none_or(|reason| found["reason"] == reason.as_str())
        && found["message"].as_str().unwrap_or_default().contains(&wanted.says);
    (!right).then_some(found)
}

fn told(seen: &Seen, since: usize, pool: &str) -> usize {
    let mut last: BTreeMap<&str, (&str, Option<&str>)> = BTreeMap::new();
    let mut times = 0;
    for (at, change) in seen.changes.iter().enumerate().filter(|(_, c)| c.key.0 == "Node" && of_pool(&c.key.1, pool)) {
        let Some(node) = &change.after else { continue };
        let Some(config) = annotation(node, "desiredConfig") else { continue };
        let desired = (config, annotation(node, "desiredImage"));
        let before = last.insert(&change.key.1, desired);
        times += usize::from(at >= since && before.is_some_and(|before| before != desired));
    }
    times
}

fn counts(told: &BTreeMap<String, usize>) -> String {
    let each: Vec<String> = told.iter().map(|(pool, times)| format!("{pool} {times}")).collect();
    each.join(", ")
}

fn is_event(wanted: &Event, event: &Value) -> bool {
    event["reason"] == wanted.reason.as_str()
        && about(event) == wanted.about
        && event["message"].as_str().is_some_and(|message| message.contains(&wanted.says))
}

/// Kind and name of an event's object.
pub(super) fn about(event: &Value) -> String {
    let of = |field: &str| event["involvedObject"][field].as_str().unwrap_or_default();
    format!("{}/{}", of("kind"), of("name"))
}

/// The expectation in words.
pub(super) fn words(expected: &Expectation) -> String {
    match expected {
        Expectation::Streams(wanted) => {
            let mut text = format!("the streams are {}, default {}", wanted.available.join(" and "), wanted.default);
            if !wanted.retained.is_empty() {
                _ = write!(text, ", retained {}", wanted.retained.join(", "));
            }
            text
        }
        Expectation::NoStreams => "there is no OSImageStream".to_owned(),
        Expectation::Pool(wanted) => {
            let mut parts = Vec::new();
            parts.extend(wanted.at_rest.map(|rests| if rests { "is updated" } else { "is not at rest" }.to_owned()));
            parts.extend(wanted.runs.as_ref().map(|stream| format!("runs {stream}")));
            parts.extend(wanted.names.as_ref().map(|stream| format!("names {stream}")));
            parts.extend(wanted.condition.as_ref().map(said));
            format!("{} {}", wanted.name, parts.join(", "))
        }
        Expectation::Operator(wanted) => format!("the ClusterOperator {}", said(wanted)),
        Expectation::Release(wanted) => format!("release {} is {}", wanted.version, wanted.state),
        Expectation::Os { pool, name } => format!("every node of {pool} runs {name}"),
        Expectation::Image { pool, built: true } => format!("every node of {pool} runs an image that was built for it"),
        Expectation::Image { pool, built: false } => format!("no node of {pool} runs an image that was built for it"),
        Expectation::Told(wanted) => format!("nodes were told anything: {}", counts(wanted)),
        Expectation::Pruned(wanted) => format!("images deleted from the registry so far: {wanted}"),
        Expectation::Event(wanted) => format!("event {} on {}", wanted.reason, wanted.about),
    }
}

fn said(wanted: &Condition) -> String {
    let reason = wanted.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let says = if wanted.says.is_empty() { String::new() } else { format!(": …{}…", wanted.says) };
    format!("says {}={}{reason}{says}", wanted.type_, wanted.status)
}

impl Seen {
    fn get_pool(&self, name: &str) -> &Value {
        self.get(POOL, name)
    }
}
