//! Who may look.
//!
//! R-DOOR-1 A request names a host that this page is reached by: an address, `localhost`, or a name that was given. Another name is refused,
//! whatever it resolves to: so a page elsewhere cannot read this one by rebinding its own name.
//! R-DOOR-2 A request that another page makes is refused: what it sends as `Origin` has to be the host that it asks, and a browser
//! must not call it cross-site unless somebody follows a link.
//! R-DOOR-3 Every request but those for style, script and icon brings a token: in a cookie, as `Authorization: Bearer`, or as the proxy of OpenShift
//! passes it on. An address may have it once; it is answered with the cookie and the same address without it.
//! R-DOOR-4 A page on a machine of its own knows its token, and compares it in constant time. A page in a cluster asks the API server
//! whose token it is, and whether that user may list what the page shows.
//! R-DOOR-5 A cookie is only sent by this site, and is not readable by scripts.
//!
//! Source: RFC 9110, 7.2 (Host); RFC 6454 (Origin); Fetch Metadata Request Headers (W3C); RFC 6265, 8.6 (ports do not separate cookies, so the
//! name of ours has it).

use crate::reviews::{Reviews, Verdict};
use http::{HeaderMap, HeaderName, Method, header};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeSet, net::IpAddr};

/// What a request has to bring.
#[derive(Debug)]
pub enum Key {
    /// This token.
    Token(String),
    /// The token of a user whom the API server allows to list what is shown.
    User(Reviews),
}

/// Who may look.
#[derive(Debug)]
pub struct Door {
    key: Key,
    /// Names that the page is reached by, beside addresses and `localhost`; in lower case.
    hosts: BTreeSet<String>,
}

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// R-DOOR-1.
    #[error("this page is not reached by the name {0:?}; names that it may be reached by are given with --host")]
    Host(String),
    /// R-DOOR-2.
    #[error("another page asked for this; open it by its own address")]
    Origin,
    /// R-DOOR-3.
    #[error("this page wants a token: open the address that was printed when it started, or give the token here")]
    NoToken,
    /// R-DOOR-4.
    #[error("this is not the token; the address that was printed when the page started has it")]
    WrongToken,
    /// R-DOOR-4.
    #[error("the API server does not know whose token this is")]
    NobodysToken,
    /// R-DOOR-4.
    #[error("user {user} may not list {what}, which this page shows")]
    NotAllowed {
        /// The user.
        user: String,
        /// What may not be listed.
        what: String,
    },
    /// R-DOOR-4.
    #[error("the API server was asked whose token this is and did not answer: {0}")]
    NotAnswered(String),
}

/// As the proxy of OpenShift passes on a user's token (`--pass-access-token` of github.com/openshift/oauth-proxy).
const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-access-token");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// Bytes of a token; those of service accounts have about 1,200.
const LONGEST: usize = 8 << 10;

impl Door {
    /// A page that is also reached by these names.
    #[must_use]
    pub fn new(key: Key, hosts: impl IntoIterator<Item = String>) -> Self {
        Self { key, hosts: hosts.into_iter().map(|host| host.to_lowercase()).collect() }
    }

    /// Checks whom a request is for and who makes it (R-DOOR-1, R-DOOR-2).
    pub(crate) fn admit(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
        let host = text(headers, &header::HOST).unwrap_or_default();
        if !self.is_ours(host) {
            return Err(Refused::Host(host.to_owned()));
        }
        let origin = text(headers, &header::ORIGIN).map(|origin| origin.split_once("://").map_or("", |(_, host)| host));
        if headers.contains_key(header::ORIGIN) && !origin.is_some_and(|origin| origin.eq_ignore_ascii_case(host)) {
            return Err(Refused::Origin);
        }
        let cross = matches!(text(headers, &FETCH_SITE), Some("cross-site" | "same-site"));
        let follows_link = method == Method::GET && text(headers, &FETCH_MODE) == Some("navigate");
        if cross && !follows_link { Err(Refused::Origin) } else { Ok(()) }
    }

    fn is_ours(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map_or("", |(address, _)| address),
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let name = name.to_lowercase();
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }

    /// Checks the token of a request (R-DOOR-3).
    pub(crate) async fn open(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let cookie = cookie(headers, &self.cookie(headers));
        let bearer = text(headers, &header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let token = bearer.or_else(|| text(headers, &FORWARDED)).map(str::trim).or(cookie).ok_or(Refused::NoToken)?;
        self.check(token).await
    }

    /// Checks a token (R-DOOR-4).
    pub(crate) async fn check(&self, token: &str) -> Result<(), Refused> {
        if token.is_empty() || token.len() > LONGEST {
            return Err(Refused::NoToken);
        }
        match &self.key {
            Key::Token(wanted) if is_same(token, wanted) => Ok(()),
            Key::Token(_) => Err(Refused::WrongToken),
            Key::User(reviews) => match reviews.verdict(token).await {
                Ok(Verdict::May) => Ok(()),
                Ok(Verdict::Nobody) => Err(Refused::NobodysToken),
                Ok(Verdict::MayNot { user, what }) => Err(Refused::NotAllowed { user, what }),
                Err(error) => Err(Refused::NotAnswered(error)),
            },
        }
    }

    /// Name of the cookie: pages on other ports of the same host have another one.
    fn cookie(&self, headers: &HeaderMap) -> String {
        let host = text(headers, &header::HOST).unwrap_or_default();
        let port = host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.chars().all(|c| c.is_ascii_digit()));
        format!("weir-{}", port.unwrap_or("page"))
    }

    /// The header that makes a browser keep a token (R-DOOR-5); absent for what is no token.
    pub(crate) fn keep(&self, headers: &HeaderMap, token: &str) -> Option<String> {
        let is_token = token.chars().all(|c| c.is_ascii_alphanumeric() || "-._~+/=".contains(c));
        let name = self.cookie(headers);
        is_token.then(|| format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax"))
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// Compares digests, byte by byte to the end: how long it takes says nothing about the token.
fn is_same(guess: &str, secret: &str) -> bool {
    let (guess, secret) = (Sha256::digest(guess), Sha256::digest(secret));
    guess.iter().zip(secret.iter()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    const TOKEN: &str = "c0ffee";

    fn door() -> Door {
        Door::new(Key::Token(TOKEN.to_owned()), ["Weir.example".to_owned()])
    }

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_names_of_this_page_are_answered() {
        let host = |host: &str| door().admit(&Method::GET, &headers(&[("host", host)])).is_ok();
        for ours in
            ["127.0.0.1:8080", "[::1]:8080", "localhost", "localhost:1", "10.0.0.7", "weir.example:80", "WEIR.example"]
        {
            assert!(host(ours), "{ours}");
        }
        for other in [
            "evil.example",
            "127.0.0.1.evil.example:8080",
            "localhost.evil.example",
            "",
            "[::1",
            "weir.example.evil",
            "x@127.0.0.1",
        ] {
            assert!(!host(other), "{other}");
        }
        assert!(door().admit(&Method::GET, &HeaderMap::new()).is_err());
    }

    #[test]
    fn only_this_page_asks_for_itself() {
        let of = |method: Method, more: &[(&'static str, &str)]| {
            let all: Vec<_> = [("host", "127.0.0.1:8080")].iter().chain(more).copied().collect();
            door().admit(&method, &headers(&all))
        };
        assert_eq!(of(Method::POST, &[("origin", "http://127.0.0.1:8080")]), Ok(()));
        for origin in ["http://127.0.0.1:8081", "http://evil.example", "null", "http://127.0.0.1:8080.evil.example"] {
            assert_eq!(of(Method::POST, &[("origin", origin)]), Err(Refused::Origin), "{origin}");
            assert_eq!(of(Method::GET, &[("origin", origin)]), Err(Refused::Origin), "{origin}");
        }
        let cross = ("sec-fetch-site", "cross-site");
        assert_eq!(of(Method::GET, &[cross, ("sec-fetch-mode", "navigate")]), Ok(()));
        assert_eq!(of(Method::POST, &[cross, ("sec-fetch-mode", "navigate")]), Err(Refused::Origin));
        assert_eq!(of(Method::GET, &[cross, ("sec-fetch-mode", "no-cors")]), Err(Refused::Origin));
        assert_eq!(of(Method::GET, &[("sec-fetch-site", "same-origin")]), Ok(()));
    }

    #[test]
    fn a_token_is_wanted_and_has_to_be_the_right_one() {
        let open = |more: &[(&'static str, &str)]| {
            let all: Vec<_> = [("host", "127.0.0.1:8080")].iter().chain(more).copied().collect();
            door().open(&headers(&all)).now_or_never().unwrap()
        };
        assert_eq!(open(&[]), Err(Refused::NoToken));
        for right in [
            ("authorization", "Bearer c0ffee"),
            ("cookie", "a=b; weir-8080=c0ffee"),
            ("x-forwarded-access-token", TOKEN),
        ] {
            assert_eq!(open(&[right]), Ok(()), "{right:?}");
        }
        for wrong in
            [("authorization", "Bearer c0ffe"), ("cookie", "weir-8080=C0FFEE"), ("authorization", "Bearer c0ffee0")]
        {
            assert_eq!(open(&[wrong]), Err(Refused::WrongToken), "{wrong:?}");
        }
        for none in [("cookie", "weir-8081=c0ffee"), ("authorization", "Basic c0ffee"), ("authorization", "Bearer  ")] {
            assert_eq!(open(&[none]), Err(Refused::NoToken), "{none:?}");
        }
        let long = format!("Bearer {}", "a".repeat(LONGEST + 1));
        assert_eq!(open(&[("authorization", &long)]), Err(Refused::NoToken));
    }

    #[test]
    fn what_is_kept_cannot_carry_more_than_a_token() {
        let of = |token: &str| door().keep(&headers(&[("host", "127.0.0.1:8080")]), token);
        assert_eq!(of("a.b-c").unwrap(), "weir-8080=a.b-c; Path=/; HttpOnly; SameSite=Lax");
        for odd in ["a; Domain=evil", "a\r\nb", "a b", "ä"] {
            assert_eq!(of(odd), None, "{odd}");
        }
    }
}
