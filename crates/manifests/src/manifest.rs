//! One object and its position.

use crate::{ReadError, locate};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{fmt, ops::Range, path::Path, sync::Arc};
use weir_api::kind::{MACHINE_CONFIG_GROUP, MACHINE_CONFIG_KINDS};

/// The newest version of every kind that is read: none of those that decisions depend on has a second stable one.
///
/// Source: <https://docs.openshift.com/container-platform/latest/rest_api/>.
const NEWEST: u32 = 1;

/// API group, empty for the core group, and kind.
pub type Kind<'a> = (&'a str, &'a str);

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Its position.
    pub place: Place,
    /// The object.
    pub object: Value,
    pub(crate) source: Arc<Vec<u8>>,
    pub(crate) within: Range<usize>,
    /// Whether its file was found in a folder or archive rather than given by name.
    pub(crate) found: bool,
    /// Whether a tool collected it.
    pub(crate) gathered: bool,
}

/// The position of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file; within an archive, its path there, below that of the archive.
    pub file: Arc<Path>,
    /// Number of the document in the file, from 1; empty ones do not count.
    pub document: usize,
    /// Line of the file in which the document begins, from 1.
    pub line: usize,
    /// Index of the object in a list document, from 1.
    pub item: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: document {} (line {})", self.file.display(), self.document, self.line)?;
        self.item.map_or(Ok(()), |item| write!(f, ", item {item}"))
    }
}

impl Manifest {
    /// Unpacks a list (`kind: List` and the like) into its objects; anything else is returned unchanged.
    ///
    /// In lists of one kind, as API servers write them, items may omit kind and version.
    pub(crate) fn unpacked(mut self) -> Vec<Self> {
        let Some(of) = self.kind().strip_suffix("List").map(str::to_owned) else { return vec![self] };
        let Some(items) = self.object.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take) else {
            return vec![self];
        };
        let version = self.object["apiVersion"].clone();
        let item = |(index, mut object): (usize, Value)| {
            complete(&mut object, &of, version.as_str().unwrap_or_default());
            let place = Place { item: Some(index + 1), ..self.place.clone() };
            let (source, within) = (self.source.clone(), self.within.clone());
            Self { place, object, source, within, found: self.found, gathered: self.gathered }
        };
        items.into_iter().enumerate().map(item).collect()
    }

    /// `kind` of the object; empty when it has none.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.object["kind"].as_str().unwrap_or_default()
    }

    /// API group of the object; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.object["apiVersion"].as_str().and_then(|v| v.split_once('/')).map_or("", |(group, _)| group)
    }

    /// Name of the object; empty when it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Kind and name, where present.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.kind(), self.name()).trim().to_owned()
    }

    /// Refuses unknown kinds of our group: most likely a typo.
    ///
    /// # Errors
    /// For an unknown kind, with the known ones.
    pub fn check_kind(&self) -> Result<(), ReadError> {
        if self.group() == MACHINE_CONFIG_GROUP && !MACHINE_CONFIG_KINDS.contains(&self.kind().trim_end_matches("List"))
        {
            return Err(ReadError::UnknownKind { place: self.place.clone(), title: self.title() });
        }
        Ok(())
    }

    /// Refuses what has no name: it could be no object of a cluster, and nothing would tell it from others.
    ///
    /// # Errors
    /// When there is no name.
    pub(crate) fn check_name(&self) -> Result<(), ReadError> {
        if self.name().is_empty() {
            return Err(ReadError::NoName { place: self.place.clone(), kind: self.kind().to_owned() });
        }
        Ok(())
    }

    /// Whether a tool collected it from a cluster, as `oc adm must-gather` does.
    #[must_use]
    pub fn is_gathered(&self) -> bool {
        self.gathered
    }

    /// Refuses a version that came after the one that is known: its fields may mean something else. Earlier ones, such as `v1beta1`, are
    /// read as they always were.
    ///
    /// # Errors
    /// For a later version.
    pub(crate) fn check_version(&self) -> Result<(), ReadError> {
        let whole = self.object["apiVersion"].as_str().unwrap_or_default();
        let version = whole.rsplit('/').next().and_then(|version| version.strip_prefix('v')).unwrap_or_default();
        let major = version.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        // What is no number within bounds is no version that an API server serves.
        if major.parse::<u32>().is_ok_and(|major| major > NEWEST) {
            let (place, version) = (self.place.clone(), whole.to_owned());
            return Err(ReadError::Newer { place, title: self.title(), version, known: NEWEST });
        }
        Ok(())
    }

    /// The object as a typed one.
    ///
    /// # Errors
    /// When a field has the wrong type, with its path and line.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ReadError> {
        // Where the path is not needed, it is not followed either.
        T::deserialize(&self.object)
            .or_else(|_| serde_path_to_error::deserialize(&self.object).map_err(|error| self.wrong(error)))
    }

    /// The line of the file with the value at a path (`spec.list[0].field`), or with what there is of the way to it.
    #[must_use]
    pub fn line_of(&self, path: &str) -> usize {
        let (text, item) = self.text();
        locate::line_of(text, item, path).map_or(self.place.line, |line| self.place.line + line - 1)
    }

    /// The text of the document, and the index in its list.
    fn text(&self) -> (&str, Option<usize>) {
        let text = self.source.get(self.within.clone()).and_then(|text| std::str::from_utf8(text).ok());
        (text.unwrap_or_default(), self.place.item.map(|number| number - 1))
    }

    fn wrong(&self, error: serde_path_to_error::Error<serde_json::Error>) -> ReadError {
        let (text, item) = self.text();
        let line = locate::line(text, item, error.path()).map_or(self.place.line, |line| self.place.line + line - 1);
        let path = error.path().to_string();
        let field = if path == ROOT { String::new() } else { path };
        let reason = error.into_inner();
        ReadError::Field { place: self.place.clone(), title: self.title(), line, field, reason }
    }
}

/// The path of the whole object.
const ROOT: &str = ".";

/// Gives an item without kind those of its list, as API servers leave them out.
pub(crate) fn complete(item: &mut Value, kind: &str, version: &str) {
    if let Some(fields) = item.as_object_mut().filter(|fields| !kind.is_empty() && !fields.contains_key("kind")) {
        fields.insert("kind".to_owned(), kind.into());
        fields.entry("apiVersion").or_insert_with(|| version.into());
    }
}
