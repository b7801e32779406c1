//! `weir explain take-over`: whether what weir generates is what the operator before it generated, and what it would change.

use super::super::{Output, image_source::ImageSource, in_line, manifest_source::Given, print};
use crate::{exit::Outcome, generate};
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::PathBuf;
use weir_rules::{
    operator::take_over::{Continued, TakeOverView, continued},
    render::Build,
    stream::gates::running,
    view::PoolView,
    world::{
        World,
        generated::{Generators, ReleaseTemplates, authority::Obstacle},
    },
};

/// Whether weir can take over what another operator generates, and which nodes would notice
#[derive(Debug, clap::Args)]
pub struct TakeOver {
    #[command(flatten)]
    given: Given,
    /// Folder with the templates of the release, laid out like /etc/mcc/templates in its image machine-config-operator
    #[arg(long, value_name = "DIR", conflicts_with = "release")]
    templates: Option<PathBuf>,
    /// Release whose templates are used: a pull spec, or oci:DIR for an OCI layout [default: that of the ControllerConfig]
    #[arg(long, value_name = "REF", value_parser = super::super::pull_spec::release)]
    release: Option<String>,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    #[command(flatten)]
    source: ImageSource,
}

impl TakeOver {
    /// Compares. Exit code 3 says that something differs.
    pub(super) fn run(&self) -> Result<Outcome> {
        let now = Timestamp::now();
        let world = self.given.world("explain")?;
        let (build, raw) = build(&world)?;
        let templates = self.templates(&world)?;
        let of_pools = world.templates_of_pools(&templates, &build);
        let mut generators = Generators::new(&world, &templates, &of_pools, &build, now);
        let adopted = world.generates(&build, true);
        generators.is_adopting = !adopted;
        let obstacles = generators.obstacles(now);
        generators.is_adopting = false;
        let pools = changed_pools(&world, &generators.would_be(now));
        let whole = json!({
            "build": {"version": raw, "hash": build.hash}, "adopted": adopted,
            "differences": obstacles.iter().map(of_obstacle).collect::<Vec<_>>(), "pools": pools,
        });
        let text = match self.output {
            Some(output) => output.write(&whole)?,
            None => text(&whole),
        };
        print(text.as_bytes())?;
        Ok(if obstacles.is_empty() { Outcome::Done } else { Outcome::Blocked })
    }

    fn templates(&self, world: &World) -> Result<ReleaseTemplates> {
        if let Some(folder) = &self.templates {
            let release = world.version.as_deref().and_then(running).map(str::to_owned);
            return Ok(ReleaseTemplates { release, ..generate::of_folder(folder)? });
        }
        let config = world.controller_config.as_ref();
        let of_cluster = || config.map(|config| config.spec.release_image.clone()).filter(|image| !image.is_empty());
        let Some(release) = self.release.clone().or_else(of_cluster) else {
            bail!(
                "the ControllerConfig names no release image: name the release with --release, or its templates with --templates"
            );
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let source = self.source.open()?;
        runtime.context("starting the runtime")?.block_on(generate::of_release(&release, source))
    }
}

/// The build whose work would be continued.
fn build(world: &World) -> Result<(Build, String)> {
    let found = continued(&TakeOverView {
        controller_config: world.controller_config.as_deref(),
        configs: &world.configs.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        desired: world.version.as_deref().and_then(running),
    });
    let Continued { raw, hash, release } = found.context("there is nothing to take over")?;
    Ok((Build { raw: raw.clone(), hash, release: Some(release) }, raw))
}

fn of_obstacle(obstacle: &Obstacle) -> Value {
    let lines = match obstacle {
        Obstacle::Differs { difference, .. } => difference.line.as_ref(),
        _ => None,
    };
    let texts = lines.and_then(|line| line.texts.as_ref());
    json!({
        "text": obstacle.to_string(), "config": obstacle.config(),
        "there": texts.map(|(there, _)| there), "generated": texts.map(|(_, ours)| ours),
    })
}

/// The pools that would be rendered to something else, with their nodes, and those of which that is not known.
fn changed_pools(before: &World, after: &World) -> Vec<Value> {
    let views = before.views();
    let rendered = |world: &World, name: &str| -> Result<String, String> {
        let pools = world.pool_views();
        let pool = pools.iter().find(|pool| pool.name == name).ok_or("there is no such pool")?;
        let (parts, _) = world.parts(pool, &pools).map_err(|error| error.to_string())?;
        let rendered = parts.render(pool.object, &Build::ours()).map_err(|error| error.to_string())?;
        Ok(rendered.name().to_owned())
    };
    let pool = |pool: &PoolView<'_>| {
        let (from, to) = (rendered(before, pool.name), rendered(after, pool.name));
        let nodes: Vec<&str> = views.nodes_of(pool.name).into_iter().map(|node| node.name).collect();
        let differs = json!({"pool": pool.name, "from": from.as_ref().ok(), "to": to.as_ref().ok(), "nodes": nodes});
        match (from, to) {
            (Ok(from), Ok(to)) => (from != to).then_some(differs),
            (_, Err(why)) | (Err(why), Ok(_)) => Some(json!({"pool": pool.name, "unknown": why})),
        }
    };
    before.pool_views().iter().filter_map(pool).collect()
}

fn text(whole: &Value) -> String {
    let word = |value: &Value| in_line(value.as_str().unwrap_or_default());
    let (differences, pools) = (whole["differences"].as_array(), whole["pools"].as_array());
    let version = word(&whole["build"]["version"]);
    let mut text = String::new();
    for difference in differences.into_iter().flatten() {
        text.push_str(&format!("{}\n", word(&difference["text"])));
        if let (Some(there), Some(ours)) = (difference["there"].as_str(), difference["generated"].as_str()) {
            text.push_str(&format!("  - {}\n  + {}\n", in_line(there), in_line(ours)));
        }
    }
    for pool in pools.into_iter().flatten() {
        let name = word(&pool["pool"]);
        if let Some(why) = pool["unknown"].as_str() {
            text.push_str(&format!("whether pool {name} changes is not known: {}\n", in_line(why)));
            continue;
        }
        let nodes: Vec<&str> = pool["nodes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let nodes = match nodes[..] {
            [] => "it has no nodes".to_owned(),
            _ => {
                format!(
                    "its nodes get it, and reboot unless a disruption policy says otherwise: {}",
                    in_line(&nodes.join(", "))
                )
            }
        };
        let to = word(&pool["to"]);
        text.push_str(&format!("with what weir generates pool {name} is rendered to {to}; {nodes}\n"));
    }
    let count = differences.map_or(0, Vec::len);
    text.push_str(&match (count, whole["adopted"] == true) {
        (0, true) => format!("weir generates in the place of build {version} already, and nothing is to be written\n"),
        (_, true) => "weir generates already; this is what it is about to write\n".to_owned(),
        (0, false) => {
            format!("weir generates what build {version} generated: it takes over without a write, and changes it from then on\n")
        }
        (_, false) => format!(
            "weir leaves what is generated to build {version}; `weir run --take-over --adopt-generated ours` takes weir's all the \
             same\n"
        ),
    });
    text
}
