//! An image made of another one, with layers on top, without any program.
//!
//! Layers of the base are not unpacked: what the registry lacks of them is copied. The same arguments give the same image.
//!
//! Source: `config.md`, `layer.md` and `manifest.md` of the OCI image specification,
//! <https://github.com/opencontainers/image-spec>.

use crate::digest::Digest;
use crate::error::{Error, Fault};
use crate::images::Images;
use crate::manifest::{Blob, Descriptor, ImageManifest, blob, described, media};
use crate::pull_spec::PullSpec;
use crate::registry::Repository;
use crate::retry::patiently;
use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write as _};

/// Every timestamp in it.
const EPOCH: &str = "1970-01-01T00:00:00Z";
/// Layers of the other format of manifests.
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// What is put on top of an image.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    /// Layers, from below.
    pub layers: Vec<Vec<Entry>>,
    /// Labels, in addition to those of the base, or instead of them.
    pub labels: BTreeMap<String, String>,
    /// Variables of the environment, likewise.
    pub variables: BTreeMap<String, String>,
}

/// A file of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, from the root.
    pub path: String,
    /// Permissions.
    pub mode: u32,
    /// User and group.
    pub owner: (u64, u64),
    /// What it is.
    pub what: What,
}

/// What a path of a layer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A file with this content.
    File(Vec<u8>),
    /// A symbolic link to this.
    Link(String),
    /// A folder.
    Folder,
}

impl Images {
    /// Pushes an image that is `base`, as `from` reads it, with these additions; returns its digest. `to` has its tag.
    ///
    /// # Errors
    /// When the base cannot be read, the additions are no layers, or the registry refuses them.
    pub async fn derive(&self, from: &Self, base: &str, additions: &Additions, to: &PullSpec) -> Result<Digest, Error> {
        let name = to.to_string();
        let about = |fault: Fault| fault.about(&name, "");
        let base = from.base(base).await?;
        let image = on_top(&base.manifest, &base.config, additions).map_err(about)?;
        let repository = self.repository(to).map_err(about)?;
        let repository =
            repository.ok_or_else(|| about(Fault::malformed("the registries configuration", "it leads nowhere")))?;
        let push = Push { images: self, repository, name: &name };
        for layer in &base.manifest.layers {
            push.blob(layer, &|| base.blob(layer)).await?;
        }
        for (descriptor, bytes) in image.layers.iter().chain([&image.config]) {
            push.blob(descriptor, &|| async { Ok(futures::stream::iter([Ok(bytes.clone())]).boxed()) }).await?;
        }
        let (descriptor, bytes) = image.manifest;
        push.manifest(to, &descriptor.media_type, bytes).await?;
        Ok(descriptor.digest)
    }
}

/// What is pushed beside the layers of the base.
struct Made {
    manifest: Blob,
    config: Blob,
    layers: Vec<Blob>,
}

struct Push<'a> {
    images: &'a Images,
    repository: Repository,
    name: &'a str,
}

impl Push<'_> {
    async fn blob<F>(&self, descriptor: &Descriptor, open: &(impl Fn() -> F + Sync)) -> Result<(), Error>
    where
        F: Future<Output = Result<crate::digest::ByteStream, Fault>> + Send,
    {
        let place = self.repository.place();
        let send = || async {
            let sent = async {
                if self.repository.has_blob(&descriptor.digest).await? {
                    return Ok(());
                }
                let chunks = descriptor.digest.verified(open().await?, Some(descriptor.size));
                self.repository.put_blob(&descriptor.digest, descriptor.size, chunks).await
            };
            sent.await.map_err(|fault: Fault| fault.about(self.name, &place))
        };
        patiently(self.images.patience(), self.name, send).await
    }

    async fn manifest(&self, to: &PullSpec, media_type: &str, bytes: Bytes) -> Result<(), Error> {
        let place = self.repository.place();
        let send = || async {
            let put = self.repository.put_manifest(&to.version, media_type, bytes.clone()).await;
            put.map_err(|fault| fault.about(self.name, &place))
        };
        patiently(self.images.patience(), self.name, send).await
    }
}

fn on_top(base: &ImageManifest, config: &[u8], additions: &Additions) -> Result<Made, Fault> {
    let broken = |error: &dyn std::fmt::Display| Fault::content("the config of the base image", error.to_string());
    let mut config: Value = serde_json::from_slice(config).map_err(|error| broken(&error))?;
    let docker = base.media_type == media::DOCKER_MANIFEST;
    let kind = if docker { DOCKER_LAYER } else { media::LAYER };
    let mut layers = Vec::new();
    for entries in &additions.layers {
        let (packed, unpacked) = layer(entries).map_err(|error| Fault::malformed("a layer", error))?;
        append(&mut config, "rootfs", "diff_ids", json!(unpacked))?;
        layers.push(blob(kind, packed));
    }
    for _ in &additions.layers {
        let history = config.as_object_mut().map(|fields| fields.entry("history").or_insert_with(|| json!([])));
        if let Some(list) = history.and_then(Value::as_array_mut) {
            list.push(json!({"created": EPOCH, "created_by": "weir"}));
        }
    }
    let fields = config.as_object_mut().ok_or_else(|| broken(&"it is no object"))?;
    fields.insert("created".to_owned(), json!(EPOCH));
    let settings = fields.entry("config").or_insert_with(|| json!({}));
    for (key, value) in &additions.labels {
        settings["Labels"][key] = json!(value);
    }
    set_variables(settings, &additions.variables);
    let config = described(&base.config.media_type, &config)?;
    let mut all = base.layers.clone();
    all.extend(layers.iter().map(|(descriptor, _)| descriptor.clone()));
    let media_type = if docker { media::DOCKER_MANIFEST } else { media::MANIFEST };
    let manifest =
        ImageManifest { schema_version: 2, media_type: media_type.to_owned(), config: config.0.clone(), layers: all };
    Ok(Made { manifest: described(media_type, &manifest)?, config, layers })
}

fn append(config: &mut Value, section: &str, list: &str, value: Value) -> Result<(), Fault> {
    let list = config.get_mut(section).and_then(|section| section.get_mut(list)).and_then(Value::as_array_mut);
    let list =
        list.ok_or_else(|| Fault::content("the config of the base image", "it does not list its layers".to_owned()))?;
    list.push(value);
    Ok(())
}

/// Each `KEY=VALUE` of the environment, the later one instead of the earlier one.
fn set_variables(settings: &mut Value, variables: &BTreeMap<String, String>) {
    if variables.is_empty() {
        return;
    }
    let mut all: Vec<Value> = settings["Env"].as_array().cloned().unwrap_or_default();
    let key = |entry: &Value| entry.as_str().and_then(|text| text.split_once('=')).map(|(key, _)| key.to_owned());
    all.retain(|entry| key(entry).is_none_or(|key| !variables.contains_key(&key)));
    all.extend(variables.iter().map(|(key, value)| json!(format!("{key}={value}"))));
    settings["Env"] = json!(all);
}

/// These entries as a tar archive.
///
/// # Errors
/// When the format cannot hold one of them.
pub fn archive(entries: &[Entry]) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_uid(entry.owner.0);
        header.set_gid(entry.owner.1);
        header.set_mtime(0);
        let path = entry.path.trim_start_matches('/');
        match &entry.what {
            What::File(content) => {
                header.set_size(content.len() as u64);
                archive.append_data(&mut header, path, content.as_slice())?;
            }
            What::Link(target) => {
                header.set_size(0);
                header.set_entry_type(tar::EntryType::Symlink);
                archive.append_link(&mut header, path, target)?;
            }
            What::Folder => {
                header.set_size(0);
                header.set_entry_type(tar::EntryType::Directory);
                archive.append_data(&mut header, path, io::empty())?;
            }
        }
    }
    archive.into_inner()
}

/// The packed archive, and the digest of the unpacked one.
fn layer(entries: &[Entry]) -> io::Result<(Vec<u8>, Digest)> {
    let archive = archive(entries)?;
    // The header contains neither time nor file name nor operating system.
    let mut encoder = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::default());
    encoder.write_all(&archive)?;
    Ok((encoder.finish()?, Digest::of(&archive)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(config: &Value, additions: &Additions) -> Result<Value, Fault> {
        let text = config.to_string();
        let (config, _) = blob(media::CONFIG, text.clone().into_bytes());
        let base =
            ImageManifest { schema_version: 2, media_type: media::MANIFEST.to_owned(), config, layers: Vec::new() };
        on_top(&base, text.as_bytes(), additions).map(|made| serde_json::from_slice(&made.config.1).unwrap())
    }

    #[test]
    fn what_the_base_says_stays_unless_it_is_said_anew() {
        let config = json!({
            "architecture": "arm64", "created": "2026-01-01T00:00:00Z", "rootfs": {"type": "layers", "diff_ids": ["sha256:a"]},
            "config": {"Labels": {"a": "1", "b": "1"}, "Env": ["PATH=/bin", "A=1"], "User": "0"},
        });
        let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let file = Entry { path: "/etc/a".into(), mode: 0o600, owner: (0, 7), what: What::File(b"x".to_vec()) };
        let link = Entry { path: "/etc/b".into(), mode: 0o777, owner: (0, 0), what: What::Link("/dev/null".into()) };
        let folder = Entry { path: "/etc/c".into(), mode: 0o755, owner: (0, 0), what: What::Folder };
        let additions = Additions {
            layers: vec![vec![folder, file, link]],
            labels: [text("b", "2"), text("c", "3")].into(),
            variables: [text("A", "2")].into(),
        };
        let found = made(&config, &additions).unwrap();
        assert_eq!(found["config"]["Labels"], json!({"a": "1", "b": "2", "c": "3"}));
        assert_eq!(found["config"]["Env"], json!(["PATH=/bin", "A=2"]));
        assert_eq!((&found["config"]["User"], &found["architecture"]), (&json!("0"), &json!("arm64")));
        assert_eq!(found["rootfs"]["diff_ids"].as_array().unwrap().len(), 2);
        assert_eq!(found["history"].as_array().unwrap().len(), 1);
        assert_eq!(made(&config, &additions).unwrap(), found);
        let nothing = made(&json!({}), &additions).unwrap_err();
        assert!(nothing.to_string().contains("does not list its layers"), "{nothing}");
    }

    #[test]
    fn a_layer_holds_what_it_was_given() {
        let long = format!("/etc/{}", "a/".repeat(120));
        let entries = [
            Entry { path: format!("{long}f"), mode: 0o640, owner: (1000, 7), what: What::File(b"text".to_vec()) },
            Entry { path: "/etc/l".into(), mode: 0o777, owner: (0, 0), what: What::Link("../x".into()) },
        ];
        let (packed, unpacked) = layer(&entries).unwrap();
        let mut archive = Vec::new();
        io::copy(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut archive).unwrap();
        assert_eq!(Digest::of(&archive), unpacked);
        let mut archive = tar::Archive::new(archive.as_slice());
        let mut found = archive.entries().unwrap();
        let file = found.next().unwrap().unwrap();
        assert_eq!(file.path().unwrap().to_str().unwrap(), format!("{}f", &long[1..]));
        let header = file.header();
        assert_eq!((header.mode().unwrap(), header.uid().unwrap(), header.gid().unwrap()), (0o640, 1000, 7));
        let link = found.next().unwrap().unwrap();
        assert_eq!(link.link_name().unwrap().unwrap().to_str(), Some("../x"));
    }
}
