//! What writes and deletions need from the server.

use crate::{
    admission::Policies,
    clock::Ids,
    rbac::{Authorization, Grants},
    registry::Resource,
    served::Served,
    store::{Key, Object, Writer},
};
use parking_lot::MutexGuard;
use std::sync::Arc;

/// A server that can be written to.
pub(crate) trait Host: Served {
    /// The resource of namespaces, which every namespaced write needs.
    fn namespaces(&self) -> &Arc<Resource>;
    fn ids(&self) -> &dyn Ids;
    fn policies(&self) -> Arc<Policies>;
    fn grants(&self) -> Arc<Grants>;
    fn authorization(&self) -> Authorization;
    /// Whether something plays the kubelets: see [`crate::Settings`].
    fn kubelets(&self) -> bool;
    /// The exclusive right to write a definition, held from reading the names of the others to storing it.
    fn definitions(&self) -> MutexGuard<'_, ()>;
    /// An object as writers see it. It may not be on disk yet: the request is answered when it is.
    fn latest(&self, resource: &str, key: &Key) -> Option<Arc<Object>>;
    /// Waits for exclusive access.
    fn writer(&self) -> Writer<'_>;
    /// Called after an object was written or removed: whatever follows from that happens in the same turn.
    fn written(&self, writer: &mut Writer<'_>, resource: &Resource, key: &Key);
}
