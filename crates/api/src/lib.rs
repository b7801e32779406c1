//! Wire types of the machine config API and of the foreign kinds weir reads.
//!
//! | module | contents |
//! |---|---|
//! | [`kind`] | what all root types have in common, and the macro that declares one |
//! | [`condition`] | the condition shape shared by our kinds |
//! | [`class`] | whether a retry can help, for errors |
//! | [`keys`] | labels, annotations and well-known names, by writer |
//! | [`machine_config`] | `MachineConfig` |
//! | [`pool`] | `MachineConfigPool` |
//! | [`os_image_stream`] | `OSImageStream` |
//! | [`controller_config`] | `ControllerConfig` |
//! | [`kubelet_config`], [`container_runtime_config`] | `KubeletConfig`, `ContainerRuntimeConfig` |
//! | [`pinned_image_set`] | `PinnedImageSet` |
//! | [`machine_os_config`], [`machine_os_build`] | image mode: `MachineOSConfig`, `MachineOSBuild` |
//! | [`internal_release_image`] | `InternalReleaseImage` |
//! | [`machine_configuration`] | `MachineConfiguration` (operator.openshift.io) |
//! | [`machine_config_node`] | `MachineConfigNode` |
//! | [`references`], [`release_bundle`], [`tls`] | parts that several kinds contain |
//! | [`schema`] | schemas of values that several kinds share |
//! | [`crds`] | the CustomResourceDefinitions, generated from the types |
//! | [`cluster_operator`] | `ClusterOperator` (config.openshift.io) |
//! | [`cluster_version`], [`feature_gate`], [`infrastructure`] | the cluster itself (config.openshift.io, read only) |
//! | [`api_server`], [`dns`], [`network`], [`node_config`], [`proxy`], [`scheduler`] | node settings (config.openshift.io, read only) |
//! | [`image_config`], [`mirrors`] | where images come from (config and operator.openshift.io, read only) |
//! | [`image_policy`], [`credential_provider`] | image signature policies and credential providers (config.openshift.io) |
//! | [`docker_config`] | registry logins, also in a Secret |
//! | [`provisioning`] | how bare metal boots (metal3.io, read only) |
//! | [`service_monitor`] | which services are scraped for metrics (monitoring.coreos.com) |
//! | [`image_stream`] | `ImageStream` (image.openshift.io, read only) |
//!
//! Every field that the API server does not enforce is optional or defaulted, so that one odd object never stops a
//! watch of the others. Enumerations are strings for the same reason: a newer release may have more values.
//!
//! Fields of newer releases are kept in `other`, in every struct below spec and status. The types of Kubernetes itself
//! (metadata, label selectors, object references) are those of `k8s-openapi`. weir changes objects with merge patches
//! that contain only the changed fields.

pub mod api_server;
pub mod class;
pub mod cluster_operator;
pub mod cluster_version;
pub mod condition;
pub mod container_runtime_config;
pub mod controller_config;
pub mod crds;
pub mod credential_provider;
pub mod dns;
pub mod docker_config;
pub mod feature_gate;
pub mod image_config;
pub mod image_policy;
pub mod image_stream;
pub mod infrastructure;
pub mod internal_release_image;
pub mod keys;
pub mod kind;
pub mod kubelet_config;
pub mod machine_config;
pub mod machine_config_node;
pub mod machine_configuration;
pub mod machine_os_build;
pub mod machine_os_config;
pub mod mirrors;
pub mod network;
pub mod node_config;
pub mod os_image_stream;
pub mod pinned_image_set;
pub mod pool;
pub mod provisioning;
pub mod proxy;
pub mod references;
pub mod release_bundle;
pub mod scheduler;
pub mod schema;
pub mod service_monitor;
pub mod tls;

pub use api_server::APIServer;
pub use class::Class;
pub use cluster_operator::ClusterOperator;
pub use cluster_version::ClusterVersion;
pub use condition::Condition;
pub use container_runtime_config::ContainerRuntimeConfig;
pub use controller_config::ControllerConfig;
pub use credential_provider::CRIOCredentialProviderConfig;
pub use dns::DNS;
pub use docker_config::DockerConfig;
pub use feature_gate::FeatureGate;
pub use image_config::Image;
pub use image_policy::cluster::ClusterImagePolicy;
pub use image_policy::namespaced::ImagePolicy;
pub use image_stream::ImageStream;
pub use infrastructure::Infrastructure;
pub use internal_release_image::InternalReleaseImage;
pub use kubelet_config::KubeletConfig;
pub use machine_config::MachineConfig;
pub use machine_config_node::MachineConfigNode;
pub use machine_configuration::MachineConfiguration;
pub use machine_os_build::MachineOSBuild;
pub use machine_os_config::MachineOSConfig;
pub use mirrors::content_source::ImageContentSourcePolicy;
pub use mirrors::digest::ImageDigestMirrorSet;
pub use mirrors::tag::ImageTagMirrorSet;
pub use network::Network;
pub use node_config::Node as NodeConfig;
pub use os_image_stream::OSImageStream;
pub use pinned_image_set::PinnedImageSet;
pub use pool::MachineConfigPool;
pub use provisioning::Provisioning;
pub use proxy::Proxy;
pub use scheduler::Scheduler;
pub use service_monitor::ServiceMonitor;
