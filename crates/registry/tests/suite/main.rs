//! What this crate shows from outside: one program, since linking one costs more than most of its tests.

mod clients;
mod conformance;
mod endurance;
mod place;
