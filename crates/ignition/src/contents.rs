//! The bytes of a file as it will be on disk.

use crate::url::decode_data_url;
use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use std::io::Read as _;

/// The largest unpacked size: far above what legitimately fits into a MachineConfig, far below what hurts.
pub const LARGEST_CONTENTS: u64 = 64 << 20;

/// Why the contents of a file are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// They are fetched from elsewhere, or the data URL is malformed.
    #[error("could not decode file content string: {0}")]
    Source(&'static str),
    /// They are not compressed as declared.
    #[error("failed decompressing: {0}")]
    Gzip(String),
    /// They unpack to more than [`LARGEST_CONTENTS`].
    #[error("the contents unpack to more than {LARGEST_CONTENTS} bytes")]
    TooLarge,
    /// The compression is unknown.
    #[error("unsupported compression type {0:?}")]
    Compression(String),
}

/// Decodes and unpacks the inline contents of a resource; empty without a source.
///
/// # Errors
/// When the source is not a data URL, or not compressed as declared.
pub fn decode(resource: &Map<String, Value>) -> Result<Vec<u8>, ContentsError> {
    let Some(source) = resource.get("source").and_then(Value::as_str) else { return Ok(Vec::new()) };
    let data = decode_data_url(source).map_err(ContentsError::Source)?;
    match resource.get("compression").and_then(Value::as_str) {
        None | Some("") => Ok(data),
        Some("gzip") => {
            let mut unpacked = Vec::new();
            let mut reader = MultiGzDecoder::new(data.as_slice()).take(LARGEST_CONTENTS + 1);
            reader.read_to_end(&mut unpacked).map_err(|e| ContentsError::Gzip(e.to_string()))?;
            if unpacked.len() as u64 > LARGEST_CONTENTS { Err(ContentsError::TooLarge) } else { Ok(unpacked) }
        }
        Some(other) => Err(ContentsError::Compression(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use flate2::{Compression, write::GzEncoder};
    use serde_json::{Value, json};
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(resource: Value) -> Result<Vec<u8>, ContentsError> {
        decode(resource.as_object().unwrap())
    }

    fn packed(bytes: &[u8]) -> Value {
        json!({ "source": format!("data:;base64,{}", STANDARD.encode(bytes)), "compression": "gzip" })
    }

    #[test]
    fn what_is_in_a_file() {
        let two = [gzip(b"one "), gzip(b"two")].concat();
        for (resource, bytes) in [
            (json!({}), &b""[..]),
            (json!({ "source": "data:," }), b""),
            (json!({ "source": "data:text/plain;charset=utf-8,a%0Ab", "compression": "" }), b"a\nb"),
            (json!({ "source": "data:;base64,/wA=" }), b"\xff\0"),
            (packed(&gzip(b"text")), b"text"),
            (packed(&two), b"one two"),
        ] {
            assert_eq!(decoded(resource.clone()).unwrap(), bytes, "{resource}");
        }
    }

    #[test]
    fn what_cannot_be_told() {
        let whole = gzip(b"text");
        let bomb = gzip(&vec![0; usize::try_from(LARGEST_CONTENTS).unwrap() + 1]);
        let missing = ContentsError::Source("missing data prefix");
        assert_eq!(decoded(json!({ "source": "https://x/y" })), Err(missing.clone()));
        assert_eq!(decoded(json!({ "source": "" })), Err(missing));
        assert_eq!(
            decoded(json!({ "source": "data:,x", "compression": "xz" })),
            Err(ContentsError::Compression("xz".into()))
        );
        assert_eq!(decoded(packed(&bomb)), Err(ContentsError::TooLarge));
        for broken in [&whole[..whole.len() - 3], b"text", b""] {
            assert!(matches!(decoded(packed(broken)), Err(ContentsError::Gzip(_))), "{broken:?}");
        }
    }
}
