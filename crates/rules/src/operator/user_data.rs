//! The user data of a pool's new machines: where they get their configuration, and which CA they trust there.
//!
//! R-USER-DATA-1 Every pool has a secret in the machines' namespace, owned by the pool, with a pointer config: it fetches the
//! configuration of the pool's name from the machine config server, and contains the server's root CA.
//! R-USER-DATA-2 An equivalent secret is not written, however it is formatted.
//!
//! Source: `syncMachineConfigPools` in `pkg/operator/sync.go` and `manifests/userdata_secret.yaml` of
//! github.com/openshift/machine-config-operator.

use crate::objects::edit::means_same;
use k8s_openapi::{
    ByteString,
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_api::{
    MachineConfigPool,
    keys::{config::MANAGED_CA_BUNDLE, namespaces::MACHINE_API, secrets::USER_DATA_SUFFIX},
};

/// Version of the pointer config: every booting machine can read it.
const IGNITION: &str = "3.5.0";
const USER_DATA: &str = "userData";
/// Tells the machine API to pass the text to machines unchanged.
const DISABLE_TEMPLATING: &str = "disableTemplating";
const YES: &[u8] = b"true\n";

/// The secret of a pool. `server` is host and port, `root_ca` base64 of PEM.
#[must_use]
pub fn user_data(pool: &MachineConfigPool, server: &str, root_ca: &str) -> Secret {
    let name = pool.metadata.name.clone().unwrap_or_default();
    let pointer = json!({"ignition": {
        "version": IGNITION,
        "config": {"merge": [{"source": format!("https://{server}/config/{name}")}]},
        "security": {"tls": {"certificateAuthorities": [
            {"source": format!("data:text/plain;charset=utf-8;base64,{root_ca}")},
        ]}},
    }});
    let owner = OwnerReference {
        api_version: pool.api_version.clone(),
        kind: pool.kind.clone(),
        name: name.clone(),
        uid: pool.metadata.uid.clone().unwrap_or_default(),
        ..OwnerReference::default()
    };
    Secret {
        metadata: ObjectMeta {
            name: Some(format!("{name}{USER_DATA_SUFFIX}")),
            namespace: Some(MACHINE_API.to_owned()),
            labels: Some(BTreeMap::from([(MANAGED_CA_BUNDLE.to_owned(), String::new())])),
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(BTreeMap::from([
            (DISABLE_TEMPLATING.to_owned(), ByteString(YES.to_vec())),
            (USER_DATA.to_owned(), ByteString(pointer.to_string().into_bytes())),
        ])),
        ..Secret::default()
    }
}

/// The change to the existing secret, as a merge patch; `None` when there is none. Without the live secret everything is
/// written.
#[must_use]
pub fn change(live: Option<&Secret>, wanted: &Secret) -> Option<Value> {
    let none = Secret::default();
    let held = live.unwrap_or(&none);
    let labelled = held.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(MANAGED_CA_BUNDLE));
    let wanted_owners = wanted.metadata.owner_references.as_deref().unwrap_or_default();
    let mut owners = held.metadata.owner_references.clone().unwrap_or_default();
    let owned = wanted_owners.iter().all(|owner| owners.iter().any(|held| held.uid == owner.uid));
    if labelled && owned && means_same(&content(held), &content(wanted)) {
        return None;
    }
    // A pool that was created again is another owner.
    owners
        .retain(|owner| wanted_owners.iter().all(|wanted| (&wanted.kind, &wanted.name) != (&owner.kind, &owner.name)));
    owners.extend(wanted_owners.iter().cloned());
    Some(json!({
        "metadata": {"labels": wanted.metadata.labels, "ownerReferences": owners},
        "data": wanted.data,
    }))
}

/// The contents of the secret.
fn content(secret: &Secret) -> Value {
    let bytes = |key: &str| secret.data.as_ref()?.get(key).map(|value| value.0.as_slice());
    let pointer = bytes(USER_DATA).and_then(|text| serde_json::from_slice::<Value>(text).ok());
    json!({USER_DATA: pointer, DISABLE_TEMPLATING: bytes(DISABLE_TEMPLATING)})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(uid: &str) -> MachineConfigPool {
        let mut pool = MachineConfigPool::named("infra", Default::default());
        pool.metadata.uid = Some(uid.to_owned());
        pool
    }

    #[test]
    fn a_machine_is_told_where_and_whom_to_believe_and_nobody_is_told_twice() {
        let wanted = user_data(&pool("1"), "api-int.example.com:22623", "UEVN");
        let object = json!(wanted);
        assert_eq!(object["metadata"]["name"], "infra-user-data-managed");
        assert_eq!(object["data"]["disableTemplating"], "dHJ1ZQo=");
        let owner = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool", "name": "infra", "uid": "1",
        });
        assert_eq!(object["metadata"]["ownerReferences"], json!([owner]));
        let text = &wanted.data.as_ref().unwrap()[USER_DATA].0;
        let pointer: Value = serde_json::from_slice(text).unwrap();
        assert_eq!(
            pointer["ignition"]["config"]["merge"][0]["source"],
            "https://api-int.example.com:22623/config/infra"
        );
        assert_eq!(change(Some(&wanted), &wanted), None);

        // The reference writes it with all empty fields of its types, in another order.
        let ca = "data:text/plain;charset=utf-8;base64,UEVN";
        let theirs = format!(
            r#"{{"passwd":{{}},"ignition":{{"config":{{"merge":[{{"source":"https://api-int.example.com:22623/config/infra","verification":{{}}}}],"replace":{{"verification":{{}}}}}},"proxy":{{}},"security":{{"tls":{{"certificateAuthorities":[{{"source":"{ca}","verification":{{}}}}]}}}},"timeouts":{{}},"version":"3.5.0"}}}}"#
        );
        let mut live = wanted.clone();
        live.data.as_mut().unwrap().insert(USER_DATA.to_owned(), ByteString(theirs.into_bytes()));
        assert_eq!(change(Some(&live), &wanted), None);
    }

    #[test]
    fn whatever_differs_is_mended_and_other_owners_stay() {
        let wanted = user_data(&pool("2"), "a:22623", "UEVN");
        let cases: [fn(&mut Secret); 4] = [
            |secret| secret.metadata.labels = None,
            |secret| secret.data = None,
            |secret| _ = secret.data.as_mut().unwrap().remove(DISABLE_TEMPLATING),
            |secret| *secret = user_data(&pool("2"), "b:22623", "UEVN"),
        ];
        for apply in cases {
            let mut live = wanted.clone();
            apply(&mut live);
            let patch = change(Some(&live), &wanted).unwrap();
            assert_eq!(patch["data"], json!(wanted.data));
        }
        let mut live = user_data(&pool("1"), "a:22623", "UEVN");
        live.metadata.owner_references.as_mut().unwrap().push(OwnerReference { uid: "9".into(), ..Default::default() });
        let owners = change(Some(&live), &wanted).unwrap()["metadata"]["ownerReferences"].clone();
        let uids: Vec<_> = owners.as_array().unwrap().iter().map(|owner| owner["uid"].clone()).collect();
        assert_eq!(uids, ["9", "2"]);
        assert!(change(None, &wanted).is_some());
    }
}
