//! What a change would do.

use super::{
    Frame, View,
    elements::{badge, commands, link, section, title},
};
use crate::{
    form,
    html::{Html, Link, Rendered},
    picture::Picture,
    planning::{Answer, DEFAULT, MANIFESTS, RELEASE, STREAM_OF},
};
use weir_rules::plan::{Finding, Plan, PoolPlan, text};

/// Parts that differ that are listed of a pool; the text below has more to say of each.
const DIFFERENCES: usize = 50;

/// The page, with the answer to what was asked, if anything was, and a field for a release where updates can be planned.
pub(crate) fn page(picture: &Picture, updates: bool, answer: Option<&Answer>) -> Rendered {
    Frame { title: "Plan", tab: "/plan", live: None }.around(picture, |html| {
        title(html, &[], "Plan");
        html.tag("p").class("lead").text("What a change would do, before it is made. Nothing is applied from here.");
        if let Some(answer) = answer {
            html.tag("section").class("answer").attr("id", "answer").attr("aria-label", "The plan").body(|html| {
                match &answer.plan {
                    Ok(plan) => planned(html, plan, &answer.asked),
                    Err(why) => html.tag("p").class("note degraded").attr("role", "alert").text(why),
                }
            });
        }
        ask(html, picture, updates, answer.map(|answer| answer.asked.as_slice()).unwrap_or_default());
    })
}

fn ask(html: &mut Html, picture: &Picture, updates: bool, asked: &[(String, String)]) {
    let overview = &picture.overview;
    let form = html.tag("form").class("ask").attr("method", "post").action(&Link::to("/plan"));
    form.body(|html| {
        html.tag("label")
            .attr("for", MANIFESTS)
            .text("Manifests, as kubectl apply would take them; files can be dropped here");
        let area = html.tag("textarea").attr("id", MANIFESTS).attr("name", MANIFESTS).attr("rows", 12);
        let area = area.attr("spellcheck", "false").attr("autocomplete", "off");
        area.attr("placeholder", "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\n…")
            .text(form::value(asked, MANIFESTS).unwrap_or_default());
        if !overview.streams.is_empty() {
            html.tag("fieldset").body(|html| {
                html.tag("legend").text("Streams");
                for pool in &overview.pools {
                    let name = format!("{STREAM_OF}{}", pool.name);
                    choose(html, picture, &name, &format!("Pool {}", pool.name), asked);
                }
                choose(html, picture, DEFAULT, "Default", asked);
            });
        }
        if updates {
            html.tag("label").attr("for", RELEASE).text("Release to update to, by its pull spec");
            let field = html.tag("input").attr("type", "text").attr("id", RELEASE).attr("name", RELEASE);
            let field = field.attr("spellcheck", "false").attr("autocomplete", "off");
            field.attr("value", form::value(asked, RELEASE).unwrap_or_default()).void();
        }
        html.tag("button").attr("type", "submit").class("primary").text("Show what it would do");
    });
}

fn choose(html: &mut Html, picture: &Picture, name: &str, label: &str, asked: &[(String, String)]) {
    let chosen = form::value(asked, name).unwrap_or_default();
    html.tag("label").body(|html| {
        html.tag("span").text(label);
        html.tag("select").attr("name", name).body(|html| {
            html.tag("option").attr("value", "").text("as it is");
            for stream in &picture.overview.streams {
                let option = html.tag("option").attr("value", &stream.name);
                option.flag("selected", stream.name == chosen).text(&stream.name);
            }
        });
    });
}

fn planned(html: &mut Html, plan: &Plan, asked: &[(String, String)]) {
    let text = text(plan);
    let (summary, _) = text.split_once('\n').unwrap_or((&text, ""));
    html.tag("h2").class(if plan.is_inhibited() { "bad" } else { "" }).text(summary);
    html.tag("ul").class("changed").body(|html| {
        plan.changes.iter().for_each(|changed| html.tag("li").text(changed));
    });
    for finding in &plan.findings {
        found(html, finding);
    }
    for pool in plan.pools.iter().filter(|pool| pool.changes()) {
        differs(html, pool);
    }
    for unknown in &plan.unknown {
        html.tag("p").class("note waiting").text(format_args!("Not known: {unknown}"));
    }
    section(html, "text", "As the command prints it", |html| {
        html.tag("pre").attr("tabindex", "0").text(&text);
        commands(html, &[command(asked)]);
    });
}

fn found(html: &mut Html, finding: &Finding) {
    let (class, word) = if finding.inhibits() { ("note degraded", "in the way") } else { ("note notice", "note") };
    html.tag("div").class(class).body(|html| {
        html.tag("b").text(format_args!("{word}: "));
        if let Some(pool) = &finding.pool {
            html.text(format_args!("pool {pool}: "));
        }
        html.text(&finding.found);
        html.tag("span").class("rule").text(finding.code);
        html.tag("p").text(format_args!("To do: {}", finding.remedy));
    });
}

fn differs(html: &mut Html, pool: &PoolPlan) {
    html.tag("div").class("card").body(|html| {
        html.tag("header").body(|html| {
            html.tag("h3").body(|html| link(html, &View::Pool(pool.pool.clone()), &pool.pool));
            if pool.is_new {
                badge(html, "next", "new");
            }
        });
        let stream = |stream: &Option<String>| stream.clone().unwrap_or_else(|| "none".to_owned());
        if pool.before.stream != pool.after.stream {
            let (from, to) = (stream(&pool.before.stream), stream(&pool.after.stream));
            html.tag("p").class("to").text(format_args!("stream {from} → {to}"));
        }
        match &pool.differences {
            Err(why) => html.tag("p").class("note waiting").text(why),
            Ok(differences) => html.tag("ul").class("changed").body(|html| {
                for difference in differences.iter().take(DIFFERENCES) {
                    html.tag("li").body(|html| {
                        html.tag("code").text(&difference.what);
                        html.text(format_args!(" from {}", difference.origin.object));
                    });
                }
            }),
        }
    });
}

/// The command that prints the same.
fn command(asked: &[(String, String)]) -> String {
    let mut command = "weir plan".to_owned();
    if form::value(asked, MANIFESTS).is_some_and(|text| !text.trim().is_empty()) {
        command.push_str(" -f FILE");
    }
    for (name, stream) in asked.iter().filter(|(_, stream)| !stream.is_empty()) {
        if let Some(pool) = name.strip_prefix(STREAM_OF) {
            command.push_str(&format!(" --stream {pool}={stream}"));
        } else if name == DEFAULT {
            command.push_str(&format!(" --default-stream {stream}"));
        } else if name == RELEASE {
            command.push_str(&format!(" --release {}", stream.trim()));
        }
    }
    command
}
