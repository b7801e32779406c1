//! Certificates in PEM text, and their subjects.
//!
//! Sources: RFC 7468 for the text, RFC 5280 section 4.1 for the order of a certificate's fields.

use base64::{Engine as _, engine::general_purpose::STANDARD};

const CERTIFICATE: &str = "CERTIFICATE";
/// Base64 characters per line, as RFC 7468 requires of writers.
const LINE: usize = 64;
/// DER tags.
pub(crate) const SEQUENCE: u8 = 0x30;
const EXPLICIT_VERSION: u8 = 0xa0;
/// Fields of a certificate between its version and its issuer: serial number, signature.
const BEFORE_ISSUER: usize = 2;

/// The contents of a text's blocks, with their labels, in order. Blocks that are unterminated or not base64 are left out.
pub(crate) fn blocks(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(text);
    let mut found = Vec::new();
    let mut block: Option<(&str, String)> = None;
    for line in text.lines().map(str::trim) {
        let marks = |begin: &str| line.strip_prefix(begin).and_then(|rest| rest.strip_suffix("-----"));
        if let Some(label) = marks("-----BEGIN ") {
            block = Some((label, String::new()));
        } else if let Some(label) = marks("-----END ") {
            let ended = block.take().filter(|(begun, _)| *begun == label);
            found.extend(ended.and_then(|(label, body)| Some((label.to_owned(), STANDARD.decode(body).ok()?))));
        } else if let Some((_, body)) = &mut block {
            body.push_str(line);
        }
    }
    found
}

/// Certificates of a text as DER, in order. Anything that is not a readable certificate is left out.
pub(crate) fn certificates(text: &[u8]) -> Vec<Vec<u8>> {
    let certificates = blocks(text).into_iter().filter(|(label, der)| label == CERTIFICATE && subject(der).is_some());
    certificates.map(|(_, der)| der).collect()
}

/// The text of a certificate, with a line break at its end.
pub(crate) fn text(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {CERTIFICATE}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(LINE.min(rest.len()));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text + "-----END " + CERTIFICATE + "-----\n"
}

/// Whether a certificate's subject contains this text.
pub(crate) fn is_of(der: &[u8], name: &str) -> bool {
    subject(der).is_some_and(|subject| subject.windows(name.len()).any(|part| part == name.as_bytes()))
}

/// The encoded issuer, validity and subject of a certificate.
pub(crate) struct Certificate<'d> {
    /// Content of the issuer's name.
    pub(crate) issuer: &'d [u8],
    /// Content of the validity: two times.
    pub(crate) validity: &'d [u8],
    /// Content of the subject's name.
    pub(crate) subject: &'d [u8],
}

/// Parses a certificate; `None` when this is not one.
pub(crate) fn certificate(der: &[u8]) -> Option<Certificate<'_>> {
    let (certificate, _) = of_tag(der, SEQUENCE)?;
    let (mut rest, _) = of_tag(certificate, SEQUENCE)?;
    if let (EXPLICIT_VERSION, _, after) = element(rest)? {
        rest = after;
    }
    for _ in 0..BEFORE_ISSUER {
        rest = element(rest)?.2;
    }
    let (issuer, rest) = of_tag(rest, SEQUENCE)?;
    let (validity, rest) = of_tag(rest, SEQUENCE)?;
    let (subject, _) = of_tag(rest, SEQUENCE)?;
    Some(Certificate { issuer, validity, subject })
}

fn subject(der: &[u8]) -> Option<&[u8]> {
    certificate(der).map(|certificate| certificate.subject)
}

pub(crate) fn of_tag(der: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(tag, _, _)| *tag == wanted).map(|(_, content, rest)| (content, rest))
}

/// Tag and content of the first element, and what follows it.
pub(crate) fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], mut rest) = der.split_first_chunk::<2>()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if bytes.len() > size_of::<u32>() {
            return None;
        }
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}
