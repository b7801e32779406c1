//! What a cluster that runs a release holds before any controller of ours looks at it.
//!
//! | module | part |
//! |---|---|
//! | [`distribution`] | which distribution a cluster was made for |
//! | [`mod@objects`] | the objects, from a release |
//! | [`mod@write`] | writes them |
//! | [`plain`] | makes what is missing on a Kubernetes API server that is no OpenShift, and refuses what differs |

pub mod distribution;
pub mod objects;
pub mod plain;
pub mod write;

pub use objects::{Facts, Owner, Seed, Shape, objects};
