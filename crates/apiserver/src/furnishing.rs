//! The objects that every namespace has: the service account `default`, and a ConfigMap with the certificate authority of the
//! server.
//!
//! 1. Both are created with the namespace, and created again when they are deleted, unless the namespace is being deleted.
//! 2. The ConfigMap exists once the server has an authority, that is, once it listens. Changes of its data are reverted.
//!
//! What `pkg/controller/serviceaccount` and `pkg/controller/certificates/rootcacertpublisher` of
//! github.com/kubernetes/kubernetes do in the background happens here in the write that makes it necessary.

use crate::{
    host::Host,
    object,
    pipeline::{Change, as_server},
    registry::Resource,
    store::{Key, Writer},
};
use serde_json::{Value, json};

const NAMESPACES: &str = "namespaces";
const ACCOUNTS: &str = "serviceaccounts";
const ACCOUNT: &str = "default";
const MAPS: &str = "configmaps";
const MAP: &str = "kube-root-ca.crt";

fn map(authority: &str) -> Value {
    let about = "The certificate authority of the API server that serves this object, and of nothing else.";
    json!({"metadata": {"name": MAP, "annotations": {"kubernetes.io/description": about}}, "data": {"ca.crt": authority}})
}

/// Called after an object was written or removed.
pub(crate) fn furnish(
    host: &dyn Host,
    authority: Option<&str>,
    writer: &mut Writer<'_>,
    resource: &Resource,
    key: &Key,
) {
    match (&*resource.storage, &*key.name) {
        (NAMESPACES, namespace) => furnish_namespace(host, authority, writer, namespace),
        (ACCOUNTS, ACCOUNT) | (MAPS, MAP) => furnish_namespace(host, authority, writer, &key.namespace),
        _ => {}
    }
}

/// Brings all namespaces up to date.
pub(crate) fn furnish_all(host: &dyn Host, authority: Option<&str>) {
    let mut writer = host.writer();
    let names: Vec<Key> = {
        let tables = writer.read();
        tables.table(NAMESPACES).into_iter().flat_map(|t| t.range("", None)).map(|(key, _)| key.clone()).collect()
    };
    for key in names {
        furnish_namespace(host, authority, &mut writer, &key.name);
    }
}

fn furnish_namespace(host: &dyn Host, authority: Option<&str>, writer: &mut Writer<'_>, namespace: &str) {
    let stored = writer.get(NAMESPACES, &Key::new("", namespace));
    if stored.is_none_or(|stored| object::is_deleting(&stored.value())) {
        return;
    }
    if writer.get(ACCOUNTS, &Key::new(namespace, ACCOUNT)).is_none() {
        put_there(host, writer, ACCOUNTS, namespace, json!({"metadata": {"name": ACCOUNT}}), None);
    }
    let Some(authority) = authority else { return };
    let wanted = map(authority);
    let current = writer.get(MAPS, &Key::new(namespace, MAP)).map(|stored| stored.value());
    match current {
        None => put_there(host, writer, MAPS, namespace, wanted, None),
        Some(mut current) if current.get("data") != wanted.get("data") => {
            object::put(&mut current, "data", wanted.get("data").cloned());
            put_there(host, writer, MAPS, namespace, current, Some(MAP));
        }
        Some(_) => {}
    }
}

/// Creates an object, or replaces the one with that name. An admission policy may refuse it, as in a cluster.
fn put_there(
    host: &dyn Host,
    writer: &mut Writer<'_>,
    plural: &str,
    namespace: &str,
    object: Value,
    replaced: Option<&str>,
) {
    let registry = host.registry();
    let Some(resource) = registry.find("", "v1", plural) else { return };
    let written = as_server(host, resource, namespace, |write| match replaced {
        None => write.create_in(writer, object),
        Some(name) => write.update_in(writer, name, Change::Replace(object)),
    });
    if let Err(failure) = written {
        tracing::warn!(
            namespace,
            kind = resource.kind,
            why = failure.message,
            "an object that every namespace has is refused"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ApiServer, Settings,
        delete::{DeleteOptions, delete},
        identity::admin,
        request::Query,
        served::Served as _,
    };

    struct Cluster(ApiServer);

    impl Cluster {
        fn new() -> Self {
            Self(ApiServer::new(Settings::default()).unwrap())
        }

        fn create(&self, plural: &str, namespace: &str, object: Value) {
            let registry = self.0.state.registry();
            self.0.state.create(registry.find("", "v1", plural).unwrap(), namespace, object).unwrap();
        }

        fn delete(&self, plural: &str, namespace: &str, name: &str) {
            let options = DeleteOptions::read(&Value::Null, &Query::default()).unwrap();
            let registry = self.0.state.registry();
            let resource = registry.find("", "v1", plural).unwrap();
            delete(&self.0.state, resource, &Key::new(namespace, name), &options, &admin(), None).unwrap();
        }

        fn get(&self, storage: &str, namespace: &str, name: &str) -> Option<Value> {
            self.0.state.store.get(storage, &Key::new(namespace, name)).map(|stored| stored.value())
        }

        fn uid(&self, storage: &str, name: &str) -> Option<String> {
            Some(object::meta(&self.get(storage, "ns", name)?, "uid").to_owned())
        }

        fn authority(&self, namespace: &str) -> Option<Value> {
            self.get(MAPS, namespace, MAP).map(|map| map["data"].clone())
        }
    }

    #[test]
    fn both_are_created_again_unless_the_namespace_is_deleted() {
        let cluster = Cluster::new();
        assert!(cluster.get(ACCOUNTS, "kube-system", ACCOUNT).is_some());
        cluster.create("namespaces", "", json!({"metadata": {"name": "ns"}}));
        let (first, second) = (cluster.uid(ACCOUNTS, ACCOUNT), {
            cluster.delete("serviceaccounts", "ns", ACCOUNT);
            cluster.uid(ACCOUNTS, ACCOUNT)
        });
        assert!(first.is_some() && second.is_some() && first != second);
        cluster.0.state.set_authority("one");
        cluster.delete("configmaps", "ns", MAP);
        assert_eq!(cluster.authority("ns"), Some(json!({"ca.crt": "one"})));
        // Everything else belongs to somebody else.
        cluster.create("configmaps", "ns", json!({"metadata": {"name": "other"}}));
        cluster.delete("configmaps", "ns", "other");
        cluster.delete("namespaces", "", "ns");
        assert_eq!(cluster.0.state.store.read().in_namespace("ns"), []);
        assert!(cluster.get(NAMESPACES, "", "ns").is_none());
    }

    #[test]
    fn the_authority_is_published_once_it_exists_and_cannot_be_changed() {
        let cluster = Cluster::new();
        assert_eq!(cluster.authority("default"), None);
        cluster.0.state.set_authority("one");
        cluster.create("namespaces", "", json!({"metadata": {"name": "ns"}}));
        for namespace in ["default", "kube-public", "ns"] {
            assert_eq!(cluster.authority(namespace), Some(json!({"ca.crt": "one"})), "{namespace}");
        }
        let registry = cluster.0.state.registry();
        let maps = registry.find("", "v1", "configmaps").unwrap();
        let patch = json!({"data": {"ca.crt": "other", "more": "x"}});
        let change = Change::Patch(crate::patch::Patch::Merge(patch));
        cluster.0.state.write(maps, "ns", |write| write.update(MAP, change)).unwrap();
        assert_eq!(cluster.authority("ns"), Some(json!({"ca.crt": "one"})));
        cluster.0.state.set_authority("two");
        assert_eq!(cluster.authority("default"), Some(json!({"ca.crt": "two"})));
    }
}
