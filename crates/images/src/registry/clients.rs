//! One HTTP client per host, with its own settings: trust, client certificate, proxy.

use crate::error::Fault;
use crate::proxy::Proxy;
use crate::trust::Trust;
use parking_lot::Mutex;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use std::collections::BTreeMap;
use std::time::Duration;

/// To connect, TLS included.
const CONNECT: Duration = Duration::from_secs(10);
/// Between two chunks of a response.
const SILENCE: Duration = Duration::from_secs(30);
/// Connections outlive a discovery, but not an hour of idling.
const IDLE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Clients {
    trust: Trust,
    proxy: Proxy,
    by_host: Mutex<BTreeMap<(String, bool), Client>>,
}

impl Clients {
    pub(super) fn new(trust: Trust, proxy: Proxy) -> Self {
        Self { trust, proxy, by_host: Mutex::default() }
    }

    /// Certificates that were unusable, in case this host is not trusted.
    pub(super) fn missed(&self, host: &str) -> String {
        self.trust.missed(host)
    }

    /// The client for the host of this URL.
    pub(super) fn client(&self, url: &Url, insecure: bool) -> Result<Client, Fault> {
        let host = authority(url);
        let mut known = self.by_host.lock();
        if let Some(client) = known.get(&(host.clone(), insecure)) {
            return Ok(client.clone());
        }
        let setting =
            |error: reqwest::Error| Fault::Setting { what: "the HTTP client", why: error.without_url().to_string() };
        let mut builder = Client::builder()
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .pool_idle_timeout(IDLE)
            .tls_backend_preconfigured(self.trust.client_config(&host, insecure)?);
        if let Some(proxy) = self.proxy.of(url) {
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(setting)?);
        }
        let client = builder.build().map_err(setting)?;
        known.insert((host, insecure), client.clone());
        Ok(client)
    }
}

/// `host[:port]` of a URL, the port only when it is not the scheme's default.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
