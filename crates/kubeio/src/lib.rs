//! Talks to a Kubernetes API server; decides nothing.
//!
//! | module | subject |
//! |---|---|
//! | [`batch`] | many writes at once, but no more than the server can take |
//! | [`cache`] | the current objects of a kind; one broken object never stops the others |
//! | [`client`] | requests over the network, always with a deadline |
//! | [`clock`] | the time, even while it is paused |
//! | [`drive`] | what a controller is, and when it runs: on change, after quiet, after an error |
//! | [`error`] | what went wrong with a request, and whether a retry can help |
//! | [`events`] | events about objects, for users |
//! | [`fence`] | holding back writes that must not be made any more |
//! | [`in_order`] | many futures in one task |
//! | [`lease`] | leader election |
//! | [`measure`] | how long controllers take |
//! | [`outage`] | which parts of the API server cannot be reached |
//! | [`patch`] | the writes weir makes |
//! | [`read`] | the objects in a response, each by itself |
//! | `watch` | changes of the objects of a kind |
//! | [`watches`] | who watches which objects, and what to do without their kind: one row each |
//! | [`pods`] | the pods of one node, and their eviction |
//! | [`webhook`] | an address of somebody else that is notified |
//! | [`wait`] | waiting until one object is in a wanted state |

pub mod batch;
pub mod cache;
pub mod client;
pub mod clock;
pub mod drive;
pub mod error;
pub mod events;
pub mod fence;
pub mod in_order;
pub mod lease;
pub mod measure;
pub mod outage;
pub mod patch;
pub mod pods;
pub mod read;
pub mod wait;
mod watch;
pub mod watches;
pub mod webhook;

pub use batch::batch;
pub use cache::{Cache, Mark};
pub use clock::Clock;
pub use drive::{Classed, Controller, Driven, Next, drive};
pub use error::Error;
pub use events::{Event, Recorder};
pub use fence::Fence;
pub use read::Unreadable;
pub use watches::{Missing, Selection, Watches};
