//! What the operator manages: ControllerConfig, MachineConfiguration, pools, user data, policies and the workloads in the cluster.
//!
//! | module | decides |
//! |---|---|
//! | [`controller_config`] | the ControllerConfig of a real cluster |
//! | [`machine_configuration`] | what the operator writes of the MachineConfiguration |
//! | [`boot_images`], [`boot_image_skew`] | whose boot images follow the release, and how old they count as |
//! | [`builder`] | whether the builder of OS images runs, and which Secrets are copied for it |
//! | [`user_data`] | the user data of a pool's new machines |
//! | [`registry_ca`] | where other components find all registries' certificates |
//! | [`server_ca`] | when nodes are told that the API server's CA has changed |
//! | [`built_in`] | the pools that every cluster has |
//! | [`masters`] | the labels and taints of control plane nodes |
//! | [`marks`] | which build the ControllerConfig belongs to |
//! | [`made_for`] | which distribution a cluster was made for |
//! | [`take_over`] | which build's work is continued when taking over from another operator |
//! | [`policies`] | what the API server should refuse |
//! | [`install`] | the manifests that run weir in a cluster |
//! | [`operands`] | which objects the operator applies and deletes, and whether their pods are available |
//! | [`unused`] | which rendered MachineConfigs are no longer needed |

pub mod boot_image_skew;
pub mod boot_images;
pub mod builder;
pub mod built_in;
pub mod controller_config;
pub mod install;
pub mod machine_configuration;
pub mod made_for;
pub mod marks;
pub mod masters;
pub mod operands;
pub mod policies;
pub mod registry_ca;
pub mod server_ca;
pub mod take_over;
pub mod unused;
pub mod user_data;
