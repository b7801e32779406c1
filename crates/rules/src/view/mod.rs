//! API objects turned into what the rules read: borrowed, small, and the only place that parses annotations.
//!
//! | view | of |
//! |---|---|
//! | [`NodeView`] | a Kubernetes `Node` with the daemon's annotations |
//! | [`PoolView`] | a `MachineConfigPool` with its selector validated |
//! | [`NodeReport`] | a `MachineConfigNode`, as far as pool status depends on it |

mod node;
mod pool;
mod report;

pub use node::{DaemonState, NodeView, Unreadiness, Unready};
pub use pool::PoolView;
pub use report::{DegradedReport, NodeReport};
