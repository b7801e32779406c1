//! Which certificates are trusted, and which client certificate is presented.
//!
//! A host is trusted when its certificate is signed by a CA of the system, of the common bundle, or of the host's own
//! bundle. A CA given for one host is never used for another.
//!
//! Source: `man 5 containers-certs.d` of github.com/containers/image.

use crate::error::Fault;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// CAs and client certificates, in addition to the system's CAs.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    bundle: Vec<CertificateDer<'static>>,
    hosts: BTreeMap<String, HostTrust>,
    /// Presented to hosts without one of their own.
    identity: Option<Arc<Identity>>,
    /// Certificates for every host that are unusable.
    unusable: Vec<BadTrust>,
    /// The system's CAs and the bundle, read when TLS is first needed.
    roots: Arc<OnceLock<Arc<RootCertStore>>>,
}

#[derive(Clone, Default)]
struct HostTrust {
    bundle: Vec<CertificateDer<'static>>,
    identity: Option<Arc<Identity>>,
    unusable: Vec<BadTrust>,
}

/// A client certificate with its chain, and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl fmt::Debug for HostTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostTrust({} CAs, identity: {})", self.bundle.len(), self.identity.is_some())
    }
}

/// Why a bundle or a client certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {why}")]
pub struct BadTrust {
    /// Where they come from, or what could not be done.
    pub origin: String,
    /// Why.
    pub why: String,
}

impl Trust {
    /// Adds CAs (PEM) that are trusted for every host; `origin` is named in errors. Returns their number.
    ///
    /// # Errors
    /// When the text is invalid.
    pub fn add_bundle(&mut self, origin: &str, pem: &[u8]) -> Result<usize, BadTrust> {
        let found = certificates(origin, pem)?;
        let count = found.len();
        self.bundle.extend(found);
        self.roots = Arc::default();
        Ok(count)
    }

    /// Adds CAs (PEM) that are trusted for one `host[:port]`.
    ///
    /// # Errors
    /// When the text is invalid.
    pub fn add_host_bundle(&mut self, host: &str, pem: &[u8]) -> Result<usize, BadTrust> {
        let found = certificates(host, pem)?;
        let count = found.len();
        self.hosts.entry(host.to_owned()).or_default().bundle.extend(found);
        Ok(count)
    }

    /// Remembers unusable certificates for one `host[:port]`, or for every host. They do not affect
    /// hosts that are trusted without them; for any other host the error mentions them.
    pub fn miss(&mut self, host: Option<&str>, why: BadTrust) {
        match host {
            Some(host) => self.hosts.entry(host.to_owned()).or_default().unusable.push(why),
            None => self.unusable.push(why),
        }
    }

    /// Everything that is unusable.
    pub fn unusable(&self) -> impl Iterator<Item = &BadTrust> {
        self.unusable.iter().chain(self.hosts.values().flat_map(|host| &host.unusable))
    }

    /// What was unusable, in case this host is not trusted; empty when nothing was.
    pub(crate) fn missed(&self, host: &str) -> String {
        let own = self.hosts.get(host).into_iter().flat_map(|host| &host.unusable);
        let all: Vec<String> = own.chain(&self.unusable).map(ToString::to_string).collect();
        all.join("; ")
    }

    /// Sets the certificate chain and key (both PEM) that are presented to one `host[:port]`, or to every other host.
    ///
    /// # Errors
    /// When one of them is broken or missing.
    pub fn set_identity(&mut self, host: Option<&str>, chain: &[u8], key: &[u8]) -> Result<(), BadTrust> {
        let origin = host.unwrap_or("client certificate");
        let bad = |why: String| BadTrust { origin: origin.to_owned(), why };
        let chain = certificates(origin, chain)?;
        if chain.is_empty() {
            return Err(bad("there is no client certificate in it".to_owned()));
        }
        // The PEM reader's error says what is wrong, not what the file contains.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| bad(format!("the private key: {error}")))?;
        let identity = Some(Arc::new(Identity { chain, key }));
        match host {
            Some(host) => self.hosts.entry(host.to_owned()).or_default().identity = identity,
            None => self.identity = identity,
        }
        Ok(())
    }

    /// Adds what another one trusts. Client certificates that are already set are kept.
    pub fn add(&mut self, other: Self) {
        self.bundle.extend(other.bundle);
        self.unusable.extend(other.unusable);
        self.roots = Arc::default();
        for (host, trust) in other.hosts {
            let own = self.hosts.entry(host).or_default();
            own.bundle.extend(trust.bundle);
            own.unusable.extend(trust.unusable);
            own.identity = own.identity.take().or(trust.identity);
        }
        self.identity = self.identity.take().or(other.identity);
    }

    /// The hosts with certificates of their own, sorted.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    /// The CAs that are trusted for one `host[:port]` in addition to the system's, PEM.
    #[must_use]
    pub fn pem(&self, host: &str) -> String {
        let own = self.hosts.get(host).map(|host| host.bundle.as_slice()).unwrap_or_default();
        self.bundle.iter().chain(own).map(|certificate| pem("CERTIFICATE", certificate)).collect()
    }

    /// The certificate chain and the key that are presented to one `host[:port]`, both PEM.
    #[must_use]
    pub fn identity_pem(&self, host: &str) -> Option<(String, String)> {
        let own = self.hosts.get(host).and_then(|host| host.identity.as_deref());
        let Identity { chain, key } = own.or(self.identity.as_deref())?;
        let label = match key {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        let chain = chain.iter().map(|certificate| pem("CERTIFICATE", certificate)).collect();
        Some((chain, pem(label, key.secret_der())))
    }

    /// How many CAs are trusted for every host, in addition to the system's.
    #[must_use]
    pub fn bundle_size(&self) -> usize {
        self.bundle.len()
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let load = || {
            let mut roots = RootCertStore::empty();
            // A machine without CAs can still reach registries whose CA is given; TLS errors name a missing one.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots.add_parsable_certificates(self.bundle.iter().cloned());
            Arc::new(roots)
        };
        self.roots.get_or_init(load).clone()
    }

    /// The TLS settings for one `host[:port]`.
    pub(crate) fn client_config(&self, host: &str, insecure: bool) -> Result<ClientConfig, Fault> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let setting = |error: rustls::Error| Fault::Setting { what: "TLS", why: error.to_string() };
        let own = self.hosts.get(host);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(setting)?;
        let builder = if insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        } else {
            let mut roots = self.roots();
            if let Some(own) = own.filter(|own| !own.bundle.is_empty()) {
                Arc::make_mut(&mut roots).add_parsable_certificates(own.bundle.iter().cloned());
            }
            builder.with_root_certificates(roots)
        };
        let identity = own.and_then(|own| own.identity.as_deref()).or(self.identity.as_deref());
        let mut config = match identity {
            Some(Identity { chain, key }) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(setting)?
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn certificates(origin: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadTrust> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    parsed.map_err(|error| BadTrust { origin: origin.to_owned(), why: error.to_string() })
}

/// For hosts that the user marked insecure: encryption without authentication.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
