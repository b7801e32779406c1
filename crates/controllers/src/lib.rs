//! The controllers: observe, call the rule, act, report.
//!
//! | module | keeps up to date |
//! |---|---|
//! | [`stream`] | the OSImageStream, from the release image that the cluster should run |
//! | [`generate`] | the MachineConfigs that pools start with, and those of settings |
//! | [`render`] | the rendered MachineConfig of every pool, and the pool's configuration |
//! | [`rollout`] | the target of every node, and the status of every pool |
//! | [`build`] | the OS image of every pool in image mode |
//! | [`pause`] | pools whose pause is over |
//! | [`drain`] | cordons and evictions on nodes whose daemon asks for a drain |
//! | [`nodes`] | the MachineConfigNode of every node |
//! | [`masters`] | labels and taints of control plane nodes |
//! | [`history`] | what came of the last rollouts, in a ConfigMap for each pool |
//! | [`mod@operator`] | the ControllerConfig, the built-in pools, the admission policies, and the ClusterOperator |
//! | [`notify`] | nothing: it notifies others of what happens to rollouts |
//! | [`figures`] | nothing: metrics about the cluster |
//! | [`access`] | how images are read, from the cluster's own objects |
//! | [`templates`] | nothing: it reads the templates of a release |
//! | [`unused`] | nothing: it deletes rendered MachineConfigs that are no longer needed, if that is enabled |
//! | [`shared`] | what one controller found out and others need |
//! | [`steps`] | when each controller last completed a step |
//! | [`cluster`] | the controllers' view of the cluster: the table of watches, shared |
//! | [`context`] | what every controller is given |
//!
//! What to do is decided in `weir_rules`, not here. Each controller is a [`weir_kubeio::Controller`], driven by [`drive`] or by
//! something else, such as a test. [`controllers`] and [`operator::Operator::controllers`] are the tables of them.

pub mod access;
pub mod build;
pub mod cluster;
pub mod context;
pub mod drain;
pub mod figures;
pub mod generate;
pub mod history;
mod last_said;
pub mod masters;
pub mod nodes;
pub mod notify;
pub mod operator;
pub mod pause;
pub mod render;
pub mod rollout;
pub mod shared;
pub mod steps;
pub mod stream;
pub mod templates;
pub mod unused;

pub use access::Access;
pub use cluster::Cluster;
pub use context::Context;
pub use generate::Generating;
pub use weir_rules::render::Build;

use cluster::Watcher;
use std::{sync::Arc, time::Duration};
use weir_images::Images;
use weir_kubeio::{Driven, drive, in_order::in_order};

/// Runs the watches and all controllers until the future is dropped. Images are read as `images` would read them, and as the
/// cluster's own objects say.
pub async fn run(context: Context, images: Images) {
    let operator = operator::Operator::new(context.clone());
    tokio::join!(watch(&context), Box::pin(controller(&context, images, None)), Box::pin(operator.run()));
}

/// Runs the watches that the controllers need until the future is dropped.
pub async fn watch(context: &Context) {
    context.cluster.clone().fill(context.client.clone()).await;
}

/// The controllers for streams, generated MachineConfigs, rendering and rollouts, in the order in which a change travels. The last one
/// deletes rendered MachineConfigs that have been unused for `unused`.
#[must_use]
pub fn controllers(context: &Context, access: &Access, unused: Option<Duration>) -> Vec<Box<dyn Driven>> {
    let mut all: Vec<Box<dyn Driven>> = vec![
        Box::new(stream::Controller::new(context.clone(), access.clone())),
        Box::new(generate::Controller::new(context.clone(), access.clone())),
        Box::new(render::Controller::new(context.clone(), access.clone())),
        Box::new(rollout::Controller::new(context.clone())),
        Box::new(pause::Controller::new(context.clone())),
        Box::new(drain::Controller::new(context.clone())),
        Box::new(nodes::Controller::new(context.clone())),
        Box::new(masters::Controller::new(context.clone())),
        Box::new(history::Controller::new(context.clone())),
    ];
    if let Some(after) = unused {
        all.push(Box::new(unused::Controller::new(context.clone(), after)));
    }
    all
}

/// Runs [`controllers`] until the future is dropped; [`watch`] has to run as well.
pub async fn controller(context: &Context, images: Images, unused: Option<Duration>) {
    let access = Access::new(&context.cluster, images);
    tokio::join!(
        context.cluster.watches.fill(&context.client, Watcher::CONTROLLER),
        drive_all(context, controllers(context, &access, unused)),
        stream::forget(context, &access),
    );
}

/// Has OS images built until the future is dropped; needs [`watch`] beside it, and whoever asks registries needs what it reads.
pub async fn builder(context: &Context, registries: Arc<dyn build::Registries>, settings: build::Settings) {
    let controller = build::Controller::new(context.clone(), registries, settings);
    tokio::join!(
        context.cluster.watches.fill(&context.client, &[Watcher::Builds]),
        drive_all(context, vec![Box::new(controller)]),
    );
}

/// Counts what happens to builds of OS images, and deletes the images of those that are gone, until the future is dropped; needs
/// [`watch`] beside it.
pub async fn after_builds(context: &Context, remover: Arc<dyn build::pruner::Remover>) {
    let counters = build::counters::Counters::new(context.clone());
    let pruner = build::pruner::Pruner::new(context.clone(), remover);
    drive_all(context, vec![Box::new(counters), Box::new(pruner)]).await;
}

/// Notifies others of what happens to rollouts, until the future is dropped; needs what [`controller`] watches.
pub async fn notifier(context: &Context, receiver: Arc<dyn notify::Receiver>) {
    drive_all(context, vec![Box::new(notify::Controller::new(context.clone(), receiver))]).await;
}

/// Drives controllers until the future is dropped.
async fn drive_all(context: &Context, controllers: Vec<Box<dyn Driven>>) {
    // A controller that started earlier could miss what it waits for: it is woken only by what it acts upon.
    context.cluster.synced().await;
    in_order(controllers.iter().map(|controller| drive(&**controller))).await;
}
