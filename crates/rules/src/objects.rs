//! Reading and changing any object: selectors, conditions, edits, certificates, quotations, and the initial objects of a cluster.
//!
//! | module | decides |
//! |---|---|
//! | [`selector`] | which objects a label selector matches |
//! | [`author`] | who wrote an object, or a field of it |
//! | [`edit`] | which fields of an object to write |
//! | [`conditions`] | how a list of conditions changes |
//! | [`seed`] | the initial objects of a made-up cluster that runs a release |
//! | [`surroundings`] | what else clients of OpenShift look for in it |
//! | `pem` | the certificates in a text |
//! | [`counted`] | how numbers are written inside a message |
//! | [`quoted`] | how machine text is quoted inside a message |

pub mod author;
pub mod conditions;
pub mod counted;
pub mod edit;
pub(crate) mod pem;
pub mod quoted;
pub mod seed;
pub mod selector;
pub mod surroundings;
