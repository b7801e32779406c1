//! Talks to a Kubernetes API server and decides nothing.
//!
//! | module | question |
//! |---|---|
//! | [`batch`] | many writes at once, but no more than the server takes |
//! | [`cache`] | what objects of a kind there are now; one odd object never stops the others |
//! | [`client`] | asking over the network, always in time |
//! | [`clock`] | what time it is, also when time is paused |
//! | [`drive`] | what a controller is, and when it looks again: on change, after quiet, after an error |
//! | [`error`] | what went wrong with a request, and whether trying again can help |
//! | [`events`] | telling the user what happened to an object |
//! | [`fence`] | keeping writes back that are not to be made any more |
//! | [`lease`] | being the only one |
//! | [`measure`] | how long controllers take |
//! | [`outage`] | what of the API server cannot be reached |
//! | [`patch`] | the writes weir makes |
//! | [`read`] | what objects an answer holds, each by itself |
//! | [`seen`] | which objects changed since the last look |
//! | `watch` | what happens to the objects of a kind |
//! | [`watches`] | who watches which objects, and what is done without their kind: one row each |
//! | [`pods`] | the pods of one node, and asking them to go |
//! | [`wait`] | waiting for one object to be as it is wanted |

pub mod batch;
pub mod cache;
pub mod client;
pub mod clock;
pub mod drive;
pub mod error;
pub mod events;
pub mod fence;
pub mod lease;
pub mod measure;
pub mod outage;
pub mod patch;
pub mod pods;
pub mod read;
pub mod seen;
pub mod wait;
mod watch;
pub mod watches;

pub use batch::batch;
pub use cache::Cache;
pub use clock::Clock;
pub use drive::{Classed, Controller, Driven, Next, drive};
pub use error::Error;
pub use events::{Event, Recorder};
pub use fence::Fence;
pub use read::Unreadable;
pub use watches::{Missing, Selection, Watches};
