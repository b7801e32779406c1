//! The certificates and the token of a server that listens: generated once and kept with the data.

use crate::{Error, kubeconfig::write_private, private, secret};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    CipherSuite, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Certificates, keys and the administrator's token.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) ca: String,
    ca_key: String,
    pub(crate) token: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// The name of HTTP/2 in a TLS handshake (RFC 9113, 3.2).
pub(crate) const HTTP_2: &[u8] = b"h2";

/// Folder of a data directory with secrets.
pub(crate) const FOLDER: &str = "pki";
const CA: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const TOKEN: &str = "admin.token";

fn bad(what: &str) -> impl FnOnce(rcgen::Error) -> Error {
    let what = what.to_owned();
    move |error| Error::Credentials { what, why: error.to_string() }
}

impl Credentials {
    /// Generates new ones.
    pub(crate) fn generate() -> Result<Self, Error> {
        let key = KeyPair::generate().map_err(bad(CA_KEY))?;
        let ca = authority().self_signed(&key).map_err(bad(CA))?;
        Ok(Self { ca: ca.pem(), ca_key: key.serialize_pem(), token: secret::generate() })
    }

    /// Reads those of a data directory, or generates them on first use.
    pub(crate) fn of_data_dir(data_dir: &Path) -> Result<Self, Error> {
        let folder = data_dir.join(FOLDER);
        private::folder(&folder, &[CA, CA_KEY, TOKEN])?;
        let token = secret::of_file(&folder.join(TOKEN))?;
        let (ca, ca_key) = (folder.join(CA), folder.join(CA_KEY));
        // The certificate is written last: a key alone has never been used.
        if !ca.exists() {
            let new = Self::generate()?;
            for (path, text) in [(ca_key, &new.ca_key), (ca, &new.ca)] {
                write_private(&path, text).map_err(|cause| Error::Data { doing: "writing", path, cause })?;
            }
            return Ok(Self { token, ..new });
        }
        let read = |path: PathBuf| {
            private::file(&path)?;
            fs::read_to_string(&path).map_err(|cause| Error::Data { doing: "reading", path, cause })
        };
        let credentials = Self { ca: read(ca)?, ca_key: read(ca_key)?, token };
        credentials.check()?;
        Ok(credentials)
    }

    /// Checks that certificate and key of the authority match: clients would refuse certificates signed with another
    /// key.
    fn check(&self) -> Result<(), Error> {
        let key = KeyPair::from_pem(&self.ca_key).map_err(bad(CA_KEY))?;
        let wrong = |why: String| Error::Credentials { what: CA.to_owned(), why };
        let certificate = CertificateDer::from_pem_slice(self.ca.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        let public = key.public_key_raw();
        if certificate.windows(public.len()).any(|part| part == public) {
            return Ok(());
        }
        Err(wrong(format!("it is not the certificate of {CA_KEY}")))
    }

    /// A server configuration with a fresh certificate for this address. Clients may present a certificate issued by
    /// the CA.
    pub(crate) fn server_config(&self, address: IpAddr) -> Result<ServerConfig, Error> {
        let ca_key = KeyPair::from_pem(&self.ca_key).map_err(bad(CA_KEY))?;
        let issuer = Issuer::new(authority(), ca_key);
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), address.to_string()];
        let mut params = CertificateParams::new(names).map_err(bad("server certificate"))?;
        params.distinguished_name = common_name("weir-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(bad("server key"))?;
        let certificate = params.signed_by(&key, &issuer).map_err(bad("server certificate"))?;

        let wrong = |what: &str, why: String| Error::Credentials { what: what.to_owned(), why };
        let ca = CertificateDer::from_pem_slice(self.ca.as_bytes()).map_err(|e| wrong(CA, e.to_string()))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone()).map_err(|e| wrong(CA, e.to_string()))?;
        let mut provider = rustls::crypto::ring::default_provider();
        // Encrypting a long list takes longer than generating it. AES takes ten rounds with a 128-bit key and fourteen with the
        // 256-bit key that clients prefer; servers written in Go choose the same.
        provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
        let provider = Arc::new(provider);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .map_err(|e| wrong(CA, e.to_string()))?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(|e| wrong("server key", e.to_owned()))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| wrong("protocol versions", e.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone(), ca], key)
            .map_err(|e| wrong("server certificate", e.to_string()))?;
        config.ignore_client_order = true;
        config.alpn_protocols = vec![HTTP_2.to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The parameters of the certificate authority.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("weir-apiserver-ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params
}

/// A certificate that proves an identity to this server, and its key; both PEM.
#[derive(Clone)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Credentials {
    /// A certificate for a user of one group: a subject has one organisation.
    pub(crate) fn client_certificate(&self, user: &str, group: &str) -> Result<ClientCertificate, Error> {
        let ca_key = KeyPair::from_pem(&self.ca_key).map_err(bad(CA_KEY))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name(user);
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(bad("client key"))?;
        let issuer = Issuer::new(authority(), ca_key);
        let certificate = params.signed_by(&key, &issuer).map_err(bad("client certificate"))?;
        Ok(ClientCertificate { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}
