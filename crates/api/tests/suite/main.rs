//! What this crate shows from outside: one program, since linking one costs more than most of its tests.

mod keys;
mod published;
mod round_trip;
mod structure;
