//! Which TLS versions and ciphers a profile allows.
//!
//! R-TLS-1 No profile, one without a type, and `Custom` without settings count as `Intermediate`, and so does an unknown one.
//! R-TLS-2 Ciphers are given by their names in the API, most of which are OpenSSL's, and translated to IANA's names in the same
//! order. A cipher that Go's TLS lacks, or that has no name here, is left out; duplicates stay.
//!
//! Source: `config/v1/types_tlssecurityprofile.go` of github.com/openshift/api for the profiles;
//! `pkg/crypto/crypto.go` of github.com/openshift/library-go for the names.

use weir_api::tls::TlsSecurityProfile;

/// What a profile allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// Lowest version, e.g. `VersionTLS12`; empty if a custom profile has none.
    pub min_version: String,
    /// Cipher suites by IANA's names, in order.
    pub cipher_suites: Vec<String>,
}

const MODERN: [&str; 3] = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
/// In addition to [`MODERN`].
const INTERMEDIATE: [&str; 6] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
];
/// In addition to [`INTERMEDIATE`].
const OLD: [&str; 15] = [
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
];

impl TlsSettings {
    /// What a profile allows.
    #[must_use]
    pub fn of(profile: Option<&TlsSecurityProfile>) -> Self {
        let settings = |version: &str, ciphers: &mut dyn Iterator<Item = &str>| Self {
            min_version: version.to_owned(),
            cipher_suites: ciphers.filter_map(iana).collect(),
        };
        let type_ = profile.and_then(|profile| profile.type_.as_deref()).unwrap_or_default();
        let custom = profile.and_then(|profile| profile.custom.as_ref());
        match (type_, custom) {
            ("Modern", _) => settings("VersionTLS13", &mut MODERN.into_iter()),
            ("Old", _) => settings("VersionTLS10", &mut MODERN.into_iter().chain(INTERMEDIATE).chain(OLD)),
            ("Custom", Some(custom)) => settings(
                custom.min_tls_version.as_deref().unwrap_or_default(),
                &mut custom.ciphers.iter().flatten().map(String::as_str),
            ),
            _ => settings("VersionTLS12", &mut MODERN.into_iter().chain(INTERMEDIATE)),
        }
    }
}

/// The IANA name; absent for a cipher that is left out.
fn iana(name: &str) -> Option<String> {
    if MODERN.contains(&name) {
        return Some(name.to_owned());
    }
    let (exchange, cipher) = match name.strip_prefix("ECDHE-").map(|rest| rest.split_once('-')) {
        Some(Some((key @ ("ECDSA" | "RSA"), cipher))) => (format!("ECDHE_{key}"), cipher),
        Some(_) => return None,
        None => ("RSA".to_owned(), name),
    };
    let elliptic = exchange != "RSA";
    let cipher = match cipher {
        "AES128-GCM-SHA256" => "AES_128_GCM_SHA256",
        "AES256-GCM-SHA384" => "AES_256_GCM_SHA384",
        "AES128-SHA256" => "AES_128_CBC_SHA256",
        "AES128-SHA" => "AES_128_CBC_SHA",
        "AES256-SHA" => "AES_256_CBC_SHA",
        "CHACHA20-POLY1305" if elliptic => "CHACHA20_POLY1305_SHA256",
        "DES-CBC3-SHA" if exchange != "ECDHE_ECDSA" => "3DES_EDE_CBC_SHA",
        _ => return None,
    };
    Some(format!("TLS_{exchange}_WITH_{cipher}"))
}
