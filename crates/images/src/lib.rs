//! Container images: where they are, their metadata, and their contents. Decides nothing.
//!
//! | module | question |
//! |---|---|
//! | [`pull_spec`] | what an image is called |
//! | [`digest`] | which bytes it is |
//! | [`registries`] | where it is really fetched from: mirrors, blocked and insecure registries |
//! | [`cluster`] | the registries configuration from a cluster's own objects |
//! | [`authfile`] | which credentials to use for a registry |
//! | [`certificates`] | certificates from files and folders |
//! | [`trust`] | whose certificates are trusted |
//! | [`proxy`] | which requests go through a proxy |
//! | [`registry`] | talking to a registry |
//! | [`layout`] | the OCI image layout, in a folder or in memory |
//! | [`manifest`] | what an image consists of |
//! | [`layers`] | one file or folder from an image |
//! | [`release`] | what a release image refers to |
//! | [`cache`] | cached image metadata by digest, kept between runs |
//! | [`logins`] | how to log in to registries, kept between runs |
//! | [`payload`] | building a sample release payload, and pushing a payload to a registry |
//! | [`derive`] | an image with layers on top, made without any program and pushed |
//! | `remove` | taking an image away from its registry |
//! | [`images`] | the entry point: releases and labels by pull spec |
//! | [`retry`] | retries: how long, how often, and when not |
//! | [`error`] | what went wrong, whether a retry can help, and what to do |

pub mod authfile;
pub mod cache;
pub mod certificates;
pub mod cluster;
pub mod derive;
pub mod digest;
pub mod error;
pub mod images;
pub mod layers;
pub mod layout;
pub mod logins;
pub mod manifest;
pub mod payload;
pub mod proxy;
pub mod pull_spec;
pub mod registries;
pub mod registry;
pub mod release;
mod remove;
pub mod retry;
pub mod trust;

pub use authfile::Authfile;
pub use cache::Cache;
pub use digest::Digest;
pub use error::{Error, Fault};
pub use images::{Added, Images, Source, Way};
pub use layers::Folder;
pub use layout::Layout;
pub use proxy::Proxy;
pub use pull_spec::PullSpec;
pub use registries::Registries;
pub use release::Release;
pub use retry::Patience;
pub use trust::Trust;
