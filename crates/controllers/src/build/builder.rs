//! What makes an image.

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use std::{fmt::Debug, sync::Arc};
use weir_api::MachineConfig;
use weir_rules::build::{plan::Presence, ready::Ability};

/// What is to be built.
#[derive(Clone, Debug)]
pub struct Order {
    /// The rendered MachineConfig whose files the image holds.
    pub rendered: Arc<MachineConfig>,
    /// The steps.
    pub containerfile: String,
    /// Pull spec of the base image.
    pub base: String,
    /// What it is pulled with; absent when that is what all images of the cluster are pulled with.
    pub pull_secret: Option<Secret>,
    /// What the image is pushed with.
    pub push_secret: Secret,
    /// Where it is pushed to, with its tag.
    pub push_spec: String,
}

/// Makes images. It decides nothing.
pub trait Builder: Debug + Send + Sync {
    /// What it can do.
    fn ability(&self) -> Ability<'_>;

    /// Makes and pushes an image; gives its pull spec by digest, or which step failed and what it last said, without anything that
    /// is secret. Dropping the future ends the build.
    fn build(&self, order: Order) -> BoxFuture<'static, Result<String, String>>;

    /// Whether an image, by digest, is where it was pushed to with this Secret.
    fn presence(&self, image: String, push_secret: Secret) -> BoxFuture<'static, Presence>;
}
