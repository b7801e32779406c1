//! What several pages are made of.

use super::View;
use crate::{
    html::{Html, Link, Tag},
    model::{Note, NoteKind, Pool},
};
use jiff::Timestamp;
use weir_rules::{objects::counted::Count, world::why::Why};

/// A point in time. The script of the page adds how long ago it was.
pub(super) fn when(html: &mut Html, at: Timestamp) {
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    html.tag("time").attr("datetime", whole).text(whole.strftime("%Y-%m-%d %H:%M:%S UTC"));
}

/// Since when. The script of the page says instead for how long it has been.
pub(super) fn since(html: &mut Html, at: Timestamp) {
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    html.text(" ");
    let time = html.tag("time").class("muted").attr("datetime", whole).attr("data-since", "");
    time.text(whole.strftime("since %Y-%m-%d %H:%M:%S UTC"));
}

/// A point in time of which only the time of day matters; the script shows that of the browser.
fn clock(html: &mut Html, at: Timestamp) {
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    html.tag("time").attr("datetime", whole).attr("data-clock", "").text(whole.strftime("%H:%M UTC"));
}

/// A link with text.
pub(super) fn link(html: &mut Html, view: &View, text: &str) {
    html.tag("a").href(&view.link()).text(text);
}

/// A link to a node.
pub(super) fn node(html: &mut Html, name: &str) {
    html.tag("a").class("name").href(&View::Node(name.to_owned()).link()).text(name);
}

/// Links to nodes, of many the first.
pub(super) fn nodes(html: &mut Html, names: &[String]) {
    for (at, name) in names.iter().take(NODES).enumerate() {
        if at > 0 {
            html.text(", ");
        }
        node(html, name);
    }
    if names.len() > NODES {
        html.text(format_args!(" and {} more", names.len() - NODES));
    }
}

/// Nodes that are named in a list; the grid has all of them.
const NODES: usize = 12;

/// Commands to copy.
pub(super) fn commands(html: &mut Html, commands: &[String]) {
    if commands.is_empty() {
        return;
    }
    html.tag("ul").class("commands").body(|html| {
        for command in commands {
            html.tag("li").body(|html| {
                html.tag("code").text(command);
                copy(html, command);
            });
        }
    });
}

/// A button that copies; without the script it is not shown.
pub(super) fn copy(html: &mut Html, text: &str) {
    let button = html.tag("button").attr("type", "button").class("copy").attr("data-copy", text).flag("hidden", true);
    button.attr("aria-label", format_args!("Copy {text}")).text("Copy");
}

/// The head of a table.
pub(super) fn columns(html: &mut Html, names: &[&str]) {
    html.tag("thead").body(|html| {
        html.tag("tr").body(|html| {
            for name in names {
                html.tag("th").attr("scope", "col").text(name);
            }
        });
    });
}

/// A label for a state.
pub(super) fn badge(html: &mut Html, key: &str, word: &str) {
    html.tag("span").class(format_args!("badge {key}")).text(word);
}

/// Something that may be wider than the window: it is scrolled within, with keys too, for which it has to take the focus and have a name.
pub(super) fn wide<'h>(tag: Tag<'h>, name: &str) -> Tag<'h> {
    tag.class("scroll").attr("role", "region").attr("aria-label", name).attr("tabindex", "0")
}

/// The class of a pool's health.
pub(super) fn health(pool: &Pool) -> &'static str {
    match pool.health.as_str() {
        "degraded" => "failing",
        "updating" => "updating",
        "paused" => "paused",
        "updated" => "updated",
        _ => "waiting",
    }
}

/// From which stream to which.
pub(super) fn streams(html: &mut Html, pool: &Pool) {
    html.tag("span").class("stream").body(|html| match (&pool.from_stream, &pool.to_stream) {
        (Some(from), Some(to)) if from != to => {
            html.tag("span").text(from);
            html.tag("span").class("arrow").text(" → ");
            html.tag("strong").text(to);
        }
        (_, Some(one)) | (Some(one), None) => html.tag("strong").text(one),
        (None, None) => html.tag("span").class("muted").text("no stream"),
    });
}

/// How far a pool is, as a bar and in words.
pub(super) fn progress(html: &mut Html, pool: &Pool) {
    let Some(all) = pool.nodes else {
        return html.tag("p").class("muted").text("How far it is, is not known: there are no nodes.");
    };
    let on_the_way: usize = pool.phases.iter().map(|phase| phase.nodes).sum();
    let failing = pool.degraded.min(all.saturating_sub(pool.updated + on_the_way));
    let mut said = format!("{} of {} updated", pool.updated, Count(all, "node"));
    for phase in &pool.phases {
        said.push_str(&format!(", {} {}", phase.nodes, phase.phase));
    }
    if failing > 0 {
        said.push_str(&format!(", {failing} failing"));
    }
    let bar = html.tag("svg").class("bar").attr("viewBox", "0 0 1000 10").attr("preserveAspectRatio", "none");
    bar.attr("role", "img").attr("aria-label", &said).body(|html| {
        let mut from = 0;
        let mut rect = |html: &mut Html, class: &str, nodes: usize| {
            let width = (nodes * 1000).checked_div(all).unwrap_or_default();
            let rect = html.tag("rect").class(class).attr("x", from).attr("y", 0);
            rect.attr("width", width).attr("height", 10).text("");
            from += width;
        };
        rect(html, "updated", pool.updated);
        rect(html, "updating", on_the_way);
        rect(html, "failing", failing);
    });
    html.tag("p").class("said").text(said);
}

/// How many nodes may be down, each as a slot.
pub(super) fn slots(html: &mut Html, pool: &Pool) {
    let slots = &pool.slots;
    let Some(allowed) = slots.allowed else {
        return html.tag("p").class("note degraded").text(slots.why.as_deref().unwrap_or_default());
    };
    let said = format!("{} of at most {allowed} down", slots.taken.len());
    html.tag("p").class("slots").body(|html| {
        html.tag("span").class("cells").attr("aria-hidden", "true").body(|html| {
            for at in 0..allowed.max(slots.taken.len()).min(SLOTS) {
                let class = match (at < slots.taken.len(), at < allowed) {
                    (true, true) => "taken",
                    (true, false) => "over",
                    (false, _) => "free",
                };
                html.tag("i").class(class).text("");
            }
        });
        html.text(said);
    });
}

/// Slots that are drawn; beyond that the number says more.
const SLOTS: usize = 24;

/// What is wrong with a pool, what it waits for, what users should know.
pub(super) fn notes(html: &mut Html, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    html.tag("ul").class("notes").body(|html| {
        for note in notes {
            let (class, word) = match note.kind {
                NoteKind::Degraded => ("note degraded", "degraded"),
                NoteKind::Waiting => ("note waiting", "still to be rendered"),
                NoteKind::Notice => ("note notice", "note"),
            };
            html.tag("li").class(class).body(|html| {
                html.tag("b").text(format_args!("{word}: "));
                html.text(&note.text);
            });
        }
    });
}

/// How long it will take, or how long it took last.
pub(super) fn expected(html: &mut Html, pool: &Pool) {
    match (&pool.expected, &pool.last) {
        (Some(expected), _) => {
            if let Some([from, to]) = expected.over {
                html.tag("p").class("eta").body(|html| {
                    html.text("done between ");
                    clock(html, from);
                    html.text(" and ");
                    clock(html, to);
                });
            }
            html.tag("p").class("expected muted").text(&expected.text);
            for slow in &expected.slow {
                html.tag("p").class("note waiting").text(slow);
            }
        }
        (None, Some(last)) => html.tag("p").class("expected muted").body(|html| {
            html.text("last rollout ");
            when(html, last.began);
            html.text(format_args!(": {}", last.text));
        }),
        (None, None) => {}
    }
}

/// A chain of causes, each with its own below it, and the commands that change what is at their end.
pub(super) fn causes(html: &mut Html, why: &Why) {
    html.tag("ol").class("causes").body(|html| {
        for cause in &why.chain {
            let depth = cause.depth.min(DEEPEST);
            html.tag("li").class(format_args!("d{depth}")).attr("data-depth", cause.depth).body(|html| {
                if cause.depth > 0 {
                    html.tag("span").class("muted").text("because ");
                }
                about(html, &cause.about);
                html.text(": ");
                html.text(&cause.text);
                if let Some(at) = cause.since {
                    since(html, at);
                }
                if let Some(rule) = cause.rule {
                    html.tag("span").class("rule").text(rule);
                }
            });
        }
    });
    for unknown in &why.unknown {
        html.tag("p").class("muted").text(format_args!("Not known: {unknown}."));
    }
    if !why.commands.is_empty() {
        html.tag("p").class("lead").text("What changes it:");
        commands(html, &why.commands);
    }
}

/// Steps that a cause is moved to the right at most.
const DEEPEST: usize = 6;

/// What a cause is about, with a link if it has a page.
fn about(html: &mut Html, about: &str) {
    let to = match about.split_once('/') {
        Some(("node", name)) => Some(View::Node(name.to_owned())),
        Some(("mcp", name)) => Some(View::Pool(name.to_owned())),
        Some(("co", _)) => Some(View::Cluster),
        Some(("osimagestream", _)) => Some(View::Streams),
        _ => None,
    };
    match to {
        Some(view) => html.tag("a").class("name").href(&view.link()).text(about),
        None => html.tag("span").class("name").text(about),
    }
}

/// A section with a heading.
pub(super) fn section(html: &mut Html, id: &str, title: &str, contents: impl FnOnce(&mut Html)) {
    html.tag("section").attr("aria-labelledby", id).body(|html| {
        html.tag("h2").attr("id", id).text(title);
        contents(html);
    });
}

/// A heading above everything, with the way back.
pub(super) fn title(html: &mut Html, back: &[(Link, &str)], title: &str) {
    if !back.is_empty() {
        html.tag("nav").class("crumbs").attr("aria-label", "Where this is").body(|html| {
            for (link, text) in back {
                html.tag("a").href(link).text(text);
                html.tag("span").attr("aria-hidden", "true").text(" / ");
            }
        });
    }
    html.tag("h1").text(title);
}
