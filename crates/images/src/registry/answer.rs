//! What a registry's response or failure means.

use super::clients::authority;
use crate::error::{Fault, TlsCause};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use std::error::Error as _;
use std::time::Duration;

/// An error document is a few hundred bytes.
const MAX_ERROR: u64 = 64 << 10;
/// As much of a registry's message as fits into a condition.
const MAX_SAID: usize = 200;
/// Codes of the distribution specification that mean a retry is useless.
const SETTLED: [&str; 12] = [
    "UNAUTHORIZED",
    "DENIED",
    "NAME_UNKNOWN",
    "MANIFEST_UNKNOWN",
    "NAME_INVALID",
    "DIGEST_INVALID",
    "MANIFEST_INVALID",
    "TAG_INVALID",
    "SIZE_INVALID",
    "UNSUPPORTED",
    "BLOB_UNKNOWN",
    "MANIFEST_UNVERIFIED",
];

#[derive(Default, Deserialize)]
struct Document {
    #[serde(default)]
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Passes a success on; anything else becomes a fault. `by` is the responding host, empty for the registry itself: only for a
/// registry is the meaning of 401 to 404 known.
pub(super) async fn success(
    response: Response,
    what: &'static str,
    given: bool,
    by: String,
) -> Result<Response, Fault> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(response.headers());
    let body = limited(response, "the registry's error", MAX_ERROR).await.unwrap_or_default();
    let document: Document = serde_json::from_slice(&body).unwrap_or_default();
    let said = said(&document.errors);
    Err(match status {
        StatusCode::UNAUTHORIZED if by.is_empty() => Fault::Unauthorized { given },
        StatusCode::FORBIDDEN if by.is_empty() => Fault::Denied { said },
        StatusCode::NOT_FOUND if by.is_empty() => Fault::NotFound { what, said },
        _ => {
            let code = |error: &Said| SETTLED.contains(&error.code.as_str());
            let errors = &document.errors;
            let settled = status == StatusCode::BAD_REQUEST && (errors.is_empty() || errors.iter().any(code));
            Fault::Status { by, status: status.as_u16(), settled, said, retry_after }
        }
    })
}

fn said(errors: &[Said]) -> String {
    let Some(first) = errors.first() else { return String::new() };
    let printable = |text: &str| text.chars().filter(|c| !c.is_control()).take(MAX_SAID).collect::<String>();
    format!(" ({} {})", printable(&first.code), printable(&first.message))
}

/// Seconds, or a date, which is compared with the registry's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let wanted = text(RETRY_AFTER)?;
    if let Ok(seconds) = wanted.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = httpdate::parse_http_date(text(DATE)?).ok()?;
    httpdate::parse_http_date(wanted).ok()?.duration_since(now).ok()
}

/// The whole body, unless it exceeds the limit.
pub(super) async fn limited(response: Response, what: &str, limit: u64) -> Result<Bytes, Fault> {
    let mut chunks = response.bytes_stream();
    let mut all = BytesMut::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(failure)?;
        if (all.len() + chunk.len()) as u64 > limit {
            return Err(Fault::TooLarge { what: what.to_owned(), limit });
        }
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}

/// A request without a response, or whose response broke off. The URL is left out: storage puts secrets there.
pub(super) fn failure(error: reqwest::Error) -> Fault {
    if let Some(fault) = find::<Fault>(&error) {
        return fault.clone();
    }
    let host = error.url().map(authority).unwrap_or_default();
    let mut texts: Vec<String> = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Many layers repeat the text of the one below, and one says nothing else.
        texts.retain(|known| !known.contains(&text) && !text.contains(known));
        if !text.starts_with("client error (") {
            texts.push(text);
        }
        source = cause.source();
    }
    let cause = find::<rustls::Error>(&error).map(tls_cause);
    if texts.is_empty() {
        texts.push(if error.is_timeout() { "timed out".to_owned() } else { error.without_url().to_string() });
    }
    let why = texts.join(": ");
    match cause {
        Some(cause) => Fault::Tls { host, why, cause },
        None => Fault::Unreachable { host, why },
    }
}

fn tls_cause(error: &rustls::Error) -> TlsCause {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_) => TlsCause::Certificate,
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => TlsCause::NotSpoken,
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::CertificateUnknown
            | Alert::CertificateExpired
            | Alert::CertificateRevoked
            | Alert::UnsupportedCertificate
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => TlsCause::ClientCertificate,
        _ => TlsCause::Other,
    }
}

/// The error of this type among the causes, also inside an I/O error.
fn find<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    let mut current = Some(error);
    while let Some(cause) = current {
        if let Some(found) = cause.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| find::<E>(inner)) {
            return Some(found);
        }
        current = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_to_wait() {
        for (headers, expected) in [
            (vec![("retry-after", "7")], Some(7)),
            (
                vec![("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), ("date", "Sun, 06 Nov 1994 08:49:07 GMT")],
                Some(30),
            ),
            (vec![("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], None),
            (vec![("retry-after", "soon")], None),
            (vec![], None),
        ] {
            let pairs = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            let headers: HeaderMap = pairs.collect();
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs), "{headers:?}");
        }
    }

    #[test]
    fn a_registrys_words_are_kept_short_and_printable() {
        let said = said(&[Said { code: "A\u{1b}[31m".to_owned(), message: "x".repeat(1000) }]);
        assert!(said.starts_with(" (A[31m x") && said.len() < 220, "{said}");
    }
}
