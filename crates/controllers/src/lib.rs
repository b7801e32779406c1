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
//! | [`mod@operator`] | the built-in pools, and the ClusterOperator |
//! | [`figures`] | nothing: it says in numbers how it all is |
//! | [`access`] | how images are read, by what the cluster's own objects say |
//! | [`templates`] | nothing: it reads the templates of a release |
//! | [`unused`] | rendered MachineConfigs that nobody needs any more, where that is asked for |
//! | [`troubles`] | what stands in the way of the streams |
//! | [`steps`] | when controllers last did what they are for |
//! | [`cluster`] | what the controllers see of the cluster: one watch per kind, shared |
//! | [`context`] | what every controller is given |
//!
//! What to do is decided in `weir_rules`; nothing here decides.

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

use weir_images::Images;

/// Runs the watches and all controllers until the future is dropped. Images are read as `images` would, and as the
/// cluster's own objects say beside that.
pub async fn run(context: Context, images: Images) {
    let operator = operator::Controller::new(context.clone());
    tokio::join!(watch(&context), Box::pin(controller(&context, images)), Box::pin(operator.run()));
}

/// Watches what the controllers look at until the future is dropped.
pub async fn watch(context: &Context) {
    context.cluster.clone().fill(context.client.clone()).await;
}

/// Runs streams, rendering, rollout and drains; needs [`watch`] beside it.
pub async fn controller(context: &Context, images: Images) {
    let access = Access::new(&context.cluster, images);
    let stream = stream::Controller::new(context.clone(), access.clone());
    let render = render::Controller::new(context.clone(), access);
    let rollout = rollout::Controller::new(context.clone());
    let drain = drain::Controller::new(context.clone());
    let nodes = nodes::Controller::new(context.clone());
    let masters = masters::Controller::new(context.clone());
    // Boxed: together they are larger than a stack should have to hold.
    let work = Box::pin(async {
        // One that began before could miss that what it waits for is there: it listens only to what it acts upon.
        context.cluster.synced().await;
        tokio::join!(
            Box::pin(stream.run()),
            Box::pin(render.run()),
            Box::pin(rollout.run()),
            Box::pin(drain.run()),
            Box::pin(nodes.run()),
            Box::pin(masters.run()),
        );
    });
    tokio::join!(Box::pin(context.cluster.access.clone().fill(context.client.clone())), work);
}
