//! Clusters that are made up, to try things on and to be judged.
//!
//! | module | question |
//! |---|---|
//! | [`nodes`] | how many simulated nodes each pool has |
//! | [`systems`] | what nodes call the operating system of an image |
//! | [`mod@write`] | writes what a cluster holds at the start |
//! | [`story`] | a cluster's life as a script, played with the production controllers and judged |
//! | [`mod@duration`] | times as people write them |

pub mod duration;
pub mod nodes;
pub mod story;
pub mod systems;
pub mod write;

pub use duration::duration;
pub use nodes::Nodes;
