//! The format of a story.

use crate::Nodes;
use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};
use weir_controllers::{
    Access,
    build::{Builder, layers::Layers},
};
use weir_distro::Profile;
use weir_fleet::Fault;
use weir_images::{Layout, payload};

/// A story.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// A one-line summary.
    pub about: String,
    /// The distribution the cluster runs as.
    pub distribution: String,
    /// Release payloads, by the names that steps use.
    pub payloads: BTreeMap<String, Payload>,
    /// The initial cluster.
    pub start: Start,
    /// What happens, in order.
    pub steps: Vec<Step>,
    /// What makes its images.
    #[serde(skip)]
    pub builders: Builders,
}

/// What makes the images of a story. By default they are made without any program.
#[derive(Clone)]
pub struct Builders {
    make: Arc<dyn Fn(Access) -> Arc<dyn Builder> + Send + Sync>,
    /// How many times as long as written everything may take.
    pub(super) times: u32,
}

impl Builders {
    /// This one, which may take so many times as long.
    #[must_use]
    pub fn new(make: impl Fn(Access) -> Arc<dyn Builder> + Send + Sync + 'static, times: u32) -> Self {
        Self { make: Arc::new(make), times }
    }

    pub(super) fn make(&self, access: Access) -> Arc<dyn Builder> {
        (self.make)(access)
    }
}

impl Default for Builders {
    fn default() -> Self {
        Self::new(|access| Arc::new(Layers::new(access)), 1)
    }
}

impl fmt::Debug for Builders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builders").field("times", &self.times).finish_non_exhaustive()
    }
}

/// A release payload.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payload {
    /// Release version.
    pub version: String,
    /// Streams it carries.
    pub streams: Vec<StreamOf>,
    /// The payload's distribution, if it is not the cluster's.
    pub distribution: Option<String>,
    /// Whether its images have stream labels.
    #[serde(default = "yes")]
    pub labelled: bool,
    /// Templates beside those of the sample, or in their place: paths, in which `ROLE` stands for each role, with their text.
    #[serde(default)]
    pub templates: BTreeMap<String, String>,
    /// False for a release that no registry has.
    #[serde(default = "yes")]
    pub published: bool,
}

/// A stream of a payload: its name, or its name and the payload tag of its OS image.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum StreamOf {
    /// Under the usual tag.
    Named(String),
    /// Under another tag.
    Tagged {
        /// Stream name.
        name: String,
        /// Payload tag.
        tag: String,
    },
}

/// The initial cluster.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Release it is installed with.
    pub payload: String,
    /// Nodes of each pool, as `--nodes` takes them.
    pub nodes: Nodes,
    /// Whether the streams gate is on.
    #[serde(default = "yes")]
    pub gate: bool,
    /// Whether operator and controller are separate processes, as `weir manifests` runs them.
    #[serde(default, rename = "two-processes")]
    pub two_processes: bool,
    /// Whether there is a registry, and images are built. In objects `${registry}` is its address, `${installed}` an OS image
    /// in it that an installer could have brought along, and Secret `registry` opens it.
    #[serde(default)]
    pub registry: bool,
    /// Objects that exist before the controllers, e.g. from an installer.
    #[serde(default)]
    pub objects: Vec<Value>,
    /// Faults of the nodes, as in a `--faults` file.
    #[serde(default)]
    pub faults: Vec<Fault>,
}

/// Actions, and what should follow.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// A one-line summary.
    pub title: String,
    /// The actions, in order.
    #[serde(default, rename = "do")]
    pub actions: Vec<Action>,
    /// Whether the controllers' writes are counted from here on, for being cut off; an update begins that as well.
    #[serde(default)]
    pub counted: bool,
    /// What must then hold, all at the same time.
    pub expect: Vec<Expectation>,
    /// The deadline.
    #[serde(default = "soon", deserialize_with = "crate::duration::text::deserialize")]
    pub within: Duration,
    /// Whether it is checked only once the cluster is at rest, so that what must not happen has had its chance. False for
    /// states that only show in between.
    #[serde(default = "yes")]
    pub quiet: bool,
}

/// An action of a user, an update or the machine room.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Merges a manifest into an object, or creates the object.
    Apply(Value),
    /// Tries to, and is refused with a message that contains this.
    Refused {
        /// The manifest.
        apply: Value,
        /// Part of the API server's message.
        because: String,
    },
    /// Deletes an object.
    Delete(Value),
    /// Sets the stream of a pool; null removes it.
    Stream {
        /// The pool.
        pool: String,
        /// The stream.
        name: Option<String>,
    },
    /// Pauses or unpauses a pool.
    Pause {
        /// The pool.
        pool: String,
        /// Whether it is to be paused.
        paused: bool,
    },
    /// Sets `spec.defaultStream`.
    DefaultStream(String),
    /// Turns the streams gate on or off, for every version.
    Gate(bool),
    /// Updates the cluster to another release.
    Update {
        /// Name of the payload.
        to: String,
        /// Whether the controllers of that release start at once; otherwise the old ones keep running.
        #[serde(default = "yes")]
        controllers: bool,
        /// Whether that release has the streams gate on; unchanged when not given.
        gate: Option<bool>,
    },
    /// Stops the controllers mid-work and starts those of the desired release.
    RestartControllers,
}

/// An expectation.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Expectation {
    /// The OSImageStream.
    Streams(Streams),
    /// There is no OSImageStream.
    NoStreams,
    /// A pool.
    Pool(Pool),
    /// A condition of the ClusterOperator.
    Operator(Condition),
    /// ClusterVersion's history of the release the cluster should run.
    Release(Release),
    /// Every node of a pool runs an OS of this name.
    Os {
        /// The pool.
        pool: String,
        /// The prefix of the name.
        name: String,
    },
    /// Every node of a pool runs an image that was built for it, or none does.
    Image {
        /// The pool.
        pool: String,
        /// Whether they run one.
        built: bool,
    },
    /// How many times nodes of each pool were told a configuration or an image in this step.
    Told(BTreeMap<String, usize>),
    /// How many images were deleted from the registry since the story began.
    Pruned(usize),
    /// An event was recorded since the story began.
    Event(Event),
}

/// The state of the OSImageStream.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Streams {
    /// Names of the available streams, sorted.
    pub available: Vec<String>,
    /// `status.defaultStream`, and `spec.defaultStream` unless that is given.
    pub default: String,
    /// `spec.defaultStream`.
    pub wanted: Option<String>,
    /// The retained ones.
    #[serde(default)]
    pub retained: Vec<String>,
}

/// The newest entry of ClusterVersion's history.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Release {
    /// Release version.
    pub version: String,
    /// `Partial` or `Completed`.
    pub state: String,
}

/// The state of a pool.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// `status.osImageStream.name`; `none` for none.
    pub runs: Option<String>,
    /// `spec.osImageStream.name`.
    pub names: Option<String>,
    /// Whether all of its nodes run what they should, and nothing is wrong with it.
    pub at_rest: Option<bool>,
    /// A condition.
    pub condition: Option<Condition>,
}

/// A condition of a pool or of the ClusterOperator.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Condition {
    /// Its type.
    #[serde(rename = "type")]
    pub type_: String,
    /// Its status.
    pub status: String,
    /// Its reason.
    pub reason: Option<String>,
    /// A part of its message.
    #[serde(default)]
    pub says: String,
}

/// An event.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Event {
    /// Its reason.
    pub reason: String,
    /// Kind and name of its object, as in `MachineConfigPool/worker`.
    pub about: String,
    /// A part of its message.
    #[serde(default)]
    pub says: String,
}

const fn yes() -> bool {
    true
}

/// Steps of simulated nodes take hundredths of a second: anything that takes longer is stuck.
const fn soon() -> Duration {
    Duration::from_secs(15)
}

impl Script {
    /// Reads a story.
    ///
    /// # Errors
    /// When it is not valid YAML, has an unknown field, or names an unknown payload or distribution.
    pub fn parse(text: &str) -> Result<Self> {
        let script: Self = weir_manifests::from_yaml(text).context("reading the story")?;
        script.profile()?;
        let updates = script.steps.iter().flat_map(|step| &step.actions).filter_map(|action| match action {
            Action::Update { to, .. } => Some(to),
            _ => None,
        });
        for name in updates.chain([&script.start.payload]) {
            ensure!(script.payloads.contains_key(name), "the story has no payload {name:?}");
        }
        Ok(script)
    }

    /// The distribution the cluster runs as.
    ///
    /// # Errors
    /// When the name is unknown.
    pub fn profile(&self) -> Result<&'static Profile> {
        Ok(Profile::by_name(&self.distribution)?)
    }
}

impl Payload {
    /// Builds the payload.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn make(&self, cluster: &'static Profile) -> Result<Layout> {
        let profile = self.distribution.as_deref().map_or(Ok(cluster), Profile::by_name)?;
        let stream = |of: &StreamOf| match of {
            StreamOf::Named(name) => profile.sample.stream(name),
            StreamOf::Tagged { name, tag } => {
                let mut stream = profile.sample.stream(name);
                stream.os_tag.clone_from(tag);
                stream
            }
        };
        let streams = self.streams.iter().map(stream).collect();
        let (version, templates) = (Some(self.version.as_str()), self.templates.clone());
        let recipe = payload::Recipe { profile, version, streams, labelled: self.labelled, templates };
        payload::make(&recipe).with_context(|| format!("making the payload of {}", self.version))
    }
}
