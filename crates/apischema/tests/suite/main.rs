//! What this crate shows from outside: one program, since linking one costs more than most of its tests.

mod admission_policies;
mod crd_suites;
mod definitions;
mod examples;
mod foreign;
mod hostile;
mod validation;
