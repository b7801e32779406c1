//! `weir explain stream`: which OS image stream a pool gets, and why.

use super::super::{Output, in_line, manifest_source::Given, print};
use crate::{exit::Outcome, inputs};
use anyhow::{Result, bail};
use serde_json::{Value, json};
use weir_api::MachineConfigPool;
use weir_distro::Profile;
use weir_rules::{
    build::{
        built_on::{BuiltOn, built_on},
        pinned::pinned,
    },
    stream::catalog::due::retained,
    view::PoolView,
    world::World,
};

/// Which OS image stream a pool gets, why, and its images; for a pool in image mode also what its image is built on
#[derive(Debug, clap::Args)]
pub struct Stream {
    /// The pool [default: all of them]
    #[arg(long, value_name = "NAME")]
    pool: Option<String>,
    #[command(flatten)]
    given: Given,
    /// Distribution of the cluster, which decides about dropped streams [default: from the FeatureGate]
    #[arg(long, value_name = "NAME", value_parser = Profile::by_name)]
    distribution: Option<&'static Profile>,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

impl Stream {
    pub(super) fn run(&self) -> Result<Outcome> {
        let world = self.given.configuration()?;
        let world = World { profile: self.distribution, ..world };
        let pools: Vec<&MachineConfigPool> = match &self.pool {
            Some(name) => vec![inputs::pool(&world, name)?],
            None => world.pools.iter().map(AsRef::as_ref).collect(),
        };
        if pools.is_empty() && world.streams.is_none() {
            bail!("the cluster has neither a MachineConfigPool nor an OSImageStream");
        }
        let all: Vec<Value> = pools.iter().map(|pool| of_pool(&world, pool)).collect();
        let outcome = if all.iter().any(|pool| pool["error"].is_string()) { Outcome::Failed } else { Outcome::Done };
        let whole = json!({ "pools": all, "streams": streams(&world) });
        let text = match self.output {
            Some(output) => output.write(&whole)?,
            None => text(&whole),
        };
        print(text.as_bytes())?;
        Ok(outcome)
    }
}

fn of_pool(world: &World, pool: &MachineConfigPool) -> Value {
    let view = PoolView::new(pool);
    let name = view.name;
    let resolved = match world.stream(&view, &world.pool_views()) {
        Ok(resolved) => resolved,
        Err(error) => return json!({ "pool": name, "error": format!("{error:#}") }),
    };
    let because = &resolved.because;
    let base = world.controller_config.as_ref().map(|config| &config.spec);
    let (stream, os, extensions) = match (&resolved.set, base) {
        (Some(set), _) => (Some(&set.name), Some(&set.os_image), Some(&set.os_extensions_image)),
        (None, Some(base)) => {
            (None, Some(&base.base_os_container_image), Some(&base.base_os_extensions_container_image))
        }
        (None, None) => (None, None, None),
    };
    // A MachineConfig's image overrides that of the stream; a pool that cannot be rendered has none.
    let rendered = inputs::guarded(world, pool).ok().map(|(rendered, _)| rendered).filter(|r| r.overridden);
    json!({
        "pool": name, "stream": stream, "osImage": os, "osExtensionsImage": extensions,
        "reason": {"code": because.code(), "rule": because.rule(), "text": because.to_string()},
        "overriddenBy": rendered.and_then(|rendered| rendered.config.spec.os_image_url),
        "warning": because.is_notice(),
        "imageMode": image_mode(world, name),
    })
}

/// What the image of a pool in image mode is built on, what it waits for, and what an installer pinned; null for any other pool.
fn image_mode(world: &World, pool: &str) -> Value {
    let pools = world.pool_views();
    let Some(view) = pools.iter().find(|view| view.name == pool) else { return Value::Null };
    let (pinned, built_on) = (pinned(world, view.object), built_on(world, view));
    if view.image_mode.is_none() && pinned.is_none() {
        return Value::Null;
    }
    json!({
        "state": view.image_mode.map(|mode| mode.to_string()),
        "image": built_on.as_ref().map(|found| &found.image), "build": built_on.as_ref().map(|found| &found.build),
        "builtOn": built_on.as_ref().and_then(BuiltOn::stream),
        "rebuild": built_on.as_ref().is_some_and(|found| found.going.is_some()),
        "text": built_on.map(|found| found.to_string()), "pinned": pinned.map(|pinned| pinned.to_string()),
    })
}

fn streams(world: &World) -> Vec<Value> {
    let Some((object, status)) = world.streams.as_ref().and_then(|o| Some((o, o.status.as_ref()?))) else {
        return Vec::new();
    };
    let retained = retained(object);
    let described = status.available_streams.iter().map(|set| {
        json!({
            "name": set.name, "osImage": set.os_image, "osExtensionsImage": set.os_extensions_image,
            "default": set.name == status.default_stream, "retained": retained.contains(&set.name.as_str()),
        })
    });
    described.collect()
}

fn text(whole: &Value) -> String {
    let word = |value: &Value| in_line(value.as_str().unwrap_or_default());
    let mut text = String::new();
    for pool in whole["pools"].as_array().into_iter().flatten() {
        let name = word(&pool["pool"]);
        if let Some(error) = pool["error"].as_str() {
            text.push_str(&format!("pool {name} gets no stream: {}\n", in_line(error)));
            continue;
        }
        let stream =
            pool["stream"].as_str().map_or_else(|| "no stream".to_owned(), |name| format!("stream {}", in_line(name)));
        let reason = &pool["reason"];
        text.push_str(&format!("pool {name} gets {stream}: {} ({})\n", word(&reason["text"]), word(&reason["rule"])));
        for (what, image) in [("OS image", &pool["osImage"]), ("extensions image", &pool["osExtensionsImage"])] {
            if let Some(image) = image.as_str().filter(|image| !image.is_empty()) {
                text.push_str(&format!("  {what}: {}\n", in_line(image)));
            }
        }
        if let Some(image) = pool["overriddenBy"].as_str() {
            text.push_str(&format!("  in place of it, a MachineConfig brings {}\n", in_line(image)));
        }
        for key in ["state", "text", "pinned"] {
            if let Some(said) = pool["imageMode"][key].as_str() {
                text.push_str(&format!("  {}\n", in_line(said)));
            }
        }
    }
    for stream in whole["streams"].as_array().into_iter().flatten() {
        let mark = |key: &str, text: &'static str| if stream[key] == true { text } else { "" };
        let marks = format!("{}{}", mark("default", ", the default"), mark("retained", ", no longer in the release"));
        text.push_str(&format!("stream {}{marks}\n", word(&stream["name"])));
    }
    text
}
