//! What differs between the distributions, as data, and what operating system a node runs.
//!
//! | module | question |
//! |---|---|
//! | [`profile`] | which distributions there are and what is particular to each |
//! | [`mod@detect`] | which of them a cluster is, from what is known at start |
//! | [`settings`] | what differs between the distributions, side by side |
//! | [`version`] | which major version a release or install version has |
//! | [`node_os`] | which operating system a node runs, from its os-release |
//! | [`sample`] | what the sample release payload of a distribution is made of |
//!
//! Three questions that are easily mixed up: the *distribution* is who publishes the release and is one per cluster; the
//! *node's operating system* is observed per node; *feature gates* are observed per cluster. Only the first is here as a
//! profile. Brand words occur in this crate and nowhere else.

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
