//! What this crate shows from outside: one program, since linking one costs more than most of its tests.

mod client;
mod definitions;
mod durability;
mod golden;
mod hostile;
mod identity;
mod kubectl;
mod properties;
mod protobuf;
