//! Building an image: a manifest, a config, and layers of a few files.

use super::BadPayload;
use crate::digest::Digest;
use crate::layout::Builder;
use crate::manifest::{Descriptor, ImageManifest, media};
use flate2::{Compression, GzBuilder};
use std::collections::BTreeMap;
use std::io::{self, Write as _};

/// Every timestamp in it.
pub(super) const EPOCH: &str = "1970-01-01T00:00:00Z";
const FILE_MODE: u32 = 0o644;

/// An image under construction.
#[derive(Debug, Default)]
pub(super) struct Image {
    labels: BTreeMap<String, String>,
    layers: Vec<Layer>,
}

/// A layer: its gzipped archive and the digest of the uncompressed archive.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) gzipped: Vec<u8>,
    pub(super) diff_id: Digest,
}

impl Image {
    pub(super) fn label(&mut self, key: &str, value: &str) {
        self.labels.insert(key.to_owned(), value.to_owned());
    }

    /// Adds a layer with these files on top.
    pub(super) fn layer(&mut self, files: &[(&str, &[u8])]) -> Result<(), BadPayload> {
        self.layers.push(layer(files).map_err(|error| BadPayload::Format(error.to_string()))?);
        Ok(())
    }

    /// Puts it among the blobs of a layout.
    pub(super) fn store(self, builder: &mut Builder) -> Result<Descriptor, BadPayload> {
        let format = |error: serde_json::Error| BadPayload::Format(error.to_string());
        let diff_ids: Vec<&Digest> = self.layers.iter().map(|layer| &layer.diff_id).collect();
        let config = serde_json::json!({
            "architecture": "amd64",
            "os": "linux",
            "created": EPOCH,
            "config": { "Labels": self.labels },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": diff_ids.iter().map(|_| serde_json::json!({ "created": EPOCH })).collect::<Vec<_>>(),
        });
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: media::MANIFEST.to_owned(),
            config: builder.blob(media::CONFIG, serde_json::to_vec(&config).map_err(format)?),
            layers: self.layers.into_iter().map(|layer| builder.blob(media::LAYER, layer.gzipped)).collect(),
        };
        Ok(builder.blob(media::MANIFEST, serde_json::to_vec(&manifest).map_err(format)?))
    }
}

/// A layer with these files.
pub(super) fn layer(files: &[(&str, &[u8])]) -> io::Result<Layer> {
    let archive = archive(files)?;
    // The header contains neither time nor file name nor operating system.
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    encoder.write_all(&archive)?;
    Ok(Layer { gzipped: encoder.finish()?, diff_id: Digest::of(&archive) })
}

fn archive(files: &[(&str, &[u8])]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(FILE_MODE);
        header.set_mtime(0);
        archive.append_data(&mut header, name.trim_start_matches('/'), *content)?;
    }
    archive.into_inner()
}
