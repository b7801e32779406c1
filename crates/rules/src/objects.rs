//! What any object is read with and changed by: selectors, conditions, edits, quotations.
//!
//! | module | decides |
//! |---|---|
//! | [`selector`] | which objects a label selector matches |
//! | [`edit`] | which fields of an object are to be written |
//! | [`conditions`] | how a list of conditions changes |
//! | [`quoted`] | how a machine's words look inside a message |

pub mod conditions;
pub mod edit;
pub mod quoted;
pub mod selector;
