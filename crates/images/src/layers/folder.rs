//! All regular files below a folder of an image.
//!
//! All layers are read concurrently, for a folder may have files in each; only the files below it are kept. Upper
//! layers win; a whiteout, an opaque folder or a file in place of a folder hides the content of lower layers. Links are
//! not followed: their targets could be anywhere.

use super::{Layers, Notes, OPAQUE, WHITEOUT, components, scan, scan_stream};
use crate::error::Fault;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::{StreamExt as _, TryStreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use tar::{Entry, EntryType};

/// Limit of files and folders below the folder, in one layer.
const MAX_BELOW: usize = 20_000;
/// Layers read concurrently: as many as images of a release usually have.
const AT_ONCE: usize = 8;

/// The contents of a folder. Paths are relative to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folder {
    /// The regular files and their contents.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The folders, including empty ones.
    pub folders: BTreeSet<String>,
}

/// Everything below the folder at this absolute path; `None` when there is no folder.
///
/// # Errors
/// When a layer cannot be read or is broken, when the files together are larger than `limit`, or there is a link.
pub async fn folder(layers: &impl Layers, path: &str, limit: u64) -> Result<Option<Folder>, Fault> {
    below(layers, Layer { path: components(path).unwrap_or_default(), limit, ..Layer::default() }).await
}

/// The same without any contents, however large the files are. A link counts as a file.
///
/// # Errors
/// When a layer cannot be read or is broken.
pub async fn listing(layers: &impl Layers, path: &str) -> Result<Option<Folder>, Fault> {
    let path = components(path).unwrap_or_default();
    below(layers, Layer { path, names_only: true, ..Layer::default() }).await
}

async fn below(layers: &impl Layers, empty: Layer) -> Result<Option<Folder>, Fault> {
    let Layer { path, limit, names_only, .. } = empty;
    let read = |at| {
        let layer = Layer { path: path.clone(), limit, names_only, ..Layer::default() };
        async move {
            let (digest, size) = layers.identity(at);
            scan_stream(digest.verified(layers.open(at).await?, Some(size)), layer, digest).await
        }
    };
    let all: Vec<_> = (0..layers.count()).map(read).collect();
    let read: Vec<Layer> = futures::stream::iter(all).buffered(AT_ONCE).try_collect().await?;
    let named = format!("folder /{}", path.join("/"));
    let folder = merged(read).map_err(|why| Fault::content(named.clone(), why))?;
    let bytes: usize = folder.iter().flat_map(|folder| folder.files.values()).map(Vec::len).sum();
    if bytes as u64 > limit {
        return Err(Fault::content(named, too_large(limit)));
    }
    Ok(folder)
}

fn too_large(limit: u64) -> String {
    format!("its files are larger than {limit} bytes together, the most that is accepted")
}

impl Folder {
    /// As a gzipped archive, for the cache.
    pub(crate) fn pack(&self) -> io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
        for folder in &self.folders {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(EntryType::Directory);
            header.set_size(0);
            archive.append_data(&mut header, folder, io::empty())?;
        }
        for (path, content) in &self.files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, content.as_slice())?;
        }
        archive.into_inner()?.finish()
    }

    /// The unpacked contents; `None` when they are broken or larger than `limit`, and must be read again.
    pub(crate) fn unpack(packed: &[u8], limit: u64) -> Option<Self> {
        let mut layer = Layer { limit, ..Layer::default() };
        scan(&mut io::BufReader::new(packed), &mut layer).ok()?;
        merged(vec![layer]).ok()?.or_else(|| Some(Self::default()))
    }
}

/// One layer's part of the folder. Paths are relative to it; the folder itself is the empty path.
#[derive(Default)]
struct Layer {
    path: Vec<String>,
    /// Most bytes of all files together, and how many there are.
    limit: u64,
    /// Whether contents are left out.
    names_only: bool,
    bytes: u64,
    nodes: BTreeMap<String, Node>,
    /// What lower layers have there and below is gone.
    removed: BTreeSet<String>,
    /// What lower layers have below is gone.
    opaque: BTreeSet<String>,
}

enum Node {
    File(Vec<u8>),
    Folder,
    /// Something that is not a regular file.
    Odd,
}

impl Layer {
    /// Relative path of an entry in the folder; the empty path also for the folder's parents.
    fn relative(&self, parts: &[String]) -> Option<String> {
        match parts.strip_prefix(self.path.as_slice()) {
            Some(below) => Some(below.join("/")),
            None => self.path.starts_with(parts).then(String::new),
        }
    }
}

impl Notes for Layer {
    fn note(&mut self, entry: &mut Entry<'_, impl Read>, name: &str, _: &str) -> io::Result<()> {
        let Some(parts) = components(name) else { return Ok(()) };
        let Some((last, above)) = parts.split_last() else { return Ok(()) };
        if last == OPAQUE {
            if above.len() < self.path.len() && self.path.starts_with(above) {
                self.removed.insert(String::new());
            } else {
                self.opaque.extend(self.relative(above));
            }
            return Ok(());
        }
        if let Some(removed) = last.strip_prefix(WHITEOUT) {
            let whole: Vec<String> = above.iter().cloned().chain([removed.to_owned()]).collect();
            self.removed.extend(self.relative(&whole));
            return Ok(());
        }
        let Some(path) = self.relative(&parts) else { return Ok(()) };
        let is_above = parts.len() < self.path.len();
        let node = match entry.header().entry_type() {
            EntryType::Directory if is_above => return Ok(()),
            EntryType::Directory => Node::Folder,
            _ if self.names_only && !path.is_empty() => Node::File(Vec::new()),
            EntryType::Regular | EntryType::Continuous if !path.is_empty() => {
                let mut content = Vec::new();
                entry.take(self.limit + 1).read_to_end(&mut content)?;
                self.bytes += content.len() as u64;
                if self.bytes > self.limit {
                    return Err(io::Error::other(too_large(self.limit)));
                }
                Node::File(content)
            }
            _ => Node::Odd,
        };
        // The last entry of a name wins, and everything below a replaced folder goes with it.
        if !matches!(node, Node::Folder) {
            let below = format!("{path}/");
            self.nodes.retain(|known, _| !(path.is_empty() || known.starts_with(&below)));
        }
        self.nodes.insert(path, node);
        if self.nodes.len() > MAX_BELOW {
            return Err(io::Error::other(format!("there are more than {MAX_BELOW} files below the folder")));
        }
        Ok(())
    }
}

/// The folder as the container sees it, given its layers from the lowest up.
fn merged(layers: Vec<Layer>) -> Result<Option<Folder>, String> {
    let mut seen: BTreeMap<String, Node> = BTreeMap::new();
    let (mut removed, mut opaque): (BTreeSet<String>, BTreeSet<String>) = Default::default();
    for layer in layers.into_iter().rev() {
        let mut added = Vec::new();
        for (path, node) in layer.nodes {
            let is_hidden = seen.contains_key(&path)
                || removed.contains(&path)
                || above(&path).any(|folder| {
                    removed.contains(folder)
                        || opaque.contains(folder)
                        || seen.get(folder).is_some_and(|node| !matches!(node, Node::Folder))
                });
            if !is_hidden {
                added.push((path, node));
            }
        }
        seen.extend(added);
        removed.extend(layer.removed);
        opaque.extend(layer.opaque);
    }
    let mut folder = Folder::default();
    for (path, node) in seen {
        match node {
            Node::File(content) => _ = folder.files.insert(path, content),
            Node::Folder => _ = folder.folders.insert(path),
            Node::Odd => return Err(format!("{path:?} is a link or a device, and no file that can be taken")),
        }
    }
    let is_there = !(folder.files.is_empty() && folder.folders.is_empty());
    folder.folders.remove("");
    Ok(is_there.then_some(folder))
}

/// The parent folders of a path, ending with the one that is looked for.
fn above(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.rmatch_indices('/').map(|(at, _)| &path[..at]);
    ends.chain((!path.is_empty()).then_some(""))
}
