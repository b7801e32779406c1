//! What the generators of MachineConfigs have in common.
//!
//! | module | decides |
//! |---|---|
//! | [`config`] | how a generated MachineConfig looks, and what it is of another that is there |
//! | [`adopt`] | whether it is written, and what is left as another build made it |
//! | [`base`] | which file of the templates a generator starts from |
//! | [`name`] | what the MachineConfig of an object and a pool is called |
//! | [`finalizer`] | which finalizers its object has |
//! | [`stale`] | which generated MachineConfigs nobody wants any more |
//! | [`quantity`], [`duration`] | how Kubernetes and Go write amounts and times |
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
