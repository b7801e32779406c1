//! What a world consists of.

use super::World;
use crate::view::unreadable::UnreadableObject;
use k8s_openapi::{
    api::core::v1::{ConfigMap, Node, Pod, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use std::sync::Arc;
use weir_api::{
    APIServer, CRIOCredentialProviderConfig, ClusterImagePolicy, ClusterOperator, ClusterVersion,
    ContainerRuntimeConfig, ControllerConfig, FeatureGate, Image, ImageContentSourcePolicy, ImageDigestMirrorSet,
    ImagePolicy, ImageTagMirrorSet, Infrastructure, InternalReleaseImage, KubeletConfig, MachineConfig,
    MachineConfigNode, MachineConfigPool, MachineConfiguration, MachineOSBuild, MachineOSConfig, NodeConfig,
    OSImageStream, PinnedImageSet,
    keys::names::{CLUSTER, CLUSTER_OPERATOR, CONTROLLER_CONFIG, VERSION},
};

/// Kinds of which one object counts, with its name and field, and kinds of which all objects count.
macro_rules! objects {
    (one { $($one:ident $name:ident $($field:ident).+,)* } all { $($all:ident $($fields:ident).+,)* }) => {
        /// An object that decisions depend on. Objects are shared, not copied.
        #[derive(Clone, Debug)]
        pub enum Object {
            $(#[doc = concat!("A ", stringify!($one), ".")] $one(Arc<$one>),)*
            $(#[doc = concat!("A ", stringify!($all), ".")] $all(Arc<$all>),)*
            /// One that exists but cannot be read.
            Unreadable(UnreadableObject),
        }

        objects!(from $($one)* $($all)*);

        impl World {
            /// Adds an object, replacing one of the same name (R-WORLD-1).
            pub fn put(&mut self, object: Object) {
                match object {
                    $(Object::$one(object) if object.metadata.name.as_deref() == Some($name) => {
                        self.$($field).+ = Some(object);
                    })*
                    $(Object::$one(_) => {})*
                    $(Object::$all(object) => put(&mut self.$($fields).+, object, |held| &held.metadata),)*
                    Object::Unreadable(object) => self.unreadable.push(object),
                }
            }
        }
    };
    (from $($kind:ident)*) => {$(
        impl From<$kind> for Object {
            fn from(object: $kind) -> Self {
                Self::$kind(Arc::new(object))
            }
        }
    )*};
}

objects! {
    one {
        ClusterVersion VERSION version,
        ClusterOperator CLUSTER_OPERATOR cluster_operator,
        FeatureGate CLUSTER feature_gate,
        Infrastructure CLUSTER infrastructure,
        ControllerConfig CONTROLLER_CONFIG controller_config,
        OSImageStream CLUSTER streams,
        MachineConfiguration CLUSTER configuration,
        APIServer CLUSTER settings.api_server,
        NodeConfig CLUSTER settings.node,
        Image CLUSTER settings.image,
        CRIOCredentialProviderConfig CLUSTER settings.credential_providers,
        InternalReleaseImage CLUSTER settings.release_image,
    }
    all {
        MachineConfigPool pools,
        MachineConfig configs,
        MachineOSConfig os_configs,
        MachineOSBuild os_builds,
        KubeletConfig kubelets,
        ContainerRuntimeConfig runtimes,
        PinnedImageSet pinned,
        Node nodes,
        MachineConfigNode reports,
        Pod pods,
        ConfigMap histories,
        ImageDigestMirrorSet settings.digest_mirrors,
        ImageTagMirrorSet settings.tag_mirrors,
        ImageContentSourcePolicy settings.content_sources,
        ClusterImagePolicy settings.cluster_policies,
        ImagePolicy settings.policies,
        Secret settings.secrets,
    }
}

impl World {
    /// The world of these objects, in any order, for a read-only command. It is one of files; the caller marks it as whole after
    /// reading a whole cluster.
    #[must_use]
    pub fn of(objects: impl IntoIterator<Item = Object>) -> Self {
        let mut world = Self::default();
        objects.into_iter().for_each(|object| world.put(object));
        world
    }
}

fn put<K>(objects: &mut Vec<Arc<K>>, object: Arc<K>, metadata: impl Fn(&K) -> &ObjectMeta) {
    fn key(metadata: &ObjectMeta) -> (Option<&str>, Option<&str>) {
        (metadata.namespace.as_deref(), metadata.name.as_deref())
    }
    let place = objects.binary_search_by(|held| key(metadata(held)).cmp(&key(metadata(&object))));
    match place.map(|at| objects.get_mut(at)) {
        Ok(Some(held)) => *held = object,
        Ok(None) => objects.push(object),
        Err(at) => objects.insert(at, object),
    }
}
