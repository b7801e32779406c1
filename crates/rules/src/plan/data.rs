//! A plan for scripts. Fields are only ever added; `docs/user/plan.schema.json` describes them.

use super::{Difference, NodePlan, Plan, PoolPlan, Target, Turn, Value};
use crate::{
    forecast::{Basis, Forecast},
    rollout::actions::{Action, Cause, Effect},
    world::{AsOf, generated::difference::hidden},
};
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use weir_ignition::diff::{Contents, State};

/// The plan as JSON.
#[must_use]
pub fn data(plan: &Plan) -> Json {
    let changes = plan.changes.iter().map(|changed| {
        let of = &changed.object;
        json!({
            "group": of.group, "kind": of.kind, "namespace": of.namespace, "name": of.name,
            "what": format!("{:?}", changed.what).to_lowercase(),
        })
    });
    let findings = plan.findings.iter().map(|finding| {
        json!({
            "code": finding.code.as_str(), "pool": finding.pool, "inhibits": finding.inhibits(),
            "accepted": finding.accepted, "mayBeAccepted": finding.code.may_be_accepted(), "found": finding.found,
            "evidence": finding.evidence, "remedy": finding.remedy,
        })
    });
    let waves = plan
        .waves
        .iter()
        .map(|wave| wave.iter().map(|one| json!({"node": one.node, "pool": one.pool})).collect::<Vec<_>>());
    json!({
        "asOf": plan.as_of.map(|AsOf(at)| format!("{at:.0}")),
        "inhibited": plan.is_inhibited(),
        "leavesOpen": plan.leaves_open(),
        "reboots": plan.reboots(), "drains": plan.drains(), "disruptions": plan.disruptions(),
        "changes": changes.collect::<Vec<_>>(),
        "pools": plan.pools.iter().map(|one| pool(one, plan.made)).collect::<Vec<_>>(),
        "waves": waves.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "notKnown": plan.unknown,
        "dependsOn": plan.depends_on.iter().map(|of| {
            json!({"kind": of.kind, "name": of.name, "resourceVersion": of.version})
        }).collect::<Vec<_>>(),
    })
}

fn pool(pool: &PoolPlan, now: Timestamp) -> Json {
    let differences = pool.differences.as_ref().map(|all| all.iter().map(difference).collect::<Vec<_>>());
    json!({
        "pool": pool.pool, "new": pool.is_new, "changes": pool.changes(), "paused": pool.paused,
        "before": target(&pool.before), "after": target(&pool.after),
        "because": pool.because.as_ref().map(|because| {
            json!({"code": because.code(), "rule": because.rule(), "message": because.to_string()})
        }),
        "differences": differences.as_ref().ok(), "differencesNotKnown": pool.differences.as_ref().err(),
        "maxUnavailable": pool.max_unavailable.as_ref().ok(),
        "maxUnavailableNotKnown": pool.max_unavailable.as_ref().err(),
        "image": pool.image, "extensionsImage": pool.extensions_image,
        "notRendered": pool.unrendered,
        "forecast": pool.forecast.as_ref().map(|found| forecast(found, now)),
        "nodes": pool.nodes.as_ref().map(|nodes| nodes.iter().map(node).collect::<Vec<_>>()),
    })
}

/// Durations in seconds: the usual one, and what nine of ten do not exceed.
fn forecast(forecast: &Forecast, now: Timestamp) -> Json {
    let seconds = |took: [u64; 2]| took.map(|milliseconds| milliseconds / 1000);
    let basis = match forecast.basis {
        Basis::History { rollouts, nodes } => json!({"rollouts": rollouts, "nodes": nodes}),
        Basis::Documented => Json::Null,
    };
    let over = forecast.over(now).map(|over| over.map(|at| format!("{at:.0}")));
    let phases = forecast.phases.iter().map(|(phase, took)| (phase.word().to_owned(), json!(seconds(*took))));
    json!({
        "nodes": forecast.nodes, "waiting": forecast.waiting, "seconds": seconds(forecast.left), "over": over, "ofNode": seconds(forecast.node),
        "noEnd": forecast.no_end(), "longerBy": forecast.longer.map(|longer| longer / 1000),
        "ofPhases": phases.collect::<serde_json::Map<_, _>>(), "fromHistory": basis, "message": forecast.to_string(),
    })
}

fn target(target: &Target) -> Json {
    json!({"config": target.config, "stream": target.stream, "osImage": target.os_image})
}

fn difference(difference: &Difference) -> Json {
    let Difference { what, before, after, origin } = difference;
    json!({
        "what": what, "before": before.as_ref().map(value), "after": after.as_ref().map(value),
        "from": {"object": origin.object, "field": origin.field, "madeFrom": origin.made_from},
    })
}

fn value(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Part(State { contents, rest }) => {
            let contents = match contents {
                Contents::None => Json::Null,
                Contents::Text(text) => match hidden(text) {
                    Some(why) => json!({ "hidden": why }),
                    None => json!({ "text": text }),
                },
                Contents::Binary(bytes) => json!({"bytes": bytes.len()}),
                Contents::Remote(url) => json!({ "source": url }),
                Contents::Unreadable { source, why } => json!({"source": source, "error": why.to_string()}),
            };
            json!({"contents": contents, "settings": rest})
        }
    }
}

fn node(node: &NodePlan) -> Json {
    let (turn, wave, waits) = match &node.turn {
        Turn::There => ("there", None, None),
        Turn::UnderWay => ("underWay", None, None),
        Turn::Wave(wave) => ("starts", Some(*wave), None),
        Turn::Waits(reason) => ("waits", None, Some(json!({"code": reason.code(), "message": reason.to_string()}))),
    };
    let blocked = node
        .blocked
        .iter()
        .map(|pod| json!({"namespace": pod.namespace, "pod": pod.pod, "owner": pod.owner, "budgets": pod.budgets}));
    json!({
        "node": node.node, "resourceVersion": node.version, "runs": node.runs, "first": node.first, "turn": turn, "wave": wave, "waitsFor": waits,
        "effect": node.effect.as_ref().ok().map(effect), "effectNotKnown": node.effect.as_ref().err().map(ToString::to_string),
        "evicted": node.evicted.len(), "evictedPods": node.evicted, "blocked": blocked.collect::<Vec<_>>(), "lost": node.lost,
    })
}

fn effect(effect: &Effect) -> Json {
    let action = |action: &Action| match action {
        Action::Reload(unit) | Action::Restart(unit) => json!({"type": action.type_(), "unit": unit}),
        _ => json!({"type": action.type_()}),
    };
    let actions = |all: &[Action]| all.iter().map(action).collect::<Vec<_>>();
    let cause = |cause: &Cause| json!({"what": cause.what.to_string(), "because": cause.because.to_string(), "actions": actions(&cause.actions)});
    json!({
        "reboots": effect.reboots(), "drains": effect.drains, "actions": actions(&effect.actions),
        "causes": effect.causes.iter().map(cause).collect::<Vec<_>>(),
    })
}
