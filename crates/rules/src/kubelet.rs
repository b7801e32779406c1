//! What kubelets are configured with: `97-`, `98-` and `99-POOL-generated-kubelet`.
//!
//! | module | decides |
//! |---|---|
//! | [`fields`] | which fields a kubelet's configuration has, in which release |
//! | [`settings`] | how a configuration is read and written |
//! | [`merge`] | what a KubeletConfig changes of the base |
//! | [`base`] | what a pool's kubelets are configured with when there is no KubeletConfig |
//! | [`validate`] | which KubeletConfigs are refused |
//! | [`files`] | the files of one KubeletConfig in one pool |
//! | [`sync`] | what is written for a KubeletConfig, and which names it gets |
//! | [`node_config`] | `97-` and `98-`: what follows nodes.config and the feature gates alone |
//! | [`status`] | what a KubeletConfig says came of it |
//! | [`bootstrap`] | what is generated before there is a cluster |

pub mod base;
pub mod bootstrap;
pub mod error;
pub mod fields;
pub mod files;
pub mod merge;
pub mod node_config;
pub mod settings;
pub mod status;
pub mod sync;
pub mod validate;

pub use error::KubeletError;
pub use sync::{Outcome, View, Warning};
