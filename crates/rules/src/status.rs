//! The status of pools, nodes and the cluster, and why.
//!
//! | module | decides |
//! |---|---|
//! | [`node_status`] | the MachineConfigNode of a node |
//! | [`pool_status`] | the status of a pool |
//! | [`notices`] | what users of a pool should know although it blocks nothing |
//! | [`cluster_status`] | the ClusterOperator, and whether the cluster may be updated |
//! | [`required`] | whether the pools that a cluster update waits for are done |
//! | [`figures`] | the cluster's metrics |
//! | [`update_history`] | the releases in ClusterVersion's history, and whether the last is complete |
//! | [`update_request`] | what ClusterVersion's spec asks for, and what is answered |
//! | [`notify`] | of what happens to rollouts, what others are notified of |
//! | [`settled`] | whether a pool is at rest |

pub mod cluster_status;
pub mod figures;
pub mod node_status;
pub mod notices;
pub mod notify;
pub mod pool_status;
pub mod required;
pub mod settled;
pub mod update_history;
pub mod update_request;
