//! The pages: which there are, and the frame that all of them have.
//!
//! | module | page |
//! |---|---|
//! | `elements` | what several pages are made of |
//! | `overview` | how everything is, at a glance |
//! | `streams` | the OS image streams, and who runs them |
//! | `nodes` | nodes in a grid, and one by itself |
//! | `pools` | a pool, its files, its rollouts |
//! | `rollout` | who goes, who is next, who waits for whom |
//! | `history` | what came of the last rollouts |
//! | `plan` | what a change would do |
//! | `cluster` | release, gates, operator |
//! | `refused` | why nothing is shown |

mod cluster;
mod elements;
mod history;
mod nodes;
mod overview;
pub(crate) mod plan;
mod pools;
pub(crate) mod refused;
mod rollout;
mod streams;

use crate::{
    form,
    html::{Html, Link, Rendered},
    picture::Picture,
};
use elements::when;
pub(crate) use nodes::Filter;
use percent_encoding::percent_decode_str;

/// What can be looked at. Names are those of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// How everything is.
    Overview,
    /// The streams.
    Streams,
    /// All nodes that a filter lets through.
    Nodes(Filter),
    /// A node.
    Node(String),
    /// What goes on now.
    Rollout,
    /// What came of the last rollouts.
    History,
    /// The cluster.
    Cluster,
    /// A pool.
    Pool(String),
    /// What is written to the machines of a pool.
    Files(String),
    /// Where a part of that comes from, by its address.
    Part(String, String),
    /// The rollout of a pool to a configuration.
    Past(String, String),
}

/// The pages that are linked from everywhere.
const TABS: [(&str, &str); 7] = [
    ("/", "Overview"),
    ("/streams", "Streams"),
    ("/nodes", "Nodes"),
    ("/rollout", "Rollout"),
    ("/history", "History"),
    ("/plan", "Plan"),
    ("/cluster", "Cluster"),
];

impl View {
    /// The view of an address; absent if there is none.
    pub(crate) fn parse(path: &str, query: Option<&str>) -> Option<Self> {
        let decoded = |part: &str| percent_decode_str(part).decode_utf8().ok().map(String::from);
        let parts: Vec<String> = path.split('/').skip(1).map(decoded).collect::<Option<_>>()?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let query = form::pairs(query.unwrap_or_default());
        let of = str::to_owned;
        Some(match parts[..] {
            [""] => Self::Overview,
            ["streams"] => Self::Streams,
            ["nodes"] => Self::Nodes(Filter::of(&query)),
            ["nodes", node] => Self::Node(of(node)),
            ["rollout"] => Self::Rollout,
            ["history"] => Self::History,
            ["cluster"] => Self::Cluster,
            ["pools", pool] => Self::Pool(of(pool)),
            ["pools", pool, "files"] => Self::Files(of(pool)),
            ["pools", pool, "part"] => Self::Part(of(pool), form::value(&query, "address")?.to_owned()),
            ["pools", pool, "rollouts", config] => Self::Past(of(pool), of(config)),
            _ => return None,
        })
    }

    /// Its address.
    pub(crate) fn link(&self) -> Link {
        match self {
            Self::Overview => Link::to("/"),
            Self::Streams => Link::to("/streams"),
            Self::Nodes(filter) => filter.link(),
            Self::Node(node) => Link::to("/nodes").part(node),
            Self::Rollout => Link::to("/rollout"),
            Self::History => Link::to("/history"),
            Self::Cluster => Link::to("/cluster"),
            Self::Pool(pool) => Link::to("/pools").part(pool),
            Self::Files(pool) => Link::to("/pools").part(pool).part("files"),
            Self::Part(pool, address) => Link::to("/pools").part(pool).part("part").query("address", address),
            Self::Past(pool, config) => Link::to("/pools").part(pool).part("rollouts").part(config),
        }
    }

    /// The tab that it belongs to.
    fn tab(&self) -> &'static str {
        match self {
            Self::Overview | Self::Pool(_) | Self::Files(_) | Self::Part(..) => "/",
            Self::Streams => "/streams",
            Self::Nodes(_) | Self::Node(_) => "/nodes",
            Self::Rollout => "/rollout",
            Self::History | Self::Past(..) => "/history",
            Self::Cluster => "/cluster",
        }
    }

    fn title(&self) -> String {
        match self {
            Self::Overview => "Overview".to_owned(),
            Self::Streams => "Streams".to_owned(),
            Self::Nodes(_) => "Nodes".to_owned(),
            Self::Node(node) => format!("Node {node}"),
            Self::Rollout => "Rollout".to_owned(),
            Self::History => "History".to_owned(),
            Self::Cluster => "Cluster".to_owned(),
            Self::Pool(pool) => format!("Pool {pool}"),
            Self::Files(pool) => format!("Files of pool {pool}"),
            Self::Part(_, address) => address.clone(),
            Self::Past(pool, _) => format!("Rollout of pool {pool}"),
        }
    }
}

/// The whole page of a view; absent if there is no such thing.
pub(crate) fn page(picture: &Picture, view: &View) -> Option<Rendered> {
    let mut found = true;
    let frame = Frame { title: &view.title(), tab: view.tab(), live: Some(view) };
    let page = frame.around(picture, |html| {
        found = match view {
            View::Overview => overview::page(html, picture),
            View::Streams => streams::page(html, picture),
            View::Nodes(filter) => nodes::page(html, picture, filter),
            View::Node(node) => nodes::one(html, picture, node),
            View::Rollout => rollout::page(html, picture),
            View::History => history::page(html, picture),
            View::Cluster => cluster::page(html, picture),
            View::Pool(pool) => pools::page(html, picture, pool),
            View::Files(pool) => pools::files(html, picture, pool),
            View::Part(pool, address) => pools::part(html, picture, pool, address),
            View::Past(pool, config) => history::past(html, picture, pool, config),
        }
        .is_some();
    });
    found.then_some(page)
}

/// What is around the contents of a page.
pub(crate) struct Frame<'f> {
    pub(crate) title: &'f str,
    pub(crate) tab: &'static str,
    /// What is kept up to date, if anything.
    pub(crate) live: Option<&'f View>,
}

impl Frame<'_> {
    pub(crate) fn around(&self, picture: &Picture, contents: impl FnOnce(&mut Html)) -> Rendered {
        let mut html = Html::default();
        let cluster = &picture.overview.cluster;
        let named = [cluster.distribution.as_deref(), cluster.release.as_deref()];
        let named: Vec<&str> = named.into_iter().flatten().collect();
        head(&mut html, self.title, |html| {
            html.tag("a").class("skip").attr("data-keep", "").href(&Link::to("#main")).text("Skip to the contents");
            html.tag("header").class("top").body(|html| {
                html.tag("a").class("brand").href(&Link::to("/")).body(|html| {
                    html.tag("span").class("mark").attr("aria-hidden", "true").text("≋");
                    html.tag("span").text("weir");
                });
                html.part("p", "named").class("named").text(named.join(" "));
                html.tag("nav").attr("aria-label", "Pages").body(|html| tabs(html, self.tab));
                state(html, picture);
            });
            let main = html.tag("main").attr("id", "main").attr("tabindex", "-1");
            let main = main.maybe("data-live", self.live.map(|view| view.link().as_str().to_owned()));
            // Its number is filled in when the page is sent: pictures that show the same are the same page.
            let main = main.maybe("data-picture", self.live.map(|_| ""));
            main.body(|html| {
                files(html, picture);
                contents(html);
            });
            html.tag("p").class("vh").attr("id", "said").attr("role", "status").attr("aria-live", "polite").text("");
            html.tag("footer").body(|html| {
                html.text("The same as JSON: ");
                html.tag("a").href(&Link::to("/data/v1/overview")).text("/data/v1/overview");
                html.text(" · nothing is changed from this page");
            });
        });
        html.finish()
    }
}

/// A document with this title.
pub(crate) fn head(html: &mut Html, title: &str, body: impl FnOnce(&mut Html)) {
    html.doctype();
    html.tag("html").attr("lang", "en").body(|html| {
        html.tag("head").body(|html| {
            html.tag("meta").attr("charset", "utf-8").void();
            html.tag("meta").attr("name", "viewport").attr("content", "width=device-width, initial-scale=1").void();
            html.tag("meta").attr("name", "color-scheme").attr("content", "light dark").void();
            html.tag("title").text(format_args!("{title} · weir"));
            html.tag("link").attr("rel", "stylesheet").href(&Link::to("/page.css")).void();
            html.tag("link").attr("rel", "icon").attr("type", "image/svg+xml").href(&Link::to("/icon.svg")).void();
            html.tag("script").src(&Link::to("/page.js")).flag("defer", true).text("");
        });
        html.tag("body").body(body);
    });
}

fn tabs(html: &mut Html, current: &str) {
    html.tag("ul").body(|html| {
        for (path, name) in TABS {
            html.tag("li").body(|html| {
                let here = (path == current).then_some("page");
                html.tag("a").href(&Link::to(path)).maybe("aria-current", here).text(name);
            });
        }
    });
}

/// Whether what is shown is kept up to date.
fn state(html: &mut Html, picture: &Picture) {
    let overview = &picture.overview;
    let (class, word) = match (&overview.trouble, &picture.files) {
        (Some(_), _) => ("state lost", "not up to date"),
        (None, Some(_)) => ("state kept", "from files"),
        (None, None) => ("state live", "live"),
    };
    html.part("div", "state").class(class).attr("id", "state").body(|html| {
        html.tag("span").class("dot").attr("aria-hidden", "true").text("");
        html.tag("span").class("word").text(word);
    });
    html.part("div", "trouble").class("trouble").body(|html| {
        if let Some(trouble) = &overview.trouble {
            html.tag("p").attr("role", "alert").body(|html| {
                html.text("The API server cannot be asked. What is shown is of ");
                when(html, overview.taken);
                html.text(format_args!(". {trouble}"));
            });
        }
    });
}

fn files(html: &mut Html, picture: &Picture) {
    if let Some(files) = &picture.files {
        html.tag("p").class("kept-note").body(|html| {
            html.text(format_args!("From {files}, as it was at "));
            when(html, picture.overview.taken);
            html.text(". Nothing on this page changes any more.");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_view_has_an_address_that_leads_back_to_it() {
        let hostile = "a/../b?c=d&e#f%2F<x>";
        let of = || hostile.to_owned();
        let filter = Filter { pool: of(), zone: of(), state: "updated".to_owned(), search: of() };
        for view in [
            View::Overview,
            View::Streams,
            View::Nodes(Filter::default()),
            View::Nodes(filter),
            View::Node(of()),
            View::Rollout,
            View::History,
            View::Cluster,
            View::Pool(of()),
            View::Files(of()),
            View::Part(of(), of()),
            View::Past(of(), of()),
        ] {
            let link = view.link();
            let (path, query) = link.as_str().split_once('?').map_or((link.as_str(), None), |(p, q)| (p, Some(q)));
            assert_eq!(View::parse(path, query), Some(view), "{path}");
        }
        for nothing in ["", "/nothing", "/nodes/a/b", "/pools", "//evil.example/", "/pools/a/part", "/%ff"] {
            assert_eq!(View::parse(nothing, None), None, "{nothing}");
        }
    }
}
