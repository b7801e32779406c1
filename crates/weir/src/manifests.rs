//! Manifests from files: YAML and JSON, several documents to a file, lists unpacked where that is asked for.

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
};

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where it stands.
    pub place: Place,
    /// The object.
    pub object: Value,
}

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Number of the document in the file, from 1.
    pub document: usize,
    /// Line of the file in which the document begins, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: document {} (line {})", self.file.display(), self.document, self.line)
    }
}

/// Which files of a folder are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Those that are named as manifests are: `.yaml`, `.yml`, `.json`.
    Manifests,
    /// All of them.
    All,
}

/// Reads files, folders (not what is in folders below them) and, for `-`, standard input, in order of their names.
///
/// # Errors
/// The first thing that cannot be read, with file, document and line.
pub fn read(paths: &[PathBuf], which: Files) -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("reading standard input")?;
            manifests.extend(parse(Path::new("standard input"), &text)?);
            continue;
        }
        for file in files(path, which)? {
            let bytes = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
            let text = String::from_utf8(bytes).map_err(|e| anyhow!("{}: {}", file.display(), e.utf8_error()))?;
            manifests.extend(parse(&file, &text)?);
        }
    }
    Ok(manifests)
}

fn files(path: &Path, which: Files) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| format!("reading folder {}", path.display()))? {
        let file = entry.with_context(|| format!("reading folder {}", path.display()))?.path();
        let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if !file.is_dir() && (which == Files::All || ["yaml", "yml", "json"].contains(&extension)) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads the documents of a text; what is empty, `null` or only comments is no document.
///
/// # Errors
/// The first document that cannot be read.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for (index, (line, document)) in documents(text).into_iter().enumerate() {
        let place = Place { file: file.to_owned(), document: index + 1, line };
        for object in values(document, line).with_context(|| place.to_string())? {
            if !object.is_null() {
                manifests.push(Manifest { place: place.clone(), object });
            }
        }
    }
    Ok(manifests)
}

/// Splits a text at the lines that separate documents: number of the first line, and text, of those that hold something.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let is_separator = |line: &str| {
        line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    };
    let mut documents = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if is_separator(line) {
            documents.push((start_line, &text[start..at]));
            // What follows on the line of the separator belongs to the document.
            (start, start_line) = (at + "---".len(), number + 1);
        }
        at += line.len();
    }
    documents.push((start_line, &text[start..]));
    let says_something =
        |document: &str| document.lines().any(|l| !matches!(l.trim_start().chars().next(), None | Some('#')));
    documents.retain(|(_, document)| says_something(document));
    documents
}

fn values(document: &str, first_line: usize) -> Result<Vec<Value>> {
    // Flow style YAML begins as JSON does; where it is both, reading it as JSON is exact and quick.
    if document.trim_start().starts_with(['{', '[']) {
        let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(document).into_iter().collect();
        match values {
            Ok(values) => return Ok(values),
            Err(error) if yaml(document).is_err() => bail!("line {}: {error}", first_line + error.line() - 1),
            Err(_) => {}
        }
    }
    let value = yaml(document).map_err(|error| {
        // Once more where it stands in the file, so that every line in the message is one of the file.
        let error = yaml(&("\n".repeat(first_line - 1) + document)).err().unwrap_or(error);
        let plain = error.without_snippet();
        let line = plain.location().map_or(first_line as u64, |location| location.line());
        anyhow!("line {line}: {plain}")
    })?;
    Ok(vec![value])
}

/// Octal numbers and `yes` as YAML 1.1 has them, which is what kubectl reads.
fn yaml(text: &str) -> Result<Value, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { legacy_octal_numbers: true })
}

/// Writes objects as YAML documents. Long text is never folded: a pull spec or key stays on its line.
///
/// # Errors
/// When an object cannot be written.
pub fn to_yaml(objects: &[impl Serialize]) -> Result<String> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_multiple_with_options(objects, options).context("writing YAML")
}

/// The objects of lists (`kind: List` and the like) in the place of the lists.
#[must_use]
pub fn unpack(manifests: Vec<Manifest>) -> Vec<Manifest> {
    let mut unpacked = Vec::with_capacity(manifests.len());
    for Manifest { place, mut object } in manifests {
        let is_list = object["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        match object.get_mut("items").filter(|_| is_list).and_then(Value::as_array_mut) {
            Some(items) => {
                let items = std::mem::take(items).into_iter();
                unpacked.extend(items.map(|object| Manifest { place: place.clone(), object }));
            }
            None => unpacked.push(Manifest { place, object }),
        }
    }
    unpacked
}

impl Manifest {
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

    /// The object as one of its kind.
    ///
    /// # Errors
    /// When a field has the wrong type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.object).with_context(|| format!("{}: {} {}", self.place, self.kind(), self.name()))
    }

    /// As [`Manifest::read`], without a copy of what is in the object.
    ///
    /// # Errors
    /// When a field has the wrong type.
    pub fn into_object<T: DeserializeOwned>(self) -> Result<T> {
        let what = format!("{}: {} {}", self.place, self.kind(), self.name());
        serde_json::from_value(self.object).context(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn objects(text: &str) -> Vec<(usize, usize, Value)> {
        let manifests = unpack(parse(Path::new("f"), text).unwrap());
        manifests.into_iter().map(|m| (m.place.document, m.place.line, m.object)).collect()
    }

    #[test]
    fn documents_of_all_kinds() {
        assert_eq!(objects(""), []);
        assert_eq!(objects("# nothing\n---\n\n--- # nor here\nnull\n"), []);
        let text = "a: 1\n---\nb: |\n  x\n  ---\n  y\n--- {c: 2}\n---\n{\"d\": 3}\n{\"d\": 4}\n";
        assert_eq!(
            objects(text),
            [
                (1, 1, json!({ "a": 1 })),
                (2, 2, json!({ "b": "x\n---\ny\n" })),
                (3, 7, json!({ "c": 2 })),
                (4, 8, json!({ "d": 3 })),
                (4, 8, json!({ "d": 4 })),
            ]
        );
        let list = "kind: List\nitems:\n- kind: A\n- kind: B\n";
        assert_eq!(objects(list), [(1, 1, json!({ "kind": "A" })), (1, 1, json!({ "kind": "B" }))]);
        assert_eq!(
            objects("a: 0644\nb: yes\nc: '0644'\nd: 2020-01-01\ne: 12:30:45"),
            [(1, 1, json!({ "a": 420, "b": true, "c": "0644", "d": "2020-01-01", "e": "12:30:45" }))]
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        let long = "word ".repeat(40);
        let odd = [
            "",
            " ",
            "a ",
            " a",
            "a\n",
            "a\n\n",
            "\na",
            "\n",
            " \n a\n",
            "a \nb",
            "\ta\n\tb\n",
            "a\r\nb",
            "a: b",
            "# a",
            "- a",
            "y",
            "null",
            "0644",
            "1e3",
            "2020-01-01",
            "---\na",
            "a\n---\nb\n",
            "a\u{85}b",
            "a\u{2028}b",
            "\u{feff}a",
            "😀",
            "\0",
            "'\"\\",
            "{",
            "%",
            "@x",
            "?",
            "[Unit]\nDescription=A \nExecStart=/bin/sh -c \"a\" \\\n  b\n",
            &long,
        ];
        let objects: Vec<Value> =
            odd.iter().map(|text| json!({ "kind": "A", "text": text, "list": [text], *text: 1 })).collect();
        let text = to_yaml(&objects).unwrap();
        let back: Vec<Value> = parse(Path::new("f"), &text).unwrap().into_iter().map(|m| m.object).collect();
        assert_eq!(back, objects, "{text}");
        assert!(to_yaml(&[json!({ "image": &"x".repeat(200) })]).unwrap().starts_with("image: xxx"));
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        for (text, place, line) in [
            ("a: 1\n---\nb: 2\nc: [1\n", "f: document 2 (line 2)", "line 4: "),
            ("a: &x [*x]\n", "f: document 1 (line 1)", "line 1: "),
            ("a: 1\na: 2\n", "f: document 1 (line 1)", "line 2: "),
            ("{\"a\": 1,\n \"b\": ]", "f: document 1 (line 1)", "line 2: "),
        ] {
            let error = format!("{:#}", parse(Path::new("f"), text).unwrap_err());
            assert!(error.starts_with(place) && error.contains(line), "{error}");
        }
    }
}
