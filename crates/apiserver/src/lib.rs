//! placeholder
mod cel;
pub mod policy;
pub mod schema;
