//! The same as JSON, for other pages and for scripts. Fields are only ever added.

use crate::{
    form,
    model::{Overview, histories},
    picture::Picture,
};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use weir_rules::world::why::Asked;

/// What an address below `/data/v1/` stands for; absent if there is no such thing.
pub(crate) fn data(picture: &Picture, what: &str, query: Option<&str>) -> Option<Value> {
    let decoded = |part: &str| percent_decode_str(part).decode_utf8().ok().map(String::from);
    let parts: Vec<String> = what.split('/').map(decoded).collect::<Option<_>>()?;
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let overview = &picture.overview;
    match parts[..] {
        ["schema"] => Some(schemars::schema_for!(Overview).to_value()),
        ["overview"] => of(overview),
        ["cluster"] => of(&overview.cluster),
        ["streams"] => of(&overview.streams),
        ["pools"] => of(&overview.pools),
        ["pools", pool] => of(overview.pool(pool)?),
        ["nodes"] => of(&overview.nodes),
        ["nodes", node] => of(overview.node(node)?),
        ["history"] => Some(json!({"pools": histories(&picture.world)})),
        ["why"] => {
            let query = form::pairs(query.unwrap_or_default());
            let asked = match (form::value(&query, "node"), form::value(&query, "pool")) {
                (Some(node), _) => Asked::Node(node.to_owned()),
                (None, Some(pool)) => Asked::Pool(pool.to_owned()),
                (None, None) => Asked::Cluster,
            };
            picture.why(&asked).ok().map(|why| why.json())
        }
        _ => None,
    }
}

fn of(value: impl serde::Serialize) -> Option<Value> {
    serde_json::to_value(value).ok()
}
