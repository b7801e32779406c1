//! The operator, in parts: each keeps one thing, and the last says in the ClusterOperator how it all is.
//!
//! | module | keeps |
//! |---|---|
//! | `controller_config` | the ControllerConfig, and the certificates that go with it |
//! | `machine_configuration` | the MachineConfiguration of an OpenShift |
//! | `user_data` | what new machines of an OpenShift boot with |
//! | `pools` | the built-in pools |
//! | `policies` | the admission policies |
//! | `operands` | the objects that it was given, such as those that run the controller |
//! | `cluster_status` | the ClusterOperator |
//! | `findings` | what the parts found, for the ClusterOperator |
//! | `sources` | what the configuration of an OpenShift is made of |

mod cluster_status;
mod controller_config;
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

/// Events are recorded under this name, the reference's.
const COMPONENT: &str = "machineconfigoperator";

/// The operator.
#[derive(Clone, Debug)]
pub struct Operator {
    context: Context,
    /// What it runs from; empty when that is not known.
    image: String,
    /// Whether another operator's work is continued, of which the templates are not there.
    continues: bool,
    kept: Vec<Value>,
}

impl Operator {
    /// An operator that keeps what every cluster has.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context, image: String::new(), continues: false, kept: Vec::new() }
    }

    /// The same, as one that continues the work of another operator.
    #[must_use]
    pub fn continuing(self, continues: bool) -> Self {
        Self { continues, ..self }
    }

    /// The same, with the image that it runs from.
    #[must_use]
    pub fn of_image(self, image: &str) -> Self {
        Self { image: image.to_owned(), ..self }
    }

    /// Keeps these objects, too, and deletes what it kept before and is not among them.
    #[must_use]
    pub fn keeping(self, kept: Vec<Value>) -> Self {
        Self { kept, ..self }
    }

    /// Its parts. Of several failures of one kind the one that comes first here is reported.
    #[must_use]
    pub fn controllers(&self) -> Vec<Box<dyn Driven>> {
        let findings = Findings::default();
        let part = || Part::new(&self.context, &findings);
        let mut all: Vec<Box<dyn Driven>> = vec![
            Box::new(controller_config::Controller::new(part(), self.continues)),
            Box::new(machine_configuration::Controller(part())),
            Box::new(user_data::Controller(part())),
            Box::new(pools::Controller(part())),
            Box::new(policies::Controller(part())),
        ];
        if !self.kept.is_empty() {
            all.push(Box::new(operands::Controller::new(part(), self.kept.clone())));
        }
        all.push(Box::new(cluster_status::Controller::new(self.context.clone(), findings, &self.image)));
        all
    }

    /// Works until the future is dropped; needs [`crate::watch`] beside it.
    pub async fn run(&self) {
        let Context { cluster, client, .. } = &self.context;
        let all = [Watcher::Operator, Watcher::Policies, Watcher::Infrastructure, Watcher::Operands];
        // Without objects to keep the last is nobody.
        let watchers = if self.kept.is_empty() { &all[..3] } else { &all[..] };
        tokio::join!(
            cluster.watches.fill(client, watchers),
            Box::pin(cluster.sources.fill(&cluster.watches, client)),
            drive_all(&self.context, self.controllers()),
        );
    }
}
