//! How the server is set up.

use crate::{
    clock::{Clock, Ids, RandomIds, SystemClock},
    identity::User,
    logs::PodLogs,
    rbac::Authorization,
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where objects, certificates and the administrator's token are kept; `None` keeps everything in memory.
    pub data_dir: Option<PathBuf>,
    /// Source of timestamps.
    pub clock: Arc<dyn Clock>,
    /// Source of identifiers.
    pub ids: Arc<dyn Ids>,
    /// What determines the rights of users other than administrators.
    pub authorization: Authorization,
    /// Bearer tokens in addition to those of the administrator and of service accounts.
    pub tokens: BTreeMap<String, User>,
    /// Who has the logs of pods; without one no pod has any.
    pub logs: Option<Arc<dyn PodLogs>>,
    /// Whether something plays the kubelets of the Nodes. Then the server does what the node lifecycle controller of a cluster does, in
    /// the write that makes it necessary: a Node's taints follow its conditions and `spec.unschedulable`. And a Pod that is deleted stays
    /// until its kubelet says that it has ended, where its Node is Ready; without kubelets it would stay for ever.
    pub kubelets: bool,
    /// Whether requests with large bodies are processed on threads of their own, so that no other request waits behind them. Without, the
    /// order of all requests is that in which the caller's own thread makes them.
    pub threads: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: None,
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            authorization: Authorization::default(),
            tokens: BTreeMap::new(),
            logs: None,
            kubelets: false,
            threads: true,
        }
    }
}
