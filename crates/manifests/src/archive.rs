//! Reading archives. Nothing is written to disk.
//!
//! An entry whose name leaves the root is ignored; of several with one name the last wins, as on disk.

use crate::{
    Limits, ReadError,
    gathered::{is_manifest, is_mark},
    reading::{File, Parts},
};
use flate2::read::MultiGzDecoder;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead as _, BufReader, Read},
    path::{Component, Path, PathBuf},
};
use tar::{Archive, Entry, EntryType, PaxExtensions};

/// Suffixes of files that are read as archives.
const ENDINGS: [&str; 3] = [".tar", ".tar.gz", ".tgz"];
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Limit for a long name or a set of extended attributes of one entry.
const EXTENSION: u64 = 1 << 20;
/// A small archive may unpack to this much: a few objects compress better than many.
const ALWAYS: u64 = 16 << 20;

/// Whether a file is an archive, by its name.
pub(crate) fn is_archive(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Whether bytes are compressed.
pub(crate) fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(&GZIP)
}

/// The manifest files in an archive by name, each with whether a tool collected it.
///
/// # Errors
/// When it cannot be read to the end, or exceeds a limit.
pub(crate) fn files(path: &Path, limits: &Limits, parts: &Parts<'_>) -> Result<Vec<(File, bool)>, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    if size > limits.unpacked {
        return Err(ReadError::TooLarge { path: path.to_owned(), most: limits.unpacked });
    }
    let mut packed = BufReader::new(file);
    if !is_compressed(packed.fill_buf().map_err(failed)?) {
        return Contents::new(path, limits, parts).all(Bounded { inner: packed, left: limits.unpacked });
    }
    let left = limits.unpacked.min(size.saturating_mul(limits.ratio).max(ALWAYS));
    Contents::new(path, limits, parts).all(Bounded { inner: MultiGzDecoder::new(packed), left })
}

/// A reader that fails instead of unpacking without end.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.left = self.left.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other("it unpacks to far more than objects and logs do; unpack it yourself and name the folder")
        })?;
        Ok(count)
    }
}

struct Contents<'a> {
    path: &'a Path,
    limits: &'a Limits,
    parts: &'a Parts<'a>,
    files: BTreeMap<PathBuf, File>,
    /// Folders written by a tool.
    gathered: BTreeSet<PathBuf>,
}

impl<'a> Contents<'a> {
    fn new(path: &'a Path, limits: &'a Limits, parts: &'a Parts<'a>) -> Self {
        Self { path, limits, parts, files: BTreeMap::new(), gathered: BTreeSet::new() }
    }

    fn all(mut self, unpacked: impl Read) -> Result<Vec<(File, bool)>, ReadError> {
        let path = self.path;
        let failed = |source| ReadError::Io { path: path.to_owned(), source };
        let mut archive = Archive::new(unpacked);
        let mut long_name = None;
        // Raw: the library would read a long name or attribute of any length into memory.
        for (count, entry) in archive.entries().map_err(failed)?.raw(true).enumerate() {
            if count >= self.limits.files {
                return Err(ReadError::TooManyFiles { path: path.to_owned(), most: self.limits.files });
            }
            let mut entry = entry.map_err(failed)?;
            match entry.header().entry_type() {
                EntryType::GNULongName => long_name = Some(extension(&mut entry).map_err(failed)?),
                EntryType::XHeader => long_name = pax_name(&mut entry).map_err(failed)?.or(long_name.take()),
                EntryType::GNULongLink | EntryType::XGlobalHeader => {}
                kind => {
                    let name = long_name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
                    if let Some(name) = below(&name) {
                        self.entry(&mut entry, kind, name)?;
                    }
                }
            }
        }
        let gathered = self.gathered;
        let collected = |name: &Path| name.ancestors().skip(1).any(|folder| gathered.contains(folder));
        Ok(self.files.into_iter().map(|(name, file)| (file, collected(&name))).collect())
    }

    fn entry(&mut self, entry: &mut Entry<'_, impl Read>, kind: EntryType, name: PathBuf) -> Result<(), ReadError> {
        let path = self.path.join(&name);
        if name.components().count() > self.limits.depth {
            return Err(ReadError::TooDeep { path, most: self.limits.depth });
        }
        let marked = name.ancestors().filter(|part| part.file_name().is_some_and(|last| is_mark(Path::new(last))));
        self.gathered.extend(marked.filter_map(Path::parent).map(Path::to_owned));
        // As on disk, where it would replace the earlier one.
        self.files.remove(&name);
        if !is_manifest(&name) || kind.is_dir() {
            return Ok(());
        }
        if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
            tracing::debug!("{}: links and other special files in archives are not read", path.display());
            return Ok(());
        }
        let size = entry.size();
        let file = if size > self.limits.file {
            File::refused(ReadError::TooLarge { path, most: self.limits.file })
        } else {
            let mut text = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            entry.read_to_end(&mut text).map_err(|source| ReadError::Io { path: self.path.to_owned(), source })?;
            self.parts.of(&path, text, true)
        };
        self.files.insert(name, file);
        Ok(())
    }
}

/// A name that did not fit into the header of the following entry.
fn extension(entry: &mut Entry<'_, impl Read>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    entry.take(EXTENSION + 1).read_to_end(&mut text)?;
    if text.len() as u64 > EXTENSION {
        return Err(io::Error::other(format!("a name or attribute is longer than {EXTENSION} bytes")));
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
