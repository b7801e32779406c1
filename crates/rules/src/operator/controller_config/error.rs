//! Why the ControllerConfig cannot be computed.

/// Why the ControllerConfig cannot be computed. Nothing here goes away by itself: only a change of an object helps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderConfigError {
    /// Another operator manages the ControllerConfig.
    #[error(
        "the ControllerConfig is kept by build {found}, and this is {own}: nothing of it is touched; continue that build's \
         work with --take-over, once it is complete and that build no longer runs"
    )]
    OtherBuild {
        /// Build named on the ControllerConfig.
        found: String,
        /// Build of this operator.
        own: String,
    },
    /// An object that every cluster has is missing.
    #[error("{kind} {name:?} not found")]
    Missing {
        /// Plural and group.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A required ConfigMap is missing.
    #[error("configmap {namespace}/{name} not found")]
    NoConfigMap {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// A ConfigMap lacks a key.
    #[error("{key} not found in {namespace}/{name}")]
    NoKey {
        /// The key.
        key: &'static str,
        /// The ConfigMap's namespace.
        namespace: String,
        /// The ConfigMap's name.
        name: String,
    },
    /// The CA of the machine config server.
    #[error("could not get MCSC CA bundle: {0}")]
    ServerCa(Box<Self>),
    /// The list of images is not JSON.
    #[error("could not parse images.json bytes: {0}")]
    Images(String),
    /// The list of images is of another release than the cluster should run.
    #[error("during operator version check: refusing to read images.json version {found:?}, operator version {own:?}")]
    OtherRelease {
        /// Release of the list.
        found: String,
        /// Release the cluster should run.
        own: String,
    },
    /// A bundle without a certificate.
    #[error("configmap {namespace}/{name} doesn't have a valid PEM bundle")]
    NoCertificates {
        /// The ConfigMap's namespace.
        namespace: &'static str,
        /// The ConfigMap's name.
        name: String,
    },
    /// There is no service network.
    #[error("service cidr is empty in Network")]
    NoServiceNetwork,
    /// A service network cannot be read.
    #[error("invalid CIDR address: {0}")]
    ServiceNetwork(String),
    /// A service network without room for the DNS service.
    #[error("prefix of {prefix} does not accommodate a host numbered {host}")]
    SmallServiceNetwork {
        /// Bits of the network's prefix.
        prefix: u8,
        /// Number of the host.
        host: u8,
    },
    /// The cloud provider's ConfigMap is required and missing.
    #[error(
        "openshift-config-managed/kube-cloud-config configmap is required on platform {0} but not found: \
         configmap \"kube-cloud-config\" not found"
    )]
    NoCloudConfig(String),
    /// The cloud provider's ConfigMap has no configuration.
    #[error(
        "openshift-config-managed/kube-cloud-config configmap must have the cloud.conf key on platform {0} but not found"
    )]
    NoCloudConf(String),
    /// The OS images of a cluster without streams.
    #[error("could not get OS images: {0}")]
    OsImages(String),
    /// The pull secret has another type.
    #[error("expected secret type {expected} found {found}")]
    SecretType {
        /// What it must be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A secret for the internal registry is missing.
    #[error("failed to retrieve image pull secret {0}: secret not found")]
    NoPullSecret(String),
    /// A secret contains something other than logins; its contents are not shown.
    #[error("could not merge auths from secret {0}: it holds no JSON object of logins")]
    NoLogins(String),
    /// The address of the machine config server.
    #[error("Infrastructure cluster has {0}: machines would not find the machine config server")]
    NoServer(&'static str),
}
