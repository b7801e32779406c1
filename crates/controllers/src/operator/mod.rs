//! The operator, in parts: each manages one thing, and the last part reports the state in the ClusterOperator.
//!
//! | module | manages |
//! |---|---|
//! | `controller_config` | the ControllerConfig, and the certificates that belong to it |
//! | `machine_configuration` | the MachineConfiguration of an OpenShift |
//! | `user_data` | the user data that new machines of an OpenShift boot with |
//! | `pools` | the built-in pools |
//! | `policies` | the admission policies |
//! | `copies` | the Secrets that builds of OS images need |
//! | `operands` | the objects that it was given, such as those that run the controller |
//! | `cluster_status` | the ClusterOperator |
//! | `findings` | the findings of the parts, for the ClusterOperator |
//! | `sources` | the objects that the configuration of an OpenShift is made from |

mod cluster_status;
mod controller_config;
pub(crate) mod copies;
mod findings;
mod machine_configuration;
pub(crate) mod operands;
mod policies;
mod pools;
pub(crate) mod sources;
mod user_data;

use crate::{Context, cluster::Watcher, drive_all};
use findings::{Findings, Part};
use serde_json::Value;
use weir_kubeio::Driven;

/// Component name in events, as in the reference.
const COMPONENT: &str = "machineconfigoperator";

/// The operator.
#[derive(Clone, Debug)]
pub struct Operator {
    context: Context,
    /// The image that it runs from; empty if unknown.
    image: String,
    kept: Vec<Value>,
    /// Kept while OS images are built.
    for_builds: Vec<Value>,
}

impl Operator {
    /// An operator that manages what every cluster has.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, image: String::new(), kept: Vec::new(), for_builds: Vec::new() }
    }

    /// The same, with the image that it runs from.
    #[must_use]
    pub fn of_image(self, image: &str) -> Self {
        Self { image: image.to_owned(), ..self }
    }

    /// Also manages these objects, and deletes objects that it managed before and that are not among them.
    #[must_use]
    pub fn keeping(self, kept: Vec<Value>) -> Self {
        Self { kept, ..self }
    }

    /// Manages these, too, while OS images are built.
    #[must_use]
    pub fn for_builds(self, for_builds: Vec<Value>) -> Self {
        Self { for_builds, ..self }
    }

    /// Its parts. Of several failures of one kind, that of the first part here is reported.
    #[must_use]
    pub fn controllers(&self) -> Vec<Box<dyn Driven>> {
        let findings = Findings::default();
        let part = || Part::new(&self.context, &findings);
        let mut all: Vec<Box<dyn Driven>> = vec![
            Box::new(controller_config::Controller::new(part())),
            Box::new(machine_configuration::Controller(part())),
            Box::new(user_data::Controller(part())),
            Box::new(pools::Controller(part())),
            Box::new(policies::Controller(part())),
            Box::new(copies::Controller(part())),
        ];
        if !self.kept.is_empty() {
            all.push(Box::new(operands::Controller::new(part(), self.kept.clone(), self.for_builds.clone())));
        }
        all.push(Box::new(cluster_status::Controller::new(self.context.clone(), findings, &self.image)));
        all
    }

    /// Runs until the future is dropped; [`crate::watch`] has to run as well.
    pub async fn run(&self) {
        let Context { cluster, client, .. } = &self.context;
        let all = [Watcher::Operator, Watcher::Policies, Watcher::Infrastructure, Watcher::Copies, Watcher::Operands];
        // Without objects to manage, the last part is missing.
        let watchers = if self.kept.is_empty() { &all[..4] } else { &all[..] };
        tokio::join!(
            cluster.watches.fill(client, watchers),
            Box::pin(cluster.sources.fill(&cluster.watches, client)),
            drive_all(&self.context, self.controllers()),
        );
    }
}
