//! `weir explain file`: where a file on a pool's machines comes from, and its contents.

use super::super::{Output, harmless, image_source::ImageSource, in_line, manifest_source::Given};
use crate::{exit::Outcome, generate, inputs};
use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::PathBuf};
use weir_ignition::{diff::Contents, file_address};
use weir_rules::{
    generated::config::{is_of_templates, made_of},
    render::{Rendered, Trace},
    world::{World, generated::ReleaseTemplates},
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
    /// Folder with the templates of the release, laid out like /etc/mcc/templates in its image machine-config-operator
    #[arg(long, value_name = "DIR", conflicts_with = "release")]
    templates: Option<PathBuf>,
    /// Release whose templates are looked at: a pull spec, or oci:DIR for an OCI layout [default: the sample, where the cluster runs it]
    #[arg(long, value_name = "REF", value_parser = super::super::pull_spec::release)]
    release: Option<String>,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    #[command(flatten)]
    source: ImageSource,
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
        let generated = self.generated(&world, &trace)?;
        let text = match self.output {
            None => self.text(&generated, &trace, &file, image.as_deref()),
            Some(output) => output.write(&self.json(&generated, &trace, &file, image.as_deref()))?,
        };
        crate::cli::print(text.as_bytes())?;
        Ok(Outcome::Done)
    }

    /// The templates to look at; absent if they are neither given nor at hand.
    fn templates(&self, world: &World) -> Result<Option<ReleaseTemplates>> {
        if let Some(folder) = &self.templates {
            return generate::of_folder(folder).map(Some);
        }
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
        if let Some(release) = &self.release {
            return runtime.block_on(generate::of_release(release, self.source.open()?)).map(Some);
        }
        let Some(config) = &world.controller_config else { return Ok(None) };
        runtime.block_on(generate::of_sample(&config.spec.release_image))
    }

    /// From what those MachineConfigs are generated that have a say in the file or are covered by others, by their names.
    fn generated(&self, world: &World, trace: &Trace) -> Result<BTreeMap<String, String>> {
        let covered = trace.shadowed.iter().map(String::as_str);
        let given = trace.contributions.iter().map(|contribution| contribution.config.as_str());
        let configs: Vec<_> =
            covered.chain(given).chain(trace.from.config()).filter_map(|name| world.config(name)).collect();
        let templates = match configs.iter().any(|config| is_of_templates(config)) {
            true => self.templates(world)?,
            false => None,
        };
        let mut generated = BTreeMap::new();
        for config in configs {
            let Some(mut from) = made_of(config) else { continue };
            if let Some(templates) = templates.as_ref().filter(|_| is_of_templates(config)) {
                let files = world.templates_of_file(templates, config, &self.path)?;
                from = match &files[..] {
                    [] => format!("{from}, and not by the templates that were looked at"),
                    [file] => format!("the release's template {file}"),
                    files => format!("the release's templates {}", files.join(", ")),
                };
            } else if is_of_templates(config) {
                from.push_str(" (--release or --templates tells which file)");
            }
            generated.insert(config.metadata.name.clone().unwrap_or_default(), from);
        }
        Ok(generated)
    }

    fn text(&self, generated: &BTreeMap<String, String>, trace: &Trace, file: &Value, image: Option<&str>) -> String {
        let mut lines = vec![format!("{} on machines of pool {}: {}", self.path, self.pool, trace)];
        for contribution in &trace.contributions {
            let fields = contribution.fields.iter().filter(|f| *f != "path").map(String::as_str);
            let fields = fields.collect::<Vec<_>>().join(", ");
            lines.push(format!("  MachineConfig {} gives {fields}", contribution.config));
        }
        for (config, made_of) in generated {
            lines.push(format!("  MachineConfig {config} is generated from {made_of}"));
        }
        lines.extend(image.map(|image| format!("  {image}")));
        lines.extend(file["mode"].as_i64().map(|mode| format!("  mode {mode:04o}")));
        let head: String = lines.iter().map(|line| in_line(line) + "\n").collect();
        format!("{head}\n{}", contents(file))
    }

    fn json(&self, generated: &BTreeMap<String, String>, trace: &Trace, file: &Value, image: Option<&str>) -> Value {
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
            "contributions": contributions.collect::<Vec<_>>(), "generatedFrom": generated, "shadowed": trace.shadowed, "file": file,
            "imageMode": image,
        })
    }
}

/// The contents of a file, as lines for people.
fn contents(file: &Value) -> String {
    match Contents::of_resource(file["contents"].as_object()) {
        Contents::None => "(nothing is said about its contents)\n".to_owned(),
        Contents::Text(text) if text.is_empty() || text.ends_with('\n') => harmless(text),
        Contents::Text(text) => harmless(text) + "\n",
        Contents::Binary(bytes) => format!("({} bytes that are no text)\n", bytes.len()),
        Contents::Remote(url) => in_line(&format!("(fetched from {url})")) + "\n",
        Contents::Unreadable { why, .. } => in_line(&format!("({why})")) + "\n",
    }
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
