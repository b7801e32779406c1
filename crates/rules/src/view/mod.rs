//! API objects as the rules read them: borrowed, small, and the only place that parses annotations.
//!
//! | view | of |
//! |---|---|
//! | [`NodeView`] | a Kubernetes `Node` with the daemon's annotations |
//! | [`PoolView`] | a `MachineConfigPool` with its selector validated |
//! | [`NodeReport`] | a `MachineConfigNode`, as far as pool status depends on it |
//! | [`DrainRequest`] | the daemon's request in annotations of its node |
//! | [`Annotations`] | the annotations of any object |
//! | [`ImageMode`] | the `MachineOSConfig` and the `MachineOSBuild` of a pool |
//! | [`PodView`] | a `Pod`, as far as a drain depends on it |
//! | [`BudgetView`] | a `PodDisruptionBudget` with its selector validated |
//!
//! [`unreadable`] decides what an unreadable object blocks.

mod annotations;
pub(crate) mod blocked;
mod budget;
mod drain_request;
mod image_mode;
mod kept;
mod node;
mod pod;
mod pool;
mod report;
pub mod unreadable;

pub use annotations::Annotations;
pub use budget::BudgetView;
pub use drain_request::{DrainRequest, DrainVerb};
pub use image_mode::{ImageMode, ImageWait, Target, TargetImage};
pub(crate) use kept::{KeptNode, KeptReport, renew};
pub use node::{DaemonState, NodeView, Unreadiness, Unready};
pub use pod::PodView;
pub use pool::PoolView;
pub use report::{DegradedReport, NodeReport};
