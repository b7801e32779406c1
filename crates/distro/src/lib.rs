//! The differences between the distributions, as data, and the operating system of a node.
//!
//! | module | question |
//! |---|---|
//! | [`profile`] | the distributions and their settings |
//! | [`mod@detect`] | which of them a cluster is, from what is known at startup |
//! | [`settings`] | the settings of all distributions side by side |
//! | [`version`] | which major version a release or install version has |
//! | [`node_os`] | which operating system a node runs, from its os-release |
//! | [`sample`] | the contents of a distribution's sample release payload |
//!
//! Three things that are easily confused: the *distribution* is who publishes the release, one per cluster; the
//! *node's operating system* is observed per node; *feature gates* are observed per cluster. Only the first has a
//! profile here. Brand names occur in this crate and nowhere else.

pub mod detect;
pub mod node_os;
pub mod profile;
pub mod sample;
pub mod settings;
pub mod version;

pub use detect::{Evidence, detect};
pub use node_os::NodeOs;
pub use profile::{DefaultStreamRule, Profile, StreamsRule, UnknownDistribution, UnlabelledRule};
pub use version::ReleaseVersion;
