//! The configuration of container runtimes: `99-POOL-generated-containerruntime`, `99-POOL-generated-registries` and
//! `97-POOL-generated-credentialproviderconfig`.
//!
//! | module | decides |
//! |---|---|
//! | [`settings`] | which ContainerRuntimeConfigs are refused, and the files of the others |
//! | [`storage`] | the contents of `storage.conf` |
//! | [`sync`] | what is written for a ContainerRuntimeConfig |
//! | [`scope`] | what a registry's name stands for, and which scopes contain others |
//! | [`mirrors`] | which mirrors a repository has, and in which order |
//! | [`registries_conf`] | the contents of `registries.conf` |
//! | [`blocked`] | which registries are blocked and allowed, given that the cluster needs its release |
//! | [`signature`] | which signature an image policy requires |
//! | [`policy_status`] | what the statuses of image policies report |
//! | [`policy`] | the contents of `policy.json`, on all nodes and for a namespace |
//! | [`attachments`] | where signatures are looked up |
//! | [`image`] | what is written for registries, mirrors and policies |
//! | [`credentials`] | what is written for credential providers |

pub mod attachments;
pub mod blocked;
pub mod credentials;
pub mod image;
pub mod mirrors;
pub mod policy;
pub mod policy_status;
pub mod registries_conf;
pub mod scope;
pub mod settings;
pub mod signature;
pub mod storage;
pub mod sync;
