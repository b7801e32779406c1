//! A plan for scripts. Fields are only ever added; `docs/user/plan.md` lists them.

use super::{Difference, NodePlan, Plan, PoolPlan, Target, Turn, Value};
use crate::{
    rollout::actions::{Action, Cause, Effect},
    world::generated::difference::holds_logins,
};
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
        "inhibited": plan.is_inhibited(),
        "reboots": plan.reboots(), "drains": plan.drains(), "disruptions": plan.disruptions(),
        "changes": changes.collect::<Vec<_>>(),
        "pools": plan.pools.iter().map(pool).collect::<Vec<_>>(),
        "waves": waves.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "notKnown": plan.unknown,
    })
}

fn pool(pool: &PoolPlan) -> Json {
    let differences = pool.differences.as_ref().map(|all| all.iter().map(difference).collect::<Vec<_>>());
    json!({
        "pool": pool.pool, "new": pool.is_new, "changes": pool.changes(), "paused": pool.paused,
        "before": target(&pool.before), "after": target(&pool.after),
        "because": pool.because.as_ref().map(|because| {
            json!({"code": because.code(), "rule": because.rule(), "message": because.to_string()})
        }),
        "differences": differences.as_ref().ok(), "differencesNotKnown": pool.differences.as_ref().err(),
        "maxUnavailable": pool.max_unavailable.as_ref().ok(),
        "image": pool.image,
        "nodes": pool.nodes.as_ref().map(|nodes| nodes.iter().map(node).collect::<Vec<_>>()),
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
                Contents::Text(text) if holds_logins(text) => json!({"hidden": "it holds logins"}),
                Contents::Text(text) => json!({ "text": text }),
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
        "node": node.node, "runs": node.runs, "turn": turn, "wave": wave, "waitsFor": waits,
        "effect": node.effect.as_ref().ok().map(effect), "effectNotKnown": node.effect.as_ref().err(),
        "evicted": node.evicted, "blocked": blocked.collect::<Vec<_>>(), "lost": node.lost,
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
