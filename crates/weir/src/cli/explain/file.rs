//! `weir explain file`: where a file on a pool's machines comes from, and its contents.

use super::super::{Output, manifest_source::Given, render::origin};
use crate::{exit::Outcome, inputs};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_ignition::{diff::Contents, file_address};
use weir_rules::{
    generated::config::made_of,
    render::{Rendered, Trace},
    world::World,
};

/// Which file to explain.
#[derive(Debug, clap::Args)]
pub(super) struct File {
    /// Path of the file
    path: String,
    /// The pool
    #[arg(long, value_name = "NAME")]
    pool: String,
    #[command(flatten)]
    given: Given,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

impl File {
    pub(super) fn run(&self) -> Result<Outcome> {
        let world = self.given.configuration()?;
        let pool = inputs::pool(&world, &self.pool)?;
        let rendered = inputs::render(&world, pool).with_context(|| format!("pool {}", self.pool))?;
        let image = of_image(&world, &self.pool);
        let Some(trace) = rendered.provenance.trace(&file_address(&self.path)) else {
            let more = image.map(|image| format!("; {image}")).unwrap_or_default();
            bail!("no file {} is written to machines of pool {}{more}", self.path, self.pool);
        };
        let file = file(&rendered, &self.path)?;
        let text = match self.output {
            None => self.text(&world, &trace, &file, image.as_deref()),
            Some(output) => output.write(&self.json(&world, &trace, &file, image.as_deref()))?,
        };
        crate::cli::print(text.as_bytes())?;
        Ok(Outcome::Done)
    }

    fn text(&self, world: &World, trace: &Trace, file: &Value, image: Option<&str>) -> String {
        let mut text = format!("{} on machines of pool {}: {}\n", self.path, self.pool, origin(trace));
        for contribution in &trace.contributions {
            let fields = contribution.fields.iter().filter(|f| *f != "path").map(String::as_str);
            text.push_str(&format!(
                "  MachineConfig {} gives {}\n",
                contribution.config,
                fields.collect::<Vec<_>>().join(", ")
            ));
        }
        for (config, made_of) in generated(world, trace) {
            text.push_str(&format!("  MachineConfig {config} is generated from {made_of}\n"));
        }
        if let Some(image) = image {
            text.push_str(&format!("  {image}\n"));
        }
        if let Some(mode) = file["mode"].as_i64() {
            text.push_str(&format!("  mode {mode:04o}\n"));
        }
        text.push('\n');
        match Contents::of_resource(file["contents"].as_object()) {
            Contents::None => text.push_str("(nothing is said about its contents)\n"),
            Contents::Text(contents) => {
                text.push_str(&contents);
                if !contents.ends_with('\n') && !contents.is_empty() {
                    text.push('\n');
                }
            }
            Contents::Binary(bytes) => text.push_str(&format!("({} bytes that are no text)\n", bytes.len())),
            Contents::Remote(url) => text.push_str(&format!("(fetched from {url})\n")),
            Contents::Unreadable { why, .. } => text.push_str(&format!("({why})\n")),
        }
        text
    }

    fn json(&self, world: &World, trace: &Trace, file: &Value, image: Option<&str>) -> Value {
        let contents = match Contents::of_resource(file["contents"].as_object()) {
            Contents::None => Value::Null,
            Contents::Text(text) => json!({ "text": text }),
            Contents::Binary(bytes) => json!({ "bytes": bytes.len() }),
            Contents::Remote(url) => json!({ "source": url }),
            Contents::Unreadable { source, why } => json!({ "source": source, "error": why.to_string() }),
        };
        let contributions = trace.contributions.iter().map(|c| json!({ "config": c.config, "fields": c.fields }));
        json!({
            "path": self.path, "pool": self.pool, "from": trace.from.config(), "contents": contents,
            "contributions": contributions.collect::<Vec<_>>(), "generatedFrom": generated(world, trace), "shadowed": trace.shadowed, "file": file,
            "imageMode": image,
        })
    }
}

/// From what those MachineConfigs are generated that have a say in the file or are covered by others, by their names.
fn generated(world: &World, trace: &Trace) -> BTreeMap<String, String> {
    let covered = trace.shadowed.iter().map(String::as_str);
    let given = trace.contributions.iter().map(|contribution| contribution.config.as_str());
    let all = covered.chain(given).chain(trace.from.config());
    all.filter_map(|name| Some((name.to_owned(), made_of(world.config(name)?)?))).collect()
}

/// What cannot be told of a pool in image mode.
fn of_image(world: &World, pool: &str) -> Option<String> {
    let pools = world.pool_views();
    let mode = pools.iter().find(|view| view.name == pool)?.image_mode?;
    let config = mode.config;
    Some(format!(
        "the pool is in image mode: what the Containerfile of MachineOSConfig {config} puts at a path is in the image, and only the \
         image or a node can tell it"
    ))
}

/// The file as rendered.
fn file(rendered: &Rendered, path: &str) -> Result<Value> {
    let raw = rendered.config.spec.config.as_ref().context("the rendered MachineConfig has no Ignition config")?;
    let files = raw.pointer("/storage/files").and_then(Value::as_array);
    files.into_iter().flatten().find(|f| f["path"] == path).cloned().with_context(|| format!("{path} was not rendered"))
}
