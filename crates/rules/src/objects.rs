//! What any object is read with and changed by: selectors, conditions, edits, certificates, quotations.
//!
//! | module | decides |
//! |---|---|
//! | [`selector`] | which objects a label selector matches |
//! | [`edit`] | which fields of an object are to be written |
//! | [`conditions`] | how a list of conditions changes |
//! | `pem` | which certificates are in a text |
//! | [`quoted`] | how a machine's words look inside a message |

pub mod conditions;
pub mod edit;
pub(crate) mod pem;
pub mod quoted;
pub mod selector;
