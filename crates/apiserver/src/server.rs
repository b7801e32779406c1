//! The server.

use crate::{
    Error,
    clock::{Clock, Ids},
    furnishing::furnish_all,
    identity::{User, admin},
    object::meta,
    priority, rbac,
    service::Service,
    settings::Settings,
    state::State,
};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc};

/// Namespaces that every cluster has.
const FIRST_NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// A Kubernetes-compatible API server. A clone is another handle to the same server.
#[derive(Clone, Debug)]
pub struct ApiServer {
    pub(crate) state: State,
    pub(crate) data_dir: Option<PathBuf>,
}

impl ApiServer {
    /// Sets up a server. Nothing listens yet: see [`ApiServer::service`] and [`crate::Listener`].
    ///
    /// # Errors
    /// When the data directory cannot be used.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let data_dir = settings.data_dir.clone();
        let state = State::new(settings)?;
        let namespaces = FIRST_NAMESPACES.map(|name| ("", "namespaces", json!({"metadata": {"name": name}})));
        for (group, plural, object) in namespaces.into_iter().chain(rbac::first()).chain(priority::first()) {
            state.create_first(group, plural, object)?;
        }
        // A data directory may come from a version that did not create these objects.
        furnish_all(&state, None);
        state.flush()?;
        Ok(Self { state, data_dir })
    }

    /// Another server that begins with the same objects, kept in memory. Kinds, policies and grants are not read again: that is most
    /// of what a server costs.
    #[must_use]
    pub fn copy(&self, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self { state: self.state.copy(clock, ids), data_dir: None }
    }

    /// Registers CustomResourceDefinitions, or brings registered ones up to date.
    ///
    /// # Errors
    /// The first definition that the API would refuse, or a failure of the disk.
    pub fn define(&self, crds: impl IntoIterator<Item = Value>) -> Result<(), Error> {
        for crd in crds {
            let name = meta(&crd, "name").to_owned();
            self.state.define(crd).map_err(|failure| Error::Definition { name, message: failure.message })?;
        }
        self.state.flush()
    }

    /// The server as a tower service that acts as `system:admin`, for `kube::Client::new`.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service_as(admin())
    }

    /// The server as a tower service that acts as this user.
    #[must_use]
    pub fn service_as(&self, user: User) -> Service {
        Service::new(self.state.clone(), user)
    }

    /// Resolves when writing to the data directory has failed: from then on every write is refused, and what was stored before is
    /// still served. Never resolves without a data directory.
    pub async fn disk_refused(&self) -> Error {
        Error::Full { why: self.state.store.failed().await }
    }

    /// Ends all watches. Requests are still answered.
    pub fn end_watches(&self) {
        self.state.end_watches();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{RandomIds, SystemClock},
        registry::Resource,
        served::Served as _,
        store::Key,
    };

    #[test]
    fn a_copy_begins_with_the_same_objects_and_goes_its_own_way() {
        let first = ApiServer::new(Settings::default()).unwrap();
        let namespaces: Arc<Resource> = first.state.namespaces.clone();
        let create = |server: &ApiServer, name: &str| {
            server.state.create(&namespaces, "", json!({"metadata": {"name": name}})).map(drop)
        };
        create(&first, "both").unwrap();
        let copy = first.copy(Arc::new(SystemClock), Arc::new(RandomIds));
        let has = |server: &ApiServer, name: &str| {
            server.state.store().get(&namespaces.storage, &Key::new("", name)).is_some()
        };
        assert!(has(&copy, "both") && create(&copy, "both").is_err());
        create(&copy, "copy").unwrap();
        create(&first, "first").unwrap();
        let all = |server: &ApiServer| ["both", "first", "copy"].map(|name| has(server, name));
        assert_eq!((all(&first), all(&copy)), ([true, true, false], [true, false, true]));
    }
}
