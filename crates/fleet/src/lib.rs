//! Simulated machines: Node objects that behave like machines under the daemon's annotation protocol, against any API
//! server.
//!
//! | module | question |
//! |---|---|
//! | [`machine`] | what a machine is, and what its Node object says at each step |
//! | `agent` | the steps of first boot and of an update |
//! | [`fleet`] | many machines in one process |
//! | `environment` | what they share |
//! | [`pods`] | the pods on them |
//! | [`jobs`] | Jobs that build images |
//! | [`faults`] | injected faults |
//! | [`adopt`] | which machines an earlier run left, and how they are deleted |
//!
//! The protocol is that of `pkg/daemon` of github.com/openshift/machine-config-operator: the controller writes the
//! desired config; the machine reports its state, reboots, comes back with another boot ID and OS, and reports its current
//! config. Before an update it requests a drain and waits for it, and its steps are in its MachineConfigNode.

pub mod adopt;
mod agent;
mod environment;
pub mod faults;
pub mod fleet;
pub mod jobs;
mod leases;
pub mod machine;
pub mod pods;

pub use adopt::Error;
pub use environment::{Seen, Settings};
pub use faults::{Fault, Faults};
pub use fleet::Fleet;
pub use jobs::{Logs, Program};
pub use machine::Machine;
pub use pods::Workload;
