//! Which texts are allowed in objects: patterns, formats, addresses; and how Go prints the values that messages show.
//!
//! | module | question |
//! |---|---|
//! | `pattern` | regular expressions as Go's RE2 accepts them, bounded in time |
//! | `shared` | patterns that are compiled once and shared |
//! | `format` `uri` | whether a text has a format |
//! | [`gotext`] | how a Go program prints a value |

mod format;
pub mod gotext;
mod pattern;
mod shared;
mod uri;

pub(crate) use format::{duration_nanos, matches as is_format};
pub(crate) use pattern::{Pattern, Program};
pub(crate) use uri::Uri;
