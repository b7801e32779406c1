//! A pool, its files, and where they come from.

use super::{
    View,
    elements::{causes, columns, commands, copy, link, section, title, wide},
    history::{entry, key},
    nodes::grid,
    overview::card,
    rollout,
};
use crate::{
    html::{Html, Link},
    model::{Node, histories},
    picture::Picture,
};
use weir_rules::{render::Rendered, world::why::Asked};

/// Rollouts that are listed.
const ROLLOUTS: usize = 10;

pub(super) fn page(html: &mut Html, picture: &Picture, name: &str) -> Option<()> {
    let pool = picture.overview.pool(name)?;
    title(html, &[(Link::to("/"), "Overview")], &format!("Pool {name}"));
    html.tag("h2").class("vh").text("How it is");
    html.tag("div").class("cards one").body(|html| card(html, pool));
    html.part("div", "configs").body(|html| {
        html.tag("dl").class("facts").body(|html| {
            for (what, config) in [("From", &pool.from), ("To", &pool.to)] {
                if !config.is_empty() && (what == "To" || pool.from != pool.to) {
                    html.tag("dt").text(what);
                    html.tag("dd").body(|html| {
                        html.tag("code").text(config);
                        copy(html, config);
                    });
                }
            }
        });
        commands(html, &pool.next);
    });
    html.tag("p").class("lead").body(|html| {
        link(html, &View::Files(name.to_owned()), "What is written to its machines, and where that comes from");
    });
    section(html, "now", "Now", |html| {
        html.part("div", "lanes").body(|html| rollout::lanes(html, picture, pool));
    });
    section(html, "why", "Why", |html| {
        html.part("div", "why").body(|html| match picture.why(&Asked::Pool(name.to_owned())) {
            Ok(why) => causes(html, &why),
            Err(error) => html.tag("p").text(error),
        });
        commands(html, &[format!("weir why mcp/{name}")]);
    });
    section(html, "nodes", "Nodes", |html| {
        let members: Vec<&Node> =
            picture.overview.nodes.iter().filter(|node| node.pool.as_deref() == Some(name)).collect();
        grid(html, &members);
    });
    section(html, "past", "Rollouts", |html| {
        html.part("div", "past").body(|html| past(html, picture, name));
    });
    Some(())
}

fn past(html: &mut Html, picture: &Picture, name: &str) {
    let Some(history) = histories(&picture.world).remove(name) else {
        return html.tag("p").class("muted").text("It has no history yet.");
    };
    html.tag("ol").class("timeline").body(|html| {
        for rollout in history.rollouts.iter().rev().take(ROLLOUTS) {
            html.tag("li").class(key(rollout)).body(|html| entry(html, name, rollout, picture.overview.taken));
        }
    });
}

/// The pool as it is rendered now, or why it is not.
fn rendered(picture: &Picture, pool: &str) -> Option<Result<Rendered, String>> {
    let views = picture.world.views();
    let view = views.pools.iter().find(|view| view.name == pool)?;
    Some(views.rendered(view).map_err(|failure| failure.to_string()))
}

/// An address as people read it: `file /etc/motd`, `unit kubelet.service`.
fn readable(address: &str) -> String {
    for (prefix, word) in [("storage.files[", "file "), ("systemd.units[", "unit "), ("passwd.users[", "user ")] {
        if let Some(name) = address.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(']')) {
            return format!("{word}{name}");
        }
    }
    address.to_owned()
}

pub(super) fn files(html: &mut Html, picture: &Picture, name: &str) -> Option<()> {
    let found = rendered(picture, name)?;
    let back = [(Link::to("/"), "Overview"), (View::Pool(name.to_owned()).link(), name)];
    title(html, &back, &format!("What is written to machines of {name}"));
    wide(html.part("div", "files"), "Parts").body(|html| {
        let rendered = match found {
            Ok(rendered) => rendered,
            Err(why) => return html.tag("p").class("note degraded").text(why),
        };
        html.tag("table").body(|html| {
            columns(html, &["Part", "From"]);
            html.tag("tbody").body(|html| {
                for address in rendered.provenance.addresses() {
                    let Some(trace) = rendered.provenance.trace(address) else { continue };
                    html.tag("tr").body(|html| {
                        html.tag("th").attr("scope", "row").body(|html| {
                            link(html, &View::Part(name.to_owned(), address.to_owned()), &readable(address));
                        });
                        html.tag("td").text(trace);
                    });
                }
            });
        });
    });
    Some(())
}

pub(super) fn part(html: &mut Html, picture: &Picture, name: &str, address: &str) -> Option<()> {
    picture.overview.pool(name)?;
    let back = [
        (Link::to("/"), "Overview"),
        (View::Pool(name.to_owned()).link(), name),
        (View::Files(name.to_owned()).link(), "files"),
    ];
    let said = readable(address);
    title(html, &back, &said);
    let asked = Asked::Part { pool: name.to_owned(), address: address.to_owned(), said };
    html.part("div", "why").body(|html| match picture.why(&asked) {
        Ok(why) => causes(html, &why),
        Err(error) => html.tag("p").class("note waiting").text(error),
    });
    Some(())
}
