//! What this crate shows from outside: one program, since linking one costs more than most of its tests.

mod admission_policies;
mod client;
mod crd_suites;
mod definitions;
mod durability;
mod examples;
mod golden;
mod hostile;
mod identity;
mod kubectl;
mod properties;
mod validation;
