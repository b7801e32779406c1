//! `weir payload`: building, pushing and inspecting release payloads.

use super::{image_source::ImageSource, in_line};
use crate::exit::Outcome;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use weir_controllers::stream::observe;
use weir_distro::{
    Evidence, Profile, detect,
    sample::{Sample, SampleStream},
};
use weir_images::{
    Images, Layout, PullSpec, Release,
    payload::{self, Recipe},
};
use weir_rules::objects::counted::Count;
use weir_rules::stream::catalog::{Catalog, CatalogError, Considered, Existing, Input, catalog};

/// Build, push and inspect release payloads
#[derive(Debug, Args)]
pub struct Payload {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write a sample release payload as an OCI layout; prints its reference
    Build(BuildPayload),
    /// Push the release of an OCI layout, and its images, into one repository; prints the release's pull spec there
    Push(Push),
    /// Print what is in a release payload
    Inspect(Inspect),
}

// The program's own --version is not needed here; this is the release's.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
struct BuildPayload {
    /// Distribution of the payload
    #[arg(long, value_name = "NAME", value_parser = profile)]
    distribution: &'static Profile,
    /// Version of the release [default: that of the distribution's sample]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// OS image streams to include, where wanted with the tag of their OS image [default: those of the distribution's sample]
    #[arg(long, value_name = "NAME[=TAG],…", value_delimiter = ',')]
    streams: Vec<String>,
    /// Leave out the label that names the stream of an image, as older releases do
    #[arg(long)]
    unlabelled: bool,
    /// Folder to write to: new, empty, or with an OCI layout to be replaced
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

#[derive(Debug, Args)]
struct Push {
    /// Folder with the OCI layout
    #[arg(value_name = "DIR")]
    layout: String,
    /// Destination: host[:port]/repository
    #[arg(value_name = "REGISTRY/REPO")]
    repository: String,
    #[command(flatten)]
    source: ImageSource,
}

#[derive(Debug, Args)]
struct Inspect {
    /// Release image: a pull spec, or oci:DIR for an OCI layout
    #[arg(value_name = "REF")]
    reference: String,
    /// Distribution of the payload [default: detected from it]
    #[arg(long, value_name = "NAME", value_parser = profile)]
    distribution: Option<&'static Profile>,
    /// Print JSON or YAML instead of text
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
    #[command(flatten)]
    source: ImageSource,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Json,
    Yaml,
}

fn profile(name: &str) -> Result<&'static Profile, String> {
    Profile::by_name(name).map_err(|error| error.to_string())
}

impl Payload {
    /// Runs it.
    ///
    /// # Errors
    /// Anything that could not be written, pushed or read.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let text = match self.command {
            Command::Build(build) => build.run()?,
            Command::Push(push) => runtime.block_on(push.run())?,
            Command::Inspect(inspect) => runtime.block_on(inspect.run())?,
        };
        super::print(text.as_bytes())?;
        Ok(Outcome::Done)
    }
}

impl BuildPayload {
    fn run(self) -> anyhow::Result<String> {
        let sample = &self.distribution.sample;
        let wanted = self.streams.iter().map(|wanted| stream(sample, wanted));
        let streams = if self.streams.is_empty() { sample.streams.clone() } else { wanted.collect() };
        let layout = payload::make(&Recipe {
            profile: self.distribution,
            version: self.version.as_deref(),
            streams,
            labelled: !self.unlabelled,
            templates: Default::default(),
        })?;
        layout.write(&self.output).context("writing the payload")?;
        Ok(format!("oci:{}\n", self.output.display()))
    }
}

/// A stream by its name, or by its name and a tag of its own.
fn stream(sample: &Sample, wanted: &str) -> SampleStream {
    match wanted.split_once('=') {
        None => sample.stream(wanted),
        Some((name, tag)) => SampleStream { os_tag: tag.to_owned(), ..sample.stream(name) },
    }
}

impl Push {
    async fn run(self) -> anyhow::Result<String> {
        let folder = self.layout.strip_prefix("oci:").unwrap_or(&self.layout);
        let layout = Layout::open(Path::new(folder)).context("opening the layout")?;
        let to = target(&self.repository)?;
        let pushed = payload::push(&Images::new(self.source.open()?), &layout, &to).await?;
        let (images, sent, present) = (pushed.images, pushed.sent, pushed.present);
        let (images, sent) = (Count(images, "image"), Count(sent, "blob"));
        tell!("pushed {images} as {}: {sent} sent, {present} there already", pushed.tagged);
        Ok(format!("{}\n", pushed.release))
    }
}

/// The repository to push to, which must be named in full: nothing is pushed to a default registry by accident.
fn target(text: &str) -> anyhow::Result<PullSpec> {
    let spec: PullSpec = text.parse()?;
    if text.strip_prefix("docker://").unwrap_or(text) != spec.name() {
        bail!("{text}: give host[:port]/repository, without a tag or digest; the tag is the version of the release");
    }
    Ok(spec)
}

impl Inspect {
    async fn run(self) -> anyhow::Result<String> {
        let images = Images::new(self.source.open()?.with_layout_of(&self.reference)?);
        let release = images.release(&self.reference).await?;
        let tags: Vec<&str> = release.tags.iter().map(|tag| tag.name.as_str()).collect();
        let explicit = self.distribution.map(|profile| profile.name.as_str());
        let found = detect(Evidence { explicit, payload_tags: &tags, feature_set: None })?;
        let source = observe::of_release(&images, found.profile, &release).await.source;
        let installed = release.version.parse().ok();
        let none = std::collections::BTreeSet::new();
        let input = Input { sources: vec![source], existing: Existing::default(), in_use: &none, installed };
        let contradictions = found.contradictions.iter().map(ToString::to_string);
        let inspection = Inspection::new(&release, found.profile, catalog(found.profile, input), contradictions)?;
        Ok(match self.output {
            None => inspection.table(),
            Some(Format::Json) => format!("{}\n", serde_json::to_string_pretty(&inspection)?),
            Some(Format::Yaml) => weir_rules::render::goyaml::to_string(&serde_json::to_value(&inspection)?)?,
        })
    }
}

/// What is in a release payload.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspection {
    release: String,
    version: String,
    distribution: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_stream: Option<String>,
    streams: Vec<Stream>,
    /// Images that may be operating systems.
    considered: Vec<Verdict>,
    notices: Vec<String>,
    tags: Vec<Tag>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stream {
    name: String,
    os_image: String,
    os_extensions_image: String,
}

#[derive(Debug, Serialize)]
struct Verdict {
    tag: String,
    image: String,
    verdict: String,
}

#[derive(Debug, Serialize)]
struct Tag {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
}

impl Inspection {
    /// A payload without a usable stream can still be inspected; an unreadable one cannot.
    fn new(
        release: &Release,
        profile: &Profile,
        found: Result<Catalog, CatalogError>,
        contradictions: impl Iterator<Item = String>,
    ) -> Result<Self, CatalogError> {
        let mut notices: Vec<String> = contradictions.collect();
        let (default_stream, sets, considered) = match found {
            Ok(catalog) => {
                notices.extend(catalog.notices.iter().map(ToString::to_string));
                let sets = catalog.available_streams();
                (Some(catalog.default), sets, catalog.considered)
            }
            Err(error @ CatalogError::Incomplete { .. }) => return Err(error),
            Err(error) => {
                notices.push(error.to_string());
                let considered =
                    if let CatalogError::NoStream { considered } = error { considered } else { Vec::new() };
                (None, Vec::new(), considered)
            }
        };
        let streams = sets.into_iter().map(|set| Stream {
            name: set.name,
            os_image: set.os_image,
            os_extensions_image: set.os_extensions_image,
        });
        let verdict = |image: Considered| Verdict {
            verdict: image.verdict.to_string(),
            tag: image.candidate.tag,
            image: image.candidate.image,
        };
        Ok(Self {
            release: release.image.clone(),
            version: release.version.clone(),
            distribution: profile.name.clone(),
            default_stream,
            streams: streams.collect(),
            considered: considered.into_iter().map(verdict).collect(),
            notices,
            tags: release.tags.iter().map(|tag| Tag { name: tag.name.clone(), image: tag.image.clone() }).collect(),
        })
    }

    fn table(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let mut line = |key: &str, value: &str| _ = writeln!(text, "{key:<14}{}", in_line(value));
        line("Release:", &self.release);
        line("Version:", &self.version);
        line("Distribution:", &self.distribution);
        for stream in &self.streams {
            let default = if Some(&stream.name) == self.default_stream.as_ref() { " (default)" } else { "" };
            line("Stream:", &format!("{}{default}", stream.name));
            line("  OS:", &stream.os_image);
            line("  Extensions:", &stream.os_extensions_image);
        }
        for image in &self.considered {
            line("Image:", &format!("{} {}", image.tag, image.verdict));
        }
        for notice in &self.notices {
            line("Notice:", notice);
        }
        line("Tags:", &self.tags.len().to_string());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn a_repository_to_push_to_is_named_in_full() {
        assert_eq!(target("127.0.0.1:5000/ocp/release").unwrap().name(), "127.0.0.1:5000/ocp/release");
        assert_eq!(target("docker://quay.io/a").unwrap().name(), "quay.io/a");
        for text in ["ocp/release", "release", "quay.io/a:1", "quay.io/a:latest", "oci://a", "quay.io/A"] {
            assert!(target(text).is_err(), "{text}");
        }
    }
}
