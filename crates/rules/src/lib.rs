//! Every decision weir takes, as pure functions from views to values that also say why.
//!
//! | group | question |
//! |---|---|
//! | [`stream`] | which OS image streams there are, and which one a pool gets |
//! | [`render`] | what configuration a pool's machines get, and its name |
//! | [`rollout`] | which nodes may start their update now, what the others wait for, and how a node is drained |
//! | [`build`] | when the OS image of a pool in image mode is built, from what, and how it went |
//! | [`history`] | what came of the last rollouts |
//! | [`forecast`] | how long a rollout will take |
//! | [`status`] | the status of pools, nodes and the cluster |
//! | [`operator`] | what the operator manages in the cluster |
//! | [`template`] | what a release's templates render from a ControllerConfig |
//! | [`kubelet`] | the configuration of kubelets |
//! | [`runtime`] | the configuration of container runtimes |
//! | [`generated`] | what the generators of MachineConfigs have in common |
//! | [`lint`] | what is wrong with an object that somebody wrote |
//! | [`view`] | API objects as the rules read them |
//! | [`world`] | everything that a decision looks at, as one value, and what follows from it for every caller |
//! | [`mod@plan`] | what a change will do, before it is made |
//! | [`objects`] | reading and changing any object |
//!
//! A group uses those below it: `objects`, `view`, `stream`, `template`, `render`, `generated`, `kubelet`, `runtime`, `rollout`,
//! `build`, `history`, `forecast`, then `status` and `operator`, then `world`, and `plan` above all. `stream`, `render` and `rollout` are
//! rules themselves, named after what README promises; the table at the top of each group says what the others in it decide.

pub mod build;
pub mod forecast;
pub mod generated;
pub mod history;
pub mod kubelet;
pub mod lint;
pub mod objects;
pub mod operator;
pub mod plan;
pub mod render;
pub mod rollout;
pub mod runtime;
pub mod status;
pub mod stream;
pub mod template;
pub mod view;
pub mod world;
