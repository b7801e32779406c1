//! A small Kubernetes API server for laptops, tests and rehearsals.
//!
//! kubectl, oc and kube-rs shall not be able to tell it from kube-apiserver for what a machine config operator does.
//! It is no cluster: nothing schedules pods, no kubelet runs them, no controller acts on Deployments.
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
//! | [`server`], `state` | the server, the way of a request to the module that answers it, and what requests share |
//! | `service`, `serve`, `tls`, `kubeconfig` | in process as a tower service; over TLS on a socket |
//! | `connections`, `quota` | who may stay connected, and how much one may have of what all share |
//! | `request`, `body`, `protobuf`, `response`, `status` | what comes in and goes out |
//! | `registry`, `kinds`, `types` | which resources there are, the built-in kinds, the shape of objects |
//! | `pipeline`, `bounds`, `decode`, `names`, `patch`, `managed_fields` | the way of a write, and how large it may be |
//! | [`schema`], `cel`, [`policy`], `admission` | structural schemas, their rules, admission policies |
//! | `delete`, `disruption`, `expiry` | finalizers, propagation, garbage; budgets and evictions; old events |
//! | `furnishing`, `priority` | what every namespace has; priorities of pods |
//! | `identity`, `authentication`, `certificate`, `tokens`, `rbac` | who asks, and what they may do |
//! | `list`, `watch`, `selectors`, `table`, `jsonpath` | reads |
//! | `discovery`, `openapi`, `review`, `scale` | what clients ask about the server and themselves |
//! | `store`, `journal` | objects, versions, recent changes; the same on disk |
//! | `stack` | work that recurses deep |
//! | `private`, `secret` | files that only their owner may read |

mod admission;
mod authentication;
mod body;
mod bounds;
mod cel;
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
mod identity;
mod journal;
mod jsonpath;
mod kinds;
mod kubeconfig;
mod list;
mod managed_fields;
mod names;
mod object;
mod openapi;
mod patch;
mod pipeline;
pub mod policy;
mod priority;
mod private;
mod protobuf;
mod quota;
mod rbac;
mod registry;
mod request;
mod response;
mod review;
mod scale;
pub mod schema;
mod secret;
mod selectors;
mod serve;
pub mod server;
mod service;
mod stack;
mod state;
mod status;
mod store;
mod table;
mod tls;
mod tokens;
mod types;
mod watch;

pub use clock::{Clock, Ids};
pub use error::Error;
pub use policy::User;
pub use rbac::Authorization;
pub use response::Body;
pub use serve::{Listener, Socket};
pub use server::{ApiServer, Settings};
pub use service::Service;
pub use tls::ClientCertificate;
