//! Bytes from ConfigMaps: certificates of registries, and CAs (R-CONTROLLER-CONFIG-3, -4 and -6).

use super::{ConfigMaps, RenderConfigError};
use crate::objects::pem;
use base64::{
    Engine as _, alphabet,
    engine::{
        GeneralPurpose,
        general_purpose::{GeneralPurposeConfig, STANDARD},
    },
};
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;
use weir_api::controller_config::ImageRegistryBundle;

/// Part of the subject of the certificate that the API server presents to kubelets.
const TO_KUBELET_SIGNER: &str = "kube-apiserver-to-kubelet-signer";

/// As lenient about the last character as the reference's decoder.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// A base64 value is decoded: some writers encode what needs no encoding.
fn decoded(value: &str) -> Vec<u8> {
    let body: String = value.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    LENIENT.decode(body).unwrap_or_else(|_| value.as_bytes().to_vec())
}

/// All entries of a ConfigMap in the order in which nodes get them: text, then bytes, each by key.
pub(super) fn registries(map: &ConfigMap) -> Vec<ImageRegistryBundle> {
    let text = map.data.iter().flatten().map(|(key, value)| (key, decoded(value)));
    let bytes = map.binary_data.iter().flatten().map(|(key, value)| (key, value.0.clone()));
    let bundle = |(file, data): (&String, Vec<u8>)| ImageRegistryBundle {
        file: file.clone(),
        data: STANDARD.encode(data),
        ..ImageRegistryBundle::default()
    };
    text.chain(bytes).map(bundle).collect()
}

/// All registries' certificates merged; the administrator's win.
pub(super) fn merged(managed: &ConfigMap, user: &ConfigMap) -> BTreeMap<String, String> {
    let entries = |map: &ConfigMap| {
        let text = map.data.clone().unwrap_or_default().into_iter().map(|(key, value)| (key, decoded(&value)));
        let bytes = map.binary_data.clone().unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
        text.chain(bytes).collect::<Vec<_>>()
    };
    let both = entries(managed).into_iter().chain(entries(user));
    both.map(|(key, value)| (key, String::from_utf8_lossy(&value).into_owned())).collect()
}

/// The bytes of a key.
pub(super) fn bytes(
    maps: &ConfigMaps<'_>,
    namespace: &'static str,
    name: &str,
    key: &'static str,
) -> Result<Vec<u8>, RenderConfigError> {
    let missing = || RenderConfigError::NoConfigMap { namespace: namespace.to_owned(), name: name.to_owned() };
    let map = maps.get(&(namespace, name)).ok_or_else(missing)?;
    let no_key = || RenderConfigError::NoKey { key, namespace: namespace.to_owned(), name: name.to_owned() };
    entry(map, key).ok_or_else(no_key)
}

/// The bytes of a key, if present.
pub(crate) fn entry(map: &ConfigMap, key: &str) -> Option<Vec<u8>> {
    let bytes = map.binary_data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.clone());
    bytes.or_else(|| map.data.as_ref()?.get(key).map(|value| decoded(value)))
}

/// A bundle that nodes should trust: empty, or with at least one certificate.
pub(super) fn trusted(
    maps: &ConfigMaps<'_>,
    namespace: &'static str,
    name: &str,
    key: &'static str,
) -> Result<Vec<u8>, RenderConfigError> {
    let bundle = bytes(maps, namespace, name, key)?;
    if !bundle.is_empty() && pem::certificates(&bundle).is_empty() {
        return Err(RenderConfigError::NoCertificates { namespace, name: name.to_owned() });
    }
    Ok(bundle)
}

/// The installer's bundle, with the signer of the API server's client certificate replaced by the current bundle of those
/// signers. Anything that is not a certificate is left out.
pub(super) fn with_signers(initial: &[u8], signers: &[u8]) -> Vec<u8> {
    let mut merged = Vec::new();
    for certificate in pem::certificates(initial) {
        if pem::is_of(&certificate, TO_KUBELET_SIGNER) {
            merged.extend_from_slice(signers);
        } else {
            merged.extend(pem::text(&certificate).into_bytes());
        }
    }
    merged
}
