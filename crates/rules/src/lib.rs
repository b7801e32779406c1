//! Every decision weir takes, as pure functions from views to values that also say why.
//!
//! | room | question |
//! |---|---|
//! | [`stream`] | which OS image streams there are, and which one a pool gets |
//! | [`render`] | what configuration a pool's machines get, and what it is called |
//! | [`rollout`] | which nodes may start their update now, what the others wait for, and how a node is drained |
//! | [`build`] | when the OS image of a pool in image mode is built, from what, and how it went |
//! | [`status`] | what pools, nodes and the cluster say about themselves |
//! | [`operator`] | what the operator keeps in the cluster |
//! | [`template`] | what a release's templates make of a ControllerConfig |
//! | [`kubelet`] | what kubelets are configured with |
//! | [`runtime`] | what container runtimes are configured with |
//! | [`generated`] | what the generators of MachineConfigs have in common |
//! | [`view`] | API objects turned into what the rules read |
//! | [`world`] | everything that a decision looks at, as one value: what follows from it, whoever asks |
//! | [`objects`] | what any object is read with and changed by |
//!
//! A room uses those below it: `objects`, `view`, `stream`, `template`, `render`, `generated`, `kubelet`, `runtime`, `rollout`, `build`, then
//! `status` and `operator`, and `world` above all. `stream`, `render` and `rollout` are rules themselves, named after what README promises; the
//! table on top of each room says what the others in it decide.

pub mod build;
pub mod generated;
pub mod kubelet;
pub mod objects;
pub mod operator;
pub mod render;
pub mod rollout;
pub mod runtime;
pub mod status;
pub mod stream;
pub mod template;
pub mod view;
pub mod world;
