//! What tests need beyond the code under test: real dependencies, started and stopped by the test that needs them.
//!
//! | module | part |
//! |---|---|
//! | [`kubectl`] | real kubectl |
//! | [`program`] | the program under test as a process |
//! | [`history`] | records everything that happens to the nodes of a cluster |
//! | [`http`] | a scripted HTTP server that can break off, delay and forward |
//! | [`browser`] | Chromium |
//! | [`buildah`] | what tests need that build images with it |
//! | [`registry`] | Debian's `docker-registry`, with TLS and users |
//! | [`certificates`] | a CA, and its certificates |
//! | `measured` | the program that a benchmark measures |

pub mod browser;
pub mod buildah;
pub mod certificates;
pub mod history;
pub mod http;
pub mod kubectl;
mod measured;
pub mod program;
pub mod registry;

pub use browser::{Browser, Look};
pub use certificates::Authority;
pub use history::{History, Recorder};
pub use kubectl::{Kubectl, client};
pub use measured::measured;
pub use program::Program;
pub use registry::{Options, Registry};
