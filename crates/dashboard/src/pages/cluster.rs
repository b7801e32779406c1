//! Release, gates, operator.

use super::elements::{badge, causes, columns, commands, section, title, when, wide};
use crate::{
    html::Html,
    model::{ClusterState, Said},
    picture::Picture,
};
use weir_rules::world::why::Asked;

pub(super) fn page(html: &mut Html, picture: &Picture) -> Option<()> {
    let cluster = &picture.overview.cluster;
    title(html, &[], "Cluster");
    html.part("div", "cluster").body(|html| facts(html, cluster));
    section(html, "inhibitors", "Before the next update", |html| {
        html.part("div", "inhibitors").body(|html| {
            if cluster.inhibitors.is_empty() {
                return html.tag("p").text("Nothing that the operator reports is in the way of an update.");
            }
            html.tag("ul").class("notes").body(|html| {
                for text in &cluster.inhibitors {
                    html.tag("li").class("note waiting").text(text);
                }
            });
        });
    });
    section(html, "operator", "What the operator says", |html| {
        wide(html.part("div", "operator"), "Conditions of the operator")
            .body(|html| conditions(html, &cluster.conditions));
        commands(html, &["kubectl get co machine-config -o yaml".to_owned()]);
    });
    section(html, "why", "Why", |html| {
        html.part("div", "why").body(|html| match picture.why(&Asked::Cluster) {
            Ok(why) => causes(html, &why),
            Err(error) => html.tag("p").text(error),
        });
    });
    section(html, "gates", "Feature gates", |html| {
        html.part("div", "gates").body(|html| gates(html, cluster));
    });
    Some(())
}

fn facts(html: &mut Html, cluster: &ClusterState) {
    let unknown = "not known";
    html.tag("dl").class("facts").body(|html| {
        let mut fact = |name: &str, value: &str| {
            html.tag("dt").text(name);
            html.tag("dd").text(value);
        };
        fact("Distribution", cluster.distribution.as_deref().unwrap_or(unknown));
        fact("Release", cluster.release.as_deref().unwrap_or(unknown));
        if cluster.release.is_some() {
            fact("Every required pool runs it", if cluster.complete { "yes" } else { "not yet" });
        }
        if let Some(topology) = &cluster.topology {
            fact("Control plane", topology);
        }
    });
    let texts = [&cluster.halted, &cluster.problem].into_iter().flatten().chain(&cluster.unreadable);
    for text in texts {
        html.tag("p").class("note degraded").text(text);
    }
}

fn conditions(html: &mut Html, conditions: &[Said]) {
    if conditions.is_empty() {
        return html.tag("p").class("muted").text("There is no ClusterOperator machine-config, or it may not be read.");
    }
    html.tag("table").body(|html| {
        columns(html, &["Condition", "Status", "Reason", "Message", "Since"]);
        html.tag("tbody").body(|html| {
            for held in conditions {
                html.tag("tr").body(|html| {
                    html.tag("th").attr("scope", "row").text(&held.type_);
                    html.tag("td").body(|html| badge(html, judged(held), &held.status));
                    html.tag("td").text(&held.reason);
                    html.tag("td").text(&held.message);
                    html.tag("td").body(|html| held.since.into_iter().for_each(|since| when(html, since)));
                });
            }
        });
    });
}

/// Whether a condition is as it should be: these two are good when true, the others when false.
fn judged(held: &Said) -> &'static str {
    let good = ["Available", "Upgradeable"].contains(&held.type_.as_str());
    match (good, held.status.as_str()) {
        (true, "True") | (false, "False") => "updated",
        (false, "True") if held.type_ == "Progressing" => "updating",
        _ => "failing",
    }
}

fn gates(html: &mut Html, cluster: &ClusterState) {
    if let Some(why) = &cluster.gates_unknown {
        return html.tag("p").class("note waiting").text(why);
    }
    for (word, gates) in [("on", &cluster.gates_on), ("off", &cluster.gates_off)] {
        html.tag("details").attr("data-key", word).flag("open", word == "on").body(|html| {
            html.tag("summary").text(format_args!("{} {word}", gates.len()));
            html.tag("ul").class("gates").body(|html| gates.iter().for_each(|gate| html.tag("li").text(gate)));
        });
    }
}
