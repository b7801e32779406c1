//! How everything is, at a glance.

use super::{
    View,
    elements::{badge, commands, expected, health, link, notes, progress, section, slots, streams},
    nodes::grid,
};
use crate::{
    html::Html,
    model::{Node, NodeState, Pool},
    picture::Picture,
};
use weir_rules::objects::counted::Count;

/// Commands that are shown: more than these nobody follows at once.
const NEXT: usize = 3;

pub(super) fn page(html: &mut Html, picture: &Picture) -> Option<()> {
    let overview = &picture.overview;
    html.part("div", "headline").class("headline").body(|html| {
        let all_well = overview.pools.iter().all(|pool| pool.health == "updated");
        let title = if overview.pools.is_empty() { "There are no pools" } else { overview.health.as_str() };
        html.tag("h1").class(if all_well { "well" } else { "" }).text(capital(title));
        html.tag("p").class("lead").text(tally(&overview.nodes));
        if let Some(halted) = &overview.cluster.halted {
            html.tag("p").class("note degraded").text(format_args!("No node may start: {halted}"));
        }
    });
    html.part("div", "next").class("next").body(|html| {
        if !overview.next.is_empty() {
            html.tag("h2").text("What to do next");
            commands(html, &overview.next[..overview.next.len().min(NEXT)]);
        }
    });
    section(html, "pools", "Pools", |html| {
        html.tag("div").class("cards").body(|html| overview.pools.iter().for_each(|pool| card(html, pool)));
    });
    section(html, "nodes", "Nodes", |html| {
        html.tag("p").class("lead").body(|html| link(html, &View::Nodes(Default::default()), "Filter and search"));
        grid(html, &overview.nodes.iter().collect::<Vec<_>>());
    });
    Some(())
}

/// How many nodes are how.
fn tally(nodes: &[Node]) -> String {
    let mut said = vec![Count(nodes.len(), "node").to_string()];
    for state in NodeState::ALL {
        let many = nodes.iter().filter(|node| node.state == state).count();
        if many > 0 {
            said.push(format!("{many} {}", state.word()));
        }
    }
    said.join(" · ")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_uppercase().chain(characters).collect()).unwrap_or_default()
}

pub(super) fn card(html: &mut Html, pool: &Pool) {
    let card = html.part("article", format_args!("pool/{}", pool.name)).class(format_args!("card {}", health(pool)));
    card.attr("aria-label", format_args!("Pool {}", pool.name)).body(|html| {
        html.tag("header").body(|html| {
            html.tag("h3").body(|html| link(html, &View::Pool(pool.name.clone()), &pool.name));
            badge(html, health(pool), &pool.health);
            // While nothing is to be done, a pause holds nothing up yet; it will, and nothing else says so.
            if pool.paused && health(pool) != "paused" {
                badge(html, "paused", "paused");
            }
        });
        html.tag("p").class("to").body(|html| {
            streams(html, pool);
            html.tag("span").class("because").text(&pool.because);
        });
        progress(html, pool);
        if pool.nodes.is_some() {
            slots(html, pool);
        }
        expected(html, pool);
        notes(html, &pool.notes);
    });
}
