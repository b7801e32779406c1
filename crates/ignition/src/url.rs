//! Valid source URLs, and the bytes of a data URL.
//!
//! Source: RFC 3986 and RFC 2397; for deviations, the documentation of Go's `net/url` and
//! `config/v3_5/types/url.go` of github.com/coreos/ignition.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use std::borrow::Cow;

/// Not a URL at all.
pub(crate) const UNPARSABLE: &str = "unable to parse url";
pub(crate) const WRONG_SCHEME: &str = "invalid url scheme";

/// The relevant parts of a URL.
pub(crate) struct Url<'u> {
    /// In lower case; empty when there is none.
    pub(crate) scheme: String,
    /// What follows the scheme, without query and fragment.
    rest: &'u str,
    query: &'u str,
}

/// Splits a URL.
pub(crate) fn parse(url: &str) -> Result<Url<'_>, &'static str> {
    if url.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Err(UNPARSABLE);
    }
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (scheme, rest) = split_scheme(url)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let opaque = !scheme.is_empty() && !rest.starts_with('/');
    if !opaque {
        let first = rest.split('/').next().unwrap_or_default();
        if !rest.starts_with('/') && first.contains(':') {
            return Err(UNPARSABLE);
        }
        let authority = rest.strip_prefix("//").filter(|_| !scheme.is_empty() || !rest.starts_with("///"));
        let path = authority.map_or(rest, |a| a.find('/').map_or("", |at| &a[at..]));
        if let Some(authority) = authority {
            check_authority(authority.split('/').next().unwrap_or_default())?;
        }
        unescape(path).ok_or(UNPARSABLE)?;
    }
    unescape(fragment).ok_or(UNPARSABLE)?;
    Ok(Url { scheme: scheme.to_ascii_lowercase(), rest, query })
}

/// Scheme, host and port of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// In lower case; empty when there is none.
    pub scheme: String,
    /// As written, without brackets; empty when there is none.
    pub host: String,
    /// Digits; empty when there are none.
    pub port: String,
}

/// The target of a URL.
///
/// # Errors
/// When it is not a URL. Text before a colon is a scheme: `name:6443` has no host.
pub fn address(url: &str) -> Result<Address, &'static str> {
    let Url { scheme, rest, .. } = parse(url)?;
    let authority = rest.strip_prefix("//").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.trim_start_matches(':')),
        None => authority.rsplit_once(':').unwrap_or((authority, "")),
    };
    let host = percent_encoding::percent_decode_str(host).decode_utf8_lossy().into_owned();
    Ok(Address { scheme, host, port: port.to_owned() })
}

fn split_scheme(url: &str) -> Result<(&str, &str), &'static str> {
    for (at, c) in url.char_indices() {
        match c {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err(UNPARSABLE),
            ':' => return Ok((&url[..at], &url[at + 1..])),
            _ => break,
        }
    }
    Ok(("", url))
}

fn check_authority(authority: &str) -> Result<(), &'static str> {
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let user_char = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if user.is_some_and(|user| !user.chars().all(user_char) || unescape(user).is_none()) {
        return Err(UNPARSABLE);
    }
    let (name, port) = if host.starts_with('[') {
        let end = host.rfind(']').ok_or(UNPARSABLE)?;
        (&host[..=end], &host[end + 1..])
    } else {
        host.rfind(':').map_or((host, ""), |at| (&host[..at], &host[at..]))
    };
    let port_is_fine = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    let host_char = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c);
    // Only non-ASCII bytes may be escaped in a host.
    let escapes_are_fine =
        unescape(name).is_some_and(|_| name.split('%').skip(1).all(|e| e >= "8" || e.starts_with("25")));
    if port_is_fine && name.chars().all(host_char) && escapes_are_fine { Ok(()) } else { Err(UNPARSABLE) }
}

/// Undoes percent encoding; `None` when a `%` is not followed by two hexadecimal digits.
fn unescape(text: &str) -> Option<Cow<'_, [u8]>> {
    let well_formed = |part: &[u8]| part.len() >= 2 && part[..2].iter().all(u8::is_ascii_hexdigit);
    let mut parts = text.as_bytes().split(|&b| b == b'%').skip(1);
    parts.all(well_formed).then(|| percent_encoding::percent_decode_str(text).into())
}

impl Url<'_> {
    /// Whether the query has an empty version of an S3 object.
    fn has_empty_version(&self) -> bool {
        let pairs = self.query.split('&').filter(|pair| !pair.contains(';'));
        let named = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let decoded = named.filter_map(|(key, value)| Some((unescape(key)?, unescape(value)?)));
        decoded.into_iter().find(|(key, _)| key.as_ref() == b"versionId").is_some_and(|(_, version)| version.is_empty())
    }

    fn is_s3_arn(&self) -> bool {
        let parts: Vec<&str> = self.rest.splitn(5, ':').collect();
        let [_partition, service, _region, _account, resource] = parts[..] else { return false };
        let slashes = self.rest.matches('/').count();
        service == "s3" && slashes >= if resource.starts_with("accesspoint/") { 2 } else { 1 }
    }
}

/// What is wrong with the source of a resource, for a configuration of version 3.`minor`.
pub(crate) fn check(source: &str, minor: u8) -> Option<&'static str> {
    // Nearly all sources are valid data URLs, and they hold most of a configuration's text.
    if is_plain_data_url(source) {
        return None;
    }
    const EMPTY_VERSION: &str = "invalid S3 object VersionId";
    let url = match parse(source) {
        Ok(url) => url,
        Err(message) => return Some(message),
    };
    match url.scheme.as_str() {
        "http" | "https" | "tftp" => None,
        "gs" if minor >= 2 => None,
        "s3" => url.has_empty_version().then_some(EMPTY_VERSION),
        "arn" if minor >= 4 && !url.is_s3_arn() => Some("invalid S3 ARN format"),
        "arn" if minor >= 4 => url.has_empty_version().then_some(EMPTY_VERSION),
        "data" => decode_data_url(source).err(),
        _ => Some(WRONG_SCHEME),
    }
}

/// Whether this is a data URL without media type, with correctly percent-encoded data.
fn is_plain_data_url(source: &str) -> bool {
    let Some(data) = source.strip_prefix("data:,").map(str::as_bytes) else { return false };
    let mut at = 0;
    while let Some(&byte) = data.get(at) {
        at += match byte {
            b'%' => match data.get(at + 1..at + 3) {
                Some([a, b]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => 3,
                _ => return false,
            },
            _ if is_url_byte(byte) => 1,
            _ => return false,
        };
    }
    true
}

/// Whether a byte may appear unescaped in the data of a data URL.
fn is_url_byte(byte: u8) -> bool {
    // A table: this sees all text of a configuration.
    URL_BYTES[usize::from(byte)]
}

static URL_BYTES: [bool; 256] = {
    let (mut table, mut byte) = ([false; 256], b' ');
    while byte < 0x7f {
        let is_other =
            matches!(byte, b'<' | b'>' | b'#' | b'"' | b'{' | b'}' | b'|' | b'\\' | b'^' | b'[' | b']' | b'`');
        table[byte as usize] = byte.is_ascii_graphic() && !is_other;
        byte += 1;
    }
    table
};

// Padding is required and nothing may follow it; leftover bits are ignored.
static BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical)
        .with_decode_allow_trailing_bits(true),
);

/// Text as a data URL without media type: all but letters, digits and `-_.!~*'()` is percent-encoded.
///
/// Source: `Escape` of github.com/vincent-petithory/dataurl.
#[must_use]
pub fn data_url(text: &str) -> String {
    const ESCAPED: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'!')
        .remove(b'~')
        .remove(b'*')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')');
    format!("data:,{}", percent_encoding::utf8_percent_encode(text, ESCAPED))
}

/// The bytes of a data URL.
///
/// # Errors
/// What is malformed. The scheme must be in lower case; the data may contain only characters allowed unescaped in a URL,
/// or base64 with padding.
pub fn decode_data_url(url: &str) -> Result<Vec<u8>, &'static str> {
    let rest = url.strip_prefix("data:").ok_or("missing data prefix")?;
    let (base64, data) = skip_media_type(rest)?;
    if base64 {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+/=\n".contains(&b);
        if !data.bytes().all(allowed) {
            return Err("invalid data character");
        }
        let joined: Cow<'_, str> = if data.contains('\n') { data.replace('\n', "").into() } else { data.into() };
        return BASE64.decode(joined.as_bytes()).map_err(|_| "illegal base64 data");
    }
    if !data.bytes().all(is_url_byte) {
        return Err("invalid data character");
    }
    unescape(data).map(Cow::into_owned).ok_or_else(|| broken_escape(data))
}

/// The first malformed escape, in the words of the reference's library.
fn broken_escape(data: &str) -> &'static str {
    let malformed = |part: &&str| part.len() < 2 || !part.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit);
    let mut parts = data.split('%').skip(1);
    let cut = parts.find(malformed).is_some_and(|part| part.len() < 2 && part.bytes().all(|b| b.is_ascii_hexdigit()));
    if cut && parts.next().is_none() {
        "rfc2396: unexpected end of unescape sequence"
    } else {
        "rfc2396: invalid char 0x25 in unescape sequence"
    }
}

const NO_COMMA: &str = "missing comma before data";

/// The data of a data URL after media type and parameters, and whether it is base64.
fn skip_media_type(text: &str) -> Result<(bool, &str), &'static str> {
    const TYPES: [&str; 7] = ["text", "image", "audio", "video", "application", "message", "multipart"];
    let mut rest = text;
    match rest.chars().next() {
        None => return Err(NO_COMMA),
        Some(';' | ',') => {}
        Some(c) if !is_token(c) => return Err("invalid character after data prefix"),
        Some(_) => {
            let (kind, after) = token(rest).filter(|(_, after)| !after.is_empty()).ok_or("missing media type slash")?;
            let after = after.strip_prefix('/').ok_or("invalid character for media type")?;
            let extension = kind.len() >= 2 && kind[..2].eq_ignore_ascii_case("x-");
            if !extension && !TYPES.iter().any(|t| kind.starts_with(t)) {
                return Err("invalid media type");
            }
            rest = token(after).map_or(after, |(_, after)| after);
            if rest.is_empty() {
                return Err("incomplete media type");
            }
            if !rest.starts_with([';', ',']) {
                return Err("invalid character for media subtype");
            }
        }
    }
    while let Some(parameter) = rest.strip_prefix(';') {
        let unterminated = parameter.is_empty() || parameter.starts_with(['=', ',']);
        let (name, after) = token(parameter).ok_or(match unterminated {
            true => "unterminated parameter sequence",
            false => "invalid character for parameter attribute",
        })?;
        if let Some(data) = after.strip_prefix(',') {
            return if name == "base64" { Ok((true, data)) } else { Err("expected base64") };
        }
        let value = after.strip_prefix('=').ok_or(match after.is_empty() {
            true => "unterminated parameter sequence",
            false => "invalid character for parameter attribute",
        })?;
        rest = skip_parameter_value(value)?;
    }
    rest.strip_prefix(',').map(|data| (false, data)).ok_or(if rest.is_empty() {
        NO_COMMA
    } else {
        "expected semicolon or comma"
    })
}

fn skip_parameter_value(text: &str) -> Result<&str, &'static str> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut escaped = false;
        for (at, c) in quoted.char_indices() {
            match c {
                _ if !c.is_ascii() || c == '\n' => return Err("invalid character for parameter value"),
                _ if escaped && !"abfnrtv\\\"".contains(c) => return Err("invalid escaped character"),
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Ok(&quoted[at + 1..]),
                _ => {}
            }
        }
        return Err("unclosed quoted string");
    }
    if text.is_empty() {
        return Err(NO_COMMA);
    }
    let (value, after) = token(text).ok_or("invalid character for parameter value")?;
    match after.chars().next() {
        None => Err(NO_COMMA),
        Some(';' | ',') if unescape(value).is_some() => Ok(after),
        Some(_) => Err("invalid character for parameter value"),
    }
}

/// The longest token at the start of a text (RFC 2045), and the rest.
fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c| !is_token(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn is_token(c: char) -> bool {
    c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c)
}
