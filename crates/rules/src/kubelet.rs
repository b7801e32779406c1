//! The configuration of kubelets: `97-`, `98-` and `99-POOL-generated-kubelet`.
//!
//! | module | decides |
//! |---|---|
//! | [`fields`] | which fields a kubelet's configuration has in which release |
//! | [`settings`] | how a configuration is read and written |
//! | [`merge`] | what a KubeletConfig changes in the base |
//! | [`base`] | the configuration of a pool's kubelets without a KubeletConfig |
//! | [`validate`] | which KubeletConfigs are refused |
//! | [`amounts`] | with which amounts in them kubelets do not start |
//! | [`files`] | the files of one KubeletConfig for one pool |
//! | [`sync`] | what is written for a KubeletConfig, and under which names |
//! | [`node_config`] | `97-` and `98-`, which depend only on nodes.config and the feature gates |
//! | [`status`] | what a KubeletConfig's status reports |
//! | [`bootstrap`] | what is generated before there is a cluster |

pub mod amounts;
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
pub use sync::{KubeletOutcome, KubeletView, Warning};
