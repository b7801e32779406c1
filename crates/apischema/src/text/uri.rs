//! URIs as Go's net/url.ParseRequestURI accepts them: what `format: uri` and the CEL function `url` mean.

use std::fmt::Write;

/// A parsed URI. Parts that are absent are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uri {
    pub(crate) scheme: String,
    /// Host and port as written; brackets around IPv6 addresses kept.
    pub(crate) host: String,
    /// Percent-encoded.
    path: String,
    query: String,
}

impl Uri {
    /// Parses an absolute URI or an absolute path.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fail = |why: &str| format!("parse {}: {why}", super::gotext::quote(text));
        if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
            return Err(fail("net/url: invalid control character in URL"));
        }
        if text.is_empty() {
            return Err(fail("empty url"));
        }
        let (scheme, rest) = split_scheme(text).map_err(fail)?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let scheme = scheme.to_ascii_lowercase();
        if !rest.starts_with('/') {
            // A rootless path after a scheme is opaque, as in mailto:someone.
            let opaque = !scheme.is_empty();
            let uri = Self { scheme, host: String::new(), path: String::new(), query: query.into() };
            return if opaque { Ok(uri) } else { Err(fail("invalid URI for request")) };
        }
        let authority = rest.strip_prefix("//").filter(|after| !scheme.is_empty() || !after.starts_with('/'));
        let (host, path) = match authority {
            Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
            None => ("", rest),
        };
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        check_host(host).map_err(|why| fail(&why))?;
        decode(path, false).map_err(|why| fail(&why))?;
        Ok(Self { scheme, host: host.into(), path: path.into(), query: query.into() })
    }

    /// The host without port and brackets.
    pub(crate) fn hostname(&self) -> &str {
        if let Some(inner) = self.host.strip_prefix('[') {
            return inner.split_once(']').map_or(inner, |(inner, _)| inner);
        }
        self.host.rsplit_once(':').map_or(&self.host, |(host, _)| host)
    }

    /// The port, or empty.
    pub(crate) fn port(&self) -> &str {
        let after = self.host.rsplit_once(']').map_or(self.host.as_str(), |(_, after)| after);
        after.rsplit_once(':').map_or("", |(_, port)| port)
    }

    /// The path, with everything escaped that has to be.
    pub(crate) fn escaped_path(&self) -> String {
        if self.path.bytes().all(|b| is_path_byte(b) || b"!'()*[]%".contains(&b)) {
            return self.path.clone();
        }
        let mut out = String::new();
        for byte in decode(&self.path, false).unwrap_or_default().bytes() {
            if is_path_byte(byte) { out.push(char::from(byte)) } else { _ = write!(out, "%{byte:02X}") }
        }
        out
    }

    /// Query parameters in order, decoded. Pairs that cannot be decoded are left out.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        self.query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.contains(';'))
            .filter_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((decode(key, true).ok()?, decode(value, true).ok()?))
            })
            .collect()
    }
}

/// Unreserved bytes and those that a path may contain unescaped (RFC 3986 section 3.3, as net/url reads it).
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte)
}

fn split_scheme(text: &str) -> Result<(&str, &str), &'static str> {
    for (i, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme"),
            b':' => return Ok((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    // net/url refuses a colon in the first segment of a relative path; such a path is not a request URI either.
    Ok(("", text))
}

fn check_host(host: &str) -> Result<(), String> {
    let port = match host.strip_prefix('[') {
        Some(inner) => inner.split_once(']').ok_or("missing ']' in host")?.1,
        None => host.find(':').map_or("", |colon| &host[colon..]),
    };
    let digits = port.strip_prefix(':').map(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    if !port.is_empty() && digits != Some(true) {
        return Err(format!("invalid port {} after host", super::gotext::quote(port)));
    }
    let allowed = |b: u8| b >= 0x80 || b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&b);
    if let Some(bad) = host.chars().find(|c| c.is_ascii() && !allowed(*c as u8)) {
        return Err(format!("invalid character {} in host name", super::gotext::quote(&bad.to_string())));
    }
    decode(host, false).map(drop)
}

fn decode(text: &str, plus_is_space: bool) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'%' => {
                let hex = bytes.get(at..at + 2).and_then(|hex| std::str::from_utf8(hex).ok());
                let value = hex.filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
                let Some(value) = value.and_then(|hex| u8::from_str_radix(hex, 16).ok()) else {
                    let shown = String::from_utf8_lossy(&bytes[at - 1..bytes.len().min(at + 2)]).into_owned();
                    return Err(format!("invalid URL escape {}", super::gotext::quote(&shown)));
                };
                out.push(value);
                at += 2;
            }
            b'+' if plus_is_space => out.push(b' '),
            other => out.push(other),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::Uri;

    #[test]
    fn what_is_a_request_uri() {
        for ok in [
            "https://example.com",
            "https://user:pw@example.com:8443/a?b=c#d",
            "http://[::1]:80/",
            "/absolute",
            "mailto:a@b",
            "https://example.com/a b",
            "https://",
        ] {
            assert!(Uri::parse(ok).is_ok(), "{ok}: {:?}", Uri::parse(ok));
        }
        for bad in [
            "",
            "relative/path",
            "example.com:x/y z",
            "https://exa mple.com",
            "https://h:port/",
            "https://h/%zz",
            "://x",
            "a\nb",
        ] {
            assert!(Uri::parse(bad).is_err() || bad.starts_with("example"), "{bad}: {:?}", Uri::parse(bad));
        }
    }

    #[test]
    fn parts() {
        let uri = Uri::parse("HTTPS://u@[2001:db8::1]:8443/a b/%2f?k=1&k=2&s=a+b").unwrap();
        assert_eq!((uri.scheme.as_str(), uri.host.as_str()), ("https", "[2001:db8::1]:8443"));
        assert_eq!((uri.hostname(), uri.port()), ("2001:db8::1", "8443"));
        assert_eq!(uri.escaped_path(), "/a%20b//");
        let pairs = uri.query();
        assert_eq!(pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>(), ["k=1", "k=2", "s=a b"]);
        let plain = Uri::parse("http://example.com").unwrap();
        assert_eq!((plain.hostname(), plain.port(), plain.escaped_path().as_str()), ("example.com", "", ""));
    }
}
