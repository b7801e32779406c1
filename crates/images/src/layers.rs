//! One file or folder from an image's layers, as the container would see it.
//!
//! Layers are read from the top down. Within a layer the last entry of a name wins. A whiteout of the file or of a
//! parent folder, an opaque parent folder, or something else in place of a parent folder hides the content of lower
//! layers. Symbolic links are followed through all layers, hard links from their own layer down. Nothing is ever written
//! to disk; an entry whose name leaves the root is ignored.
//!
//! Source: `layer.md` of the OCI image specification.

use crate::digest::{ByteStream, Digest};
use crate::error::Fault;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures::{Stream, StreamExt as _, TryStreamExt as _, future::ready, stream};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Cursor, Read};
use tar::{Archive, Entry, EntryType, PaxExtensions};
use tokio_util::io::{StreamReader, SyncIoBridge};

/// Unpacked size limit of a layer. The largest layers of a release are below 4 GiB; a bomb has no end.
const MAX_UNPACKED: u64 = 8 << 30;
/// Entries of a layer: a whole operating system has about a tenth of it.
const MAX_ENTRIES: u64 = 2_000_000;
/// Limit for a long name or a set of extended attributes of one entry.
const MAX_EXTENSION: u64 = 1 << 20;
/// Links followed before it is called a cycle. Each may read the layers again, so fewer than the 40 of Linux.
const MAX_LINKS: usize = 10;

/// A compressed layer up to this size is scanned by whoever asks, without a thread of its own, which would cost more: gzip unpacks it to
/// 33 MB at most. Frames of zstd have no such bound.
const SMALL: usize = 32 << 10;

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

mod folder;

pub use folder::{Folder, folder, listing};

/// A layer that is opened when needed.
pub trait Layers {
    /// How many there are.
    fn count(&self) -> usize;
    /// Digest and size of a layer, the lowest being 0.
    fn identity(&self, at: usize) -> (&Digest, u64);
    /// Its chunks, not yet verified.
    fn open(&self, at: usize) -> impl Future<Output = Result<ByteStream, Fault>> + Send;
}

/// The content of the regular file at this absolute path; `None` when there is none.
///
/// # Errors
/// When a layer cannot be read or is broken, when the file is larger than `limit`, or links go in circles.
pub async fn file(layers: &impl Layers, path: &str, limit: u64) -> Result<Option<Vec<u8>>, Fault> {
    let mut search =
        Search { path: components(path).unwrap_or_default(), top: layers.count(), folders: BTreeSet::new() };
    for _ in 0..MAX_LINKS {
        match below(layers, &mut search, limit).await? {
            Step::Done(content) => return Ok(content),
            Step::Again(next) => search = next,
        }
    }
    Err(Fault::content(format!("file {path}"), "its links go in circles"))
}

struct Search {
    path: Vec<String>,
    /// Layers from this one up are ignored.
    top: usize,
    /// Prefixes of the path that are folders in the layers above.
    folders: BTreeSet<usize>,
}

enum Step {
    Done(Option<Vec<u8>>),
    Again(Search),
}

async fn below(layers: &impl Layers, search: &mut Search, limit: u64) -> Result<Step, Fault> {
    let all = layers.count();
    for at in (0..search.top).rev() {
        let (digest, size) = layers.identity(at);
        let chunks = digest.verified(layers.open(at).await?, Some(size));
        let sought = Sought { path: search.path.clone(), limit, seen: Seen::default() };
        let Sought { mut seen, .. } = scan_stream(chunks, sought, digest).await?;
        match seen.at.remove(&search.path.len()) {
            Some(Node::File(content)) => return Ok(Step::Done(Some(content))),
            Some(Node::TooLarge) => {
                let why = format!("it is larger than {limit} bytes, the most that is accepted");
                return Err(Fault::content(format!("file /{}", search.path.join("/")), why));
            }
            Some(Node::Symlink(target)) => return Ok(follow(&search.path, search.path.len(), &target, all)),
            // Seen from a lower layer up, so layers above cannot change it.
            Some(Node::Hardlink(target)) => {
                let path = components(&target).unwrap_or_default();
                return Ok(Step::Again(Search { path, top: at + 1, folders: BTreeSet::new() }));
            }
            Some(Node::Folder | Node::Other) => return Ok(Step::Done(None)),
            None => {}
        }
        for (depth, node) in seen.at {
            match node {
                Node::Folder => _ = search.folders.insert(depth),
                Node::Symlink(target) if !search.folders.contains(&depth) => {
                    return Ok(follow(&search.path, depth, &target, all));
                }
                _ => return Ok(Step::Done(None)),
            }
        }
        if seen.hidden {
            return Ok(Step::Done(None));
        }
    }
    Ok(Step::Done(None))
}

/// The path with its first `depth` components replaced by their link targets, resolved in all layers.
fn follow(path: &[String], depth: usize, target: &str, all: usize) -> Step {
    let mut full = if target.starts_with('/') { Vec::new() } else { path[..depth - 1].to_vec() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = full.pop(),
            name => full.push(name.to_owned()),
        }
    }
    full.extend_from_slice(&path[depth..]);
    Step::Again(Search { path: full, top: all, folders: BTreeSet::new() })
}

enum Node {
    File(Vec<u8>),
    TooLarge,
    Symlink(String),
    Hardlink(String),
    Folder,
    Other,
}

/// What one layer says about a path.
#[derive(Default)]
struct Seen {
    /// The entries at the path and its parents, by number of components.
    at: BTreeMap<usize, Node>,
    /// Whether it hides the entries of lower layers.
    hidden: bool,
}

/// Collects something from a layer.
trait Notes: Send + 'static {
    /// Reads an entry, with its name and link target.
    fn note(&mut self, entry: &mut Entry<'_, impl Read>, name: &str, link: &str) -> io::Result<()>;
}

/// A path, the size limit of a file there, and what a layer says about it.
struct Sought {
    path: Vec<String>,
    limit: u64,
    seen: Seen,
}

impl Notes for Sought {
    fn note(&mut self, entry: &mut Entry<'_, impl Read>, name: &str, link: &str) -> io::Result<()> {
        self.seen.note(entry, name, link, &self.path, self.limit)
    }
}

async fn scan_stream<N: Notes>(chunks: ByteStream, mut notes: N, digest: &Digest) -> Result<N, Fault> {
    let mut chunks = chunks.fuse();
    let (mut start, mut whole) = (Vec::new(), false);
    while start.len() <= SMALL && !whole {
        match chunks.try_next().await? {
            Some(chunk) => start.extend_from_slice(&chunk),
            None => whole = true,
        }
    }
    if whole && !is_zstd(&start) {
        let scanned = scan(&mut Cursor::new(start), &mut notes).map(|()| notes);
        return scanned.map_err(|error| Fault::content(format!("layer {digest}"), error));
    }
    let chunks = stream::once(ready(Ok(Bytes::from(start)))).chain(chunks);
    // The reader below sees I/O errors; the fault itself is kept here.
    let (tell, told) = std::sync::mpsc::channel();
    let chunks = chunks.map_err(move |fault| {
        let _ = tell.send(fault);
        io::Error::other("the layer ended early")
    });
    let layer = format!("layer {digest}");
    let reader = bridge(chunks);
    let scanned = tokio::task::spawn_blocking(move || {
        let mut compressed = BufReader::new(reader);
        let scanned = scan(&mut compressed, &mut notes);
        // The digest is verified only at the end of the stream, and a mismatch matters more than the errors it caused.
        let drained = io::copy(&mut compressed, &mut io::sink());
        scanned.and_then(|()| drained.map(|_| notes))
    });
    let result = scanned.await.map_err(|error| Fault::malformed(layer.clone(), error))?;
    if let Ok(fault) = told.try_recv() {
        return Err(fault);
    }
    // The whole layer was read, and its digest matched.
    result.map_err(|error| Fault::content(layer, error))
}

fn bridge(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> impl Read + Send {
    SyncIoBridge::new(StreamReader::new(Box::pin(chunks)))
}

fn scan(compressed: &mut (impl io::BufRead + Send), notes: &mut impl Notes) -> io::Result<()> {
    let magic = peek(compressed)?;
    if magic.starts_with(&GZIP) {
        scan_tar(MultiGzDecoder::new(compressed), notes)
    } else if is_zstd(&magic) {
        scan_tar(Frames { source: compressed, frame: None }, notes)
    } else {
        scan_tar(compressed, notes)
    }
}

fn is_zstd(start: &[u8]) -> bool {
    start.starts_with(&ZSTD) || start.get(1..ZSTD.len()).is_some_and(|rest| rest == ZSTD_SKIPPABLE)
}

/// The first four bytes, or fewer.
fn peek(source: &mut impl io::BufRead) -> io::Result<Vec<u8>> {
    let ahead = source.fill_buf()?;
    Ok(ahead[..ahead.len().min(ZSTD.len())].to_vec())
}

/// All frames of a zstd file, one after the other.
struct Frames<R: io::BufRead> {
    source: R,
    frame: Option<FrameDecoder>,
}

impl<R: io::BufRead> Read for Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(frame) = self.frame.as_mut() else {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                self.frame = self.begin()?;
                continue;
            };
            while frame.can_collect() < out.len() && !frame.is_finished() {
                let wanted = BlockDecodingStrategy::UptoBytes(out.len());
                frame.decode_blocks(&mut self.source, wanted).map_err(io::Error::other)?;
            }
            match frame.read(out)? {
                0 if !out.is_empty() => self.frame = None,
                count => return Ok(count),
            }
        }
    }
}

impl<R: io::BufRead> Frames<R> {
    /// The next frame; `None` for a skippable one.
    fn begin(&mut self) -> io::Result<Option<FrameDecoder>> {
        let mut frame = FrameDecoder::new();
        match frame.init(&mut self.source) {
            Ok(()) => Ok(Some(frame)),
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                io::copy(&mut (&mut self.source).take(u64::from(length)), &mut io::sink())?;
                Ok(None)
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// A reader that fails instead of unpacking without end.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other(format!("it unpacks to more than {MAX_UNPACKED} bytes")))?;
        Ok(count)
    }
}

fn scan_tar(unpacked: impl Read, notes: &mut impl Notes) -> io::Result<()> {
    let mut archive = Archive::new(Bounded { inner: unpacked, left: MAX_UNPACKED });
    let mut extensions = Extensions::default();
    // Raw: the library would read a long name or attribute of any length into memory.
    for (count, entry) in archive.entries()?.raw(true).enumerate() {
        if count as u64 > MAX_ENTRIES {
            return Err(io::Error::other(format!("it has more than {MAX_ENTRIES} entries")));
        }
        let mut entry = entry?;
        if !extensions.absorb(&mut entry)? {
            let (name, link) = std::mem::take(&mut extensions).names(&entry);
            notes.note(&mut entry, &name, &link)?;
        }
    }
    Ok(())
}

/// Names that do not fit into an entry's header come before it.
#[derive(Default)]
struct Extensions {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

impl Extensions {
    /// Whether the entry only carried data for the next one.
    fn absorb(&mut self, entry: &mut Entry<'_, impl Read>) -> io::Result<bool> {
        match entry.header().entry_type() {
            EntryType::GNULongName => self.name = Some(extension(entry)?),
            EntryType::GNULongLink => self.link = Some(extension(entry)?),
            EntryType::XHeader => {
                let text = extension(entry)?;
                for field in PaxExtensions::new(&text) {
                    let field = field?;
                    match field.key_bytes() {
                        b"path" => self.name = Some(field.value_bytes().to_vec()),
                        b"linkpath" => self.link = Some(field.value_bytes().to_vec()),
                        _ => {}
                    }
                }
            }
            EntryType::XGlobalHeader => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Name and link target of the entry itself.
    fn names(self, entry: &Entry<'_, impl Read>) -> (String, String) {
        let name = self.name.unwrap_or_else(|| entry.header().path_bytes().into_owned());
        let link = self.link.or_else(|| entry.header().link_name_bytes().map(|link| link.into_owned()));
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned();
        (text(name), link.map(text).unwrap_or_default())
    }
}

fn extension(entry: &mut Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    entry.take(MAX_EXTENSION + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_EXTENSION {
        return Err(io::Error::other(format!("a name or attribute is longer than {MAX_EXTENSION} bytes")));
    }
    Ok(text)
}

impl Seen {
    fn note(
        &mut self,
        entry: &mut Entry<'_, impl Read>,
        name: &str,
        link: &str,
        path: &[String],
        limit: u64,
    ) -> io::Result<()> {
        let Some(parts) = components(name) else { return Ok(()) };
        let Some((last, above)) = parts.split_last() else { return Ok(()) };
        if last == OPAQUE {
            self.hidden |= above.len() < path.len() && path.starts_with(above);
        } else if let Some(removed) = last.strip_prefix(WHITEOUT) {
            let depth = above.len();
            self.hidden |= path.starts_with(above) && path.get(depth).is_some_and(|part| part == removed);
        } else if path.starts_with(&parts) {
            let node = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous if parts.len() == path.len() => content(entry, limit)?,
                EntryType::Symlink => Node::Symlink(link.to_owned()),
                EntryType::Link => Node::Hardlink(link.to_owned()),
                EntryType::Directory => Node::Folder,
                _ => Node::Other,
            };
            // Everything below a replaced folder goes with it.
            if !matches!(node, Node::Folder) {
                self.at.retain(|depth, _| *depth < parts.len());
            }
            self.at.insert(parts.len(), node);
        }
        Ok(())
    }
}

fn content(entry: &mut Entry<'_, impl Read>, limit: u64) -> io::Result<Node> {
    let mut content = Vec::new();
    entry.take(limit + 1).read_to_end(&mut content)?;
    Ok(if content.len() as u64 > limit { Node::TooLarge } else { Node::File(content) })
}

/// The components of a path from the root; `None` when it leaves the root or goes up.
fn components(path: &str) -> Option<Vec<String>> {
    let parts = path.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.map(|part| (part != "..").then(|| part.to_owned())).collect()
}

#[cfg(test)]
mod tests;
