//! The controllers: observe, call the rule, act, report.
//!
//! | module | makes right |
//! |---|---|
//! | [`stream`] | the OSImageStream, from the release image the cluster is to run |
//! | [`render`] | the rendered MachineConfig of every pool, and the pool's configuration |
//! | [`rollout`] | what every node is told to run, and the status of every pool |
//! | [`drain`] | nodes that are to be drained, or to take pods again |
//! | [`nodes`] | the MachineConfigNode of every node |
//! | [`masters`] | labels and taints of the control plane's nodes |
//! | [`mod@operator`] | the ControllerConfig, the built-in pools, the admission policies, and the ClusterOperator |
//! | [`figures`] | nothing: it says in numbers how it all is |
//! | [`access`] | how images are read, by what the cluster's own objects say |
//! | [`templates`] | nothing: it reads the templates of a release |
//! | [`unused`] | rendered MachineConfigs that nobody needs any more, where that is asked for |
//! | [`troubles`] | what stands in the way of the streams |
//! | [`steps`] | when controllers last did what they are for |
//! | [`cluster`] | what the controllers see of the cluster: the table of watches, shared |
//! | [`context`] | what every controller is given |
//!
//! What to do is decided in `weir_rules`; nothing here decides. Each is a [`weir_kubeio::Controller`]: it runs when it is asked to, by
//! [`drive`] or by who else drives it. [`controllers`] and [`operator::Operator::controllers`] are the tables of them.

pub mod access;
pub mod cluster;
pub mod context;
pub mod drain;
pub mod figures;
pub mod masters;
mod news;
pub mod nodes;
pub mod operator;
pub mod render;
pub mod rollout;
pub mod steps;
pub mod stream;
pub mod templates;
pub mod troubles;
pub mod unused;

pub use access::Access;
pub use cluster::Cluster;
pub use context::Context;
pub use weir_rules::render::Build;

use cluster::Watcher;
use futures::future::join_all;
use std::time::Duration;
use weir_images::Images;
use weir_kubeio::{Driven, drive};

/// Runs the watches and all controllers until the future is dropped. Images are read as `images` would, and as the
/// cluster's own objects say beside that.
pub async fn run(context: Context, images: Images) {
    let operator = operator::Operator::new(context.clone());
    tokio::join!(watch(&context), Box::pin(controller(&context, images, None)), Box::pin(operator.run()));
}

/// Watches what the controllers look at until the future is dropped.
pub async fn watch(context: &Context) {
    context.cluster.clone().fill(context.client.clone()).await;
}

/// The controllers that stream, render and roll out, on the way of a change. The last deletes rendered MachineConfigs that
/// nobody used for `unused`.
#[must_use]
pub fn controllers(context: &Context, access: &Access, unused: Option<Duration>) -> Vec<Box<dyn Driven>> {
    let mut all: Vec<Box<dyn Driven>> = vec![
        Box::new(stream::Controller::new(context.clone(), access.clone())),
        Box::new(render::Controller::new(context.clone(), access.clone())),
        Box::new(rollout::Controller::new(context.clone())),
        Box::new(drain::Controller::new(context.clone())),
        Box::new(nodes::Controller::new(context.clone())),
        Box::new(masters::Controller::new(context.clone())),
    ];
    if let Some(after) = unused {
        all.push(Box::new(unused::Controller::new(context.clone(), after)));
    }
    all
}

/// Runs [`controllers`] until the future is dropped; needs [`watch`] beside it.
pub async fn controller(context: &Context, images: Images, unused: Option<Duration>) {
    let access = Access::new(&context.cluster, images);
    tokio::join!(
        context.cluster.watches.fill(&context.client, Watcher::CONTROLLER),
        drive_all(context, controllers(context, &access, unused)),
        stream::forget(context, &access),
    );
}

/// Drives controllers until the future is dropped.
async fn drive_all(context: &Context, controllers: Vec<Box<dyn Driven>>) {
    // One that began before could miss that what it waits for is there: it listens only to what it acts upon.
    context.cluster.synced().await;
    join_all(controllers.iter().map(|controller| drive(&**controller))).await;
}
