//! The certificates in a ControllerConfig.
//!
//! R-CERTIFICATES-1 Bundles are read in the order of [`of`], and each certificate is reported with the name of its bundle. A bundle
//! is read up to the first thing in it that is not a certificate.
//! R-CERTIFICATES-2 Names are written as Go writes them: attributes from the serial number to the country, then those without a
//! short name by their number; several of one kind are joined by `+`.
//!
//! Source: `updateControllerConfigCerts` in `pkg/controller/template/template_controller.go` of
//! github.com/openshift/machine-config-operator; `crypto/x509/pkix` of Go's standard library, RFC 2253; RFC 5280 for the encoding.

use crate::objects::pem::{self, SEQUENCE, element, of_tag};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use weir_api::controller_config::{ControllerCertificate, ControllerConfigSpec};

/// DER tags.
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const NUMERIC_STRING: u8 = 0x12;
const PRINTABLE_STRING: u8 = 0x13;
const T61_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;
/// Two-digit years from here on belong to the 20th century.
const PIVOT: i16 = 50;

/// Attributes with a short name, in the order in which they are written: last part of `2.5.4.x`, and whether only the last of
/// several counts.
const SHORT: [(u64, &str, bool); 9] = [
    (5, "SERIALNUMBER", true),
    (3, "CN", true),
    (11, "OU", false),
    (10, "O", false),
    (17, "POSTALCODE", false),
    (9, "STREET", false),
    (7, "L", false),
    (8, "ST", false),
    (6, "C", false),
];

/// All certificates of a ControllerConfig, in order.
#[must_use]
pub fn of(spec: &ControllerConfigSpec) -> Vec<ControllerCertificate> {
    let own = [
        ("KubeAPIServerServingCAData", Some(&spec.kube_api_server_serving_ca_data)),
        ("CloudProviderCAData", spec.cloud_provider_ca_data.as_ref()),
        ("RootCAData", Some(&spec.root_ca_data)),
        ("AdditionalTrustBundle", spec.additional_trust_bundle.as_ref()),
    ];
    let registries = spec.image_registry_bundle_data.iter().chain(&spec.image_registry_bundle_user_data).flatten();
    let registries = registries.map(|bundle| (bundle.file.as_str(), Some(&bundle.data)));
    own.into_iter()
        .chain(registries)
        .flat_map(|(name, data)| of_bundle(name, data.map_or("", String::as_str)))
        .collect()
}

fn of_bundle(name: &str, data: &str) -> Vec<ControllerCertificate> {
    let text = STANDARD.decode(data).unwrap_or_default();
    let blocks = pem::blocks(&text).into_iter();
    blocks.map_while(|(_, der)| told(name, &der)).collect()
}

fn told(bundle: &str, der: &[u8]) -> Option<ControllerCertificate> {
    let certificate = pem::certificate(der)?;
    let (tag, from, rest) = element(certificate.validity)?;
    let not_before = time(tag, from)?;
    let (tag, until, _) = element(rest)?;
    Some(ControllerCertificate {
        subject: name(certificate.subject)?,
        signer: name(certificate.issuer)?,
        not_before: Some(not_before),
        not_after: Some(time(tag, until)?),
        bundle_file: bundle.to_owned(),
        ..ControllerCertificate::default()
    })
}

fn time(tag: u8, text: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < PIVOT { 2000 } else { 1900 } + year, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(2 * at..2 * at + 2)?.parse::<i8>().ok();
    let time = DateTime::new(year, part(0)?, part(1)?, part(2)?, part(3)?, part(4)?, 0).ok()?;
    let time: Timestamp = TimeZone::UTC.to_timestamp(time).ok()?;
    (rest.len() == 10).then_some(Time(time))
}

/// A name as text.
fn name(mut relative_names: &[u8]) -> Option<String> {
    let mut attributes = Vec::new();
    while !relative_names.is_empty() {
        let (mut set, rest) = of_tag(relative_names, SET)?;
        while !set.is_empty() {
            let (attribute, others) = of_tag(set, SEQUENCE)?;
            let (identifier, value) = of_tag(attribute, OBJECT_IDENTIFIER)?;
            let (tag, value, _) = element(value)?;
            attributes.push((numbers(identifier)?, string(tag, value)?));
            set = others;
        }
        relative_names = rest;
    }
    let is = |identifier: &[u64], last: u64| *identifier == [2, 5, 4, last];
    let mut parts = Vec::new();
    for (last, short, is_single) in SHORT {
        let mut values: Vec<&str> =
            attributes.iter().filter(|(id, _)| is(id, last)).map(|(_, value)| value.as_str()).collect();
        if is_single {
            values.drain(..values.len().saturating_sub(1));
        }
        let values: Vec<String> = values.into_iter().map(|value| format!("{short}={}", escaped(value))).collect();
        parts.extend((!values.is_empty()).then(|| values.join("+")));
    }
    let others = attributes.iter().filter(|(id, _)| !SHORT.iter().any(|(last, _, _)| is(id, *last)));
    for (identifier, value) in others.rev() {
        let dotted: Vec<String> = identifier.iter().map(u64::to_string).collect();
        parts.push(format!("{}={}", dotted.join("."), escaped(value)));
    }
    Some(parts.join(","))
}

/// The numbers of an object identifier.
fn numbers(bytes: &[u8]) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    let mut number = 0_u64;
    for byte in bytes {
        number = number.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.push(first);
                number -= first * 40;
            }
            numbers.push(std::mem::take(&mut number));
        }
    }
    Some(numbers)
}

fn string(tag: u8, bytes: &[u8]) -> Option<String> {
    match tag {
        UTF8_STRING | NUMERIC_STRING | PRINTABLE_STRING | IA5_STRING => String::from_utf8(bytes.to_vec()).ok(),
        T61_STRING => Some(bytes.iter().map(|byte| char::from(*byte)).collect()),
        BMP_STRING => {
            let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
            String::from_utf16(&units).ok()
        }
        _ => None,
    }
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        let is_special = match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            '#' => at == 0,
            ' ' => at == 0 || at == last,
            _ => false,
        };
        if is_special {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
