//! Reading files, folders and archives by a rule, one object at a time.

use crate::{
    Limits, Manifest, Place, ReadError, Seen, Several,
    archive::{self, Content, Packed},
    folder,
    once::{Fate, Once},
    packing::packing,
    seen::Counts,
    skim::{self, Form, Piece, Skim, skim},
    text::{self, BadText, Document},
    want::{Want, is_wanted},
};
use serde_json::Value;
use std::{
    fmt::Display,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What to read, and how.
#[derive(Clone, Copy, Debug)]
pub enum Rule<'a> {
    /// These objects of a cluster, or all of them when nothing is named, lists unpacked, each once. What is of another
    /// kind is not parsed where its kind is plain to see.
    Objects(&'a [Want<'a>]),
    /// All documents of a file, or of all files of a folder whatever they are called, in name order; subfolders
    /// are ignored. Lists stay lists, and duplicates stay.
    ///
    /// Source: how the bootstrap of github.com/openshift/machine-config-operator reads its folder of manifests
    /// (`pkg/controller/bootstrap/bootstrap.go`).
    OneFolder,
}

/// What is to be read; nothing is before it is asked for.
#[derive(Debug)]
pub struct Reading<'a> {
    source: Source,
    rule: Rule<'a>,
    limits: Limits,
    passes_over: bool,
}

#[derive(Debug)]
enum Source {
    Paths(Vec<PathBuf>),
    Text(PathBuf, Vec<u8>),
}

/// Reads files, folders, archives and, for `-`, standard input.
#[must_use]
pub fn read<'a>(paths: &[PathBuf], rule: Rule<'a>) -> Reading<'a> {
    read_within(paths, rule, &Limits::default())
}

/// Like [`read`], with other limits.
#[must_use]
pub fn read_within<'a>(paths: &[PathBuf], rule: Rule<'a>, limits: &Limits) -> Reading<'a> {
    Reading { source: Source::Paths(paths.to_vec()), rule, limits: *limits, passes_over: false }
}

impl<'a> Reading<'a> {
    /// Reads a text as if it were a file given by name.
    #[must_use]
    pub fn of_text(file: &Path, text: Vec<u8>, rule: Rule<'a>) -> Self {
        Self { source: Source::Text(file.to_owned(), text), rule, limits: Limits::default(), passes_over: false }
    }

    /// The same; but in any folder or archive, whoever wrote it, files that cannot be read are told and passed over. For those who look
    /// for an object that they name, and not for what is there.
    #[must_use]
    pub fn passing_over(self) -> Self {
        Self { passes_over: true, ..self }
    }

    /// Passes on one object after the other as it is read, and continues when one is refused: none is kept. Of an object
    /// that is found a second time in a newer version, that one is passed on as well: the last one counts.
    /// Returns what was found.
    ///
    /// # Errors
    /// Everything that could not be read and everything that was refused.
    pub fn each<E>(self, mut take: impl FnMut(Manifest) -> Result<(), E>) -> Result<Seen, E>
    where
        E: From<ReadError> + From<Several<E>> + Display,
    {
        let (mut errors, mut mixed) = (Several::default(), None);
        let seen = self.pass(&mut |document, _| {
            if let Err(error) = &document
                && error.is_of_two_clusters()
                && mixed.is_none()
            {
                mixed = document.err();
            } else if let Err(error) = document.map_err(E::from).and_then(&mut take) {
                errors.push(error);
            }
        });
        // Whatever else is wrong may follow from that.
        match mixed {
            Some(mixed) => Err(mixed.into()),
            None => errors.into_result().map(|()| seen),
        }
    }

    /// Everything at once, each object in its newest version, and what was found.
    #[must_use]
    pub fn all(self) -> (Vec<Result<Manifest, ReadError>>, Seen) {
        let mut documents: Vec<Result<Manifest, ReadError>> = Vec::new();
        let seen = self.pass(&mut |document, replaces| match replaces.and_then(|number| documents.get_mut(number)) {
            Some(earlier) => *earlier = document,
            None => documents.push(document),
        });
        (documents, seen)
    }

    fn pass(self, take: Take<'_>) -> Seen {
        let given = match &self.source {
            Source::Paths(paths) => paths.as_slice(),
            Source::Text(path, _) => std::slice::from_ref(path),
        };
        let once = match self.rule {
            Rule::Objects(_) => Some(Once::default()),
            Rule::OneFolder => None,
        };
        let seen = Seen::new(given);
        let parts = Parts { rule: self.rule, limits: self.limits };
        let mut reader = Reader { parts, sink: Sink { take, once, seen, kept: 0 }, passes_over: self.passes_over };
        match self.source {
            Source::Paths(paths) => paths.iter().for_each(|path| {
                let before = reader.sink.seen.progress();
                reader.add_path(path);
                reader.sink.seen.note(path, before);
            }),
            Source::Text(path, text) => reader.add_text(&path, text, Origin::default()),
        }
        let seen = reader.sink.seen;
        if let Some(said) = seen.said_of_passed_over() {
            tracing::warn!("{said}");
        }
        seen
    }
}

impl IntoIterator for Reading<'_> {
    type Item = Result<Manifest, ReadError>;
    type IntoIter = std::vec::IntoIter<Self::Item>;

    /// Everything at once, each object in its newest version.
    fn into_iter(self) -> Self::IntoIter {
        self.all().0.into_iter()
    }
}

/// Takes a document, and the number of the earlier one in whose place it comes.
type Take<'r> = &'r mut dyn FnMut(Result<Manifest, ReadError>, Option<usize>);

/// Where a file comes from.
#[derive(Clone, Copy, Default)]
struct Origin {
    /// It was found in a folder or archive rather than given by name.
    found: bool,
    /// A tool collected it.
    gathered: bool,
}

/// Splits files into objects.
pub(crate) struct Parts<'a> {
    rule: Rule<'a>,
    pub(crate) limits: Limits,
}

impl Parts<'_> {
    /// How many objects of which kinds are in a text, if none of them has to be parsed.
    pub(crate) fn without_wanted(&self, text: &[u8]) -> Option<Counts> {
        let Rule::Objects(wants) = self.rule else { return None };
        if packing(text).is_some() {
            return None;
        }
        let mut all = Counts::new();
        let documents = text::documents(text);
        for document in documents.iter().take(self.limits.documents.saturating_add(1)) {
            match skim(document, wants) {
                Skim::Pieces(pieces, counts) if pieces.is_empty() => add(&mut all, counts),
                _ => return None,
            }
        }
        (documents.len() <= self.limits.documents).then_some(all)
    }

    /// The documents of a text; empty ones, `null` and mere comments do not count.
    fn of(&self, path: &Path, text: Vec<u8>, origin: Origin, sink: &mut FileSink<'_, '_>) {
        if packing(&text).is_some() {
            return sink.put(Err(ReadError::Compressed { path: path.to_owned() }), 0);
        }
        let (path, source): (Arc<Path>, _) = (path.into(), Arc::new(text));
        for (index, document) in text::documents(&source).into_iter().enumerate() {
            let place = Place { file: Arc::clone(&path), document: index + 1, line: document.line, item: None };
            if index == self.limits.documents {
                return sink.put(Err(ReadError::TooManyDocuments { place, most: self.limits.documents }), 0);
            }
            let within = document.range.clone();
            let manifest = |place, object| {
                let (source, within) = (Arc::clone(&source), within.clone());
                Manifest { place, object, source, within, found: origin.found, gathered: origin.gathered }
            };
            match self.rule {
                Rule::OneFolder => self.whole(&document, &place, &manifest, sink),
                Rule::Objects(wants) => match skim(&document, wants) {
                    Skim::Whole => self.whole(&document, &place, &manifest, sink),
                    Skim::Pieces(pieces, counts) => {
                        add(&mut sink.sink.seen.kinds, counts);
                        pieces.iter().for_each(|piece| self.piece(&document, piece, &place, &manifest, sink));
                    }
                },
            }
        }
    }

    fn whole(&self, document: &Document<'_>, place: &Place, manifest: Make<'_>, sink: &mut FileSink<'_, '_>) {
        match text::values(document) {
            Ok(values) => {
                for object in values.into_iter().filter(|value| !value.is_null()) {
                    let document_size = document.text.len();
                    match self.rule {
                        Rule::OneFolder => sink.put(Ok(manifest(place.clone(), object)), document_size),
                        Rule::Objects(_) => {
                            let all = manifest(place.clone(), object).unpacked();
                            let size = document_size / all.len().max(1);
                            all.into_iter().for_each(|one| self.object(one, size, sink));
                        }
                    }
                }
            }
            Err(BadText { line, why }) => sink.put(Err(ReadError::Text { place: place.clone(), line, why }), 0),
        }
    }

    fn piece(
        &self,
        document: &Document<'_>,
        piece: &Piece<'_>,
        place: &Place,
        manifest: Make<'_>,
        sink: &mut FileSink<'_, '_>,
    ) {
        let place = Place { item: piece.item.as_ref().map(|(index, _)| index + 1), ..place.clone() };
        let before = document.line - 1;
        let object = match piece.form {
            Form::Json => text::json(piece.text, piece.only, || before + document.lines_before(piece.text)),
            Form::Item { lines } => text::yaml(&skim::unhyphened(piece.text), before + lines),
        };
        match object {
            // As an item it is of no kind, which is an error; alone it is nothing.
            Ok(Value::Null) if piece.item.is_none() => {}
            Ok(mut object) => {
                if let Some((_, list)) = &piece.item {
                    crate::manifest::complete(&mut object, &list.kind, &list.version);
                }
                self.object(manifest(place, object), piece.text.len(), sink);
            }
            Err(BadText { line, why }) => sink.put(Err(ReadError::Text { place, line, why }), 0),
        }
    }

    fn object(&self, manifest: Manifest, size: usize, sink: &mut FileSink<'_, '_>) {
        let Rule::Objects(wants) = self.rule else { return };
        let kind = manifest.kind().to_owned();
        if kind.is_empty() {
            let error = match manifest.object["ignition"]["version"].is_string() {
                true => ReadError::Ignition { place: manifest.place },
                false => ReadError::NoKind { place: manifest.place },
            };
            return sink.put(Err(error), 0);
        }
        *sink.sink.seen.kinds.entry((kind, manifest.group().to_owned())).or_default() += 1;
        if is_wanted(wants, &manifest) {
            // Whoever asks for no kind takes the objects as they are.
            let checks = || manifest.check_version().and_then(|()| manifest.check_name());
            let checked = if wants.is_empty() { Ok(()) } else { checks() };
            sink.put(checked.map(|()| manifest), size);
        } else if let Err(error) = manifest.check_kind() {
            sink.put(Err(error), 0);
        }
    }
}

/// Makes a manifest of the object at a place.
type Make<'m> = &'m dyn Fn(Place, Value) -> Manifest;

fn add(all: &mut Counts, more: Counts) {
    for (kind, count) in more {
        *all.entry(kind).or_default() += count;
    }
}

/// Passes on what is read.
struct Sink<'r> {
    take: Take<'r>,
    once: Option<Once>,
    seen: Seen,
    /// Bytes of the objects that were passed on.
    kept: u64,
}

impl Sink<'_> {
    fn put(&mut self, document: Result<Manifest, ReadError>) {
        let Some(once) = &mut self.once else { return (self.take)(document, None) };
        match document.and_then(|manifest| Ok((once.next(&manifest)?, manifest))) {
            Ok((Fate::New, manifest)) => (self.take)(Ok(manifest), None),
            Ok((Fate::Replaces(number), manifest)) => (self.take)(Ok(manifest), Some(number)),
            Ok((Fate::Known, _)) => {}
            Err(error) => {
                once.other();
                self.seen.errors += 1;
                (self.take)(Err(error), None);
            }
        }
    }
}

/// Passes on what is read of one file. In what a tool collected, files that are not objects are skipped, and so are
/// unreadable ones. An object of a later version is an error all the same: of a cluster that is understood in part, nothing is said.
struct FileSink<'s, 'r> {
    sink: &'s mut Sink<'r>,
    path: &'s Path,
    limits: Limits,
    gathered: bool,
    /// Whether unreadable ones are skipped.
    passes_over: bool,
    odd: bool,
    unreadable: bool,
}

impl FileSink<'_, '_> {
    fn put(&mut self, document: Result<Manifest, ReadError>, size: usize) {
        match document {
            Err(error) if self.gathered && error.is_no_object() => {
                if !std::mem::replace(&mut self.odd, true) {
                    tracing::debug!("passed over: {error}");
                }
            }
            Err(error) if self.passes_over && !error.is_newer() => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    self.sink.seen.pass_over(Caused(&error).to_string());
                }
            }
            document => {
                let most = self.limits.kept;
                let before = self.sink.kept;
                self.sink.kept = before.saturating_add(size as u64);
                match self.sink.kept > most {
                    // Told once; what comes after it is too much as well.
                    true if before <= most => {
                        self.sink.put(Err(ReadError::TooMuch { path: self.path.to_owned(), most }));
                    }
                    true => {}
                    false => self.sink.put(document),
                }
            }
        }
    }
}

struct Reader<'a, 'r> {
    parts: Parts<'a>,
    sink: Sink<'r>,
    passes_over: bool,
}

impl Reader<'_, '_> {
    fn add_path(&mut self, path: &Path) {
        let rule = self.parts.rule;
        match rule {
            _ if path.as_os_str() == "-" => {
                self.add_open(Path::new("standard input"), &mut std::io::stdin(), 0, Origin::default());
            }
            Rule::Objects(_) if path.is_dir() => self.add_folder(path),
            Rule::Objects(_) if archive::is_archive(path) => self.add_archive(path),
            Rule::OneFolder if path.is_dir() => self.add_one_folder(path),
            _ => self.add_file(path, Origin::default()),
        }
    }

    fn add_folder(&mut self, path: &Path) {
        match folder::below(path, &self.parts.limits) {
            Ok(found) => found.into_iter().for_each(|found| {
                let origin = Origin { found: true, gathered: found.gathered };
                match found.file {
                    Ok(file) => self.add_file(&file, origin),
                    Err(error) => self.refuse(path, error, origin),
                }
            }),
            Err(error) => self.refuse(path, error, Origin::default()),
        }
    }

    fn add_archive(&mut self, path: &Path) {
        match archive::files(path, &self.parts) {
            Ok(files) => files.into_iter().for_each(|Packed { path, content, gathered }| {
                let origin = Origin { found: true, gathered };
                match content {
                    Content::Text(text) => self.add_text(&path, text, origin),
                    Content::Counted(counts) => {
                        self.sink.seen.files += 1;
                        add(&mut self.sink.seen.kinds, counts);
                    }
                    Content::Refused(error) => self.refuse(&path, error, origin),
                    // No error, whoever packed it: what it leads to may well be in the archive, too.
                    Content::PassedOver(why) => {
                        self.sink.seen.files += 1;
                        self.sink.seen.pass_over(format!("{}: {why}", path.display()));
                    }
                }
            }),
            Err(error) => self.refuse(path, error, Origin::default()),
        }
    }

    fn add_one_folder(&mut self, path: &Path) {
        match folder::files(path) {
            Ok(files) => files.iter().for_each(|file| self.add_file(file, Origin { found: true, gathered: false })),
            Err(error) => self.refuse(path, error, Origin::default()),
        }
    }

    /// A file found in a folder must be a regular one: a pipe given by name will be written to, a found one may not.
    fn add_file(&mut self, path: &Path, origin: Origin) {
        let failed = |source| ReadError::Io { path: path.to_owned(), source };
        let opened = match std::fs::metadata(path) {
            Ok(metadata) if origin.found && !metadata.is_file() => Err(ReadError::NoFile { path: path.to_owned() }),
            Ok(metadata) => std::fs::File::open(path).map(|file| (file, metadata.len())).map_err(failed),
            Err(source) => Err(failed(source)),
        };
        match opened {
            Ok((mut file, size)) => self.add_open(path, &mut file, size, origin),
            Err(error) => self.refuse(path, error, origin),
        }
    }

    /// The size is the likely one, or 0.
    fn add_open(&mut self, path: &Path, from: &mut dyn Read, size: u64, origin: Origin) {
        let most = self.parts.limits.file;
        let mut text = Vec::new();
        // With room for the byte that is not there, so that the memory is not doubled to look for it.
        if size <= most {
            text.reserve_exact(usize::try_from(size).unwrap_or_default().saturating_add(1));
        }
        match from.take(most.saturating_add(1)).read_to_end(&mut text) {
            Ok(read) if read as u64 > most => {
                self.refuse(path, ReadError::TooLarge { path: path.to_owned(), most }, origin);
            }
            Ok(_) => self.add_text(path, text, origin),
            Err(source) => self.refuse(path, ReadError::Io { path: path.to_owned(), source }, origin),
        }
    }

    fn add_text(&mut self, path: &Path, text: Vec<u8>, origin: Origin) {
        self.sink.seen.files += 1;
        let (limits, passes_over) = (self.parts.limits, self.passes_over);
        let mut sink = file_sink(&mut self.sink, path, limits, origin, passes_over);
        self.parts.of(path, text, origin, &mut sink);
    }

    fn refuse(&mut self, path: &Path, error: ReadError, origin: Origin) {
        self.sink.seen.files += 1;
        file_sink(&mut self.sink, path, self.parts.limits, origin, self.passes_over).put(Err(error), 0);
    }
}

fn file_sink<'s, 'r>(
    sink: &'s mut Sink<'r>,
    path: &'s Path,
    limits: Limits,
    origin: Origin,
    passes_over: bool,
) -> FileSink<'s, 'r> {
    let Origin { found, gathered } = origin;
    FileSink {
        sink,
        path,
        limits,
        gathered,
        passes_over: gathered || passes_over && found,
        odd: false,
        unreadable: false,
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
