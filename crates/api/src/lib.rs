//! Wire types of the machine config API and of the foreign kinds weir reads.
//!
//! | module | what it holds |
//! |---|---|
//! | [`kind`] | what every root type has in common, and the macro that declares one |
//! | [`condition`] | the condition shape shared by our kinds |
//! | [`keys`] | labels, annotations and well-known names, by who writes them |
//! | [`machine_config`] | `MachineConfig` |
//! | [`pool`] | `MachineConfigPool` |
//! | [`os_image_stream`] | `OSImageStream` |
//! | [`controller_config`] | `ControllerConfig` |
//! | [`schema`] | schemas of values that several kinds share |
//! | [`crds`] | the CustomResourceDefinitions, generated from the types |
//! | [`cluster_version`] | `ClusterVersion` (config.openshift.io, read only) |
//! | [`feature_gate`] | `FeatureGate` (config.openshift.io, read only) |
//!
//! Every field that the API server does not enforce is optional or defaulted, so that one odd object never stops a
//! watch of the others.

pub mod cluster_version;
pub mod condition;
pub mod controller_config;
pub mod crds;
pub mod feature_gate;
pub mod keys;
pub mod kind;
pub mod machine_config;
pub mod os_image_stream;
pub mod pool;
pub mod schema;

pub use cluster_version::ClusterVersion;
pub use condition::Condition;
pub use controller_config::ControllerConfig;
pub use feature_gate::FeatureGate;
pub use machine_config::MachineConfig;
pub use os_image_stream::OSImageStream;
pub use pool::MachineConfigPool;
