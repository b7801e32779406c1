//! What any object is read with and changed by: selectors, conditions, edits, certificates, quotations, and what there is at the start.
//!
//! | module | decides |
//! |---|---|
//! | [`selector`] | which objects a label selector matches |
//! | [`edit`] | which fields of an object are to be written |
//! | [`conditions`] | how a list of conditions changes |
//! | [`seed`] | which objects a made-up cluster that runs a release holds at the start |
//! | `pem` | which certificates are in a text |
//! | [`counted`] | how numbers look inside a message |
//! | [`quoted`] | how a machine's words look inside a message |

pub mod conditions;
pub mod counted;
pub mod edit;
pub(crate) mod pem;
pub mod quoted;
pub mod seed;
pub mod selector;
