//! Builds images in pods that the fleet runs: what `weir build-image` does in a cluster's pod is done in this process, by the
//! builder at hand.

use futures::{FutureExt as _, future::BoxFuture};
use kube::Client;
use std::sync::Arc;
use weir_controllers::build::{
    Builder,
    builder::Log,
    pod::{Asked, report},
};
use weir_fleet::{Program, jobs::Running};

/// What the containers of build pods do.
#[derive(Clone)]
pub struct BuildPods {
    builder: Arc<dyn Builder>,
    client: Client,
}

impl std::fmt::Debug for BuildPods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("BuildPods").field(&self.builder).finish()
    }
}

impl BuildPods {
    /// Builds with this builder, and reports digests to the API server behind this client.
    #[must_use]
    pub fn new(builder: Arc<dyn Builder>, client: Client) -> Self {
        Self { builder, client }
    }
}

impl Program for BuildPods {
    fn run(&self, container: Running) -> BoxFuture<'static, Result<(), String>> {
        let this = self.clone();
        async move {
            let Running { arguments, files, log } = container;
            let log = Log::to(move |line| log.line(line));
            let asked = Asked::of(&arguments)?;
            let image = this.builder.build(asked.order(&files, log)?).await?;
            report(&this.client, &asked.report, &image).await.map_err(|error| error.to_string())
        }
        .boxed()
    }
}
