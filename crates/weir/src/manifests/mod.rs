//! Manifests from files: YAML and JSON, several documents to a file, lists unpacked where that is asked for.
//!
//! What cannot be read does not hide what else cannot: reading goes on, and everything is told at the end, with file,
//! document, line and, where there is one, the path of the field.
//!
//! | module | what it holds |
//! |---|---|
//! | `text` | from bytes to documents, and from documents to values |
//! | `locate` | in which line of a document a field stands |
//! | [`several`] | several things that went wrong at once |

mod locate;
pub mod several;
mod text;

pub use several::Several;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use weir_api::kind::{MACHINE_CONFIG_GROUP, MACHINE_CONFIG_KINDS};

/// Largest file that is read, in bytes: many times what all MachineConfigs of a large cluster take.
const LARGEST: u64 = 256 << 20;

/// Documents of one file that are read: a hundred times what a file of manifests holds.
const MOST_DOCUMENTS: usize = 10_000;

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Where it stands.
    pub place: Place,
    /// The object.
    pub object: Value,
    source: Arc<[u8]>,
    within: std::ops::Range<usize>,
}

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// Number of the document in the file, from 1; what says nothing does not count.
    pub document: usize,
    /// Line of the file in which the document begins, from 1.
    pub line: usize,
    /// Number of the object in the list that the document is, from 1.
    pub item: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: document {} (line {})", self.file.display(), self.document, self.line)?;
        self.item.map_or(Ok(()), |item| write!(f, ", item {item}"))
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

/// What was read, and what could not be, in order of files and documents.
#[derive(Debug, Default)]
pub struct Reading(Vec<Result<Manifest>>);

/// Reads files, folders (not what is in folders below them) and, for `-`, standard input, in order of their names.
#[must_use]
pub fn read(paths: &[PathBuf], which: Files) -> Reading {
    let mut reading = Reading::default();
    for path in paths {
        if path.as_os_str() == "-" {
            reading.add_file(Path::new("standard input"), &mut std::io::stdin());
            continue;
        }
        match files(path, which) {
            Ok(files) => files.iter().for_each(|file| match std::fs::File::open(file) {
                Ok(mut opened) => reading.add_file(file, &mut opened),
                Err(error) => reading.refuse(anyhow!(error).context(format!("reading {}", file.display()))),
            }),
            Err(error) => reading.refuse(error),
        }
    }
    reading
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

impl Reading {
    fn add_file(&mut self, file: &Path, from: &mut dyn std::io::Read) {
        let mut bytes = Vec::new();
        match from.take(LARGEST + 1).read_to_end(&mut bytes) {
            Ok(read) if read as u64 > LARGEST => {
                self.refuse(anyhow!("{}: larger than {} MiB", file.display(), LARGEST >> 20));
            }
            Ok(_) => self.add(file, bytes.into()),
            Err(error) => self.refuse(anyhow!(error).context(format!("reading {}", file.display()))),
        }
    }

    /// Reads the documents of a text; what is empty, `null` or only comments is no document.
    pub fn add(&mut self, file: &Path, source: Arc<[u8]>) {
        let file: Arc<Path> = file.into();
        for (index, document) in text::documents(&source).into_iter().enumerate() {
            let place = Place { file: file.clone(), document: index + 1, line: document.line, item: None };
            if index == MOST_DOCUMENTS {
                let why = format!("{place}: one document more than the {MOST_DOCUMENTS} that are read; split the file");
                return self.refuse(anyhow!(why));
            }
            match text::values(&document) {
                Ok(values) => {
                    let objects = values.into_iter().filter(|value| !value.is_null());
                    let manifest = |object| Manifest {
                        place: place.clone(),
                        object,
                        source: source.clone(),
                        within: document.range.clone(),
                    };
                    self.0.extend(objects.map(manifest).map(Ok));
                }
                Err(error) => self.refuse(anyhow!(error).context(place.to_string())),
            }
        }
    }

    fn refuse(&mut self, error: anyhow::Error) {
        self.0.push(Err(error));
    }

    /// The objects of lists (`kind: List` and the like) in the place of the lists.
    #[must_use]
    pub fn unpacked(self) -> Self {
        let mut unpacked = Vec::with_capacity(self.0.len());
        for mut document in self.0 {
            let list = document.as_mut().ok().filter(|manifest| manifest.kind().ends_with("List"));
            let items = list.and_then(|manifest| manifest.object.get_mut("items")?.as_array_mut()).map(std::mem::take);
            match (document, items) {
                (Ok(list), Some(items)) => {
                    unpacked.extend(items.into_iter().enumerate().map(|(index, object)| Ok(list.item(index, object))));
                }
                (document, _) => unpacked.push(document),
            }
        }
        Self(unpacked)
    }

    /// Hands over one object after the other, and goes on when one is refused.
    ///
    /// # Errors
    /// All that could not be read and all that was refused.
    pub fn each(self, mut take: impl FnMut(Manifest) -> Result<()>) -> Result<()> {
        let mut errors = Several::default();
        for document in self.0 {
            if let Err(error) = document.and_then(&mut take) {
                errors.push(error);
            }
        }
        errors.into_result()
    }
}

/// Writes objects as YAML documents. Long text is never folded: a pull spec or key stays on its line.
///
/// # Errors
/// When an object cannot be written.
pub fn to_yaml(objects: &[impl Serialize]) -> Result<String> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    serde_saphyr::to_string_multiple_with_options(objects, options).context("writing YAML")
}

impl Manifest {
    /// An item of the list that this is.
    fn item(&self, index: usize, object: Value) -> Self {
        let place = Place { item: Some(index + 1), ..self.place.clone() };
        Self { place, object, source: self.source.clone(), within: self.within.clone() }
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

    /// Kind and name, as far as it has them.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.kind(), self.name()).trim().to_owned()
    }

    /// Refuses kinds of our group that it does not have: most likely a slip of the pen.
    ///
    /// # Errors
    /// When it is one, with the kinds there are.
    pub fn check_kind(&self) -> Result<()> {
        if self.group() == MACHINE_CONFIG_GROUP && !MACHINE_CONFIG_KINDS.contains(&self.kind().trim_end_matches("List"))
        {
            bail!(
                "{}: {}: {MACHINE_CONFIG_GROUP} has no such kind; it has {}",
                self.place,
                self.title(),
                MACHINE_CONFIG_KINDS.join(", ")
            );
        }
        Ok(())
    }

    /// The object as one of its kind.
    ///
    /// # Errors
    /// When a field has the wrong type, with its path and line.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_path_to_error::deserialize(&self.object).map_err(|error| self.wrong(&self.title(), &error))
    }

    /// As [`Manifest::read`], without a copy of what is in the object.
    ///
    /// # Errors
    /// When a field has the wrong type, with its path and line.
    pub fn into_object<T: DeserializeOwned>(mut self) -> Result<T> {
        let (title, object) = (self.title(), std::mem::take(&mut self.object));
        serde_path_to_error::deserialize(object).map_err(|error| self.wrong(&title, &error))
    }

    fn wrong(&self, title: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> anyhow::Error {
        let text = std::str::from_utf8(&self.source[self.within.clone()]).unwrap_or_default();
        let item = self.place.item.map(|number| number - 1);
        let line = locate::line(text, item, error.path()).map_or(self.place.line, |line| self.place.line + line - 1);
        anyhow!("{}: {title}: line {line}: {error}", self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use weir_api::MachineConfigPool;

    fn reading(text: impl AsRef<[u8]>) -> Reading {
        let mut reading = Reading::default();
        reading.add(Path::new("f"), text.as_ref().into());
        reading
    }

    fn objects(text: &str) -> Vec<(usize, usize, Value)> {
        let mut objects = Vec::new();
        let all = reading(text).unpacked();
        let take = |m: Manifest| {
            objects.push((m.place.document, m.place.line, m.object));
            Ok(())
        };
        all.each(take).unwrap();
        objects
    }

    /// Every line that is told, and the numbers of the documents that could be read.
    fn told(text: impl AsRef<[u8]>) -> (Vec<String>, Vec<usize>) {
        let (mut errors, mut good) = (Several::default(), Vec::new());
        for document in reading(text).0 {
            match document {
                Ok(manifest) => good.push(manifest.place.document),
                Err(error) => errors.push(error),
            }
        }
        (errors.lines().collect(), good)
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
        let back: Vec<Value> = reading(&text).0.into_iter().map(|m| m.unwrap().object).collect();
        assert_eq!(back, objects, "{text}");
        assert!(to_yaml(&[json!({ "image": &"x".repeat(200) })]).unwrap().starts_with("image: xxx"));
    }

    #[test]
    fn what_cannot_be_read_says_where_and_hides_nothing() {
        let bomb = {
            let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
            for level in 1..12 {
                let before = format!("*a{}", level - 1);
                text += &format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", "));
            }
            text
        };
        let deep = "[".repeat(10_000);
        let cases: &[(&[u8], &[&str], &[usize])] = &[
            (b"a: 1\n---\nb: 2\nc: [1\n", &["f: document 2 (line 2): line 4: "], &[1]),
            (
                b"a: [\n---\nb: 1\n---\nc: ]\n",
                &["f: document 1 (line 1): line ", "f: document 3 (line 4): line 5: "],
                &[2],
            ),
            (b"a: &x [*x]\n", &["f: document 1 (line 1): line 1: "], &[]),
            (b"a: 1\na: 2\n", &["f: document 1 (line 1): line 2: "], &[]),
            (b"{\"a\": 1,\n \"b\": ]", &["f: document 1 (line 1): line 2: "], &[]),
            (b"---\n\n---\na:\n\t- b\n", &["f: document 1 (line 3): line 5: "], &[]),
            (b"a: 1\n---\nb: 2\nc: \xff\n---\nd: 1\n", &["f: document 2 (line 2): line 4: not UTF-8: "], &[1, 3]),
            (b"\xff\xfea\0:\0", &["f: document 1 (line 1): line 1: not UTF-8: "], &[]),
            (b"a: \0\n---\nb: 1\n", &["f: document 1 (line 1): line 1: "], &[2]),
            (b"{\"a\": \"\0\"}", &["f: document 1 (line 1): line 1: "], &[]),
            (b"", &[], &[]),
            (b"\xef\xbb\xbf", &[], &[]),
            (b"\xef\xbb\xbfa: 1\n", &[], &[1]),
            (b"\xef\xbb\xbf---\na: 1\n", &[], &[1]),
            (b"\xef\xbb\xbf{\"a\": 1}", &[], &[1]),
            (b"a: 1\r\n---\r\nb: 2\r\n", &[], &[1, 2]),
            (bomb.as_bytes(), &["f: document 1 (line 1): line "], &[]),
            (deep.as_bytes(), &["f: document 1 (line 1): line 1: "], &[]),
        ];
        for (text, wanted, good) in cases {
            let (lines, read) = told(text);
            let shown = String::from_utf8_lossy(&text[..text.len().min(60)]);
            assert_eq!(read, *good, "{shown}: {lines:?}");
            assert_eq!(lines.len(), wanted.len(), "{shown}: {lines:?}");
            for (line, wanted) in lines.iter().zip(*wanted) {
                assert!(line.starts_with(wanted) && !line.contains('\n'), "{shown}: {line}");
            }
        }
    }

    #[test]
    fn a_wrong_type_is_told_with_path_and_line() {
        let pool = "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfigPool\nmetadata:\n  name: a\n";
        let list = format!("# a list\n---\nkind: List\nitems:\n- kind: A\n-\n  {}", pool.replace('\n', "\n  "));
        let cases = [
            (
                format!("{pool}spec:\n  paused: maybe\n"),
                "f: document 1 (line 1): MachineConfigPool a: line 6: spec.paused: invalid type: string \"maybe\", expected a boolean",
            ),
            (
                format!("a: 1\n---\n{pool}status:\n  conditions:\n  - type: A\n  - type: B\n    status: 5\n"),
                "f: document 2 (line 2): MachineConfigPool a: line 11: status.conditions[1].status: invalid type: integer `5`, expected a string",
            ),
            (
                format!("{list}spec:\n    paused: maybe\n"),
                "f: document 1 (line 2), item 2: MachineConfigPool a: line 12: spec.paused: invalid type: ",
            ),
            (
                "{\"kind\": \"A\",\n \"metadata\": {\"name\": \"a\"},\n \"spec\": []}".to_owned(),
                "f: document 1 (line 1): A a: line 3: spec: invalid type: sequence, expected ",
            ),
        ];
        for (text, wanted) in cases {
            let all = reading(&text).unpacked();
            let error = all.each(|m| {
                if m.object["a"] == 1 || m.name().is_empty() {
                    Ok(())
                } else {
                    m.into_object::<MachineConfigPool>().map(drop)
                }
            });
            let error = format!("{:#}", error.unwrap_err());
            assert!(error.starts_with(wanted), "{error}\n{wanted}");
        }
    }

    #[test]
    fn kinds_that_our_group_does_not_have_are_refused() {
        let of = |version: &str, kind: &str| {
            let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n");
            reading(text).each(|manifest| manifest.check_kind())
        };
        let error = of("machineconfiguration.openshift.io/v1", "MachineConfigPol").unwrap_err().to_string();
        assert!(
            error.starts_with("f: document 1 (line 1): MachineConfigPol a: ") && error.contains("MachineConfigPool,"),
            "{error}"
        );
        for (version, kind) in
            [("machineconfiguration.openshift.io/v1", "MachineConfigPoolList"), ("v1", "Secret"), ("a/v1", "B")]
        {
            assert!(of(version, kind).is_ok(), "{version} {kind}");
        }
    }

    #[test]
    fn ten_mebibytes_of_anything_are_told_in_bounded_time() {
        const SIZE: usize = 10 << 20;
        for unit in ["x", "[", "- ", "a: b\n", "{\"a\":", "---\n[\n", "&a *a ", "\u{0}", "a\n---\n", "? "] {
            let started = std::time::Instant::now();
            let (lines, _) = told(unit.repeat(SIZE / unit.len()));
            assert!(lines.len() <= 51, "{unit:?}: {} lines", lines.len());
            assert!(
                lines.iter().all(|line| line.len() < 1000),
                "{unit:?}: {:?}",
                lines.iter().find(|l| l.len() >= 1000)
            );
            println!("{unit:?}: {:?}", started.elapsed());
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config {
            cases: 2000, rng_seed: proptest::test_runner::RngSeed::Fixed(4), failure_persistence: None,
            ..proptest::test_runner::Config::default()
        })]

        #[test]
        fn whatever_is_read_ends_in_objects_and_errors_with_places(
            parts in proptest::collection::vec(proptest::sample::select(vec![
                "---", "--- ", "\n", "\n", "\n", "  ", "a", "kind: ", "apiVersion: v1", "metadata: {name: a}", "items:", "- ",
                ": ", "{", "}", "[", "]", "\"", "'", "&a ", "*a", "!!", "|", ">", "#", "%", "\t", "\r", "\u{feff}", "\0", "é", ",", "<<: ",
            ]), 0..60),
            raw in proptest::collection::vec(proptest::num::u8::ANY, 0..8),
        ) {
            let text = [parts.concat().as_bytes(), &raw].concat();
            let all = reading(&text).unpacked();
            let lines = text.iter().filter(|byte| **byte == b'\n').count() + 1;
            for document in &all.0 {
                match document {
                    Ok(manifest) => proptest::prop_assert!((1..=lines).contains(&manifest.place.line)),
                    Err(error) => {
                        let line = format!("{error:#}");
                        proptest::prop_assert!(line.starts_with("f: document ") && line.contains(": line "), "{line}");
                    }
                }
            }
            // Of any type it is an object or an error, never a panic.
            let _ = all.each(|manifest| manifest.into_object::<MachineConfigPool>().map(drop));
        }
    }
}
