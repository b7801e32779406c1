//! What there is to look at.

use crate::{registry::Registry, store::Store};
use jiff::Timestamp;
use std::sync::Arc;

/// Who serves objects, as those see it who look at them.
pub(crate) trait Served {
    fn registry(&self) -> Arc<Registry>;
    fn store(&self) -> &Store;
    fn now(&self) -> Timestamp;
}
