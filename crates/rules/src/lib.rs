//! Every decision weir takes, one file per rule.
//!
//! | module | question |
//! |---|---|
//! | [`catalog`] | which OS image streams a release carries, and which one is the default |

pub mod catalog;
