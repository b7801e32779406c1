//! The bytes of a file as it will be on disk.

use crate::url::decode_data_url;
use flate2::read::MultiGzDecoder;
use serde_json::{Map, Value};
use std::io::Read as _;

/// Most bytes a file may unpack to: far above what fits into a MachineConfig by honest means, far below what hurts.
pub const LARGEST_CONTENTS: u64 = 64 << 20;

/// Why the contents of a file are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentsError {
    /// They are fetched from elsewhere, or the data URL is malformed.
    #[error("could not decode file content string: {0}")]
    Source(&'static str),
    /// They are not what the compression says.
    #[error("failed decompressing: {0}")]
    Gzip(String),
    /// They unpack to more than [`LARGEST_CONTENTS`].
    #[error("the contents unpack to more than {LARGEST_CONTENTS} bytes")]
    TooLarge,
    /// The compression is none that is known.
    #[error("unsupported compression type {0:?}")]
    Compression(String),
}

/// Decodes and unpacks the contents that a resource holds itself; empty without a source.
///
/// # Errors
/// When the source is no data URL, or not compressed as it says.
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
