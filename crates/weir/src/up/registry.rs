//! The cluster's own registry: what is built for the cluster can be pushed there, and a release that comes from a layout be pulled.
//!
//! Nothing that runs needs it: where it cannot be had, that is said, and the cluster starts all the same.

use jiff::Timestamp;
use std::path::Path;
use tokio::{sync::oneshot, task::JoinHandle};
use weir_images::Layout;
use weir_registry::{Error, Limits, Listener, Registry};

/// Opens the registry of a folder, which serves these layouts as well.
pub(super) async fn open(folder: &Path, layouts: &[Layout]) -> Option<Listener> {
    let opened = async {
        let registry = Registry::open(folder, Limits::default(), Timestamp::now)?;
        for layout in layouts {
            registry.offer(layout.clone()).await?;
        }
        Listener::bind(registry)
    };
    match opened.await {
        Ok(listener) => Some(listener),
        Err(error) => {
            tell!("note: this cluster has no registry for images: {error}");
            None
        }
    }
}

/// Says where it is, and how to get in.
pub(super) fn introduce(listener: &Listener) {
    tell!(
        "registry for images: {}; its login is in {}, its certificate in {}",
        listener.address(),
        listener.authfile().display(),
        listener.certificate().display()
    );
}

/// A registry that is served.
pub(super) struct Served {
    end: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), Error>>,
}

impl Served {
    pub(super) fn start(listener: Listener) -> Self {
        let (end, ended) = oneshot::channel();
        // Its error says that the sender is gone, which is what it waits for.
        Self { end, serving: tokio::spawn(listener.serve(async { _ = ended.await })) }
    }

    /// Ends it, when what is under way is done.
    pub(super) async fn end(self) {
        drop(self.end);
        match self.serving.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tell!("note: the registry for images: {error}"),
            Err(error) => tell!("note: the registry for images: {error}"),
        }
    }
}
