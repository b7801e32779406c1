//! What the generators of MachineConfigs have in common.
//!
//! | module | decides |
//! |---|---|
//! | [`config`] | what a generated MachineConfig looks like, and what it keeps of an existing one |
//! | [`adopt`] | whether it is written, and what stays as another build made it |
//! | [`base`] | which file of the templates a generator starts from |
//! | [`name`] | the name of the MachineConfig for an object and a pool |
//! | [`finalizer`] | which finalizers its object has |
//! | [`stale`] | which generated MachineConfigs are no longer needed |
//! | [`quantity`], [`duration`] | how Kubernetes and Go write quantities and durations |
//! | [`toml_text`], [`json_text`] | how Go writes TOML and JSON |

pub mod adopt;
pub mod base;
pub mod config;
pub mod duration;
pub mod finalizer;
pub mod json_text;
pub mod name;
pub mod quantity;
pub mod stale;
pub mod toml_text;
