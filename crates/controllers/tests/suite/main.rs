//! What this crate shows from outside: one program, since linking one costs more than most of its tests.

mod build;
mod build_registry;
mod buildah;
mod definitions;
mod drain;
mod generate;
mod history;
mod leader;
mod notify;
mod openshift;
mod operands;
mod operator;
mod pause;
mod plan;
mod render;
mod rollout;
mod rollout_faults;
mod served;
mod stream;
