//! What any object is read with and changed by: selectors, conditions, edits, quotations, and what there is at the start.
//!
//! | module | decides |
//! |---|---|
//! | [`selector`] | which objects a label selector matches |
//! | [`edit`] | which fields of an object are to be written |
//! | [`conditions`] | how a list of conditions changes |
//! | [`seed`] | which objects a made-up cluster that runs a release holds at the start |
//! | [`quoted`] | how a machine's words look inside a message |

pub mod conditions;
pub mod edit;
pub mod quoted;
pub mod seed;
pub mod selector;
