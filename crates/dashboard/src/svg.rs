//! Pictures for a change board: how a cluster is, and what a change will do, as SVG that stands alone.
//!
//! R-SVG-1 A picture is well-formed XML, on a light ground, without scripts, links, or anything fetched. Names and texts are written by the
//! page's writer, which escapes them (R-HTML).
//! R-SVG-2 It says the same as the commands, in the words of the rules, with its time. Colours are never the only thing that says something.
//! R-SVG-3 It is bounded: long texts are cut short, and of many nodes, waves, reasons and findings the first are shown, and how many more
//! there are.
//!
//! Source: Scalable Vector Graphics (SVG) 1.1, <https://www.w3.org/TR/SVG11/>.

use crate::html::Html;
use jiff::Timestamp;
use std::fmt::Display;
use weir_rules::{
    plan::{NodePlan, Plan, Turn, summary},
    rollout::pause::Paused,
    world::{
        World,
        explain::{Explained, Health, explain_all, groups, health},
    },
};

/// Width of a picture; browsers, documents and slides scale it.
const WIDTH: usize = 960;
/// Space around.
const MARGIN: usize = 24;
/// From one line of text to the next.
const LINE: usize = 20;
/// Characters of a line of text that fit.
const CHARACTERS: usize = 125;
/// Reasons that are shown of a pool.
const REASONS: usize = 4;
/// Waves that are shown, and nodes of each.
const WAVES: usize = 40;
const NODES: usize = 6;
/// Findings that are shown.
const FINDINGS: usize = 20;
/// Pools that are shown.
const POOLS: usize = 60;

/// Colours, dark enough for white paper: of text, of what is less important, and of what nodes do.
const INK: &str = "#1f2933";
const FAINT: &str = "#5f6c7b";
const GROUND: &str = "#ffffff";
const LINES: &str = "#d5dbe1";
const DONE: &str = "#2f855a";
const MOVING: &str = "#2b6cb0";
const WAITING: &str = "#cbd2d9";
const FAILING: &str = "#c53030";

/// A picture under construction: what is written goes below what was.
struct Picture {
    html: Html,
    y: usize,
}

/// How a text looks.
#[derive(Clone, Copy)]
struct Look {
    size: usize,
    weight: &'static str,
    fill: &'static str,
}

const TITLE: Look = Look { size: 22, weight: "bold", fill: INK };
const HEADING: Look = Look { size: 16, weight: "bold", fill: INK };
const TEXT: Look = Look { size: 13, weight: "normal", fill: INK };
const NOTE: Look = Look { size: 12, weight: "normal", fill: FAINT };

impl Picture {
    fn new() -> Self {
        Self { html: Html::default(), y: MARGIN }
    }

    fn text_at(&mut self, x: usize, y: usize, look: Look, text: &str) {
        let Look { size, weight, fill } = look;
        let tag = self.html.tag("text").attr("x", x).attr("y", y).attr("font-size", size);
        tag.attr("font-weight", weight).attr("fill", fill).text(short(text, CHARACTERS));
    }

    /// A line of text.
    fn line(&mut self, look: Look, text: &str) {
        self.y += LINE.max(look.size + 6);
        self.text_at(MARGIN, self.y, look, text);
    }

    fn gap(&mut self) {
        self.y += LINE / 2;
    }

    fn rule(&mut self) {
        self.gap();
        let (x2, y) = (WIDTH - MARGIN, self.y);
        let tag = self.html.tag("line").attr("x1", MARGIN).attr("x2", x2).attr("y1", y).attr("y2", y);
        tag.attr("stroke", LINES).body(|_| {});
    }

    fn rectangle(&mut self, x: usize, y: usize, width: usize, height: usize, fill: &str) {
        let tag = self.html.tag("rect").attr("x", x).attr("y", y).attr("width", width).attr("height", height);
        tag.attr("rx", 3).attr("fill", fill).body(|_| {});
    }

    /// The whole picture.
    fn finish(self, title: &str) -> String {
        let height = self.y + MARGIN;
        let inner = self.html.finish();
        let mut outer = Html::default();
        let tag = outer.tag("svg").attr("xmlns", "http://www.w3.org/2000/svg").attr("role", "img");
        let tag = tag.attr("width", WIDTH).attr("height", height).attr("viewBox", format_args!("0 0 {WIDTH} {height}"));
        tag.attr("font-family", "system-ui, sans-serif").body(|html| {
            html.tag("title").text(short(title, CHARACTERS));
            html.tag("rect").attr("width", WIDTH).attr("height", height).attr("fill", GROUND).body(|_| {});
            html.append(&inner);
        });
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", outer.finish().text)
    }
}

/// Text on one line, cut short; what XML does not allow at all is replaced.
fn short(text: impl Display, most: usize) -> String {
    let text = text.to_string();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let allowed = |c: char| if matches!(c, '\u{fffe}' | '\u{ffff}') { char::REPLACEMENT_CHARACTER } else { c };
    let mut short: String = line.chars().take(most).map(allowed).collect();
    if line.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}

/// How the pools of a world are.
#[must_use]
pub fn status(world: &World, now: Timestamp) -> String {
    let pools = explain_all(world, now);
    let title = format!("Machine configuration: {}", health(&pools));
    let mut picture = Picture::new();
    picture.line(TITLE, &title);
    let release = world.version.as_ref().and_then(|version| version.status.as_ref());
    let release = release.map(|status| format!("release {}, ", status.desired.version)).unwrap_or_default();
    picture.line(NOTE, &format!("{release}as of {now:.0}"));
    legend(&mut picture);
    for pool in pools.iter().take(POOLS) {
        picture.rule();
        of_pool(&mut picture, pool);
    }
    more(&mut picture, pools.len(), POOLS, "pools");
    picture.finish(&title)
}

fn legend(picture: &mut Picture) {
    picture.y += LINE;
    let mut x = MARGIN;
    for (fill, text) in [(DONE, "done"), (MOVING, "under way"), (FAILING, "failing"), (WAITING, "waiting")] {
        let y = picture.y;
        picture.rectangle(x, y - 10, 12, 12, fill);
        picture.text_at(x + 18, y, NOTE, text);
        x += 110;
    }
}

fn more(picture: &mut Picture, all: usize, shown: usize, what: &str) {
    if all > shown {
        picture.line(NOTE, &format!("and {} more {what}", all - shown));
    }
}

fn of_pool(picture: &mut Picture, pool: &Explained) {
    let stream = pool.streams[1].as_deref().map(|stream| format!(", stream {stream}")).unwrap_or_default();
    picture.line(HEADING, &format!("{}: {}{stream}", pool.pool, pool.health().word()));
    if pool.unseen.is_some() {
        return;
    }
    let all = pool.nodes.len();
    let failing = pool.hold.iter().filter(|held| held.reason.code() == "Failing").count();
    let moving: usize = pool.under_way().values().map(Vec::len).sum();
    let done = all.saturating_sub(pool.to_go());
    let waiting = all.saturating_sub(done + moving + failing);
    bar(picture, all, &[(done, DONE), (moving, MOVING), (failing, FAILING), (waiting, WAITING)]);
    let counts = [(done, "done"), (moving, "under way"), (failing, "failing"), (waiting, "waiting")];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    picture
        .line(TEXT, &format!("{all} nodes: {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }));
    if !pool.former.is_empty() && pool.former != pool.target {
        picture.line(NOTE, &format!("from {} to {}", pool.former, pool.target));
    }
    for cause in pool.causes().into_iter().take(REASONS) {
        let text = if cause.message.is_empty() { &cause.reason } else { &cause.message };
        picture.line(Look { fill: FAILING, ..TEXT }, &format!("degraded: {text}"));
    }
    if let Some(paused) = pool.pause.as_ref().and_then(Paused::told) {
        picture.line(TEXT, &paused);
    }
    let groups = groups(pool);
    for (what, held) in groups.iter().take(REASONS) {
        picture.line(TEXT, &format!("{} of {all}: {what}", held.len()));
    }
    more(picture, groups.len(), REASONS, "reasons");
    if let Some(forecast) = pool.forecast.as_ref().filter(|_| pool.health() != Health::Updated) {
        picture.line(NOTE, &forecast.to_string());
    }
}

/// Parts of a whole, side by side.
fn bar(picture: &mut Picture, all: usize, parts: &[(usize, &str)]) {
    picture.y += LINE / 2;
    let (mut x, y, width) = (MARGIN, picture.y, WIDTH - 2 * MARGIN);
    for (count, fill) in parts.iter().filter(|(count, _)| *count > 0) {
        let part = (width * count / all.max(1)).max(2);
        picture.rectangle(x, y, part, 14, fill);
        x += part;
    }
    picture.y += 14;
}

/// What a change will do.
#[must_use]
pub fn plan(plan: &Plan) -> String {
    let title = format!("Plan: {}", summary(plan));
    let mut picture = Picture::new();
    picture.line(TITLE, &title);
    picture.line(NOTE, &format!("as of {:.0}", plan.made));
    for pool in plan.pools.iter().filter(|pool| pool.changes()).take(POOLS) {
        picture.rule();
        let stream = |target: &weir_rules::plan::Target| target.stream.clone().unwrap_or_else(|| "-".to_owned());
        let (before, after) = (stream(&pool.before), stream(&pool.after));
        let streams = if before == after { format!("stream {after}") } else { format!("stream {before} → {after}") };
        let paused = if pool.paused { ", paused" } else { "" };
        picture.line(HEADING, &format!("pool {}: {streams}{paused}", pool.pool));
        let number = pool.differences.as_ref().map(Vec::len).unwrap_or_default();
        picture.line(TEXT, &format!("{number} things differ on its machines; {}", doing(pool.nodes.as_deref())));
        if let Some(forecast) = &pool.forecast {
            picture.line(NOTE, &forecast.to_string());
        }
    }
    waves(&mut picture, plan);
    findings(&mut picture, plan);
    picture.finish(&title)
}

/// What the nodes of a pool do, in numbers.
fn doing(nodes: Option<&[NodePlan]>) -> String {
    let Some(nodes) = nodes else { return "its nodes are not known".to_owned() };
    let acting = || nodes.iter().filter(|node| node.turn != Turn::There);
    let count = |test: &dyn Fn(&NodePlan) -> bool| acting().filter(|node| test(node)).count();
    let reboots = count(&|node| node.effect.as_ref().is_ok_and(|effect| effect.reboots()));
    let drains = count(&|node| node.effect.as_ref().is_ok_and(|effect| effect.drains));
    let unknown = count(&|node| node.effect.is_err());
    let waits = count(&|node| matches!(node.turn, Turn::Waits(_)));
    let said = [(reboots, "reboot"), (drains, "are drained"), (waits, "wait"), (unknown, "are not known")];
    let said: Vec<String> =
        said.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let all = nodes.len();
    if said.is_empty() {
        format!("none of {all} nodes is disturbed")
    } else {
        format!("of {all} nodes {}", said.join(", "))
    }
}

/// The order, a row for each wave.
fn waves(picture: &mut Picture, plan: &Plan) {
    if plan.waves.is_empty() {
        return;
    }
    picture.rule();
    picture.line(HEADING, "order");
    let width = (WIDTH - 2 * MARGIN - 90) / NODES;
    for (number, wave) in plan.waves.iter().take(WAVES).enumerate() {
        picture.y += 26;
        let y = picture.y;
        picture.text_at(MARGIN, y, NOTE, &format!("wave {}", number + 1));
        for (at, started) in wave.iter().take(NODES).enumerate() {
            let x = MARGIN + 70 + at * width;
            picture.rectangle(x, y - 15, width - 6, 21, "#e6eef7");
            let name = short(&started.node, width / 8);
            picture.text_at(x + 6, y, TEXT, &name);
        }
        if wave.len() > NODES {
            picture.text_at(WIDTH - MARGIN - 20, y, NOTE, &format!("+{}", wave.len() - NODES));
        }
    }
    more(picture, plan.waves.len(), WAVES, "waves");
}

fn findings(picture: &mut Picture, plan: &Plan) {
    if plan.findings.is_empty() && plan.unknown.is_empty() {
        return;
    }
    picture.rule();
    for finding in plan.findings.iter().take(FINDINGS) {
        let (what, fill) = match () {
            () if finding.inhibits() => ("in the way", FAILING),
            () if finding.accepted => ("accepted", INK),
            () => ("note", INK),
        };
        let pool = finding.pool.as_ref().map(|pool| format!("pool {pool}: ")).unwrap_or_default();
        let text = format!("{what}: {pool}{} [{}]", finding.found, finding.code);
        picture.line(Look { fill, ..TEXT }, &text);
    }
    more(picture, plan.findings.len(), FINDINGS, "findings");
    for unknown in plan.unknown.iter().take(FINDINGS) {
        picture.line(NOTE, &format!("not known: {unknown}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Node;
    use serde_json::json;
    use weir_api::MachineConfigPool;
    use weir_rules::{
        plan::{Facts, plan as planned},
        world::Object,
    };

    const HOSTILE: &str = "</text><script>alert(1)</script>&\"'\u{202e}\u{0}\u{ffff}";

    /// A pool with a name and nodes that nobody would give, but could be in a file.
    fn world(nodes: usize) -> World {
        let label = json!({"node-role.kubernetes.io/worker": ""});
        let pool: MachineConfigPool = serde_json::from_value(json!({
            "metadata": {"name": HOSTILE, "annotations": {"machineconfiguration.openshift.io/paused-because": HOSTILE}},
            "spec": {"configuration": {"name": "r2"}, "nodeSelector": {"matchLabels": label}, "paused": true},
        }))
        .unwrap();
        let node = |at: usize| -> Object {
            let node: Node = serde_json::from_value(json!({"metadata": {"name": format!("{HOSTILE}{at}"), "labels": label, "annotations": {
                "machineconfiguration.openshift.io/currentConfig": "r1", "machineconfiguration.openshift.io/desiredConfig": "r1",
                "machineconfiguration.openshift.io/state": "Done",
            }}}))
            .unwrap();
            node.into()
        };
        World::of((0..nodes).map(node).chain([pool.into()]).collect::<Vec<Object>>())
    }

    /// Every element is closed in turn, and no text is mistaken for one. Returns the names of elements.
    fn elements(text: &str) -> Vec<String> {
        let (mut open, mut seen, mut rest) = (Vec::new(), Vec::new(), text.split_once("?>").unwrap().1);
        while let Some(start) = rest.find('<') {
            assert!(!rest[..start].contains('>'), "{rest}");
            let end = start + rest[start..].find('>').unwrap();
            let tag = &rest[start + 1..end];
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop().as_deref(), Some(name)),
                None => {
                    let name = tag.split(' ').next().unwrap().to_owned();
                    assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
                    open.push(name.clone());
                    seen.push(name);
                }
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty() && rest.trim().is_empty());
        seen
    }

    #[test]
    fn a_picture_is_well_formed_and_hostile_names_stay_text() {
        let now = Timestamp::UNIX_EPOCH;
        let of_plan = planned(&world(3), &[], &Facts::default(), now).unwrap();
        for text in [status(&world(3), now), plan(&of_plan)] {
            let mut names = elements(&text);
            names.sort_unstable();
            names.dedup();
            assert!(
                names.iter().all(|name| ["svg", "title", "rect", "text", "line"].contains(&name.as_str())),
                "{names:?}"
            );
            assert!(!text.contains(['\u{202e}', '\u{0}', '\u{ffff}']), "{text}");
            assert!(
                text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=") && text.contains(GROUND)
            );
        }
        let text = status(&world(3), now);
        assert!(text.contains("3 nodes: 3 waiting") && text.contains("&lt;script&gt;"), "{text}");
    }

    #[test]
    fn a_picture_is_bounded() {
        let now = Timestamp::UNIX_EPOCH;
        let mut many = world(60);
        std::sync::Arc::make_mut(&mut many.pools[0]).spec.paused = Some(false);
        let of_plan = planned(&many, &[], &Facts::default(), now).unwrap();
        assert!(status(&many, now).len() < 10_000);
        assert!(plan(&of_plan).len() < 60_000);
        assert_eq!(short("a\n b", 9), "a b");
        assert_eq!(short("äöü", 2), "äö…");
    }
}
