//! What a world consists of.

use super::World;
use crate::view::unreadable::UnreadableObject;
use k8s_openapi::{
    api::{
        core::v1::{ConfigMap, Node, Pod, Secret},
        policy::v1::PodDisruptionBudget,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::Value;
use std::sync::Arc;
use weir_api::{
    APIServer, CRIOCredentialProviderConfig, ClusterImagePolicy, ClusterOperator, ClusterVersion,
    ContainerRuntimeConfig, ControllerConfig, FeatureGate, Image, ImageContentSourcePolicy, ImageDigestMirrorSet,
    ImagePolicy, ImageTagMirrorSet, Infrastructure, InternalReleaseImage, KubeletConfig, MachineConfig,
    MachineConfigNode, MachineConfigPool, MachineConfiguration, MachineOSBuild, MachineOSConfig, NodeConfig,
    OSImageStream, PinnedImageSet,
    keys::names::{CLUSTER, CLUSTER_OPERATOR, CONTROLLER_CONFIG, VERSION},
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};

/// Kinds of which one object counts, with its name, group and field, and kinds of which all objects count. A kind whose type has
/// another name here follows it.
macro_rules! objects {
    (
        one { $($one:ident $(= $one_kind:literal)? $one_group:ident $name:ident $($field:ident).+,)* }
        all { $($all:ident $(= $all_kind:literal)? $all_group:ident $($fields:ident).+,)* }
    ) => {
        /// An object that decisions depend on. Objects are shared, not copied.
        #[derive(Clone, Debug)]
        pub enum Object {
            $(#[doc = concat!("A ", stringify!($one), ".")] $one(Arc<$one>),)*
            $(#[doc = concat!("A ", stringify!($all), ".")] $all(Arc<$all>),)*
            /// One that exists but cannot be read.
            Unreadable(UnreadableObject),
        }

        objects!(from $($one)* $($all)*);

        impl Object {
            /// Reads an object of this group and kind; absent if no decision depends on the kind.
            ///
            /// # Errors
            /// When it has a field of the wrong type.
            pub fn read(group: &str, kind: &str, object: Value) -> Option<Result<Self, serde_json::Error>> {
                $(if (group, kind) == ($one_group, objects!(kind $one $($one_kind)?)) {
                    return Some(serde_json::from_value::<$one>(object).map(Self::from));
                })*
                $(if (group, kind) == ($all_group, objects!(kind $all $($all_kind)?)) {
                    return Some(serde_json::from_value::<$all>(object).map(Self::from));
                })*
                None
            }

            /// Its kind and name; absent if it cannot be read, or has no name.
            fn named(&self) -> Option<(&'static str, &str)> {
                match self {
                    $(Self::$one(object) => Some((objects!(kind $one $($one_kind)?), object.metadata.name.as_deref()?)),)*
                    $(Self::$all(object) => Some((objects!(kind $all $($all_kind)?), object.metadata.name.as_deref()?)),)*
                    Self::Unreadable(_) => None,
                }
            }
        }

        impl World {
            /// Adds an object, replacing one of the same name (R-WORLD-1), also one that could not be read.
            pub fn put(&mut self, object: Object) {
                if !self.unreadable.is_empty() && let Some((kind, name)) = object.named() {
                    self.forget_unreadable(kind, name);
                }
                match object {
                    $(Object::$one(object) if object.metadata.name.as_deref() == Some($name) => {
                        self.$($field).+ = Some(object);
                    })*
                    $(Object::$one(_) => {})*
                    $(Object::$all(object) => put(&mut self.$($fields).+, object, |held| &held.metadata),)*
                    Object::Unreadable(object) => self.unreadable.push(object),
                }
            }

            /// The object of this group, kind, namespace and name, as it is on the wire; absent if there is none, or no decision
            /// depends on the kind. The namespace of an object without one is empty.
            #[must_use]
            pub fn find(&self, (group, kind): (&str, &str), namespace: &str, name: &str) -> Option<Value> {
                $(if (group, kind) == ($one_group, objects!(kind $one $($one_kind)?)) && name == $name {
                    return serde_json::to_value(self.$($field).+.as_ref()?.as_ref()).ok();
                })*
                $(if (group, kind) == ($all_group, objects!(kind $all $($all_kind)?)) {
                    let at = place(&self.$($fields).+, (namespace, name), |held| &held.metadata)?;
                    return serde_json::to_value(self.$($fields).+.get(at)?.as_ref()).ok();
                })*
                None
            }

            /// What identifies each object, and who wrote it when.
            pub(super) fn metadata(&self) -> Vec<&ObjectMeta> {
                let mut all = Vec::new();
                $(all.extend(self.$($field).+.iter().map(|object| &object.metadata));)*
                $(all.extend(self.$($fields).+.iter().map(|object| &object.metadata));)*
                all
            }

            /// Takes an object out, as [`Self::find`] finds it; returns whether it was there.
            pub fn remove(&mut self, (group, kind): (&str, &str), namespace: &str, name: &str) -> bool {
                $(if (group, kind) == ($one_group, objects!(kind $one $($one_kind)?)) && name == $name {
                    return self.$($field).+.take().is_some();
                })*
                $(if (group, kind) == ($all_group, objects!(kind $all $($all_kind)?)) {
                    let at = place(&self.$($fields).+, (namespace, name), |held| &held.metadata);
                    return at.map(|at| self.$($fields).+.remove(at)).is_some();
                })*
                false
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
    (kind $type:ident) => { stringify!($type) };
    (kind $type:ident $kind:literal) => { $kind };
}

objects! {
    one {
        ClusterVersion CONFIG_GROUP VERSION version,
        ClusterOperator CONFIG_GROUP CLUSTER_OPERATOR cluster_operator,
        FeatureGate CONFIG_GROUP CLUSTER feature_gate,
        Infrastructure CONFIG_GROUP CLUSTER infrastructure,
        ControllerConfig MACHINE_CONFIG_GROUP CONTROLLER_CONFIG controller_config,
        OSImageStream MACHINE_CONFIG_GROUP CLUSTER streams,
        MachineConfiguration OPERATOR_GROUP CLUSTER configuration,
        APIServer CONFIG_GROUP CLUSTER settings.api_server,
        NodeConfig = "Node" CONFIG_GROUP CLUSTER settings.node,
        Image CONFIG_GROUP CLUSTER settings.image,
        CRIOCredentialProviderConfig CONFIG_GROUP CLUSTER settings.credential_providers,
        InternalReleaseImage MACHINE_CONFIG_GROUP CLUSTER settings.release_image,
    }
    all {
        MachineConfigPool MACHINE_CONFIG_GROUP pools,
        MachineConfig MACHINE_CONFIG_GROUP configs,
        MachineOSConfig MACHINE_CONFIG_GROUP os_configs,
        MachineOSBuild MACHINE_CONFIG_GROUP os_builds,
        KubeletConfig MACHINE_CONFIG_GROUP kubelets,
        ContainerRuntimeConfig MACHINE_CONFIG_GROUP runtimes,
        PinnedImageSet MACHINE_CONFIG_GROUP pinned,
        Node CORE_GROUP nodes,
        MachineConfigNode MACHINE_CONFIG_GROUP reports,
        Pod CORE_GROUP pods,
        PodDisruptionBudget POLICY_GROUP budgets,
        ConfigMap CORE_GROUP histories,
        ImageDigestMirrorSet CONFIG_GROUP settings.digest_mirrors,
        ImageTagMirrorSet CONFIG_GROUP settings.tag_mirrors,
        ImageContentSourcePolicy OPERATOR_GROUP settings.content_sources,
        ClusterImagePolicy CONFIG_GROUP settings.cluster_policies,
        ImagePolicy CONFIG_GROUP settings.policies,
        Secret CORE_GROUP settings.secrets,
    }
}

/// The group of Kubernetes' own first kinds.
const CORE_GROUP: &str = "";
/// The group of disruption budgets.
const POLICY_GROUP: &str = "policy";

impl World {
    /// The world of these objects, in any order, for a read-only command. It is one of files; the caller marks it as whole after
    /// reading a whole cluster.
    #[must_use]
    pub fn of(objects: impl IntoIterator<Item = Object>) -> Self {
        let mut world = Self::default();
        objects.into_iter().for_each(|object| world.put(object));
        world
    }

    /// Forgets that an object cannot be read; returns whether one was known of.
    pub(crate) fn forget_unreadable(&mut self, kind: &str, name: &str) -> bool {
        let before = self.unreadable.len();
        self.unreadable.retain(|object| (object.kind.as_str(), object.name.as_str()) != (kind, name));
        self.unreadable.len() < before
    }

    /// The pods of a namespace.
    pub(super) fn pods_in(&self, namespace: &str) -> &[Arc<Pod>] {
        let from = self.pods.partition_point(|pod| key(&pod.metadata).0 < namespace);
        let to = self.pods.partition_point(|pod| key(&pod.metadata).0 <= namespace);
        self.pods.get(from..to).unwrap_or_default()
    }
}

fn key(metadata: &ObjectMeta) -> (&str, &str) {
    (metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
}

pub(super) fn put<K>(objects: &mut Vec<Arc<K>>, object: Arc<K>, metadata: impl Fn(&K) -> &ObjectMeta) {
    // API servers and must-gathers list objects in this order.
    if objects.last().is_none_or(|last| key(metadata(last)) < key(metadata(&object))) {
        return objects.push(object);
    }
    let place = objects.binary_search_by(|held| key(metadata(held)).cmp(&key(metadata(&object))));
    match place.map(|at| objects.get_mut(at)) {
        Ok(Some(held)) => *held = object,
        Ok(None) => objects.push(object),
        Err(at) => objects.insert(at, object),
    }
}

fn place<K>(objects: &[Arc<K>], wanted: (&str, &str), metadata: impl Fn(&K) -> &ObjectMeta) -> Option<usize> {
    objects.binary_search_by(|held| key(metadata(held)).cmp(&wanted)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_are_read_found_and_removed_by_group_kind_and_name() {
        let mut world = World::default();
        let config = json!({"metadata": {"name": "99-a"}, "spec": {"kernelArguments": ["a"]}});
        let of = |group, kind, value: Value| Object::read(group, kind, value).map(|read| read.is_ok());
        assert_eq!(of("x", "MachineConfig", config.clone()), None);
        assert_eq!(of(MACHINE_CONFIG_GROUP, "MachineConfig", json!({"spec": 1})), Some(false));
        // Two kinds are called Node.
        assert!(matches!(Object::read("", "Node", json!({})), Some(Ok(Object::Node(_)))));
        assert!(matches!(Object::read(CONFIG_GROUP, "Node", json!({})), Some(Ok(Object::NodeConfig(_)))));
        world.put(Object::read(MACHINE_CONFIG_GROUP, "MachineConfig", config).unwrap().unwrap());
        let kind = (MACHINE_CONFIG_GROUP, "MachineConfig");
        assert_eq!(world.find(kind, "", "99-a").unwrap()["spec"]["kernelArguments"], json!(["a"]));
        assert_eq!((world.find(kind, "", "99-b"), world.find(("x", "y"), "", "99-a")), (None, None));
        assert!(world.remove(kind, "", "99-a") && !world.remove(kind, "", "99-a"));
        world.put(NodeConfig::named(CLUSTER, Default::default()).into());
        assert!(world.remove((CONFIG_GROUP, "Node"), "", CLUSTER) && world.settings.node.is_none());
    }

    #[test]
    fn an_object_that_can_be_read_takes_the_place_of_one_that_could_not() {
        let odd = |kind: &str| {
            let said = format!("{kind} 99-a cannot be read: too deep");
            Object::Unreadable(UnreadableObject {
                kind: kind.to_owned(),
                name: "99-a".to_owned(),
                labels: Default::default(),
                said,
            })
        };
        let mut world = World::of([odd("MachineConfig"), odd("KubeletConfig")]);
        world.put(MachineConfig::named("99-b", Default::default()).into());
        assert_eq!(world.unreadable.len(), 2);
        world.put(MachineConfig::named("99-a", Default::default()).into());
        let left: Vec<&str> = world.unreadable.iter().map(|object| object.kind.as_str()).collect();
        assert_eq!(left, ["KubeletConfig"]);
    }
}
