//! What container runtimes are configured with: `99-POOL-generated-containerruntime`, `99-POOL-generated-registries` and
//! `97-POOL-generated-credentialproviderconfig`.
//!
//! | module | decides |
//! |---|---|
//! | [`settings`] | which ContainerRuntimeConfigs are refused, and the files of the others |
//! | [`storage`] | what `storage.conf` says |
//! | [`sync`] | what is written for a ContainerRuntimeConfig |
//! | [`scope`] | what a registry's name stands for, and which names lie in which |
//! | [`mirrors`] | which mirrors a repository has, in which order |
//! | [`registries_conf`] | what `registries.conf` says |
//! | [`blocked`] | which registries are blocked and allowed although the cluster needs its release |
//! | [`signature`] | which signature an image policy asks for |
//! | [`policy`] | what `policy.json` says, on all nodes and for a namespace |
//! | [`attachments`] | where signatures are looked for |
//! | [`image`] | what is written for registries, mirrors and policies together |
//! | [`credentials`] | what is written for credential providers |

pub mod attachments;
pub mod blocked;
pub mod credentials;
pub mod image;
pub mod mirrors;
pub mod policy;
pub mod registries_conf;
pub mod scope;
pub mod settings;
pub mod signature;
pub mod storage;
pub mod sync;
