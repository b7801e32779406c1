//! Reading files, folders and archives by a rule.

use crate::{Kind, Limits, Manifest, Place, ReadError, Seen, Several, archive, folder, once::once, seen::Counts, text};
use std::{
    fmt::Display,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What to read, and how.
#[derive(Clone, Copy, Debug)]
pub enum Rule<'a> {
    /// Objects of a cluster of these kinds, or of all kinds when none is given, lists unpacked, each once.
    Objects(&'a [Kind<'a>]),
    /// All documents of a file, or of all files of a folder whatever they are called, in name order; subfolders
    /// are ignored. Lists stay lists, and duplicates stay.
    ///
    /// Source: how the bootstrap of github.com/openshift/machine-config-operator reads its folder of manifests
    /// (`pkg/controller/bootstrap/bootstrap.go`).
    OneFolder,
}

/// What was read, and the errors, in order of files and documents.
#[derive(Debug)]
pub struct Reading {
    documents: Vec<Result<Manifest, ReadError>>,
    seen: Seen,
}

/// Reads files, folders, archives and, for `-`, standard input.
#[must_use]
pub fn read(paths: &[PathBuf], rule: Rule<'_>) -> Reading {
    read_within(paths, rule, &Limits::default())
}

/// Like [`read`], with other limits.
#[must_use]
pub fn read_within(paths: &[PathBuf], rule: Rule<'_>, limits: &Limits) -> Reading {
    let mut reader = Reader::new(paths, rule, limits);
    for path in paths {
        match rule {
            _ if path.as_os_str() == "-" => {
                let file = reader.parts.read(Path::new("standard input"), &mut std::io::stdin(), false);
                reader.add(file, false);
            }
            Rule::Objects(_) if path.is_dir() => reader.add_folder(path),
            Rule::Objects(_) if archive::is_archive(path) => reader.add_archive(path),
            Rule::OneFolder if path.is_dir() => reader.add_one_folder(path),
            _ => reader.add_file(path, false, false),
        }
    }
    reader.finish()
}

impl Reading {
    /// Reads a text as if it were a file given by name.
    #[must_use]
    pub fn of_text(file: &Path, text: Vec<u8>, rule: Rule<'_>) -> Self {
        let limits = Limits::default();
        let mut reader = Reader::new(&[file.to_owned()], rule, &limits);
        let read = reader.parts.of(file, text, false);
        reader.add(read, false);
        reader.finish()
    }

    /// Passes on one object after the other, and continues when one is refused. Returns what was found.
    ///
    /// # Errors
    /// Everything that could not be read and everything that was refused.
    pub fn each<E>(self, mut take: impl FnMut(Manifest) -> Result<(), E>) -> Result<Seen, E>
    where
        E: From<ReadError> + From<Several<E>> + Display,
    {
        let mut errors = Several::default();
        for document in self.documents {
            if let Err(error) = document.map_err(E::from).and_then(&mut take) {
                errors.push(error);
            }
        }
        errors.into_result().map(|()| self.seen)
    }
}

impl IntoIterator for Reading {
    type Item = Result<Manifest, ReadError>;
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.documents.into_iter()
    }
}

/// The contents of one file.
#[derive(Default)]
pub(crate) struct File {
    documents: Vec<Result<Manifest, ReadError>>,
    kinds: Counts,
}

impl File {
    pub(crate) fn refused(error: ReadError) -> Self {
        Self { documents: vec![Err(error)], kinds: Counts::new() }
    }
}

/// Splits files into objects.
pub(crate) struct Parts<'a> {
    rule: Rule<'a>,
    limits: &'a Limits,
}

impl Parts<'_> {
    fn read(&self, path: &Path, from: &mut dyn Read, found: bool) -> File {
        let (mut text, most) = (Vec::new(), self.limits.file);
        match from.take(most.saturating_add(1)).read_to_end(&mut text) {
            Ok(read) if read as u64 > most => File::refused(ReadError::TooLarge { path: path.to_owned(), most }),
            Ok(_) => self.of(path, text, found),
            Err(source) => File::refused(ReadError::Io { path: path.to_owned(), source }),
        }
    }

    /// The documents of a text; empty ones, `null` and mere comments do not count.
    pub(crate) fn of(&self, path: &Path, text: Vec<u8>, found: bool) -> File {
        if archive::is_compressed(&text) {
            return File::refused(ReadError::Compressed { path: path.to_owned() });
        }
        let (mut file, path, source): (_, Arc<Path>, _) = (File::default(), path.into(), Arc::new(text));
        for (index, document) in text::documents(&source).into_iter().enumerate() {
            let place = Place { file: Arc::clone(&path), document: index + 1, line: document.line, item: None };
            if index == self.limits.documents {
                file.documents.push(Err(ReadError::TooManyDocuments { place, most: self.limits.documents }));
                break;
            }
            match text::values(&document) {
                Ok(values) => {
                    for object in values.into_iter().filter(|value| !value.is_null()) {
                        let (source, within) = (source.clone(), document.range.clone());
                        self.take(&mut file, Manifest { place: place.clone(), object, source, within, found });
                    }
                }
                Err(why) => file.documents.push(Err(ReadError::Text { place, why })),
            }
        }
        file
    }

    fn take(&self, file: &mut File, document: Manifest) {
        let Rule::Objects(kinds) = self.rule else {
            file.documents.push(Ok(document));
            return;
        };
        for manifest in document.unpacked() {
            let kind = manifest.kind().to_owned();
            if kind.is_empty() {
                file.documents.push(Err(ReadError::NoKind { place: manifest.place }));
                continue;
            }
            *file.kinds.entry((kind, manifest.group().to_owned())).or_default() += 1;
            if kinds.is_empty() || kinds.contains(&(manifest.group(), manifest.kind())) {
                file.documents.push(Ok(manifest));
            } else if let Err(error) = manifest.check_kind() {
                file.documents.push(Err(error));
            }
        }
    }
}

struct Reader<'a> {
    parts: Parts<'a>,
    reading: Reading,
}

impl<'a> Reader<'a> {
    fn new(paths: &[PathBuf], rule: Rule<'a>, limits: &'a Limits) -> Self {
        let wanted = if let Rule::Objects(kinds) = rule { kinds } else { &[] };
        let reading = Reading { documents: Vec::new(), seen: Seen::new(paths, wanted) };
        Self { parts: Parts { rule, limits }, reading }
    }

    fn finish(self) -> Reading {
        let Reading { documents, seen } = self.reading;
        let documents = if let Rule::Objects(_) = self.parts.rule { once(documents) } else { documents };
        Reading { documents, seen }
    }

    fn add_folder(&mut self, path: &Path) {
        match folder::below(path, self.parts.limits) {
            Ok(found) => found.into_iter().for_each(|found| match found.file {
                Ok(file) => self.add_file(&file, true, found.gathered),
                Err(error) => self.add(File::refused(error), found.gathered),
            }),
            Err(error) => self.add(File::refused(error), false),
        }
    }

    fn add_archive(&mut self, path: &Path) {
        match archive::files(path, self.parts.limits, &self.parts) {
            Ok(files) => files.into_iter().for_each(|(file, gathered)| self.add(file, gathered)),
            Err(error) => self.add(File::refused(error), false),
        }
    }

    fn add_one_folder(&mut self, path: &Path) {
        match folder::files(path) {
            Ok(files) => files.iter().for_each(|file| self.add_file(file, true, false)),
            Err(error) => self.add(File::refused(error), false),
        }
    }

    /// A file found in a folder must be a regular one: a pipe given by name will be written to, a found one may not.
    fn add_file(&mut self, path: &Path, found: bool, gathered: bool) {
        let opened = match std::fs::metadata(path) {
            Ok(metadata) if found && !metadata.is_file() => Err(ReadError::NoFile { path: path.to_owned() }),
            Ok(_) => std::fs::File::open(path).map_err(|source| ReadError::Io { path: path.to_owned(), source }),
            Err(source) => Err(ReadError::Io { path: path.to_owned(), source }),
        };
        let file = match opened {
            Ok(mut opened) => self.parts.read(path, &mut opened, found),
            Err(error) => File::refused(error),
        };
        self.add(file, gathered);
    }

    /// In what a tool collected, files that are not objects are skipped, and so are unreadable ones.
    fn add(&mut self, file: File, gathered: bool) {
        let seen = &mut self.reading.seen;
        seen.files += 1;
        for (kind, count) in file.kinds {
            *seen.kinds.entry(kind).or_default() += count;
        }
        let (mut odd, mut unreadable) = (false, false);
        for document in file.documents {
            match document {
                Err(error) if gathered && error.is_no_object() => {
                    if !std::mem::replace(&mut odd, true) {
                        tracing::debug!("passed over: {error}");
                    }
                }
                Err(error) if gathered => {
                    if !std::mem::replace(&mut unreadable, true) {
                        seen.passed_over += 1;
                        tracing::warn!("passed over: {}", Caused(&error));
                    }
                }
                document => self.reading.documents.push(document),
            }
        }
    }
}

/// An error with its cause.
struct Caused<'a>(&'a ReadError);

impl Display for Caused<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        std::error::Error::source(self.0).map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}
