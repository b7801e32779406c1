//! The OS image streams, and who runs them.

use super::{
    View,
    elements::{badge, columns, copy, link, section, title, when, wide},
};
use crate::{
    html::{Html, Link},
    model::Stream,
    picture::Picture,
};
use weir_rules::objects::counted::Count;

/// Moves of pools that are shown.
const MOVES: usize = 20;

pub(super) fn page(html: &mut Html, picture: &Picture) -> Option<()> {
    let overview = &picture.overview;
    title(html, &[], "Streams");
    if overview.streams.is_empty() {
        html.tag("p")
            .class("lead")
            .text("There are no OS image streams: their feature gate is off, or they are still to be made.");
    }
    html.tag("div").class("cards wide").body(|html| {
        for stream in &overview.streams {
            card(html, stream, overview.nodes.len());
        }
    });
    section(html, "who", "Who gets which, and why", |html| {
        wide(html.part("div", "who"), "Who runs which stream").body(|html| table(html, picture));
    });
    section(html, "moves", "Over time", |html| {
        html.part("div", "moves").body(|html| moves(html, picture));
    });
    Some(())
}

fn card(html: &mut Html, stream: &Stream, all: usize) {
    html.part("article", format_args!("stream/{}", stream.name)).class("card").body(|html| {
        html.tag("header").body(|html| {
            html.tag("h2").text(&stream.name);
            if stream.default {
                badge(html, "updating", "default");
            }
            if stream.retained {
                badge(html, "notready", "no longer in the release");
            }
        });
        let bar = html.tag("svg").class("bar").attr("viewBox", "0 0 1000 10").attr("preserveAspectRatio", "none");
        let said = format!("{} of {all} run it", Count(stream.nodes, "node"));
        bar.attr("role", "img").attr("aria-label", &said).body(|html| {
            let width = (stream.nodes * 1000).checked_div(all).unwrap_or_default();
            html.tag("rect").class("updated").attr("width", width).attr("height", 10).text("");
        });
        html.tag("p").class("said").text(said);
        html.tag("p").body(|html| {
            html.text(if stream.pools.is_empty() { "no pool is on it" } else { "pools on it: " });
            for (at, pool) in stream.pools.iter().enumerate() {
                html.text(if at > 0 { ", " } else { "" });
                link(html, &View::Pool(pool.clone()), pool);
            }
        });
        html.tag("dl").class("facts images").body(|html| {
            for (what, image) in [("OS image", &stream.os_image), ("Extensions image", &stream.extensions_image)] {
                html.tag("dt").text(what);
                html.tag("dd").body(|html| {
                    html.tag("code").text(image);
                    copy(html, image);
                });
            }
        });
    });
}

fn table(html: &mut Html, picture: &Picture) {
    html.tag("table").body(|html| {
        columns(html, &["Pool", "Runs", "Gets", "Because", "Rule"]);
        html.tag("tbody").body(|html| {
            for pool in &picture.overview.pools {
                html.tag("tr").body(|html| {
                    html.tag("th")
                        .attr("scope", "row")
                        .body(|html| link(html, &View::Pool(pool.name.clone()), &pool.name));
                    html.tag("td").text(pool.from_stream.as_deref().unwrap_or("–"));
                    html.tag("td").text(pool.to_stream.as_deref().unwrap_or("–"));
                    html.tag("td").text(&pool.because);
                    html.tag("td").body(|html| html.tag("code").text(pool.rule.as_deref().unwrap_or_default()));
                });
            }
        });
    });
}

fn moves(html: &mut Html, picture: &Picture) {
    let mut all: Vec<_> = picture.overview.streams.iter().flat_map(|stream| &stream.moves).collect();
    all.sort_by_key(|moved| std::cmp::Reverse((moved.began, &moved.pool, &moved.to)));
    all.dedup();
    if all.is_empty() {
        return html
            .tag("p")
            .class("muted")
            .text("No pool has moved from one stream to another as far as the history goes.");
    }
    html.tag("ol").class("timeline").body(|html| {
        for moved in all.into_iter().take(MOVES) {
            html.tag("li").body(|html| {
                when(html, moved.began);
                html.tag("p").body(|html| {
                    html.tag("a").class("name").href(&Link::to("/pools").part(&moved.pool)).text(&moved.pool);
                    html.text(format_args!(": {} → {}", moved.from, moved.to));
                    if let Some(ended) = moved.ended {
                        html.text(", over ");
                        when(html, ended);
                    }
                });
            });
        }
    });
}
