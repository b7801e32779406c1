//! Which requests go through a proxy.
//!
//! The HTTPS proxy is used for every registry; the HTTP proxy when there is no other. Source of the rules for
//! exceptions: `golang.org/x/net/http/httpproxy`, whose form of NO_PROXY OpenShift's `Proxy` object documents.

use reqwest::Url;
use std::fmt;
use std::net::IpAddr;

/// A proxy and the hosts that bypass it.
#[derive(Clone, Default)]
pub struct Proxy {
    url: Option<Url>,
    except: Vec<Exception>,
    given: Given,
}

/// The values as they were given.
#[derive(Clone, Default)]
struct Given {
    https: String,
    http: String,
    no_proxy: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    All,
    /// The domain, whether a leading dot excludes the domain itself, and an optional port.
    Domain {
        name: String,
        only_below: bool,
        port: Option<u16>,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    Network {
        address: IpAddr,
        bits: u8,
    },
}

/// A proxy that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proxy address is no http:// or https:// URL: {0}")]
pub struct BadProxy(String);

impl Proxy {
    /// From the values of HTTPS_PROXY, HTTP_PROXY and NO_PROXY; empty means unset.
    ///
    /// # Errors
    /// When the proxy's address is not a URL.
    pub fn new(https: &str, http: &str, no_proxy: &str) -> Result<Self, BadProxy> {
        let address = if https.is_empty() { http } else { https };
        let url = if address.is_empty() { None } else { Some(parse(address)?) };
        let given = Given { https: https.to_owned(), http: http.to_owned(), no_proxy: no_proxy.to_owned() };
        Ok(Self { url, except: no_proxy.split(',').filter_map(|entry| exception(entry.trim())).collect(), given })
    }

    /// From the environment, upper case before lower case.
    ///
    /// # Errors
    /// When the proxy's address is not a URL.
    pub fn from_environment() -> Result<Self, BadProxy> {
        let variable = |name: &str| {
            let found = [name.to_owned(), name.to_lowercase()].into_iter().find_map(|name| std::env::var(name).ok());
            found.unwrap_or_default()
        };
        Self::new(&variable("HTTPS_PROXY"), &variable("HTTP_PROXY"), &variable("NO_PROXY"))
    }

    /// The environment of a program that is to use it; empty without a proxy. The addresses may contain passwords.
    #[must_use]
    pub fn variables(&self) -> Vec<(&'static str, &str)> {
        let Given { https, http, no_proxy } = &self.given;
        if self.url.is_none() {
            return Vec::new();
        }
        let all = [("HTTP_PROXY", http), ("HTTPS_PROXY", https), ("NO_PROXY", no_proxy)];
        all.into_iter().map(|(name, value)| (name, value.as_str())).collect()
    }

    /// The passwords in its addresses, to be looked for in what is shown.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let urls = [&self.given.https, &self.given.http].into_iter().filter_map(|address| parse(address).ok());
        urls.filter_map(|url| url.password().map(str::to_owned)).collect()
    }

    /// The proxy for this URL; `None` for a direct connection.
    pub(crate) fn of(&self, url: &Url) -> Option<&Url> {
        let proxy = self.url.as_ref()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_lowercase();
        let port = url.port_or_known_default();
        let address: Option<IpAddr> = host.parse().ok();
        if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
            return None;
        }
        let excepted = self.except.iter().any(|exception| exception.covers(&host, address, port));
        (!excepted).then_some(proxy)
    }
}

impl Exception {
    fn covers(&self, host: &str, address: Option<IpAddr>, port: Option<u16>) -> bool {
        match self {
            Self::All => true,
            Self::Domain { name, only_below, port: wanted } => {
                let below = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                (below || (!only_below && host == name)) && (wanted.is_none() || *wanted == port)
            }
            Self::Address { address: wanted, port: on } => address == Some(*wanted) && (on.is_none() || *on == port),
            Self::Network { address: network, bits } => address.is_some_and(|address| same(*network, address, *bits)),
        }
    }
}

/// Whether two addresses have the same leading bits.
fn same(network: IpAddr, address: IpAddr, bits: u8) -> bool {
    match (network, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            u32::from(a) & mask == u32::from(b) & mask
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            u128::from(a) & mask == u128::from(b) & mask
        }
        _ => false,
    }
}

fn exception(entry: &str) -> Option<Exception> {
    let entry = entry.to_lowercase();
    if entry.is_empty() {
        return None;
    }
    if entry == "*" {
        return Some(Exception::All);
    }
    if let Some((address, bits)) = entry.split_once('/') {
        return Some(Exception::Network { address: address.parse().ok()?, bits: bits.parse().ok()? });
    }
    if let Ok(address) = entry.trim_matches(['[', ']']).parse() {
        return Some(Exception::Address { address, port: None });
    }
    let (host, port) = match entry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (entry.as_str(), None),
    };
    if let Ok(address) = host.trim_matches(['[', ']']).parse() {
        return Some(Exception::Address { address, port });
    }
    let name = host.strip_prefix('*').unwrap_or(host);
    let bare = name.strip_prefix('.');
    Some(Exception::Domain { name: bare.unwrap_or(name).to_owned(), only_below: bare.is_some(), port })
}

fn parse(address: &str) -> Result<Url, BadProxy> {
    // As everywhere, a proxy without a scheme is an HTTP proxy.
    let text = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    // The address may contain a password: the message only says what is wrong with it.
    let url = Url::parse(&text).map_err(|error| BadProxy(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BadProxy(format!("its scheme is {}", url.scheme())));
    }
    Ok(url)
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.url.as_ref().and_then(Url::host_str);
        f.debug_struct("Proxy").field("host", &host).field("except", &self.except).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reached_without_the_proxy() {
        let except = "example.com, .below.io,*.star.io,port.io:5000,10.0.0.0/8,192.168.1.1,fd00::/8,bad/net,,";
        let proxy = Proxy::new("http://proxy:3128", "", except).unwrap();
        for (url, through) in [
            ("https://quay.io/v2/", true),
            ("https://example.com/v2/", false),
            ("https://EXAMPLE.com:5000/v2/", false),
            ("https://a.example.com/v2/", false),
            ("https://notexample.com/v2/", true),
            ("https://below.io/v2/", true),
            ("https://a.below.io/v2/", false),
            ("https://star.io/v2/", true),
            ("https://a.b.star.io/v2/", false),
            ("https://port.io:5000/v2/", false),
            ("https://port.io/v2/", true),
            ("https://10.2.3.4/v2/", false),
            ("https://11.2.3.4/v2/", true),
            ("https://192.168.1.1:5000/v2/", false),
            ("https://192.168.1.2/v2/", true),
            ("https://[fd00::1]/v2/", false),
            ("https://[fe00::1]/v2/", true),
            ("https://localhost:5000/v2/", false),
            ("https://127.0.0.1:5000/v2/", false),
            ("https://[::1]/v2/", false),
        ] {
            assert_eq!(proxy.of(&Url::parse(url).unwrap()).is_some(), through, "{url}");
        }
        let none = Proxy::new("proxy:3128", "", "*").unwrap();
        assert!(none.of(&Url::parse("https://quay.io").unwrap()).is_none());
    }

    #[test]
    fn which_proxy() {
        let quay = Url::parse("https://quay.io").unwrap();
        for (https, http, expected) in
            [("http://a:1", "http://b:2", Some("http://a:1/")), ("", "b:2", Some("http://b:2/")), ("", "", None)]
        {
            let proxy = Proxy::new(https, http, "").unwrap();
            assert_eq!(proxy.of(&quay).map(Url::as_str), expected);
        }
        for bad in ["socks5://a:1", "http://u:hunter2@[bad", "http://"] {
            let error = Proxy::new(bad, "", "").unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let secret = Proxy::new("http://u:hunter2@a:1", "", "").unwrap();
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert_eq!(secret.secrets(), ["hunter2"]);
    }

    #[test]
    fn other_programs_are_told_what_was_given() {
        let proxy = Proxy::new("", "b:2", ".a.io,10.0.0.0/8").unwrap();
        assert_eq!(proxy.variables(), [("HTTP_PROXY", "b:2"), ("HTTPS_PROXY", ""), ("NO_PROXY", ".a.io,10.0.0.0/8")]);
        assert_eq!(Proxy::new("", "", "a.io").unwrap().variables(), []);
    }
}
