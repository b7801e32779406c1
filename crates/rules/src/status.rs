//! What is said about pools, nodes and the cluster, and why.
//!
//! | module | decides |
//! |---|---|
//! | [`node_status`] | what the MachineConfigNode of a node says |
//! | [`pool_status`] | what the status of a pool says |
//! | [`notices`] | what users of a pool should know although it keeps nothing from working |
//! | [`cluster_status`] | what the ClusterOperator says, and whether the cluster may be updated |
//! | [`required`] | whether the pools that a cluster's update waits for have taken it in |
//! | [`figures`] | what its state is in numbers |
//! | [`update_history`] | which releases ClusterVersion says the cluster ran, and whether the last is complete |
//! | [`settled`] | whether a pool has come to rest |

pub mod cluster_status;
pub mod figures;
pub mod node_status;
pub mod notices;
pub mod pool_status;
pub mod required;
pub mod settled;
pub mod update_history;
