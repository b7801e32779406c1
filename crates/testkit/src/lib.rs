//! What tests need beyond the code under test.
//!
//! | module | part |
//! |---|---|
//! | [`kubectl`] | real kubectl |
//! | [`program`] | the program under test as a process |
//! | [`history`] | everything that happened to the nodes of a cluster, to be judged afterwards |

pub mod history;
pub mod kubectl;
pub mod program;

pub use history::{History, Recorder};
pub use kubectl::{Kubectl, client};
pub use program::Program;
