//! Container images: where they are, what they say about themselves, and what is in them. Decides nothing.
//!
//! | module | question |
//! |---|---|
//! | [`pull_spec`] | what an image is called |
//! | [`digest`] | which bytes it is |
//! | [`registries`] | where it is really fetched from: mirrors, blocked and insecure registries |
//! | [`authfile`] | whose credentials a registry is shown |
//! | [`trust`] | whose certificates are believed |
//! | [`registry`] | talking to a registry |
//! | [`layout`] | images in a folder or in memory |
//! | [`manifest`] | what an image is made of |
//! | [`layers`] | one file out of an image |
//! | [`release`] | what a release image refers to |
//! | [`payload`] | making a sample release payload, and pushing a payload into a registry |
//! | [`images`] | the front: releases and labels by pull spec |
//! | [`retry`] | trying again: how long, how often, and when not |
//! | [`error`] | what went wrong, whether trying again can help, and what to do |

pub mod authfile;
pub mod digest;
pub mod error;
pub mod images;
pub mod layers;
pub mod layout;
pub mod manifest;
pub mod payload;
pub mod pull_spec;
pub mod registries;
pub mod registry;
pub mod release;
pub mod retry;
pub mod trust;

pub use authfile::Authfile;
pub use digest::Digest;
pub use error::{Class, Error, Fault};
pub use images::{Images, Source};
pub use layout::Layout;
pub use pull_spec::PullSpec;
pub use registries::Registries;
pub use release::Release;
pub use retry::Patience;
pub use trust::Trust;
