//! What readers need from the server.

use crate::{registry::Registry, store::Store};
use jiff::Timestamp;
use std::sync::Arc;

/// A server of objects, as its readers see it.
pub(crate) trait Served {
    fn registry(&self) -> Arc<Registry>;
    fn store(&self) -> &Store;
    fn now(&self) -> Timestamp;
}
