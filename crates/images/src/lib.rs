//! Container images: where they are, what they say about themselves, and what is in them. Decides nothing.
//!
//! | module | question |
//! |---|---|
//! | [`pull_spec`] | what an image is called |
//! | [`digest`] | which bytes it is |
//! | [`registries`] | where it is really fetched from: mirrors, blocked and insecure registries |
//! | [`cluster`] | the registries configuration that a cluster's own objects amount to |
//! | [`authfile`] | whose credentials a registry is shown |
//! | [`certificates`] | certificates out of files and folders |
//! | [`trust`] | whose certificates are believed |
//! | [`proxy`] | which requests go through a proxy |
//! | [`registry`] | talking to a registry |
//! | [`layout`] | images in a folder or in memory |
//! | [`manifest`] | what an image is made of |
//! | [`layers`] | one file or folder out of an image |
//! | [`release`] | what a release image refers to |
//! | [`cache`] | what is known of images by digest, kept between runs |
//! | [`logins`] | how registries want to be logged in to, kept between runs |
//! | [`payload`] | making a sample release payload, and pushing a payload into a registry |
//! | [`images`] | the front: releases and labels by pull spec |
//! | [`retry`] | trying again: how long, how often, and when not |
//! | [`error`] | what went wrong, whether trying again can help, and what to do |

pub mod authfile;
pub mod cache;
pub mod certificates;
pub mod cluster;
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
pub mod retry;
pub mod trust;

pub use authfile::Authfile;
pub use cache::Cache;
pub use digest::Digest;
pub use error::{Error, Fault};
pub use images::{Images, Source, Way};
pub use layers::Folder;
pub use layout::Layout;
pub use proxy::Proxy;
pub use pull_spec::PullSpec;
pub use registries::Registries;
pub use release::Release;
pub use retry::Patience;
pub use trust::Trust;
