//! The page: which operating system runs where, what moves, who waits for what, how long still, and what to do.
//!
//! It renders what the commands print, from the same world, and changes nothing. HTML is made on the server; a small script keeps open
//! pages up to date.
//!
//! | module | part |
//! |---|---|
//! | [`source`] | where objects come from: somebody's caches, or files |
//! | [`watching`] | a cluster that the page watches itself |
//! | [`model`] | what is shown, and what `/data/v1` returns |
//! | `picture` | the model at one moment, for all open pages |
//! | `html` | HTML in which names stay text |
//! | `pages` | the pages |
//! | [`svg`] | pictures that stand alone |
//! | `planning` | what a change would do |
//! | `live` | updates of open pages |
//! | [`door`] | who may look |
//! | [`reviews`] | the same, asked of an API server |
//! | `data` | JSON |
//! | `form` | queries and forms |
//! | `serve` | requests |
//! | `connections` | connections |

mod connections;
mod data;
pub mod door;
mod form;
mod html;
mod live;
pub mod model;
mod pages;
mod picture;
mod planning;
pub mod reviews;
mod serve;
pub mod source;
pub mod svg;
#[cfg(test)]
mod tests;
pub mod watching;

pub use connections::Page;
pub use door::{Door, Key};
pub use html::hides;
pub use planning::PlanUpdate;
pub use reviews::Reviews;
pub use source::{Everything, Files, Source};
pub use watching::Watching;
