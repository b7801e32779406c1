//! Made-up clusters, for experiments and stories.
//!
//! | module | question |
//! |---|---|
//! | [`nodes`] | how many simulated nodes each pool has |
//! | [`systems`] | readable names of an image's operating system |
//! | [`builds`] | builds images in pods that the fleet runs |
//! | [`mod@write`] | writes the initial objects of a cluster |
//! | [`story`] | a script of a cluster's life, played with the production controllers and judged |
//! | [`life`] | a cluster's life that a seed decides, with faults, judged at every moment |
//! | [`chance`] | numbers that a seed decides |
//! | [`trouble`] | injects faults between a client and the API server |
//! | `history` | everything that happens to a cluster's objects |
//! | [`mod@duration`] | durations as people write them |

pub mod builds;
pub mod chance;
pub mod duration;
mod history;
pub mod life;
pub mod nodes;
pub mod story;
pub mod systems;
pub mod trouble;
pub mod write;

pub use chance::Chance;
pub use duration::duration;
pub use nodes::Nodes;
pub use trouble::{Trouble, Troubled};
