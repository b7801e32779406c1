//! Which builder makes images: buildah where it works, else layers.

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use futures::{FutureExt as _, future::BoxFuture};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::OnceCell;
use weir_controllers::build::{
    Builder,
    buildah::{Buildah, NotHere},
    builder::Order,
    layers::Layers,
    registry::Registry,
};
use weir_rules::build::ready::Ability;

/// What makes images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Choice {
    /// buildah where it works, else layers
    #[default]
    Auto,
    /// buildah, which runs every step
    Buildah,
    /// Layers of files, without running anything
    Layers,
}

/// A builder that is chosen when it is first needed: finding out takes longer than all else that a cluster in one process does to start.
#[derive(Clone, Debug)]
pub struct Lazy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    registry: Registry,
    chosen: OnceCell<Arc<dyn Builder>>,
}

impl Lazy {
    /// Chooses between those that work in this folder, which is theirs.
    #[must_use]
    pub fn new(folder: PathBuf, registry: Registry) -> Self {
        Self(Arc::new(Inner { folder, registry, chosen: OnceCell::new() }))
    }

    /// The builder, once it is chosen; says which it is the first time.
    async fn get(&self) -> &Arc<dyn Builder> {
        let Inner { folder, registry, chosen } = &*self.0;
        let choose = || async {
            match Buildah::find(folder, registry.clone()).await {
                Ok(buildah) => {
                    tell!("images are built with {buildah}");
                    Arc::new(buildah) as Arc<dyn Builder>
                }
                Err(why) => {
                    tell!("images are built as layers, and steps that run something are refused: {}", first_line(&why));
                    Arc::new(Layers::new(registry.clone()))
                }
            }
        };
        chosen.get_or_init(choose).await
    }
}

/// What was said last is for the log.
fn first_line(why: &NotHere) -> String {
    why.to_string().lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

impl Builder for Lazy {
    fn ability(&self) -> BoxFuture<'_, Ability<'_>> {
        async move { self.get().await.ability().await }.boxed()
    }

    fn build(&self, order: Order) -> BoxFuture<'static, Result<String, String>> {
        let this = self.clone();
        async move { this.get().await.build(order).await }.boxed()
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        async move {
            if let Some(chosen) = self.0.chosen.get() {
                chosen.settled().await;
            }
        }
        .boxed()
    }
}

/// The builder that was chosen. What a user names has to work.
///
/// # Errors
/// When buildah is named and does not work.
pub async fn chosen(choice: Choice, folder: &Path, registry: Registry) -> Result<Arc<dyn Builder>> {
    Ok(match choice {
        Choice::Auto => Arc::new(Lazy::new(folder.to_owned(), registry)),
        Choice::Layers => Arc::new(Layers::new(registry)),
        Choice::Buildah => Arc::new(Buildah::find(folder, registry).await.context("--builder buildah")?),
    })
}
