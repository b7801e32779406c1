//! A small Kubernetes API server for laptops, tests and rehearsals.
//!
//! For everything that a machine config operator does, kubectl, oc and kube-rs cannot distinguish it from
//! kube-apiserver. It is not a cluster: nothing schedules pods, no kubelet runs them, no controller acts on
//! Deployments.
//!
//! ```no_run
//! # fn main() -> Result<(), weir_apiserver::Error> {
//! let server = weir_apiserver::ApiServer::new(weir_apiserver::Settings::default())?;
//! let service = server.service(); // for kube::Client::new(service, "default")
//! # Ok(()) }
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`server`], `settings`, `route` | the server, and the routing of requests to the module that answers them |
//! | `state`, `served`, `host` | what requests share, and the parts of it that readers and writers need |
//! | `service`, `serve`, `tls`, `kubeconfig` | in process as a tower service; over TLS on a socket |
//! | `connections`, `quota` | who may stay connected, and how much of a shared resource one user may have |
//! | `request`, `body`, `protobuf`, `response`, `status` | what comes in and goes out |
//! | `registry`, `built_in`, `kinds`, `types`, `merge_keys`, `versions` | which resources there are, the built-in kinds, the shape of objects |
//! | `pipeline`, `bounds`, `decode`, `patch`, `managed_fields` | the stages of a write, and how large an object may be |
//! | `admission` | the stored admission policies; evaluation is in `weir_apischema` |
//! | `delete`, `disruption`, `expiry` | finalizers, propagation, garbage; budgets and evictions; old events |
//! | `furnishing`, `priority` | objects that every namespace has; priorities of pods |
//! | `identity`, `authentication`, `certificate`, `tokens`, `rbac` | who the user is, and what they may do |
//! | `list`, `watch`, `selectors`, `table`, `jsonpath` | reads |
//! | `discovery`, `openapi`, `review`, `scale` | what clients can find out about the server and themselves |
//! | `logs` | what containers of pods wrote |
//! | `store`, `stored`, `journal` | objects, versions, recent changes; the same on disk |
//! | `private`, `secret` | files that only their owner may read |

mod admission;
mod authentication;
mod body;
mod bounds;
mod built_in;
mod certificate;
pub mod clock;
mod connections;
mod decode;
mod delete;
mod discovery;
mod disruption;
mod error;
mod expiry;
mod furnishing;
#[cfg(test)]
mod fuzz;
mod host;
mod identity;
mod journal;
mod jsonpath;
mod kinds;
mod kubeconfig;
mod list;
mod logs;
mod managed_fields;
mod merge_keys;
mod object;
mod openapi;
mod openapi_v2;
mod patch;
mod pipeline;
mod priority;
mod private;
mod protobuf;
mod quota;
mod rbac;
mod registry;
mod request;
mod response;
mod review;
mod route;
mod scale;
mod secret;
mod selectors;
mod serve;
mod served;
pub mod server;
mod service;
mod settings;
mod state;
mod status;
mod store;
mod stored;
mod table;
mod tls;
mod tokens;
mod types;
mod unrun;
mod versions;
mod watch;

pub use clock::{Clock, Ids};
pub use error::Error;
pub use logs::PodLogs;
pub use rbac::Authorization;
pub use response::Body;
pub use serve::{Listener, Socket};
pub use server::ApiServer;
pub use service::Service;
pub use settings::Settings;
pub use tls::ClientCertificate;
pub use weir_apischema::policy::User;
