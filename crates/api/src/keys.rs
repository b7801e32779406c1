//! Labels, annotations, condition types, reasons and well-known names, each defined once.
//!
//! | modules | contents |
//! |---|---|
//! | [`names`], [`namespaces`], [`config_maps`], [`secrets`], [`gates`] | names of objects and feature gates |
//! | [`rollout`], [`daemon`], [`drain`], [`node`], [`taints`] | keys on nodes, by writer |
//! | [`config`], [`pool_labels`], [`build`], [`boot_image`], [`operand`] | keys on other objects |
//! | [`image`] | labels of images |
//! | [`pool`], [`machine_config_node`], [`controller_config`], [`generated`], [`os_build`], [`os_config`], [`release_image`], [`machine_configuration`], [`cluster_operator`] | condition types and reasons, by kind |
//!
//! Source: `pkg/daemon/constants/constants.go` and `pkg/controller/common/constants.go` of
//! github.com/openshift/machine-config-operator.

/// Names of singletons and namespaces.
pub mod names {
    /// The only `ControllerConfig`.
    pub const CONTROLLER_CONFIG: &str = "machine-config-controller";
    /// The only `OSImageStream`, `FeatureGate`, `Infrastructure`, ….
    pub const CLUSTER: &str = "cluster";
    /// The only `ClusterVersion`.
    pub const VERSION: &str = "version";
    /// Namespace of the machine config operator and its events.
    pub const OPERATOR_NAMESPACE: &str = "openshift-machine-config-operator";
    /// Pool of the control plane.
    pub const MASTER: &str = "master";
    /// Pool of the workers, from which custom pools inherit.
    pub const WORKER: &str = "worker";
    /// Pool of the arbiter node.
    pub const ARBITER: &str = "arbiter";
    /// Control plane topology with two masters and an arbiter.
    pub const ARBITER_TOPOLOGY: &str = "HighlyAvailableArbiter";
    /// weir's components, operator, controller and builder: names of their deployments, accounts and roles. The reference's
    /// names are left to the reference: a cluster version operator goes on writing those.
    pub const COMPONENTS: [&str; 3] = ["weir-operator", "weir-controller", "weir-builder"];
    /// ServiceAccount of the pods that build OS images.
    pub const BUILD_PODS: &str = "weir-image-build";
    /// The operator's pods: value of [`super::pod::APP`].
    pub const OPERATOR_APP: &str = "machine-config-operator";
    /// Our `ClusterOperator`.
    pub const CLUSTER_OPERATOR: &str = "machine-config";
    /// Prefix of the names of rendered MachineConfigs.
    pub const RENDERED_PREFIX: &str = "rendered-";
    /// Prefix of the names of MachineConfigs with a pre-built image-mode image; the pool's name follows.
    pub const PREBUILT_IMAGE_PREFIX: &str = "10-prebuiltimage-osimageurl-";
    /// The one `Provisioning`.
    pub const PROVISIONING: &str = "provisioning-configuration";
    /// ServiceAccount whose pull secrets log in to the internal registry.
    pub const OS_PULLER: &str = "machine-os-puller";
    /// ServiceAccount of the daemon on every node.
    pub const DAEMON_ACCOUNT: &str = "machine-config-daemon";
}

/// Namespaces besides [`names::OPERATOR_NAMESPACE`].
pub mod namespaces {
    /// What administrators configure.
    pub const CONFIG: &str = "openshift-config";
    /// Objects that operators share.
    pub const CONFIG_MANAGED: &str = "openshift-config-managed";
    /// Machines, machine sets and their user-data.
    pub const MACHINE_API: &str = "openshift-machine-api";
    /// Operator of the API server.
    pub const API_SERVER_OPERATOR: &str = "openshift-kube-apiserver-operator";
    /// Bootstrap state and the root CA.
    pub const KUBE_SYSTEM: &str = "kube-system";
}

/// ConfigMaps by name; the namespace is in the description.
pub mod config_maps {
    /// In ours, from the release: `images.json`, pull specs of the operands.
    pub const IMAGES: &str = "machine-config-operator-images";
    /// In ours, from the installer and the release: metadata of boot images.
    pub const BOOT_IMAGES: &str = "coreos-bootimages";
    /// In ours: CA of the machine config server, key `ca-bundle.crt`.
    pub const SERVER_CA: &str = "machine-config-server-ca";
    /// In ours: mirror of [`API_SERVER_CA`] for the kubeconfigs of nodes.
    pub const KUBECONFIG_DATA: &str = "kubeconfig-data";
    /// In [`super::namespaces::CONFIG_MANAGED`]: CA that nodes trust for the API server, key `ca-bundle.crt`.
    pub const API_SERVER_CA: &str = "kube-apiserver-server-ca";
    /// In [`super::namespaces::CONFIG_MANAGED`]: CA that kubelets trust for requests of the API server.
    pub const CLIENT_CA: &str = "kube-apiserver-client-ca";
    /// In [`super::namespaces::CONFIG`]: as [`CLIENT_CA`], from the installer, until bootstrap is complete.
    pub const INITIAL_SERVER_CA: &str = "initial-kube-apiserver-server-ca";
    /// In [`super::namespaces::API_SERVER_OPERATOR`]: signer of the API server's client certificate.
    pub const TO_KUBELET_CLIENT_CA: &str = "kube-apiserver-to-kubelet-client-ca";
    /// In [`super::namespaces::CONFIG_MANAGED`]: configuration of the cloud provider, keys `cloud.conf`, `ca-bundle.pem`.
    pub const CLOUD_CONFIG: &str = "kube-cloud-config";
    /// In [`super::namespaces::CONFIG_MANAGED`]: certificates of the internal registry.
    pub const REGISTRY_CA: &str = "image-registry-ca";
    /// In [`super::namespaces::CONFIG_MANAGED`], written by us: all registry certificates in one.
    pub const MERGED_REGISTRY_CA: &str = "merged-trusted-image-registry-ca";
    /// In [`super::namespaces::CONFIG`]: certificates the administrator wants trusted, key `ca-bundle.crt`.
    pub const USER_CA: &str = "user-ca-bundle";
    /// In [`super::namespaces::KUBE_SYSTEM`]: present once bootstrap is complete.
    pub const BOOTSTRAP: &str = "bootstrap";
    /// In [`super::namespaces::KUBE_SYSTEM`]: root CA of the cluster, key `ca.crt`.
    pub const ROOT_CA: &str = "root-ca";
}

/// Secrets by name; the namespace is in the description.
pub mod secrets {
    /// In [`super::namespaces::CONFIG`]: the cluster's pull secret.
    pub const PULL: &str = "pull-secret";
    /// In ours: a copy of the cluster's pull secret, for pods that build OS images.
    pub const PULL_COPY: &str = "global-pull-secret-copy";
    /// In [`super::namespaces::CONFIG_MANAGED`]: certificates of the subscription. In ours, with a hyphen and the name of a pool
    /// after it: a copy for the pods that build the pool's OS image.
    pub const ENTITLEMENT: &str = "etc-pki-entitlement";
    /// In [`super::namespaces::MACHINE_API`], after a pool's name: the pointer config its machines boot with.
    pub const USER_DATA_SUFFIX: &str = "-user-data-managed";
}

/// Feature gates that weir or the shape of its kinds depends on.
///
/// Source: `features/features.go` of github.com/openshift/api.
pub mod gates {
    use crate::feature_gate::Gate;

    /// OS image streams.
    pub const OS_STREAMS: Gate = Gate::new("OSStreams");
    /// Boot images of control plane machine sets follow the release.
    pub const MANAGED_BOOT_IMAGES_CPMS: Gate = Gate::new("ManagedBootImagesCPMS");
    /// Boot images that are too old block cluster updates.
    pub const BOOT_IMAGE_SKEW_ENFORCEMENT: Gate = Gate::new("BootImageSkewEnforcement");
    /// Changes that no running machine can apply may be allowed for future machines.
    pub const IRRECONCILABLE_MACHINE_CONFIG: Gate = Gate::new("IrreconcilableMachineConfig");
    /// MachineConfigNode reports images.
    pub const IMAGE_MODE_STATUS_REPORTING: Gate = Gate::new("ImageModeStatusReporting");
    /// GOMAXPROCS of containers and of the node's services.
    pub const GOMAXPROCS_INJECTION: Gate = Gate::new("GomaxprocsInjection");
    /// Stores of container storage beside its own, from the ContainerRuntimeConfig.
    pub const ADDITIONAL_STORAGE_CONFIG: Gate = Gate::new("AdditionalStorageConfig");
    /// Image policies: signatures that images need.
    pub const SIGSTORE_IMAGE_VERIFICATION: Gate = Gate::new("SigstoreImageVerification");
    /// CRIOCredentialProviderConfig is there.
    pub const CRIO_CREDENTIAL_PROVIDER_CONFIG: Gate = Gate::new("CRIOCredentialProviderConfig");
    /// Key exchange groups in TLS profiles.
    pub const TLS_GROUP_PREFERENCES: Gate = Gate::new("TLSGroupPreferences");
    /// Components may be made to keep to the API server's TLS profile.
    pub const TLS_ADHERENCE: Gate = Gate::new("TLSAdherence");
    /// A key management service encrypts what the API server stores.
    pub const KMS_ENCRYPTION: Gate = Gate::new("KMSEncryption");
    /// Kubelets of an old version may not join.
    pub const MINIMUM_KUBELET_VERSION: Gate = Gate::new("MinimumKubeletVersion");
    /// Whether network observability is installed.
    pub const NETWORK_OBSERVABILITY_INSTALL: Gate = Gate::new("NetworkObservabilityInstall");
    /// AWS's European partition.
    pub const AWS_EUROPEAN_SOVEREIGN_CLOUD_INSTALL: Gate = Gate::new("AWSEuropeanSovereignCloudInstall");
    /// Risks of an update may be accepted by name.
    pub const CLUSTER_UPDATE_ACCEPT_RISKS: Gate = Gate::new("ClusterUpdateAcceptRisks");
    /// Where signatures of releases are looked for.
    pub const SIGNATURE_STORES: Gate = Gate::new("SignatureStores");
    /// Machines are managed with the Cluster API.
    pub const CLUSTER_API_MACHINE_MANAGEMENT: Gate = Gate::new("ClusterAPIMachineManagement");
}

/// Node annotations that the rollout controller writes.
pub mod rollout {
    /// The node's desired rendered MachineConfig.
    pub const DESIRED_CONFIG: &str = "machineconfiguration.openshift.io/desiredConfig";
    /// The node's desired image-mode pull spec.
    pub const DESIRED_IMAGE: &str = "machineconfiguration.openshift.io/desiredImage";
    /// Control plane topology of the cluster; `SingleReplica` tells the daemon not to drain.
    pub const CONTROL_PLANE_TOPOLOGY: &str = "machineconfiguration.openshift.io/controlPlaneTopology";
    /// Present once the labels of the custom pool a machine was booted into are on its node.
    pub const CUSTOM_POOL_LABELS_APPLIED: &str = "machineconfiguration.openshift.io/customPoolLabelsApplied";
}

/// Node annotations that the node's daemon writes.
pub mod daemon {
    /// The node's current rendered MachineConfig.
    pub const CURRENT_CONFIG: &str = "machineconfiguration.openshift.io/currentConfig";
    /// The node's current image-mode pull spec.
    pub const CURRENT_IMAGE: &str = "machineconfiguration.openshift.io/currentImage";
    /// One of the `STATE_*` values.
    pub const STATE: &str = "machineconfiguration.openshift.io/state";
    /// The reason of the state; empty when done.
    pub const REASON: &str = "machineconfiguration.openshift.io/reason";
    /// `drain-<config>` or `uncordon-<config>`.
    pub const DESIRED_DRAIN: &str = "machineconfiguration.openshift.io/desiredDrain";
    /// `Rebooting` from right before the reboot until after it.
    pub const POST_CONFIG_ACTION: &str = "machineconfiguration.openshift.io/post-config-action";
    /// Rendered MachineConfig the machine was first booted into; written by its Ignition config.
    pub const FIRST_PIVOT_CONFIG: &str = "machineconfiguration.openshift.io/firstPivotConfig";
    /// [`STATE`]: idle.
    pub const STATE_DONE: &str = "Done";
    /// [`STATE`]: an update is under way.
    pub const STATE_WORKING: &str = "Working";
    /// [`STATE`]: an update failed.
    pub const STATE_DEGRADED: &str = "Degraded";
    /// [`STATE`]: the update cannot be applied to a running machine.
    pub const STATE_UNRECONCILABLE: &str = "Unreconcilable";
    /// [`DESIRED_DRAIN`]: prefix of a request to drain; `-` and the desired configuration follow.
    pub const VERB_DRAIN: &str = "drain";
    /// [`DESIRED_DRAIN`]: prefix of a request to uncordon; `-` and the configuration follow.
    pub const VERB_UNCORDON: &str = "uncordon";
    /// Longest [`REASON`] and [`FINALIZE_STAGED_FAILURE`], in characters.
    pub const REASON_MAX: usize = 2000;
    /// [`POST_CONFIG_ACTION`]: the machine is about to reboot.
    pub const ACTION_REBOOTING: &str = "Rebooting";
}

/// Node annotations that the drain controller writes.
pub mod drain {
    /// The `desiredDrain` value that was carried out.
    pub const LAST_APPLIED_DRAIN: &str = "machineconfiguration.openshift.io/lastAppliedDrain";
    /// Who cordoned a node that was drained; ours alone, so that only what we cordoned is uncordoned. One of the
    /// `CORDONED_BY_*` values; absent when it was not drained, or by a controller that does not record it.
    pub const CORDONED_BY: &str = "machineconfiguration.openshift.io/cordonedBy";
    /// When the current drain began (RFC 3339); ours alone, so that a restart does not reset the clock.
    pub const DRAIN_STARTED: &str = "machineconfiguration.openshift.io/drainStarted";
    /// [`CORDONED_BY`]: we did.
    pub const CORDONED_BY_CONTROLLER: &str = "machine-config-controller";
    /// [`CORDONED_BY`]: the node was cordoned before its drain began.
    pub const CORDONED_BY_OTHER: &str = "other";
}

/// Annotations and labels on MachineConfigs, pools, ControllerConfig and OSImageStream.
pub mod config {
    /// Label: the role a MachineConfig is for.
    pub const ROLE: &str = "machineconfiguration.openshift.io/role";
    /// On generated MachineConfigs: build of the controller that made it.
    pub const GENERATED_BY_CONTROLLER_VERSION: &str =
        "machineconfiguration.openshift.io/generated-by-controller-version";
    /// On ControllerConfig: build of the operator that wrote it.
    pub const GENERATED_BY_VERSION: &str = "machineconfiguration.openshift.io/generated-by-version";
    /// On ControllerConfig and rendered MachineConfigs the release version; on OSImageStream the build that wrote it.
    pub const RELEASE_IMAGE_VERSION: &str = "machineconfiguration.openshift.io/release-image-version";
    /// On what `machine-config-osimagestream` prints: that it did.
    pub const GENERATED_BY_OSIMAGESTREAM_TOOL: &str =
        "machineconfiguration.openshift.io/generated-by-machine-config-osimagestream";
    /// On OSImageStream: pull spec of the release image its status was made from.
    pub const RELEASE_PAYLOAD_IMAGE: &str = "machineconfiguration.openshift.io/release-payload-image";
    /// On OSImageStream, ours alone: names of the listed streams that the release no longer carries, with commas between.
    pub const RETAINED_STREAMS: &str = "machineconfiguration.openshift.io/retained-streams";
    /// On OSImageStream, ours alone: names of streams that it listed once and no longer lists, with commas between.
    pub const FORMER_STREAMS: &str = "machineconfiguration.openshift.io/former-streams";
    /// On rendered MachineConfigs: `true` when a MachineConfig replaced the base OS image.
    pub const OS_IMAGE_URL_OVERRIDDEN: &str = "machineconfiguration.openshift.io/os-image-url-overridden";
    /// On pools, ours alone: when the target last got another name while it was still settling, or first did so (RFC 3339).
    pub const UNSETTLED_SINCE: &str = "machineconfiguration.openshift.io/unsettled-since";
    /// On pools, ours alone: when the target counts as settled, so that its first node is told (RFC 3339).
    pub const SETTLED_FROM: &str = "machineconfiguration.openshift.io/settled-from";
    /// On ControllerConfig: `true` in the round in which the API server's CA changed.
    pub const SERVICE_CA_ROTATE: &str = "machineconfiguration.openshift.io/service-ca-rotate";
    /// On ControllerConfig, ours alone: which copy of the API server's CA nodes were told about.
    pub const SERVER_CA_TOLD: &str = "machineconfiguration.openshift.io/told-server-ca";
    /// Label on everything the operator manages, its definitions included.
    pub const OPERATOR_MANAGED: &str = "openshift.io/operator-managed";
    /// On ConfigMaps in shared namespaces: the owning component.
    pub const OWNING_COMPONENT: &str = "openshift.io/owning-component";
    /// Label on user-data secrets: the ConfigMap their CA comes from is ours.
    pub const MANAGED_CA_BUNDLE: &str = "machineconfiguration.openshift.io/managed-ca-bundle-derived-from-configmap";
    /// On KubeletConfig and ContainerRuntimeConfig: what follows the names of its MachineConfigs, `N` for `-N`; empty for
    /// nothing.
    pub const NAME_SUFFIX: &str = "machineconfiguration.openshift.io/mc-name-suffix";
    /// On generated MachineConfigs, ours alone: hash of what weir would have generated when it took this one over as it was.
    pub const ADOPTED_INSTEAD_OF: &str = "machineconfiguration.openshift.io/adopted-instead-of";
    /// On the ControllerConfig, ours alone: hash of the build from which weir took over what is generated. While it is there weir
    /// generates in its name.
    pub const ADOPTED_FROM: &str = "machineconfiguration.openshift.io/adopted-from";
    /// On the ControllerConfig, ours alone: hash of what the generated MachineConfigs were made from.
    pub const GENERATED_FROM: &str = "machineconfiguration.openshift.io/generated-from";
    /// On objects that weir created on an API server that is not OpenShift, ours alone: the version that created it.
    pub const SEEDED: &str = "machineconfiguration.openshift.io/seeded-by";
    /// On the ClusterVersion that weir created, ours alone: name of the distribution that the cluster was created for.
    pub const DISTRIBUTION: &str = "machineconfiguration.openshift.io/distribution";
    /// On the ClusterVersion that weir created, ours alone: the update that was asked for and answered.
    pub const UPDATE_ANSWERED: &str = "machineconfiguration.openshift.io/update-answered";
    /// Label on the ConfigMaps in which the history of rollouts is kept, ours alone: name of the pool.
    pub const HISTORY_OF: &str = "machineconfiguration.openshift.io/history-of";
    /// On pools that the operator creates.
    pub const BUILT_IN: &str = "machineconfiguration.openshift.io/mco-built-in";
    /// On pools that must be updated before the cluster may be.
    pub const REQUIRED_FOR_UPGRADE: &str = "operator.machineconfiguration.openshift.io/required-for-upgrade";
}

/// Taints on nodes.
pub mod taints {
    /// Effect `PreferNoSchedule`: the node has yet to get its next configuration, or is updating to it. Added by the
    /// rollout controller, removed by it and by the drain controller.
    pub const UPDATE_IN_PROGRESS: &str = "UpdateInProgress";
    /// Effect `NoSchedule`: no user pods on the control plane. Written by the rollout controller.
    pub use super::node::MASTER;
}

/// Labels and annotations of image mode. `E` marks objects that live as long as a build. Written by the build controller
/// unless it says otherwise.
///
/// Source: `pkg/controller/build/constants/constants.go` of github.com/openshift/machine-config-operator.
pub mod build {
    /// Annotation on MachineOSConfig, from the installer: pull spec of an image that was built elsewhere. Label on the
    /// MachineOSBuild that stands for it.
    pub const PRE_BUILT_IMAGE: &str = "machineconfiguration.openshift.io/pre-built-image";
    /// Annotation on the MachineConfig that pinned such an image, ours alone: the image, which a build has replaced or is about to.
    pub const PRE_BUILT_IMAGE_REPLACED: &str = "machineconfiguration.openshift.io/pre-built-image-replaced";
    /// Annotation on MachineOSConfig: the MachineOSBuild in effect.
    pub const CURRENT_BUILD: &str = "machineconfiguration.openshift.io/current-machine-os-build";
    /// Annotation on MachineOSConfig, from users: build again. Its value says nothing.
    pub const REBUILD: &str = "machineconfiguration.openshift.io/rebuild";
    /// Label on MachineOSBuild, and E: the pool.
    pub const TARGET_POOL: &str = "machineconfiguration.openshift.io/target-machine-config-pool";
    /// Label on MachineOSBuild, and E: the rendered MachineConfig.
    pub const RENDERED_CONFIG: &str = "machineconfiguration.openshift.io/rendered-machine-config";
    /// Label on MachineOSBuild, and label and annotation on E: the MachineOSConfig.
    pub const OS_CONFIG: &str = "machineconfiguration.openshift.io/machine-os-config";
    /// Label and annotation on E: the MachineOSBuild.
    pub const OS_BUILD: &str = "machineconfiguration.openshift.io/machine-os-build";
    /// Label on E, without a value.
    pub const EPHEMERAL: &str = "machineconfiguration.openshift.io/ephemeral-build-object";
    /// Label on E, without a value.
    pub const ON_CLUSTER_LAYERING: &str = "machineconfiguration.openshift.io/on-cluster-layering";
    /// Annotation on MachineOSBuild: the Secret that its image was pushed with.
    pub const PUSH_SECRET: &str = "machineconfiguration.openshift.io/rendered-image-push-secret";
    /// Annotation on MachineOSBuild: uid of the Job that was made for it.
    pub const JOB_UID: &str = "machineconfiguration.openshift.io/job-uid";
    /// Label on Secrets of E, without a value: their logins are in one form.
    pub const CANONICALIZED_SECRET: &str = "machineconfiguration.openshift.io/canonicalizedSecret";
    /// Label on Secrets of E: the Secret that they were made from.
    pub const ORIGINAL_SECRET_NAME: &str = "machineconfiguration.openshift.io/originalSecretName";
    /// Annotation on E, without a value: the build has the subscription of the nodes.
    pub const HAS_ENTITLEMENT: &str = "machineconfiguration.openshift.io/has-etc-pki-entitlement";
    /// Annotation on E, without a value: the build has repositories of packages.
    pub const HAS_YUM_REPOS: &str = "machineconfiguration.openshift.io/has-etc-yum-repos-d";
    /// Annotation on E, without a value: the build has keys of packages.
    pub const HAS_GPG_KEYS: &str = "machineconfiguration.openshift.io/has-etc-pki-rpm-gpg";
}

/// Annotations and labels of the boot image controller.
pub mod boot_image {
    /// On MachineConfiguration: when the operator switched boot image updates on by itself.
    pub const OPTED_IN_AT: &str = "machineconfiguration.openshift.io/boot-image-updates-opted-in-at";
}

/// The label on objects that the operator manages, by the names that Kubernetes recommends.
///
/// Source: <https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/>.
pub mod operand {
    /// Which program manages an object.
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
    /// Its value on what our operator keeps, ours alone.
    pub const OPERATOR: &str = "weir-operator";
}

/// Labels on pods.
pub mod pod {
    /// Which program a pod runs.
    pub const APP: &str = "k8s-app";
}

/// Labels on nodes.
pub mod node {
    /// Prefix of role labels; what follows is the role.
    pub const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
    /// Role of the control plane, the old name.
    pub const MASTER: &str = "node-role.kubernetes.io/master";
    /// Role of the control plane; added by the rollout controller where only [`MASTER`] is.
    pub const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
    /// Role of workers.
    pub const WORKER: &str = "node-role.kubernetes.io/worker";
    /// Operating system of the node; `windows` nodes are not managed.
    pub const OS: &str = "kubernetes.io/os";
    /// Failure domain, used to order a rollout.
    pub const ZONE: &str = "topology.kubernetes.io/zone";
}

/// Labels of images in a release payload.
///
/// Source: `pkg/osimagestream/image_data.go` of github.com/openshift/machine-config-operator.
pub mod image {
    /// Name of the OS image stream that an OS or extensions image belongs to.
    pub const STREAM_CLASS: &str = "io.openshift.os.streamclass";
    /// `1` or `true` on an OS image.
    pub const BOOTC: &str = "containers.bootc";
    /// `true` on an extensions image.
    pub const EXTENSIONS: &str = "io.openshift.os.extensions";
    /// Version, on a release image.
    pub const RELEASE: &str = "io.openshift.release";
    /// Annotation of a payload tag: versions of components in the image, `kubernetes=1.34.1,…`.
    ///
    /// Source: `pkg/cli/admin/release/annotations.go` of github.com/openshift/oc.
    pub const BUILD_VERSIONS: &str = "io.openshift.build.versions";
    /// Annotation of a payload tag: the repository the image was built from.
    pub const SOURCE_LOCATION: &str = "io.openshift.build.source-location";
}

/// Condition types of `MachineConfigNode`. A step is `False` before it starts, `Unknown` while it runs or has failed,
/// `True` when it is done.
///
/// Source: `StateProgress` in `machineconfiguration/v1/types_machineconfignode.go` of github.com/openshift/api.
pub mod machine_config_node {
    use crate::condition::ConditionType;

    /// Step: the change was found possible on a running machine. Written by the daemon.
    pub const UPDATE_PREPARED: ConditionType = ConditionType::new("UpdatePrepared");
    /// Step: drained, files and OS written. Written by daemon and drain controller.
    pub const UPDATE_EXECUTED: ConditionType = ConditionType::new("UpdateExecuted");
    /// Step: what follows a change without a reboot is done, e.g. a service restart. Written by the daemon.
    pub const UPDATE_POST_ACTION_COMPLETE: ConditionType = ConditionType::new("UpdatePostActionComplete");
    /// Step: the node is uncordoned. Written by the drain controller.
    pub const UPDATE_COMPLETE: ConditionType = ConditionType::new("UpdateComplete");
    /// The node runs its desired configuration. Written by the daemon; `False` starts a new round.
    pub const UPDATED: ConditionType = ConditionType::new("Updated");
    /// Step: the daemon is idle again. Written by the daemon.
    pub const RESUMED: ConditionType = ConditionType::new("Resumed");
    /// Part of [`UPDATE_EXECUTED`]: unschedulable. Written by the drain controller.
    pub const CORDONED: ConditionType = ConditionType::new("Cordoned");
    /// Part of [`UPDATE_EXECUTED`]: pods evicted. Written by the drain controller, or the daemon when no drain is needed.
    pub const DRAINED: ConditionType = ConditionType::new("Drained");
    /// Part of [`UPDATE_EXECUTED`]: files and OS written. Written by the daemon.
    pub const APPLIED_FILES_AND_OS: ConditionType = ConditionType::new("AppliedFilesAndOS");
    /// Part of [`UPDATE_EXECUTED`], in place of [`APPLIED_FILES_AND_OS`] with gate `ImageModeStatusReporting`.
    pub const APPLIED_FILES: ConditionType = ConditionType::new("AppliedFiles");
    /// Part of [`UPDATE_EXECUTED`], in place of [`APPLIED_FILES_AND_OS`] with gate `ImageModeStatusReporting`.
    pub const APPLIED_OS_IMAGE: ConditionType = ConditionType::new("AppliedOSImage");
    /// Step with gate `ImageModeStatusReporting`: the image is on the node. Written by the daemon.
    pub const IMAGE_PULLED_FROM_REGISTRY: ConditionType = ConditionType::new("ImagePulledFromRegistry");
    /// Step: the machine rebooted. Written by the daemon.
    pub const REBOOTED_NODE: ConditionType = ConditionType::new("RebootedNode");
    /// Part of [`UPDATE_COMPLETE`]: schedulable again. Written by the drain controller.
    pub const UNCORDONED: ConditionType = ConditionType::new("Uncordoned");
    /// The update failed. Written by the daemon.
    pub const NODE_DEGRADED: ConditionType = ConditionType::new("NodeDegraded");
    /// Pinned images are being pulled. Written by the daemon's pinned image set manager.
    pub const PINNED_IMAGE_SETS_PROGRESSING: ConditionType = ConditionType::new("PinnedImageSetsProgressing");
    /// Pinned images could not be pulled. Written by the daemon's pinned image set manager.
    pub const PINNED_IMAGE_SETS_DEGRADED: ConditionType = ConditionType::new("PinnedImageSetsDegraded");
    /// Reason of a step that this round has not come to.
    pub const NOT_YET_OCCURRED: &str = "NotYetOccurred";
}

/// Condition types and reasons of `MachineConfigPool`, by writer.
///
/// Source: `machineconfiguration/v1/types.go` of github.com/openshift/api.
pub mod pool {
    use crate::condition::ConditionType;

    /// Label: the pool is in image mode, whatever its value.
    pub const LAYERING_ENABLED: &str = "machineconfiguration.openshift.io/layering-enabled";

    /// Annotation: what a user accepted when the pool was switched to another stream, as JSON: `stream`, `codes`, `by`, `at`.
    pub const ACCEPTED_FINDINGS: &str = "machineconfiguration.openshift.io/accepted-findings";

    /// Annotation, ours alone: when a paused pool resumes by itself (RFC 3339). Written by `weir pause`, removed by who resumes.
    pub const PAUSED_UNTIL: &str = "machineconfiguration.openshift.io/paused-until";
    /// Annotation, ours alone: what others were notified of, as JSON: `rollout`, `told`.
    pub const NOTIFIED: &str = "machineconfiguration.openshift.io/notified";
    /// Annotation, ours alone: why a pool is paused, in the words of who paused it. As [`PAUSED_UNTIL`].
    pub const PAUSED_BECAUSE: &str = "machineconfiguration.openshift.io/paused-because";

    /// All nodes run the target. Written by the rollout controller.
    pub const UPDATED: ConditionType = ConditionType::new("Updated");
    /// Nodes are on their way. Written by the rollout controller.
    pub const UPDATING: ConditionType = ConditionType::new("Updating");
    /// Nodes failed. Written by the rollout controller.
    pub const NODE_DEGRADED: ConditionType = ConditionType::new("NodeDegraded");
    /// Sum of [`NODE_DEGRADED`], [`RENDER_DEGRADED`] and [`IMAGE_BUILD_DEGRADED`]. Written by the rollout controller.
    pub const DEGRADED: ConditionType = ConditionType::new("Degraded");
    /// There is no configuration to roll out. Written by the render controller.
    pub const RENDER_DEGRADED: ConditionType = ConditionType::new("RenderDegraded");
    /// The streams of the desired release are not known, and why: read by the operator, which may be another process. As the next
    /// one absent while it is not so, ours alone, and written by the render controller.
    pub const OS_IMAGE_STREAM_NOT_MADE: ConditionType = ConditionType::new("OSImageStreamNotMade");
    /// Something contradicts the distribution, and nothing is rendered.
    pub const DISTRIBUTION_MISMATCH: ConditionType = ConditionType::new("DistributionMismatch");
    /// A stream is named for the pool, and the name counts for nothing. As the next four absent while there is nothing to say, ours
    /// alone, and written by the render controller.
    pub const STREAM_NAME_IGNORED: ConditionType = ConditionType::new("StreamNameIgnored");
    /// Settings that are meant for the pool have no effect.
    pub const SETTINGS_NOT_APPLIED: ConditionType = ConditionType::new("SettingsNotApplied");
    /// Nothing can be generated from settings that concern the pool, and it keeps what was generated before.
    pub const SETTINGS_REFUSED: ConditionType = ConditionType::new("SettingsRefused");
    /// The pool's node selector is empty, so that it would select every node, and is taken to select none.
    pub const SELECTING_ALL_NODES: ConditionType = ConditionType::new("SelectingAllNodes");
    /// A MachineConfig that the installer made pins the pool's OS image.
    pub const OS_IMAGE_PINNED: ConditionType = ConditionType::new("OSImagePinned");
    /// MachineConfigs that were generated for the pool are of other feature gates than those that are on.
    pub const GENERATED_CONFIGS_STALE: ConditionType = ConditionType::new("GeneratedConfigsStale");
    /// There is no image to roll out. Written by build and rollout controller.
    pub const IMAGE_BUILD_DEGRADED: ConditionType = ConditionType::new("ImageBuildDegraded");
    /// A build of its image was interrupted. Written by other controllers.
    pub const BUILD_INTERRUPTED: ConditionType = ConditionType::new("BuildInterrupted");
    /// Nodes are in no pool because of this one; ours alone. Written by the rollout controller.
    pub const NODES_WITHOUT_POOL: ConditionType = ConditionType::new("NodesWithoutPool");
    /// Pinned image sets could not be handed to the nodes. Written by the pinned image set controller.
    pub const PINNED_IMAGE_SETS_DEGRADED: ConditionType = ConditionType::new("PinnedImageSetsDegraded");
    /// Type of the one entry of `poolSynchronizersStatus`.
    pub const SYNCHRONIZER_PINNED_IMAGE_SETS: &str = "PinnedImageSets";
}

/// Condition types of `ControllerConfig`. Written by the template controller, read by operator and controllers.
pub mod controller_config {
    use crate::condition::ConditionType;

    /// They are there.
    pub const COMPLETED: ConditionType = ConditionType::new("TemplateControllerCompleted");
    /// Ours alone: whether weir generates where another operator did before.
    pub const GENERATED_CONFIGS_ADOPTED: ConditionType = ConditionType::new("GeneratedConfigsAdopted");
    /// They are being made.
    pub const RUNNING: ConditionType = ConditionType::new("TemplateControllerRunning");
    /// They could not be made.
    pub const FAILING: ConditionType = ConditionType::new("TemplateControllerFailing");
}

/// Condition types of `KubeletConfig` and `ContainerRuntimeConfig`. Written by their controllers, read by the render
/// controller; of the history in the status the last one counts.
pub mod generated {
    use crate::condition::ConditionType;

    /// KubeletConfig: `True` when MachineConfigs were made from it.
    pub const ACCEPTED: ConditionType = ConditionType::new("Accepted");
    /// MachineConfigs were made from it; always `True`.
    pub const SUCCESS: ConditionType = ConditionType::new("Success");
    /// They could not be made; always `True`.
    pub const FAILURE: ConditionType = ConditionType::new("Failure");
    /// Ours alone, on KubeletConfigs: something in it does not do what it seems to do. The first in the list, and absent while there is
    /// nothing to say.
    pub const WARNING: ConditionType = ConditionType::new("Warning");
}

/// Condition types and reasons of `MachineOSBuild`. Written by the build controller; at most one is `True`.
pub mod os_build {
    /// Its Job is there and has not begun; the reason too.
    pub const PREPARED: &str = "Prepared";
    /// Its Job runs; the reason too.
    pub const BUILDING: &str = "Building";
    /// Final: it failed too often; the reason too.
    pub const FAILED: &str = "Failed";
    /// Final: the Job was deleted; the reason too.
    pub const INTERRUPTED: &str = "Interrupted";
    /// Final: the image is pushed.
    pub const SUCCEEDED: &str = "Succeeded";
    /// Reason of [`SUCCEEDED`].
    pub const READY: &str = "Ready";
    /// Reason of every condition of a build that stands for an image brought along, and of [`super::os_config::SEEDED`].
    pub const PRE_BUILT_IMAGE_SEEDED: &str = "PreBuiltImageSeeded";
}

/// Condition types of `MachineOSConfig`.
pub mod os_config {
    /// The first image was brought along. Written by the build controller, read by the operator.
    pub const SEEDED: &str = "Seeded";
}

/// Condition types and reasons of release bundles.
pub mod release_image {
    /// The bundle is on the disk. Written by the daemon.
    pub const AVAILABLE: &str = "Available";
    /// It is not. Written by the daemon.
    pub const DEGRADED: &str = "Degraded";
}

/// Condition types of `MachineConfiguration`. Written by the boot image controller, read by the operator.
pub mod machine_configuration {
    use crate::condition::ConditionType;

    /// Some are being updated.
    pub const BOOT_IMAGE_UPDATE_PROGRESSING: ConditionType = ConditionType::new("BootImageUpdateProgressing");
    /// Some could not be.
    pub const BOOT_IMAGE_UPDATE_DEGRADED: ConditionType = ConditionType::new("BootImageUpdateDegraded");
}

/// Condition types, reasons and versions of the `ClusterOperator`. Written by the operator, read by the cluster version
/// operator.
///
/// Source: `config/v1/types_cluster_operator.go` of github.com/openshift/api and `pkg/operator/status.go` of
/// github.com/openshift/machine-config-operator.
pub mod cluster_operator {
    use crate::condition::ConditionType;

    /// The operator and what it runs work.
    pub const AVAILABLE: ConditionType = ConditionType::new("Available");
    /// A new version is being rolled out.
    pub const PROGRESSING: ConditionType = ConditionType::new("Progressing");
    /// The release cannot be applied; of the ClusterVersion.
    pub const FAILING: ConditionType = ConditionType::new("Failing");
    /// Something does not work.
    pub const DEGRADED: ConditionType = ConditionType::new("Degraded");
    /// The cluster may go to the next minor version.
    pub const UPGRADEABLE: ConditionType = ConditionType::new("Upgradeable");
    /// Of ClusterVersion: the release that was asked for was read, and is taken.
    pub const RELEASE_ACCEPTED: ConditionType = ConditionType::new("ReleaseAccepted");
    /// Settings were found that are of interest to the fleet's statistics.
    pub const EVALUATION_CONDITIONS_DETECTED: ConditionType = ConditionType::new("EvaluationConditionsDetected");
    /// All is well.
    pub const REASON_AS_EXPECTED: &str = "AsExpected";
    /// Version of the release, in `status.versions`.
    pub const VERSION_OPERATOR: &str = "operator";
    /// Pull spec of the operator, in `status.versions`.
    pub const VERSION_OPERATOR_IMAGE: &str = "operator-image";
}
