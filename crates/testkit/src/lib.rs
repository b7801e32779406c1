//! Real parts for tests, started and stopped by the test that needs them.
//!
//! | module | what it starts |
//! |---|---|
//! | [`registry`] | Debian's `docker-registry`, with TLS and users |
//! | [`certificates`] | a CA, and certificates of it |

pub mod certificates;
pub mod registry;

pub use certificates::Authority;
pub use registry::{Options, Registry};
