//! What this crate shows from outside: one program, since linking one costs more than most of its tests.

mod bad_input;
mod build;
mod compare;
mod crds;
mod explain;
mod explain_rollout;
mod fleet;
mod generate;
mod manifests;
mod payload;
mod registry;
mod render;
mod render_refused;
mod run;
mod settings;
mod sim;
mod story;
mod switch;
mod three_processes;
mod up;
