//! What this crate shows from outside: one program, since linking one costs more than most of its tests.

mod followed;
mod generated;
mod recorded;
mod render_golden;
mod render_properties;
mod rollout_golden;
mod scenarios;
mod template_golden;
mod yaml_oracle;
