//! Reading archives. Nothing is written to disk.
//!
//! An entry whose name leaves the root is ignored; of several with one name the last wins, as on disk. Files in which
//! nothing counts are let go of as soon as they have been looked at.

use crate::{
    Limits, ReadError,
    gathered::{is_manifest, is_mark},
    packing::{Packing, damaged, in_words, packing, told},
    reading::Parts,
    seen::Counts,
    zip::Directory,
};
use flate2::read::MultiGzDecoder;
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, BufRead as _, BufReader, Read},
    path::{Component, Path, PathBuf},
};
use tar::{Archive, Entry, EntryType, PaxExtensions};

/// Suffixes of files that are read as archives.
const ENDINGS: [&str; 4] = [".tar", ".tar.gz", ".tgz", ".zip"];
/// Limit for a long name or a set of extended attributes of one entry.
const EXTENSION: u64 = 1 << 20;
/// Zeros after the last entry that are still read: many times what archivers fill their blocks with.
const PADDING: u64 = 1 << 20;
/// A small archive may unpack to this much: a few objects compress better than many.
const ALWAYS: u64 = 16 << 20;

/// Whether a file is an archive, by its name.
pub(crate) fn is_archive(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// A manifest file of an archive.
pub(crate) struct Packed {
    /// Its path in the archive, below that of the archive.
    pub(crate) path: PathBuf,
    pub(crate) content: Content,
    /// Whether a tool collected it.
    pub(crate) gathered: bool,
}

/// What is kept of a file.
pub(crate) enum Content {
    /// Something in it counts.
    Text(Vec<u8>),
    /// Nothing in it does.
    Counted(Counts),
    Refused(ReadError),
    /// It is nothing that an archive holds, and why.
    PassedOver(&'static str),
}

/// The manifest files in an archive, by name.
///
/// # Errors
/// When it cannot be read to the end, or exceeds a limit.
pub(crate) fn files(path: &Path, parts: &Parts<'_>) -> Result<Vec<Packed>, ReadError> {
    let limits = &parts.limits;
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let file = fs::File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > limits.unpacked {
        return Err(ReadError::TooLarge { path: path.to_owned(), most: limits.unpacked });
    }
    let left = limits.unpacked.min(size.saturating_mul(limits.ratio).max(ALWAYS));
    let contents = Contents { path, limits, parts, kept: 0, files: BTreeMap::new(), gathered: BTreeSet::new() };
    let ended = Cell::new(false);
    let mut packed = BufReader::new(Watched { inner: &file, ended: &ended });
    let begun = packing(packed.fill_buf().map_err(failed)?);
    match begun {
        _ if size == 0 => Err(failed(told("it is empty; copy it again"))),
        Some(Packing::Zip) => contents.of_zip(&file, size, left),
        Some(Packing::Gzip) => {
            contents.of_tar(Bounded { inner: MultiGzDecoder::new(packed), left }, "packed tar archive", &ended)
        }
        Some(Packing::Other(with)) => {
            let why = format!("it is packed with {with}, which is not read; unpack it yourself and name the folder");
            Err(failed(told(why)))
        }
        None if path.extension().is_some_and(|extension| extension == "zip") => contents.of_zip(&file, size, left),
        None => contents.of_tar(Bounded { inner: packed, left: limits.unpacked }, "tar archive", &ended),
    }
}

/// A reader that remembers whether it came to the end.
struct Watched<'c, R> {
    inner: R,
    ended: &'c Cell<bool>,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.ended.set(count == 0 && !out.is_empty());
        Ok(count)
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
        let left = self.left.checked_sub(count as u64);
        self.left = left.unwrap_or_default();
        let why = "it unpacks to far more than objects and logs do; unpack it yourself and name the folder";
        left.map(|_| count).ok_or_else(|| told(why))
    }
}

/// What an entry is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
    Link,
    Special,
}

struct Contents<'a> {
    path: &'a Path,
    limits: &'a Limits,
    parts: &'a Parts<'a>,
    /// Bytes of what is kept.
    kept: u64,
    files: BTreeMap<PathBuf, Content>,
    /// Folders written by a tool.
    gathered: BTreeSet<PathBuf>,
}

impl Contents<'_> {
    fn of_tar(mut self, mut unpacked: impl Read, what: &str, ended: &Cell<bool>) -> Result<Vec<Packed>, ReadError> {
        let (path, mut last) = (self.path, None);
        let broken = |source, last: Option<&Path>| ReadError::Io {
            path: path.to_owned(),
            source: in_words(source, what, last, ended.get()),
        };
        let mut archive = Archive::new(&mut unpacked);
        let mut long_name = None;
        // Raw: the library would read a long name or attribute of any length into memory.
        for (count, entry) in archive.entries().map_err(|error| broken(error, None))?.raw(true).enumerate() {
            self.check_count(count)?;
            let failed = |error| broken(error, last.as_deref());
            let mut entry = entry.map_err(failed)?;
            match entry.header().entry_type() {
                EntryType::GNULongName => long_name = Some(extension(&mut entry).map_err(failed)?),
                EntryType::XHeader => long_name = pax_name(&mut entry).map_err(failed)?.or(long_name.take()),
                EntryType::GNULongLink | EntryType::XGlobalHeader => {}
                kind => {
                    let name = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
                    let kind = match kind {
                        EntryType::Regular | EntryType::Continuous => Kind::File,
                        EntryType::Directory => Kind::Folder,
                        EntryType::Link | EntryType::Symlink => Kind::Link,
                        _ => Kind::Special,
                    };
                    if let Some(name) = below(&name) {
                        let size = entry.size();
                        self.entry(kind, &name, size, || text(&mut entry, size).map(Ok).map_err(failed))?;
                        last = Some(name);
                    }
                }
            }
        }
        // To its end: what is packed has its checksum there.
        io::copy(&mut unpacked.take(PADDING), &mut io::sink()).map_err(|error| broken(error, last.as_deref()))?;
        Ok(self.finish())
    }

    fn of_zip(mut self, file: &fs::File, size: u64, mut left: u64) -> Result<Vec<Packed>, ReadError> {
        let (path, mut last) = (self.path, None);
        let broken = |source, last: Option<&Path>| ReadError::Io {
            path: path.to_owned(),
            source: in_words(source, "zip archive", last, false),
        };
        for (count, entry) in Directory::of(file, size).map_err(|error| broken(error, None))?.enumerate() {
            self.check_count(count)?;
            let entry = entry.map_err(|error| broken(error, last.as_deref()))?;
            let kind = match entry.is_special {
                true if entry.is_link => Kind::Link,
                true => Kind::Special,
                false if entry.name.ends_with(b"/") => Kind::Folder,
                false => Kind::File,
            };
            let Some(name) = below(&entry.name) else { continue };
            self.entry(kind, &name, entry.size, || {
                let mut unpacked = match entry.open(file) {
                    Ok(inner) => Bounded { inner, left },
                    Err(error) => return Ok(Err(damaged(error))),
                };
                let read = text(&mut unpacked, entry.size);
                left = unpacked.left;
                // Only what is wrong with this one hides no others.
                if left == 0 { read.map(Ok).map_err(|error| broken(error, None)) } else { Ok(read.map_err(damaged)) }
            })?;
            last = Some(name);
        }
        Ok(self.finish())
    }

    fn check_count(&self, count: usize) -> Result<(), ReadError> {
        if count >= self.limits.files {
            return Err(ReadError::TooManyFiles { path: self.path.to_owned(), most: self.limits.files });
        }
        Ok(())
    }

    fn finish(self) -> Vec<Packed> {
        let Self { path, files, gathered, .. } = self;
        let collected = |name: &Path| name.ancestors().skip(1).any(|folder| gathered.contains(folder));
        let packed =
            |(name, content): (PathBuf, _)| Packed { path: path.join(&name), content, gathered: collected(&name) };
        files.into_iter().map(packed).collect()
    }

    /// Adds an entry; one that is refused hides no others, and an error of reading ends it.
    fn entry(
        &mut self,
        kind: Kind,
        name: &Path,
        size: u64,
        read: impl FnOnce() -> Result<io::Result<Vec<u8>>, ReadError>,
    ) -> Result<(), ReadError> {
        let path = self.path.join(name);
        if name.components().count() > self.limits.depth {
            return Err(ReadError::TooDeep { path, most: self.limits.depth });
        }
        let marked = name.ancestors().filter(|part| part.file_name().is_some_and(|last| is_mark(Path::new(last))));
        self.gathered.extend(marked.filter_map(Path::parent).map(Path::to_owned));
        // As on disk, where it would replace the earlier one.
        self.files.remove(name);
        if !is_manifest(name) || kind == Kind::Folder {
            return Ok(());
        }
        let content = match kind {
            Kind::Link => Content::PassedOver("a link: links in archives are not followed"),
            Kind::Special => Content::PassedOver("no regular file"),
            _ if size > self.limits.file => Content::Refused(ReadError::TooLarge { path, most: self.limits.file }),
            _ => match read()? {
                Ok(text) => self.content(text)?,
                Err(source) => Content::Refused(ReadError::Io { path, source }),
            },
        };
        self.files.insert(name.to_owned(), content);
        Ok(())
    }

    fn content(&mut self, text: Vec<u8>) -> Result<Content, ReadError> {
        if let Some(counts) = self.parts.without_wanted(&text) {
            return Ok(Content::Counted(counts));
        }
        self.kept += text.len() as u64;
        if self.kept > self.limits.kept {
            return Err(ReadError::TooMuch { path: self.path.to_owned(), most: self.limits.kept });
        }
        Ok(Content::Text(text))
    }
}

/// A file of this size, read to its end, where checksums are looked at.
fn text(contents: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(usize::try_from(size.min(FIRST)).unwrap_or_default());
    contents.take(size.saturating_add(1)).read_to_end(&mut text)?;
    if text.len() as u64 > size {
        return Err(told("it is longer than the archive says; copy the archive again"));
    }
    if (text.len() as u64) < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(text)
}

/// Memory that is taken for a file because its entry says that it is that large.
const FIRST: u64 = 1 << 20;

/// A name that did not fit into the header of the following entry.
fn extension(entry: &mut Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    entry.take(EXTENSION + 1).read_to_end(&mut text)?;
    if text.len() as u64 > EXTENSION {
        let why = format!(
            "a name or attribute in it is longer than {EXTENSION} bytes; unpack it yourself and name the folder"
        );
        return Err(told(why));
    }
    while text.last() == Some(&0) {
        text.pop();
    }
    Ok(text)
}

fn pax_name(entry: &mut Entry<'_, impl Read>) -> io::Result<Option<Vec<u8>>> {
    let text = extension(entry)?;
    let mut name = None;
    for field in PaxExtensions::new(&text) {
        let field = field?;
        if field.key_bytes() == b"path" {
            name = Some(field.value_bytes().to_vec());
        }
    }
    Ok(name)
}

/// The path below the root; `None` when it is the root or leaves it.
fn below(name: &[u8]) -> Option<PathBuf> {
    let name = String::from_utf8_lossy(name);
    let mut path = PathBuf::new();
    for part in Path::new(name.trim_start_matches('/')).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path).filter(|path| !path.as_os_str().is_empty())
}
