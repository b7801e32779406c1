//! Simulated machines: Node objects that behave like machines under the daemon's annotation protocol, against any API
//! server.
//!
//! | module | question |
//! |---|---|
//! | [`machine`] | what a machine is, and what its Node object says at each step |
//! | [`agent`] | the steps of first boot and of an update |
//! | [`fleet`] | many machines in one process |
//!
//! The protocol is the one of `pkg/daemon` of github.com/openshift/machine-config-operator: the controller writes the
//! desired config, the machine answers with its state, reboots, comes back with another boot ID and OS, and reports the
//! config it runs. Machines run no workload and ask for no drain.

pub mod agent;
pub mod fleet;
pub mod machine;

pub use fleet::{Fleet, Settings};
pub use machine::Machine;
