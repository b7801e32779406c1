//! What texts in objects may be: patterns, formats, addresses; and how Go prints values, which messages show.
//!
//! | module | question |
//! |---|---|
//! | `pattern` | regular expressions as Go's RE2 takes them, bounded in time |
//! | `shared` | which of them are compiled already |
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
