//! Nodes in a grid by pool and zone, and one by itself.

use super::{
    View,
    elements::{badge, causes, columns, commands, copy, link, section, since, title},
};
use crate::{
    form,
    html::{Html, Link},
    model::{Node, NodeState, histories},
    picture::Picture,
};
use std::collections::{BTreeMap, BTreeSet};
use weir_rules::{
    history::{of_node, written},
    objects::counted::Count,
    world::why::Asked,
};

/// Up to so many nodes have their names in the grid; more are squares.
const NAMED: usize = 48;

/// Which nodes are shown; what is empty lets all through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Only those of this pool.
    pub(crate) pool: String,
    /// Only those in this zone.
    pub(crate) zone: String,
    /// Only those in this state, by its key.
    pub(crate) state: String,
    /// Only those with this in their name.
    pub(crate) search: String,
}

impl Filter {
    pub(super) fn of(query: &[(String, String)]) -> Self {
        let of = |name| form::value(query, name).unwrap_or_default().trim().to_owned();
        Self { pool: of("pool"), zone: of("zone"), state: of("state"), search: of("search") }
    }

    pub(super) fn link(&self) -> Link {
        let link = Link::to("/nodes").query("pool", &self.pool).query("zone", &self.zone);
        link.query("state", &self.state).query("search", &self.search)
    }

    fn shows(&self, node: &Node) -> bool {
        let is = |wanted: &str, is: &Option<String>| wanted.is_empty() || is.as_deref().unwrap_or(NONE) == wanted;
        is(&self.pool, &node.pool)
            && is(&self.zone, &node.zone)
            && (self.state.is_empty() || self.state == node.state.key())
            && node.name.contains(&self.search)
    }
}

/// A pool or zone that there is none of, in filters and headings.
const NONE: &str = "none";

pub(super) fn page(html: &mut Html, picture: &Picture, filter: &Filter) -> Option<()> {
    let all = &picture.overview.nodes;
    let shown: Vec<&Node> = all.iter().filter(|node| filter.shows(node)).collect();
    title(html, &[], "Nodes");
    let form = html.tag("form").class("filter").attr("method", "get").attr("role", "search");
    form.action(&Link::to("/nodes")).attr("data-keep", "").body(|html| {
        let of = |get: fn(&Node) -> &Option<String>| -> BTreeSet<&str> {
            all.iter().map(|node| get(node).as_deref().unwrap_or(NONE)).collect()
        };
        select(html, "pool", "Pool", &filter.pool, of(|node| &node.pool).into_iter().map(|name| (name, name)));
        select(html, "zone", "Zone", &filter.zone, of(|node| &node.zone).into_iter().map(|name| (name, name)));
        select(
            html,
            "state",
            "State",
            &filter.state,
            NodeState::ALL.map(|state| (state.key(), state.word())).into_iter(),
        );
        html.tag("label").body(|html| {
            html.tag("span").text("Name contains");
            let input = html.tag("input").attr("type", "search").attr("name", "search").attr("value", &filter.search);
            input.attr("autocomplete", "off").void();
        });
        html.tag("button").attr("type", "submit").text("Show");
    });
    html.part("p", "shown").class("lead").body(|html| {
        html.text(format_args!("{} of {}", shown.len(), Count(all.len(), "node")));
        for state in NodeState::ALL {
            let many = shown.iter().filter(|node| node.state == state).count();
            if many > 0 {
                html.text(" · ");
                let only = Filter { state: state.key().to_owned(), ..filter.clone() };
                link(html, &View::Nodes(only), &format!("{many} {}", state.word()));
            }
        }
    });
    html.tag("h2").class("vh").text("By pool and zone");
    legend(html);
    grid(html, &shown);
    Some(())
}

fn select<'o>(
    html: &mut Html,
    name: &'static str,
    label: &str,
    chosen: &str,
    options: impl Iterator<Item = (&'o str, &'o str)>,
) {
    html.tag("label").body(|html| {
        html.tag("span").text(label);
        html.tag("select").attr("name", name).body(|html| {
            html.tag("option").attr("value", "").text("all");
            for (value, text) in options {
                html.tag("option").attr("value", value).flag("selected", value == chosen).text(text);
            }
        });
    });
}

/// A sign for each state, so that colour is not the only one.
fn sign(node: &Node) -> &'static str {
    match (node.state, node.phase.as_deref()) {
        (NodeState::Failing, _) => "✕",
        (NodeState::Updating, Some("draining")) => "↧",
        (NodeState::Updating, Some("rebooting")) => "↻",
        (NodeState::Updating, _) => "⋯",
        (NodeState::Next, _) => "▸",
        (NodeState::Waiting, _) => "○",
        (NodeState::NoPool, _) => "?",
        (NodeState::NotReady, _) => "!",
        (NodeState::Updated, _) => "✓",
    }
}

fn legend(html: &mut Html) {
    let signs = [
        ("updated", "✓", "updated"),
        ("updating", "⋯", "applying"),
        ("updating", "↧", "draining"),
        ("updating", "↻", "rebooting"),
        ("next", "▸", "may start"),
        ("waiting", "○", "waiting"),
        ("failing", "✕", "failing"),
        ("notready", "!", "not ready"),
        ("nopool", "?", "no pool"),
    ];
    html.tag("ul").class("legend").attr("aria-label", "Signs").body(|html| {
        for (class, sign, word) in signs {
            html.tag("li").body(|html| {
                html.tag("span").class(format_args!("sq {class}")).attr("aria-hidden", "true").text(sign);
                html.text(word);
            });
        }
    });
}

/// How a node is, in words.
fn said(node: &Node) -> String {
    match (&node.phase, node.place) {
        (Some(phase), _) => phase.clone(),
        (None, Some(place)) => format!("may start, as number {place}"),
        (None, None) => node.state.word().to_owned(),
    }
}

/// The nodes, by pool and zone.
pub(super) fn grid(html: &mut Html, nodes: &[&Node]) {
    if nodes.is_empty() {
        return html.tag("p").class("muted").text("No nodes.");
    }
    let mut pools: BTreeMap<&str, BTreeMap<&str, Vec<&Node>>> = BTreeMap::new();
    for node in nodes {
        let (pool, zone) = (node.pool.as_deref().unwrap_or(NONE), node.zone.as_deref().unwrap_or_default());
        pools.entry(pool).or_default().entry(zone).or_default().push(node);
    }
    let named = nodes.len() <= NAMED;
    html.tag("div").class("places").body(|html| {
        for (pool, zones) in pools {
            html.tag("section").class("place").attr("aria-label", format_args!("Nodes of pool {pool}")).body(|html| {
                let all: usize = zones.values().map(Vec::len).sum();
                html.tag("h3").body(|html| {
                    match pool {
                        NONE => html.text("no pool"),
                        pool => link(html, &View::Pool(pool.to_owned()), pool),
                    }
                    html.tag("small").text(Count(all, "node"));
                });
                html.tag("div").class("zones").body(|html| {
                    zones.into_iter().for_each(|(zone, members)| part(html, zone, members, named));
                });
            });
        }
    });
}

/// The nodes of a pool in a zone.
fn part(html: &mut Html, zone: &str, mut members: Vec<&Node>, named: bool) {
    members.sort_by_cached_key(|node| natural(&node.name));
    html.tag("div").body(|html| {
        if !zone.is_empty() {
            html.tag("h4").text(format_args!("zone {zone}"));
        }
        html.tag("ul").class(if named { "tiles" } else { "squares" }).body(|html| {
            members.iter().for_each(|node| cell(html, node, named));
        });
    });
}

/// A name as people sort it: node-2 before node-10.
fn natural(name: &str) -> Vec<(String, u64)> {
    let is_digit = |c: char| c.is_ascii_digit();
    let (mut parts, mut rest) = (Vec::new(), name);
    while !rest.is_empty() {
        let text = rest.find(is_digit).unwrap_or(rest.len());
        let (word, after) = rest.split_at(text);
        let (digits, after) = after.split_at(after.find(|c| !is_digit(c)).unwrap_or(after.len()));
        parts.push((word.to_owned(), digits.parse().unwrap_or_default()));
        rest = after;
    }
    parts
}

fn cell(html: &mut Html, node: &Node, named: bool) {
    let said = said(node);
    html.part("li", format_args!("n/{}", node.name)).body(|html| {
        let to = View::Node(node.name.clone()).link();
        let cell = html.tag("a").class(format_args!("sq {}", node.state.key())).href(&to);
        if named {
            cell.body(|html| {
                html.tag("span").class("sign").attr("aria-hidden", "true").text(sign(node));
                html.tag("span").class("name").text(&node.name);
                html.tag("span").class("what").text(said);
            });
        } else {
            cell.attr("aria-label", format_args!("{}: {said}", node.name)).text(sign(node));
        }
    });
}

pub(super) fn one(html: &mut Html, picture: &Picture, name: &str) -> Option<()> {
    let node = picture.overview.node(name)?;
    title(html, &[(Link::to("/nodes"), "Nodes")], name);
    html.part("div", "node").class("headline").body(|html| {
        badge(html, node.state.key(), &said(node));
        if !node.why.is_empty() {
            html.tag("p").class("lead").text(&node.why);
        }
        html.tag("dl").class("facts").body(|html| facts(html, node));
    });
    section(html, "why", "Why", |html| {
        html.part("div", "why").body(|html| match picture.why(&Asked::Node(name.to_owned())) {
            Ok(why) if why.chain.is_empty() => html.tag("p").text("It runs what it should."),
            Ok(why) => causes(html, &why),
            Err(error) => html.tag("p").text(error),
        });
        commands(html, &[format!("weir why node/{name}")]);
    });
    section(html, "part", "Its part in the last rollout", |html| {
        html.part("div", "part").body(|html| passage(html, picture, name));
    });
    Some(())
}

fn facts(html: &mut Html, node: &Node) {
    let mut fact = |name: &str, value: &dyn Fn(&mut Html)| {
        html.tag("dt").text(name);
        html.tag("dd").body(value);
    };
    if let Some(pool) = &node.pool {
        fact("Pool", &|html| link(html, &View::Pool(pool.clone()), pool));
    }
    if let Some(zone) = &node.zone {
        fact("Zone", &|html| html.text(zone));
    }
    if let Some(stream) = &node.stream {
        fact("Stream", &|html| link(html, &View::Streams, stream));
    }
    let config = |html: &mut Html, config: &str| {
        html.tag("code").text(config);
        copy(html, config);
    };
    if let Some(current) = &node.current {
        fact("Runs", &|html| config(html, current));
    }
    if let Some(desired) = node.desired.as_ref().filter(|desired| node.current.as_ref() != Some(desired)) {
        fact("Was told", &|html| config(html, desired));
    }
    if node.cordoned {
        fact("Cordoned", &|html| html.text("yes"));
    }
    if let Some(at) = node.since {
        fact("So", &|html| since(html, at));
    }
}

/// A node's part in the last rollout of its pool.
fn passage(html: &mut Html, picture: &Picture, name: &str) {
    let pools = histories(&picture.world);
    let found = pools.iter().find_map(|(pool, history)| {
        let last = history.rollouts.last()?;
        Some((pool, last, last.each.get(name)?))
    });
    let Some((pool, last, passage)) = found else {
        return html.tag("p").class("muted").text("It took no part in one that is still known by its nodes.");
    };
    html.tag("p").body(|html| {
        link(html, &View::Past(pool.clone(), last.to.clone()), &of_node(&pools, name, picture.overview.taken))
    });
    html.tag("table").body(|html| {
        columns(html, &["Phase", "Took"]);
        html.tag("tbody").body(|html| {
            for (phase, took) in &passage.phases {
                html.tag("tr").body(|html| {
                    html.tag("td").text(phase.word());
                    html.tag("td").text(written(*took));
                });
            }
        });
    });
}
