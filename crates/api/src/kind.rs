//! What all root types have in common: group, version, plural, metadata, and the macro that declares one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// API group of the machine config kinds (`machineconfiguration.openshift.io`).
pub const MACHINE_CONFIG_GROUP: &str = "machineconfiguration.openshift.io";
/// API group of the cluster configuration kinds (`config.openshift.io`).
pub const CONFIG_GROUP: &str = "config.openshift.io";
/// API group of the operator kinds (`operator.openshift.io`).
pub const OPERATOR_GROUP: &str = "operator.openshift.io";
/// API group of image streams (`image.openshift.io`).
pub const IMAGE_GROUP: &str = "image.openshift.io";
/// API group of bare metal (`metal3.io`).
pub const METAL_GROUP: &str = "metal3.io";
/// API group of the monitoring kinds (`monitoring.coreos.com`).
pub const MONITORING_GROUP: &str = "monitoring.coreos.com";
/// The kinds of [`MACHINE_CONFIG_GROUP`], by name.
pub const MACHINE_CONFIG_KINDS: [&str; 11] = [
    "ContainerRuntimeConfig",
    "ControllerConfig",
    "InternalReleaseImage",
    "KubeletConfig",
    "MachineConfig",
    "MachineConfigNode",
    "MachineConfigPool",
    "MachineOSBuild",
    "MachineOSConfig",
    "OSImageStream",
    "PinnedImageSet",
];
/// The one version all of these kinds are served at.
pub const V1: &str = "v1";

/// The alpha version that `ImageContentSourcePolicy` and `Provisioning` are served at.
pub const V1ALPHA1: &str = "v1alpha1";

/// A part without fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {
    /// Fields of newer versions of the API.
    #[serde(flatten)]
    #[schemars(skip)]
    pub other: BTreeMap<String, Value>,
}

/// What a root type is made of.
pub trait Root {
    /// What is wanted.
    type Spec;
    /// What was last observed.
    type Status;
}

/// Declares a cluster-scoped root type at [`V1`]: `apiVersion`, `kind`, `metadata`, `spec` and `status`, and its
/// [`kube_core::Resource`] implementation.
#[macro_export]
macro_rules! cluster_kind {
    ($(#[$doc:meta])* $name:ident, $group:expr, $plural:literal, spec: $spec:ty, status: $status:ty) => {
        $crate::root_kind! {
            $(#[$doc])* $name, $group, $crate::kind::V1, $plural, kube_core::ClusterResourceScope,
            spec: $spec, status: $status
        }
    };
}

/// As [`cluster_kind!`], with version and scope.
#[macro_export]
macro_rules! root_kind {
    (
        $(#[$doc:meta])* $name:ident, $group:expr, $version:expr, $plural:literal, $scope:ty,
        spec: $spec:ty, status: $status:ty
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// `apiVersion` of the object on the wire.
            #[serde(default = "api_version")]
            pub api_version: String,
            /// `kind` of the object on the wire.
            #[serde(default = "kind")]
            pub kind: String,
            /// Standard object metadata.
            #[serde(default)]
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            /// What is wanted.
            #[serde(default)]
            pub spec: $spec,
            /// What was last observed; absent until a controller wrote it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub status: Option<$status>,
        }

        fn api_version() -> String {
            format!("{}/{}", $group, $version)
        }

        fn kind() -> String {
            stringify!($name).to_owned()
        }

        impl $name {
            /// An object of this kind with a name and a spec and nothing else.
            #[must_use]
            pub fn named(name: &str, spec: $spec) -> Self {
                Self {
                    api_version: api_version(),
                    kind: kind(),
                    metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                        name: Some(name.to_owned()),
                        ..Default::default()
                    },
                    spec,
                    status: None,
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    api_version: api_version(),
                    kind: kind(),
                    metadata: Default::default(),
                    spec: Default::default(),
                    status: None,
                }
            }
        }

        impl $crate::kind::Root for $name {
            type Spec = $spec;
            type Status = $status;
        }

        impl kube_core::Resource for $name {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                stringify!($name).into()
            }
            fn group((): &()) -> std::borrow::Cow<'_, str> {
                $group.into()
            }
            fn version((): &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }
            fn plural((): &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }
            fn meta_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }
    };
}
