//! Labels, annotations and well-known names, grouped by who writes them.
//!
//! Source: `pkg/daemon/constants/constants.go` and `pkg/controller/common/constants.go` of
//! github.com/openshift/machine-config-operator.

/// Names of singletons and namespaces.
pub mod names {
    /// The one `ControllerConfig`.
    pub const CONTROLLER_CONFIG: &str = "machine-config-controller";
    /// The one `OSImageStream`, `FeatureGate`, `Infrastructure`, ….
    pub const CLUSTER: &str = "cluster";
    /// The one `ClusterVersion`.
    pub const VERSION: &str = "version";
    /// Namespace of the machine config operator and its events.
    pub const OPERATOR_NAMESPACE: &str = "openshift-machine-config-operator";
    /// Pool of the control plane.
    pub const MASTER: &str = "master";
    /// Pool of the workers, from which custom pools inherit.
    pub const WORKER: &str = "worker";
    /// Pool of the arbiter node.
    pub const ARBITER: &str = "arbiter";
    /// Feature gate of OS image streams.
    pub const GATE_OS_STREAMS: &str = "OSStreams";
}

/// Node annotations that the rollout controller writes.
pub mod rollout {
    /// Rendered MachineConfig the node is to reach.
    pub const DESIRED_CONFIG: &str = "machineconfiguration.openshift.io/desiredConfig";
    /// Image-mode pull spec the node is to reach.
    pub const DESIRED_IMAGE: &str = "machineconfiguration.openshift.io/desiredImage";
    /// Control plane topology of the cluster; `SingleReplica` tells the daemon not to drain.
    pub const CONTROL_PLANE_TOPOLOGY: &str = "machineconfiguration.openshift.io/controlPlaneTopology";
    /// Present once the labels of the custom pool a machine was booted into are on its node.
    pub const CUSTOM_POOL_LABELS_APPLIED: &str = "machineconfiguration.openshift.io/customPoolLabelsApplied";
}

/// Node annotations that the node's daemon writes.
pub mod daemon {
    /// Rendered MachineConfig the node runs.
    pub const CURRENT_CONFIG: &str = "machineconfiguration.openshift.io/currentConfig";
    /// Image-mode pull spec the node runs.
    pub const CURRENT_IMAGE: &str = "machineconfiguration.openshift.io/currentImage";
    /// One of the `STATE_*` values.
    pub const STATE: &str = "machineconfiguration.openshift.io/state";
    /// Why the state is what it is; empty when done.
    pub const REASON: &str = "machineconfiguration.openshift.io/reason";
    /// `drain-<config>` or `uncordon-<config>`.
    pub const DESIRED_DRAIN: &str = "machineconfiguration.openshift.io/desiredDrain";
    /// `Rebooting` from right before the reboot until after it.
    pub const POST_CONFIG_ACTION: &str = "machineconfiguration.openshift.io/post-config-action";
    /// Rendered MachineConfig the machine was first booted into; written by its Ignition config.
    pub const FIRST_PIVOT_CONFIG: &str = "machineconfiguration.openshift.io/firstPivotConfig";
    /// [`STATE`]: nothing to do.
    pub const STATE_DONE: &str = "Done";
    /// [`STATE`]: an update is under way.
    pub const STATE_WORKING: &str = "Working";
    /// [`STATE`]: an update failed.
    pub const STATE_DEGRADED: &str = "Degraded";
    /// [`STATE`]: the update cannot be made on a running machine.
    pub const STATE_UNRECONCILABLE: &str = "Unreconcilable";
    /// [`POST_CONFIG_ACTION`]: the machine is about to reboot.
    pub const ACTION_REBOOTING: &str = "Rebooting";
}

/// Node annotations that the drain controller writes.
pub mod drain {
    /// The `desiredDrain` value that was carried out.
    pub const LAST_APPLIED_DRAIN: &str = "machineconfiguration.openshift.io/lastAppliedDrain";
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
    /// On OSImageStream: pull spec of the release image its status was made from.
    pub const RELEASE_PAYLOAD_IMAGE: &str = "machineconfiguration.openshift.io/release-payload-image";
    /// On rendered MachineConfigs: `true` when a MachineConfig replaced the base OS image.
    pub const OS_IMAGE_URL_OVERRIDDEN: &str = "machineconfiguration.openshift.io/os-image-url-overridden";
    /// On pools that the operator creates.
    pub const BUILT_IN: &str = "machineconfiguration.openshift.io/mco-built-in";
    /// On pools that must be updated before the cluster may be.
    pub const REQUIRED_FOR_UPGRADE: &str = "operator.machineconfiguration.openshift.io/required-for-upgrade";
}

/// Labels on nodes.
pub mod node {
    /// Prefix of role labels; what follows is the role.
    pub const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
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
    /// Annotation of a payload tag: the repository the image was built from.
    pub const SOURCE_LOCATION: &str = "io.openshift.build.source-location";
}

/// Condition types of `MachineConfigNode`. A step is `False` before it starts, `Unknown` while it runs or has failed,
/// `True` when it is done.
///
/// Source: `StateProgress` in `machineconfiguration/v1/types_machineconfignode.go` of github.com/openshift/api.
pub mod machine_config_node {
    /// Step: the change was found possible on a running machine. Written by the daemon.
    pub const UPDATE_PREPARED: &str = "UpdatePrepared";
    /// Step: drained, files and OS written. Written by daemon and drain controller.
    pub const UPDATE_EXECUTED: &str = "UpdateExecuted";
    /// Step: what follows a change without a reboot is done, e.g. a service restart. Written by the daemon.
    pub const UPDATE_POST_ACTION_COMPLETE: &str = "UpdatePostActionComplete";
    /// Step: the node takes pods again. Written by the drain controller.
    pub const UPDATE_COMPLETE: &str = "UpdateComplete";
    /// The node runs what it is to run. Written by the daemon; `False` starts a new round.
    pub const UPDATED: &str = "Updated";
    /// Step: the daemon is back at its normal work. Written by the daemon.
    pub const RESUMED: &str = "Resumed";
    /// Part of [`UPDATE_EXECUTED`]: unschedulable. Written by the drain controller.
    pub const CORDONED: &str = "Cordoned";
    /// Part of [`UPDATE_EXECUTED`]: pods evicted. Written by the drain controller, or the daemon when no drain is needed.
    pub const DRAINED: &str = "Drained";
    /// Part of [`UPDATE_EXECUTED`]: files and OS written. Written by the daemon.
    pub const APPLIED_FILES_AND_OS: &str = "AppliedFilesAndOS";
    /// Part of [`UPDATE_EXECUTED`], in place of [`APPLIED_FILES_AND_OS`] with gate `ImageModeStatusReporting`.
    pub const APPLIED_FILES: &str = "AppliedFiles";
    /// Part of [`UPDATE_EXECUTED`], in place of [`APPLIED_FILES_AND_OS`] with gate `ImageModeStatusReporting`.
    pub const APPLIED_OS_IMAGE: &str = "AppliedOSImage";
    /// Step with gate `ImageModeStatusReporting`: the image is on the node. Written by the daemon.
    pub const IMAGE_PULLED_FROM_REGISTRY: &str = "ImagePulledFromRegistry";
    /// Step: the machine rebooted. Written by the daemon.
    pub const REBOOTED_NODE: &str = "RebootedNode";
    /// Part of [`UPDATE_COMPLETE`]: schedulable again. Written by the drain controller.
    pub const UNCORDONED: &str = "Uncordoned";
    /// The update failed. Written by the daemon.
    pub const NODE_DEGRADED: &str = "NodeDegraded";
    /// Pinned images are being pulled. Written by the daemon's pinned image set manager.
    pub const PINNED_IMAGE_SETS_PROGRESSING: &str = "PinnedImageSetsProgressing";
    /// Pinned images could not be pulled. Written by the daemon's pinned image set manager.
    pub const PINNED_IMAGE_SETS_DEGRADED: &str = "PinnedImageSetsDegraded";
    /// Release bundles on the disk are not as wanted. Written by the daemon, with gate `NoRegistryClusterInstall`.
    pub const INTERNAL_RELEASE_IMAGE_DEGRADED: &str = "InternalReleaseImageDegraded";
    /// Reason of a step that this round has not come to.
    pub const NOT_YET_OCCURRED: &str = "NotYetOccurred";
}
