//! What the operator keeps: ControllerConfig, MachineConfiguration, pools, user data, policies and what runs in the cluster.
//!
//! | module | decides |
//! |---|---|
//! | [`controller_config`] | what the ControllerConfig of a real cluster says |
//! | [`machine_configuration`] | what the operator writes of the MachineConfiguration |
//! | [`boot_images`], [`boot_image_skew`] | whose boot images follow the release, and how old they are held to be |
//! | [`user_data`] | what a new machine of a pool boots with |
//! | [`registry_ca`] | where others find all registries' certificates |
//! | [`server_ca`] | when nodes are told that the API server's CA changed |
//! | [`built_in`] | the pools that every cluster has |
//! | [`masters`] | what labels and taints nodes of the control plane have |
//! | [`marks`] | which build the ControllerConfig is of |
//! | [`made_for`] | which distribution a cluster was made for |
//! | [`take_over`] | which build's work is continued by who takes over from another operator |
//! | [`policies`] | what the API server is to refuse |
//! | [`operands`] | which objects the operator applies and deletes, and whether their pods are there |
//! | [`unused`] | which rendered MachineConfigs nobody needs any more |

pub mod boot_image_skew;
pub mod boot_images;
pub mod built_in;
pub mod controller_config;
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
