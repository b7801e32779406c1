//! `weir get`: the OS image streams of a release, or the image of one.
//!
//! Output, file handling and error texts are those of `machine-config-osimagestream`
//! (`cmd/machine-config-osimagestream` of github.com/openshift/machine-config-operator), so that existing scripts keep working.

use super::{image_source::ImageSource, in_line};
use crate::exit::Outcome;
use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};
use kube::core::TypeMeta;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use weir_api::OSImageStream;
use weir_api::keys::config::{GENERATED_BY_OSIMAGESTREAM_TOOL, RELEASE_IMAGE_VERSION, RELEASE_PAYLOAD_IMAGE};
use weir_api::keys::names::CLUSTER;
use weir_api::os_image_stream::{OSImageStreamSet, OSImageStreamSpec, OSImageStreamStatus};
use weir_controllers::stream::observe;
use weir_distro::{Evidence, Profile, ReleaseVersion, detect};
use weir_images::release::{ImageReferences, Strictness};
use weir_images::{Images, Release};
use weir_rules::stream::catalog::{Catalog, CatalogError, Existing, Input, Source, catalog, classify::TELLING};

/// Print the OS image streams of a release, or the image of one
#[derive(Debug, Args)]
pub struct Get {
    #[command(subcommand)]
    pub(super) what: Option<What>,
}

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Print the OSImageStream object of a release
    Osimagestream(Object),
    /// Print the pull spec of the OS image of the default stream
    DefaultNodeImage(Payload),
    /// Print the pull spec of the OS image of a stream
    OsImagePullspec(Named),
}

/// Which release, and how to read it
#[derive(Debug, Args)]
pub(super) struct Payload {
    /// Release image: a pull spec, or oci:DIR for an OCI layout
    #[arg(long, value_name = "REF")]
    release_image: Option<String>,
    /// File with the list of a release's images (an ImageStream, JSON or YAML), instead of the release image
    #[arg(long, value_name = "FILE")]
    imagestream: Option<PathBuf>,
    /// Distribution [default: detected from the release]
    #[arg(long, value_name = "NAME", value_parser = profile)]
    distribution: Option<&'static Profile>,
    /// Version the cluster was installed with, which determines the default stream [default: that of the release]
    #[arg(long, value_name = "VERSION")]
    install_version: Option<ReleaseVersion>,
    #[command(flatten)]
    pub(super) source: ImageSource,
}

#[derive(Debug, Args)]
pub(super) struct Object {
    #[command(flatten)]
    pub(super) payload: Payload,
    /// json or yaml
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    output_format: String,
    /// How it is printed, as with kubectl; name and wide list the streams
    #[arg(short, long, value_enum, value_name = "FORMAT", conflicts_with_all = ["output_format", "output_file"])]
    output: Option<Listed>,
    /// File to write instead of printing; .json, .yaml or .yml decides the format
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
}

/// How a user of kubectl asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Listed {
    /// JSON
    Json,
    /// YAML
    Yaml,
    /// The names of the streams
    Name,
    /// A table of the streams, with their images
    Wide,
}

#[derive(Debug, Args)]
pub(super) struct Named {
    #[command(flatten)]
    pub(super) payload: Payload,
    /// Name of the stream
    #[arg(long, value_name = "NAME")]
    pub(super) osimagestream_name: Option<String>,
}

/// Printed when nothing was found, whatever the cause; the cause is a warning before it.
const NOTHING: &str = "unable to retrieve any OSImageStream from the configured sources";

fn profile(name: &str) -> Result<&'static Profile, String> {
    Profile::by_name(name).map_err(|error| error.to_string())
}

impl Get {
    /// Runs it.
    ///
    /// # Errors
    /// Anything that could not be read or written.
    pub fn run(self) -> anyhow::Result<Outcome> {
        let Some(what) = self.what else {
            bail!("say what to get: osimagestream, default-node-image or os-image-pullspec")
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(what.run(Form::Whole))?;
        Ok(Outcome::Done)
    }
}

/// How the object is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// With kind and version, as other commands take it.
    Whole,
    /// As the original does.
    Original,
}

impl What {
    pub(super) async fn run(self, form: Form) -> anyhow::Result<()> {
        match self {
            Self::Osimagestream(object) => object.run(form).await,
            Self::DefaultNodeImage(payload) => {
                let (catalog, _) = payload.catalogue().await?;
                image_of(&catalog, &catalog.default)
            }
            Self::OsImagePullspec(named) => {
                let name = named.osimagestream_name.context("required flag(s) \"osimagestream-name\" not set")?;
                if name.is_empty() {
                    bail!("empty OSImageStream name");
                }
                let (catalog, _) = named.payload.catalogue().await?;
                image_of(&catalog, &name)
            }
        }
    }

    pub(super) fn payload(&self) -> &Payload {
        match self {
            Self::Osimagestream(object) => &object.payload,
            Self::DefaultNodeImage(payload) => payload,
            Self::OsImagePullspec(named) => &named.payload,
        }
    }
}

fn image_of(catalog: &Catalog, name: &str) -> anyhow::Result<()> {
    let Some(stream) = catalog.stream(name) else {
        let names: Vec<&str> = catalog.streams.iter().map(|stream| stream.set.name.as_str()).collect();
        bail!(
            "missing OSImageStream {name:?}, expected one of: [{}]: \
             osimagestreams.machineconfiguration.openshift.io {name:?} not found",
            names.join(" ")
        );
    };
    super::print(format!("{}\n", in_line(&stream.set.os_image)).as_bytes())
}

impl Payload {
    /// The catalogue and the pull spec of the release, empty for a list of images.
    async fn catalogue(&self) -> anyhow::Result<(Catalog, String)> {
        let given = match (&self.release_image, &self.imagestream) {
            (Some(image), None) => Err(image),
            (None, Some(file)) => Ok(listed(file)?),
            (None, None) => bail!("either --imagestream or --release-image must be provided"),
            (Some(_), Some(_)) => bail!("--imagestream and --release-image are mutually exclusive"),
        };
        let image = given.as_ref().err().map(|image| (*image).clone()).unwrap_or_default();
        match self.discover(given).await {
            Ok(catalog) => Ok((catalog, image)),
            Err(error) => {
                tracing::warn!("error fetching OSImageStreams from a source: {error:#}");
                bail!(NOTHING)
            }
        }
    }

    async fn discover(&self, given: Result<Release, &String>) -> anyhow::Result<Catalog> {
        let source = self.source.open()?;
        let (images, release) = match given {
            Ok(release) => (Images::new(source), release),
            Err(image) => {
                let images = Images::new(source.with_layout_of(image)?);
                let (release, way) = images.reach_release(image).await?;
                tracing::info!("release {} {image}: {way}", release.version);
                (images, release)
            }
        };
        let tags: Vec<&str> = release.tags.iter().map(|tag| tag.name.as_str()).collect();
        let explicit = self.distribution.map(|profile| profile.name.as_str());
        let found = detect(Evidence { explicit, payload_tags: &tags, feature_set: None })?;
        let observe::Payload { source, ways, .. } = observe::of_release(&images, found.profile, &release).await;
        let labels = telling_labels(&source);
        let installed = self.install_version.or_else(|| release.version.parse().ok());
        let input = Input { sources: vec![source], existing: Existing::default(), in_use: &BTreeSet::new(), installed };
        let made = catalog(found.profile, input);
        let considered = match &made {
            Ok(catalog) => catalog.considered.as_slice(),
            Err(CatalogError::NoStream { considered }) => considered.as_slice(),
            Err(_) => &[],
        };
        for image in considered {
            let pull_spec = &image.candidate.image;
            let way = ways.get(pull_spec).map_or_else(|| "not read".to_owned(), ToString::to_string);
            let labels = labels.get(pull_spec).map_or("none", String::as_str);
            tracing::info!("{}: {way}; labels that count: {labels}; {}", image.candidate, image.verdict);
        }
        for notice in made.iter().flat_map(|catalog| &catalog.notices) {
            tracing::warn!("{notice}");
        }
        Ok(made?)
    }
}

/// The labels that classify an image, by pull spec.
fn telling_labels(source: &Source) -> BTreeMap<String, String> {
    let images = source.images.iter().flatten();
    let read = images.filter_map(|image| Some((image.candidate.image.clone(), image.labels.as_ref().ok()?)));
    let shown = |labels: &BTreeMap<String, String>| {
        let telling = TELLING.into_iter().filter_map(|key| Some(format!("{key}={}", labels.get(key)?)));
        telling.collect::<Vec<_>>().join(" ")
    };
    read.map(|(image, labels)| (image, shown(labels))).filter(|(_, labels)| !labels.is_empty()).collect()
}

/// The list of images in a file, as a release without a release image.
fn listed(file: &Path) -> anyhow::Result<Release> {
    let text = std::fs::read(file).map_err(|error| anyhow!("open {}: {}", file.display(), plain(&error)))?;
    let list = ImageReferences::parse(&text, Strictness::Lenient)
        .map_err(|error| anyhow!("could not decode imagestream: {error}"))?;
    Ok(Release { image: String::new(), version: list.name, tags: list.tags })
}

/// The operating system's message without the error number, in lower case, as the original prints it.
fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// The object. The original prints it without kind and version, so that nobody else takes it as one.
#[derive(Serialize)]
struct Printed {
    #[serde(flatten)]
    of: Option<TypeMeta>,
    metadata: Metadata,
    spec: OSImageStreamSpec,
    status: OSImageStreamStatus,
}

#[derive(Serialize)]
struct Metadata {
    name: &'static str,
    annotations: BTreeMap<&'static str, String>,
}

impl Object {
    async fn run(self, form: Form) -> anyhow::Result<()> {
        let format = self.format()?;
        let (catalog, image) = self.payload.catalogue().await?;
        if let Some(text) = self.output.and_then(|listed| listed.text(&catalog)) {
            return super::print(text.as_bytes());
        }
        let of = (form == Form::Whole).then(TypeMeta::resource::<OSImageStream>);
        let text =
            format.write(&Printed { of, ..printed(catalog.default.clone(), catalog.available_streams(), image) })?;
        let Some(file) = &self.output_file else { return super::print(text.as_bytes()) };
        std::fs::write(file, text).map_err(|error| {
            anyhow!("failed to write output to file {:?}: {}", file.display().to_string(), plain(&error))
        })?;
        tell!("Successfully wrote output to {} in {} format", file.display(), format.name());
        Ok(())
    }

    fn format(&self) -> anyhow::Result<Format> {
        match self.output {
            Some(Listed::Json) => return Ok(Format::Json),
            Some(Listed::Yaml) => return Ok(Format::Yaml),
            _ => {}
        }
        match self.output_file.as_deref().and_then(Path::extension).and_then(|extension| extension.to_str()) {
            Some("json") => return Ok(Format::Json),
            Some("yaml" | "yml") => return Ok(Format::Yaml),
            _ => {}
        }
        match self.output_format.as_str() {
            "json" => Ok(Format::Json),
            "yaml" => Ok(Format::Yaml),
            other => bail!("unsupported output format {other:?}: must be 'json' or 'yaml'"),
        }
    }
}

impl Listed {
    /// The list; absent for a form of the object.
    fn text(self, catalog: &Catalog) -> Option<String> {
        let streams = catalog.available_streams();
        let widest = streams.iter().map(|stream| stream.name.len()).max().unwrap_or_default().max("STREAM".len());
        let row = |name: &str, default: &str, os: &str, extensions: &str| {
            in_line(&format!("{name:widest$}  {default:7}  {os}  {extensions}")) + "\n"
        };
        match self {
            Self::Json | Self::Yaml => None,
            Self::Name => Some(streams.iter().map(|stream| in_line(&stream.name) + "\n").collect()),
            Self::Wide => {
                let head = row("STREAM", "DEFAULT", "OS IMAGE", "EXTENSIONS IMAGE");
                let is_default = |name: &str| (name == catalog.default).to_string();
                let rows = streams.iter().map(|stream| {
                    row(&stream.name, &is_default(&stream.name), &stream.os_image, &stream.os_extensions_image)
                });
                Some(std::iter::once(head).chain(rows).collect())
            }
        }
    }
}

fn printed(default: String, available_streams: Vec<OSImageStreamSet>, image: String) -> Printed {
    let annotations = BTreeMap::from([
        (GENERATED_BY_OSIMAGESTREAM_TOOL, String::new()),
        (RELEASE_IMAGE_VERSION, weir_rules::render::Build::ours().hash),
        (RELEASE_PAYLOAD_IMAGE, image),
    ]);
    Printed {
        of: None,
        metadata: Metadata { name: CLUSTER, annotations },
        spec: OSImageStreamSpec::asking_for(&default),
        status: OSImageStreamStatus { available_streams, default_stream: default, ..Default::default() },
    }
}

#[derive(Clone, Copy)]
enum Format {
    Json,
    Yaml,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }

    fn write(self, object: &Printed) -> anyhow::Result<String> {
        Ok(match self {
            Self::Json => format!("{}\n", serde_json::to_string_pretty(object)?),
            Self::Yaml => format!("---\n{}\n", weir_rules::render::goyaml::to_string(&serde_json::to_value(object)?)?),
        })
    }
}
