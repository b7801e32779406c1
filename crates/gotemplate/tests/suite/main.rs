//! What this crate shows from outside: one program, since linking one costs more than most of its tests.

mod hostile;
mod random;
mod recorded;
mod typed;
