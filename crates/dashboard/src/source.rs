//! Where the page gets its objects from: caches that somebody fills, or files.

use futures::future::BoxFuture;
use jiff::Timestamp;
use std::{fmt, sync::Arc};
use tokio::sync::watch;
use weir_rules::world::World;

/// Where the page gets its objects from.
pub trait Source: fmt::Debug + Send + Sync + 'static {
    /// The cluster as it is known now.
    fn world(&self) -> World;

    /// The time that it is then.
    fn now(&self) -> Timestamp;

    /// Receivers that are notified when it may have changed; none if it never does.
    fn changes(&self) -> Vec<watch::Receiver<u64>>;

    /// Why it is not kept up to date; absent while it is.
    fn trouble(&self) -> Option<String>;

    /// What it was read from, if that were files.
    fn files(&self) -> Option<&str> {
        None
    }

    /// The cluster with everything that a plan depends on.
    fn everything(&self) -> BoxFuture<'static, Result<Everything, String>>;
}

/// What a plan is made from.
#[derive(Clone, Debug, Default)]
pub struct Everything {
    /// The cluster.
    pub world: World,
    /// What is not known of it, and why.
    pub unknown: Option<String>,
}

/// What was read from files.
#[derive(Clone, Debug)]
pub struct Files {
    world: Arc<World>,
    named: String,
    taken: Timestamp,
}

impl Files {
    /// What these files, named for people, hold. The picture is of the newest time in it, or else of `now`.
    #[must_use]
    pub fn new(world: World, named: String, now: Timestamp) -> Self {
        let taken = world.now(now);
        Self { world: Arc::new(world), named, taken }
    }
}

impl Source for Files {
    fn world(&self) -> World {
        (*self.world).clone()
    }

    fn now(&self) -> Timestamp {
        self.taken
    }

    fn changes(&self) -> Vec<watch::Receiver<u64>> {
        Vec::new()
    }

    fn trouble(&self) -> Option<String> {
        None
    }

    fn files(&self) -> Option<&str> {
        Some(&self.named)
    }

    fn everything(&self) -> BoxFuture<'static, Result<Everything, String>> {
        let world = (*self.world).clone();
        Box::pin(async move { Ok(Everything { world, unknown: None }) })
    }
}
