//! What this crate shows from outside: one program, since linking one costs more than most of its tests.

mod alerts;
mod bad_input;
mod build;
mod compare;
mod crds;
mod explain;
mod explain_rollout;
mod fleet;
mod generate;
mod lint;
mod manifests;
mod offline;
mod page;
mod payload;
mod plan;
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
