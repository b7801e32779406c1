//! Made-up clusters, for experiments and stories.
//!
//! | module | question |
//! |---|---|
//! | [`nodes`] | how many simulated nodes each pool has |
//! | [`systems`] | readable names of an image's operating system |
//! | [`builds`] | builds images in pods that the fleet runs |
//! | [`mod@write`] | writes the initial objects of a cluster |
//! | [`story`] | a script of a cluster's life, played with the production controllers and judged |
//! | [`mod@duration`] | durations as people write them |

pub mod builds;
pub mod duration;
pub mod nodes;
pub mod story;
pub mod systems;
pub mod write;

pub use duration::duration;
pub use nodes::Nodes;
