//! How the existing ControllerConfig becomes the wanted one.
//!
//! R-MERGE-1 If there is none it is created.
//! R-MERGE-2 A text that is wanted empty keeps its current value, and an image of a template is never removed.
//! R-MERGE-3 Bytes, proxy and network become exactly what is wanted, even empty; lists and embedded objects are replaced as a
//! whole; the release image and fields of newer releases are never touched.
//! R-MERGE-4 Equal values are not written: absent, null, empty text, list and object are the same; embedded objects are
//! compared without their metadata, logins as the JSON they are. So taking over a cluster changes nothing in it.
//! R-MERGE-5 Annotations record which operator of which release wrote it, whether the API server's CA has just changed, and which
//! copy of it nodes were told about.
//!
//! Source: `EnsureControllerConfig` in `lib/resourcemerge/machineconfig.go` of
//! github.com/openshift/machine-config-operator; R-MERGE-4 is ours.

use crate::objects::edit::{edit, means_same};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_api::{
    ControllerConfig,
    controller_config::ControllerConfigSpec,
    keys::{
        config::{GENERATED_BY_VERSION, RELEASE_IMAGE_VERSION, SERVER_CA_TOLD, SERVICE_CA_ROTATE},
        names::CONTROLLER_CONFIG,
    },
};

/// The ControllerConfig's annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks<'a> {
    /// Build of the operator.
    pub build: &'a str,
    /// Version of the release the cluster should run.
    pub release: &'a str,
    /// Whether the API server's CA has just changed.
    pub rotated: bool,
    /// Which copy of it nodes are told about; absent when that is not recorded.
    pub told: Option<&'a str>,
}

/// What to do with the ControllerConfig.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigChange {
    /// Create it.
    Create(Box<ControllerConfig>),
    /// Change it, with a JSON patch that applies only to the object as it was read.
    Edit(Value),
}

const TEXTS: [&str; 9] = [
    "clusterDNSIP",
    "cloudProviderConfig",
    "platform",
    "etcdDiscoveryDomain",
    "osImageURL",
    "baseOSContainerImage",
    "baseOSExtensionsContainerImage",
    "networkType",
    "ipFamilies",
];
const EXACT: [&str; 6] =
    ["additionalTrustBundle", "rootCAData", "kubeAPIServerServingCAData", "cloudProviderCAData", "proxy", "network"];
const LOGINS: &str = "internalRegistryPullSecret";
const WHOLE: [&str; 3] = ["imageRegistryBundleData", "imageRegistryBundleUserData", "pullSecret"];
const EMBEDDED: [&str; 2] = ["infra", "dns"];

/// What to do; `None` when nothing is.
#[must_use]
pub fn change(
    live: Option<&ControllerConfig>,
    wanted: &ControllerConfigSpec,
    marks: Marks<'_>,
) -> Option<ConfigChange> {
    let rotated = if marks.rotated { "true" } else { "false" };
    let marks = [
        (GENERATED_BY_VERSION, Some(marks.build)),
        (RELEASE_IMAGE_VERSION, Some(marks.release)),
        (SERVICE_CA_ROTATE, Some(rotated)),
        (SERVER_CA_TOLD, marks.told),
    ];
    let own: BTreeMap<String, String> =
        marks.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect();
    let Some(live) = live else {
        let mut object = ControllerConfig::named(CONTROLLER_CONFIG, wanted.clone());
        object.metadata.annotations = Some(own);
        return Some(ConfigChange::Create(Box::new(object)));
    };
    let mut fields: Vec<(String, Value)> =
        differing(&live.spec, wanted).into_iter().map(|(field, value)| (format!("/spec/{field}"), value)).collect();
    let mut annotations = live.metadata.annotations.clone().unwrap_or_default();
    if own.iter().any(|(key, value)| annotations.get(key) != Some(value)) {
        annotations.extend(own);
        fields.push(("/metadata/annotations".to_owned(), json!(annotations)));
    }
    edit(&live.metadata, fields).map(ConfigChange::Edit)
}

/// The fields of the spec that must change, with their new values.
fn differing(live: &ControllerConfigSpec, wanted: &ControllerConfigSpec) -> BTreeMap<&'static str, Value> {
    let [live, wanted] = [live, wanted].map(|spec| serde_json::to_value(spec).unwrap_or_default());
    let mut fields = BTreeMap::new();
    let texts = TEXTS.into_iter().filter(|field| wanted[*field].as_str().is_some_and(|text| !text.is_empty()));
    let whole = WHOLE.into_iter().filter(|field| !wanted[*field].is_null());
    for field in texts.chain(EXACT).chain(whole) {
        if !means_same(&live[field], &wanted[field]) {
            fields.insert(field, wanted[field].clone());
        }
    }
    for field in EMBEDDED.into_iter().filter(|field| !wanted[*field].is_null()) {
        if !means_same(&without_metadata(&live[field]), &without_metadata(&wanted[field])) {
            fields.insert(field, wanted[field].clone());
        }
    }
    if !means_same(&logins(&live[LOGINS]), &logins(&wanted[LOGINS])) {
        fields.insert(LOGINS, wanted[LOGINS].clone());
    }
    let mut images = live["images"].as_object().cloned().unwrap_or_default();
    let new = wanted["images"].as_object().into_iter().flatten();
    let mut changed = false;
    for (key, image) in new {
        changed |= images.get(key) != Some(image);
        images.insert(key.clone(), image.clone());
    }
    if changed {
        fields.insert("images", Value::Object(images));
    }
    fields
}

fn without_metadata(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("metadata");
    }
    object
}

/// Logins as JSON, or unchanged when they are not valid.
fn logins(data: &Value) -> Value {
    let bytes = data.as_str().and_then(|text| STANDARD.decode(text).ok());
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_else(|| data.clone())
}
