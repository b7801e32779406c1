//! What came of the last rollouts.

use super::{
    View,
    elements::{badge, commands, link, node, section, title, when, wide},
};
use crate::{
    html::{Html, Link},
    model::{histories, numbers},
    picture::Picture,
};
use jiff::Timestamp;
use weir_rules::history::{Outcome, Rollout, passed, quantiles, said};

/// Rollouts that are shown.
const SHOWN: usize = 100;

pub(super) fn page(html: &mut Html, picture: &Picture) -> Option<()> {
    title(html, &[], "History");
    let pools = histories(&picture.world);
    let all = pools.iter().flat_map(|(pool, history)| history.rollouts.iter().map(move |one| (pool, one)));
    let mut all: Vec<(&String, &Rollout)> = all.collect();
    all.sort_by_key(|(pool, rollout)| (std::cmp::Reverse(rollout.began), *pool));
    html.part("div", "history").body(|html| {
        if all.is_empty() {
            return html
                .tag("p")
                .class("lead")
                .text("There is no history: no pool got another configuration while weir's controller ran here.");
        }
        html.tag("ol").class("timeline").body(|html| {
            for (pool, rollout) in all.iter().take(SHOWN) {
                html.tag("li").class(key(rollout)).body(|html| entry(html, pool, rollout, picture.overview.taken));
            }
        });
    });
    commands(html, &["weir history".to_owned()]);
    Some(())
}

pub(super) fn key(rollout: &Rollout) -> &'static str {
    match rollout.result {
        Outcome::UnderWay => "updating",
        Outcome::Done => "updated",
        Outcome::Superseded => "waiting",
    }
}

pub(super) fn entry(html: &mut Html, pool: &str, rollout: &Rollout, now: Timestamp) {
    when(html, rollout.began);
    html.tag("p").class("what").body(|html| {
        link(html, &View::Past(pool.to_owned(), rollout.to.clone()), pool);
        if let (Some(from), Some(to)) = (&rollout.from_stream, &rollout.to_stream)
            && from != to
        {
            html.tag("span").class("stream").text(format_args!("{from} → {to}"));
        }
        badge(html, key(rollout), &rollout.result.to_string());
    });
    html.tag("p").class("muted").text(numbers(rollout, now));
    changes(html, rollout);
}

fn changes(html: &mut Html, rollout: &Rollout) {
    if !rollout.changed.is_empty() {
        html.tag("ul").class("changed").body(|html| {
            for changed in &rollout.changed {
                html.tag("li").text(said(changed));
            }
            if rollout.more > 0 {
                html.tag("li").text(format_args!("and {} more", rollout.more));
            }
        });
    }
}

pub(super) fn past(html: &mut Html, picture: &Picture, pool: &str, config: &str) -> Option<()> {
    let history = histories(&picture.world).remove(pool)?;
    let rollout = history.rollouts.iter().rev().find(|rollout| rollout.to == config)?;
    title(html, &[(Link::to("/history"), "History")], &format!("Rollout of pool {pool}"));
    let now = picture.overview.taken;
    html.part("div", "past").body(|html| {
        entry(html, pool, rollout, now);
        html.tag("dl").class("facts").body(|html| {
            for (what, config) in [("From", &rollout.from), ("To", &rollout.to)] {
                html.tag("dt").text(what);
                html.tag("dd").body(|html| html.tag("code").text(config));
            }
            for (phase, took) in &rollout.phases {
                html.tag("dt").text(phase.word());
                html.tag("dd").text(quantiles(took));
            }
            if rollout.total.count > 0 {
                html.tag("dt").text("in all");
                html.tag("dd").text(quantiles(&rollout.total));
            }
        });
        commands(html, &[format!("weir diff {} {}", rollout.from, rollout.to)]);
    });
    section(html, "each", "Each node", |html| {
        wide(html.part("div", "each"), "What each node did").body(|html| {
            if rollout.each.is_empty() {
                return html.tag("p").class("muted").text("Single nodes are only kept of the last rollout.");
            }
            html.tag("table").body(|html| {
                html.tag("tbody").body(|html| {
                    for (name, passage) in &rollout.each {
                        html.tag("tr").body(|html| {
                            html.tag("th").attr("scope", "row").body(|html| node(html, name));
                            html.tag("td").text(passed(passage, now));
                        });
                    }
                });
            });
        });
    });
    Some(())
}
