//! Who goes, who is next, who waits for whom.

use super::{
    View,
    elements::{badge, commands, expected, health, link, node, nodes, notes, progress, since, slots, streams, title},
};
use crate::{
    html::Html,
    model::{Node, NodeState, Pool},
    picture::Picture,
};

/// Nodes under way, and those that start, that are listed by themselves.
const LISTED: usize = 50;

pub(super) fn page(html: &mut Html, picture: &Picture) -> Option<()> {
    title(html, &[], "Rollout");
    let overview = &picture.overview;
    let moves = |pool: &&Pool| pool.health != "updated";
    html.part("div", "rollout").body(|html| {
        if let Some(halted) = &overview.cluster.halted {
            html.tag("p").class("note degraded").text(format_args!("No node may start: {halted}"));
        }
        if !overview.pools.iter().any(|pool| moves(&pool)) {
            html.tag("p").class("lead").text("Nothing moves: every pool is updated.");
        }
    });
    for pool in overview.pools.iter().filter(moves) {
        html.part("section", format_args!("lanes/{}", pool.name)).class("rolling").body(|html| {
            html.tag("h2").body(|html| {
                link(html, &View::Pool(pool.name.clone()), &pool.name);
                badge(html, health(pool), &pool.health);
            });
            html.tag("p").class("to").body(|html| streams(html, pool));
            progress(html, pool);
            slots(html, pool);
            expected(html, pool);
            notes(html, &pool.notes);
            lanes(html, picture, pool);
            commands(html, &pool.next);
        });
    }
    Some(())
}

/// The nodes of a pool that go, that are next, and that wait.
pub(super) fn lanes(html: &mut Html, picture: &Picture, pool: &Pool) {
    let of = |state: NodeState| -> Vec<&Node> {
        let all = picture.overview.nodes.iter();
        all.filter(|node| node.pool.as_ref() == Some(&pool.name) && node.state == state).collect()
    };
    let (going, failing) = (of(NodeState::Updating), of(NodeState::Failing));
    if going.is_empty() && failing.is_empty() && pool.start.is_empty() && pool.waits.is_empty() {
        return html.tag("p").class("muted").text("Nothing moves.");
    }
    html.tag("div").class("lanes").body(|html| {
        lane(html, "Failing", failing.len(), |html| failing.iter().for_each(|one| on_its_way(html, one)));
        lane(html, "On their way", going.len(), |html| going.iter().for_each(|one| on_its_way(html, one)));
        lane(html, "Next, in this order", pool.start.len(), |html| {
            for name in pool.start.iter().take(LISTED) {
                html.tag("li").body(|html| node(html, name));
            }
        });
        let waiting = |code: &str| !["Updating", "Failing"].contains(&code);
        let groups: Vec<_> = pool.waits.iter().filter(|group| waiting(&group.code)).collect();
        let many = groups.iter().map(|group| group.nodes.len()).sum();
        lane(html, "Waiting", many, |html| {
            for group in &groups {
                html.tag("li").body(|html| {
                    html.tag("p").text(&group.text);
                    html.tag("p").class("muted").body(|html| {
                        nodes(html, &group.nodes);
                        if let Some(at) = group.since {
                            since(html, at);
                        }
                    });
                });
            }
        });
    });
}

fn lane(html: &mut Html, name: &str, many: usize, contents: impl FnOnce(&mut Html)) {
    if many == 0 {
        return;
    }
    html.tag("div").class("lane").body(|html| {
        html.tag("h3").body(|html| {
            html.text(name);
            html.tag("small").text(many);
        });
        html.tag("ul").body(contents);
    });
}

fn on_its_way(html: &mut Html, one: &Node) {
    html.tag("li").body(|html| {
        node(html, &one.name);
        if let Some(phase) = &one.phase {
            badge(html, "updating", phase);
        }
        html.tag("p").body(|html| {
            html.text(&one.why);
            if let Some(at) = one.since {
                since(html, at);
            }
        });
    });
}
