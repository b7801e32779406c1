//! Every decision weir takes, as pure functions from views to values that also say why.
//!
//! | module | decides |
//! |---|---|
//! | [`catalog`] | which OS image streams a release carries, and which one is the default |
//! | [`stream`] | which OS image stream a pool gets |
//! | [`membership`] | which pool a node belongs to |
//! | [`max_unavailable`] | how many nodes of a pool may be down at once |
//! | [`rollout`] | which nodes may start their update now, and what the others wait for |
//! | [`pool_status`] | what the status of a pool says |
//! | [`render`] | what configuration a pool's machines get, and what it is called |
//! | [`reconcilable`] | which changes of a configuration a running machine can follow |
//! | [`guard`] | what must not be rolled out although it can be rendered |
//! | [`goyaml`] | the text that a rendered MachineConfig's name is a hash of |
//! | [`selector`] | which objects a label selector matches |
//! | [`conditions`] | how a list of conditions changes |
//! | [`quoted`] | how a machine's words look inside a message |
//! | [`check`] | whether a plan keeps the promises, judged independently of how it was made |
//! | [`view`] | API objects turned into what the rules read |

pub mod catalog;
pub mod check;
pub mod conditions;
pub mod goyaml;
pub mod guard;
pub mod max_unavailable;
pub mod membership;
pub mod pool_status;
pub mod quoted;
pub mod reconcilable;
pub mod render;
pub mod rollout;
pub mod selector;
pub mod stream;
pub mod view;
