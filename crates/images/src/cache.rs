//! Cached image metadata by digest, kept on disk between runs.
//!
//! The file format is that of the reference implementation, so that either can use the other's cache:
//! `{"version":1,"entries":{"sha256:…":{"labels":{…},"files":{"/path":"<base64>"},"createdAt":"…"}}}`. A `null` file is
//! known to be absent from the image. Absent labels are unknown.
//!
//! Several processes may share the file: each write takes a lock, reads what the others have written, adds to it, and replaces
//! the whole file.
//!
//! Source: `pkg/imageutils/cache.go` of github.com/openshift/machine-config-operator.

use crate::digest::Digest;
use crate::logins::Logins;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Name of the file in the cache folder.
pub const FILE_NAME: &str = "image-inspection.json";
/// Younger entries are not evicted: what is read for an update is used only when the update begins.
pub const MIN_AGE: SignedDuration = SignedDuration::from_hours(48);
const VERSION: u32 = 1;
/// In a cluster the file is on a volume of 128 MiB, and there are two copies while it is replaced.
const MAX_FILE: u64 = 128 << 20;
/// Upper limit: enough for a hundred releases with their images, and read in a tenth of a second. The oldest entries are
/// evicted first.
const MAX_KEPT: usize = 32 << 20;
const MODE: u32 = 0o600;

/// Labels and files of images, by digest.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    now: fn() -> Timestamp,
    entries: Mutex<Entries>,
    logins: Logins,
}

type Entries = BTreeMap<String, Entry>;

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    version: u32,
    #[serde(default)]
    entries: BTreeMap<String, Option<Entry>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    labels: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, Option<Content>>,
    created_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Content(Vec<u8>);

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)?;
        BASE64.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

/// What was read from an image.
#[derive(Clone, Debug, Default)]
pub struct Learnt<'a> {
    /// Its labels, when they were read.
    pub labels: Option<&'a BTreeMap<String, String>>,
    /// A path and the file's content, if one was read; `None` when there is no such file.
    pub file: Option<(&'a str, Option<&'a [u8]>)>,
}

impl Cache {
    /// The cache in a folder. A file that is missing, broken or of another version counts as empty.
    #[must_use]
    pub fn open(folder: &Path, now: fn() -> Timestamp) -> Self {
        let entries = Mutex::new(load(&folder.join(FILE_NAME)));
        Self { folder: folder.to_owned(), now, entries, logins: Logins::open(folder) }
    }

    /// How to log in to registries.
    #[must_use]
    pub fn logins(&self) -> &Logins {
        &self.logins
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock()
    }

    /// The labels of an image; `None` when unknown.
    #[must_use]
    pub fn labels(&self, digest: &Digest) -> Option<BTreeMap<String, String>> {
        self.entries().get(digest.as_str())?.labels.clone()
    }

    /// A file of an image; `None` when unknown, `Some(None)` when known to be absent.
    #[must_use]
    pub fn file(&self, digest: &Digest, path: &str) -> Option<Option<Vec<u8>>> {
        let entries = self.entries();
        let content = entries.get(digest.as_str())?.files.get(path)?;
        Some(content.as_ref().map(|content| content.0.clone()))
    }

    /// Adds what was read.
    ///
    /// # Errors
    /// When the file cannot be written; only this process then knows the data.
    pub fn put(&self, digest: &Digest, learnt: &Learnt<'_>) -> io::Result<()> {
        let now = (self.now)();
        self.change(|entries| {
            let new = || Entry { labels: None, files: BTreeMap::new(), created_at: now };
            let entry = entries.entry(digest.as_str().to_owned()).or_insert_with(new);
            if let Some(labels) = learnt.labels {
                entry.labels = Some(labels.clone());
            }
            if let Some((path, content)) = learnt.file {
                entry.files.insert(path.to_owned(), content.map(|content| Content(content.to_vec())));
            }
        })
    }

    /// Drops entries older than [`MIN_AGE`] that need not be kept; returns how many.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn evict(&self, keep: &BTreeSet<Digest>) -> io::Result<usize> {
        let now = (self.now)();
        let mut dropped = 0;
        let young = |entry: &Entry| now.duration_since(entry.created_at) < MIN_AGE;
        self.change(|entries| {
            let before = entries.len();
            entries.retain(|digest, entry| young(entry) || digest.parse().is_ok_and(|digest| keep.contains(&digest)));
            dropped = before - entries.len();
        })?;
        Ok(dropped)
    }

    /// Applies a change to the current file, and replaces it. On failure the file is unchanged.
    fn change(&self, change: impl FnOnce(&mut Entries)) -> io::Result<()> {
        let mut entries = self.entries();
        let lock = lock(&self.folder);
        // Others may have written or evicted since: the file decides, if it can be read and written.
        if lock.is_ok() {
            *entries = load(&self.folder.join(FILE_NAME));
        }
        change(&mut entries);
        shrink(&mut entries, MAX_KEPT);
        let _held = lock?;
        write(&self.folder, &entries)
    }
}

impl Entry {
    /// Approximate size in the file.
    fn size(&self) -> usize {
        let labels = self.labels.iter().flatten().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        let content = |content: &Option<Content>| content.as_ref().map_or(0, |content| content.0.len() / 3 * 4);
        let files = self.files.iter().map(|(path, file)| path.len() + content(file)).sum::<usize>();
        labels + files + ENTRY_OVERHEAD
    }
}

/// Digest, time and punctuation of an entry.
const ENTRY_OVERHEAD: usize = 150;

/// Drops the oldest entries until the rest fits.
fn shrink(entries: &mut Entries, limit: usize) {
    let mut size: usize = entries.values().map(Entry::size).sum();
    if size <= limit {
        return;
    }
    let mut by_age: Vec<(Timestamp, String)> =
        entries.iter().map(|(digest, e)| (e.created_at, digest.clone())).collect();
    by_age.sort();
    for (_, digest) in by_age {
        if size <= limit {
            return;
        }
        size -= entries.remove(&digest).map_or(0, |entry| entry.size());
    }
}

fn load(path: &Path) -> Entries {
    let small = std::fs::metadata(path).is_ok_and(|data| data.len() <= MAX_FILE);
    let text = if small { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
    match serde_json::from_slice::<Document>(&text) {
        Ok(Document { version: VERSION, entries }) => {
            entries.into_iter().filter_map(|(digest, entry)| Some((digest, entry?))).collect()
        }
        _ => Entries::default(),
    }
}

/// Held until the file is dropped.
fn lock(folder: &Path) -> io::Result<File> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{FILE_NAME}.lock"));
    let file = File::options().create(true).append(true).mode(MODE).open(path)?;
    file.lock()?;
    Ok(file)
}

fn write(folder: &Path, entries: &Entries) -> io::Result<()> {
    #[derive(Serialize)]
    struct Written<'a> {
        version: u32,
        entries: &'a Entries,
    }
    // Created with mode 0600, and removed if something below fails.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let mut buffered = io::BufWriter::new(file.as_file_mut());
    serde_json::to_writer(&mut buffered, &Written { version: VERSION, entries })?;
    buffered.flush()?;
    drop(buffered);
    file.as_file().sync_all()?;
    file.persist(folder.join(FILE_NAME)).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/release-manifests/image-references";

    fn early() -> Timestamp {
        "2026-01-02T03:04:05.678Z".parse().unwrap()
    }

    fn late() -> Timestamp {
        early() + MIN_AGE
    }

    fn labels(value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("k".to_owned(), value.to_owned())])
    }

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    #[test]
    fn what_is_put_is_there_also_in_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("cache");
        let (one, other) = (Cache::open(&at, early), Cache::open(&at, late));
        let a = digest("a");
        one.put(&a, &Learnt { file: Some((PATH, Some(b"list"))), ..Learnt::default() }).unwrap();
        other.put(&a, &Learnt { labels: Some(&labels("v")), ..Learnt::default() }).unwrap();
        other.put(&digest("b"), &Learnt { file: Some((PATH, None)), ..Learnt::default() }).unwrap();
        assert_eq!(one.labels(&a), None, "labels that were not read are not empty labels");
        let third = Cache::open(&at, early);
        assert_eq!(third.labels(&a), Some(labels("v")));
        assert_eq!(third.file(&a, PATH), Some(Some(b"list".to_vec())));
        assert_eq!(third.file(&digest("b"), PATH), Some(None));
        assert_eq!(third.file(&a, "/other"), None);
        let text = std::fs::read_to_string(at.join(FILE_NAME)).unwrap();
        let expected = format!(
            r#""{a}":{{"labels":{{"k":"v"}},"files":{{"{PATH}":"bGlzdA=="}},"createdAt":"2026-01-02T03:04:05.678Z"}}"#
        );
        assert!(text.starts_with(r#"{"version":1,"entries":{"#) && text.contains(&expected), "{text}");
    }

    #[test]
    fn many_writers_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = folder.path();
                scope.spawn(move || {
                    let cache = Cache::open(path, early);
                    for image in 0..10 {
                        let digest = digest(&format!("{writer} {image}"));
                        cache.put(&digest, &Learnt { labels: Some(&labels("v")), ..Learnt::default() }).unwrap();
                    }
                });
            }
            // Young entries stay, whichever process evicts meanwhile.
            scope.spawn(|| {
                let cache = Cache::open(folder.path(), early);
                assert!((0..10).all(|_| cache.evict(&BTreeSet::new()).unwrap() == 0));
            });
        });
        assert_eq!(Cache::open(folder.path(), early).entries().len(), 40);
    }

    #[test]
    fn what_is_old_and_unused_goes() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, now: fn() -> Timestamp| {
            let learnt = Learnt { labels: Some(&labels("v")), ..Learnt::default() };
            Cache::open(folder.path(), now).put(&digest(name), &learnt).unwrap();
        };
        put("old", early);
        put("used", early);
        put("young", late);
        let cache = Cache::open(folder.path(), late);
        assert_eq!(cache.evict(&BTreeSet::from([digest("used")])).unwrap(), 1);
        assert_eq!(Cache::open(folder.path(), late).entries().len(), 2);
        assert_eq!(cache.labels(&digest("old")), None);
    }

    #[test]
    fn the_oldest_goes_when_there_is_too_much() {
        let entry = |age: i64| Entry {
            labels: Some(labels(&"v".repeat(1000))),
            files: BTreeMap::new(),
            created_at: early() - SignedDuration::from_hours(age),
        };
        let mut entries: Entries =
            (0..10).map(|age| (digest(&age.to_string()).as_str().to_owned(), entry(age))).collect();
        shrink(&mut entries, 100_000);
        assert_eq!(entries.len(), 10);
        shrink(&mut entries, 3 * 1151);
        let mut left: Vec<Timestamp> = entries.values().map(|entry| entry.created_at).collect();
        left.sort();
        assert_eq!(left, [2, 1, 0].map(|age| early() - SignedDuration::from_hours(age)));
    }

    #[test]
    fn a_broken_file_counts_as_empty_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let a = digest("a");
        let null = format!(r#"{{"version":1,"entries":{{"{a}":null}}}}"#);
        for text in ["", "{", r#"{"version":2,"entries":{}}"#, "[]", r#"{"version":1,"entries":{"x":1}}"#, &null] {
            std::fs::write(&path, text).unwrap();
            let cache = Cache::open(folder.path(), early);
            assert_eq!(cache.labels(&a), None, "{text}");
            cache.put(&a, &Learnt { labels: Some(&labels("v")), ..Learnt::default() }).unwrap();
            assert_eq!(Cache::open(folder.path(), early).labels(&a), Some(labels("v")));
        }
    }

    #[test]
    fn without_a_place_to_write_to_it_is_known_here_at_least() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let cache = Cache::open(&file, early);
        assert!(cache.put(&digest("a"), &Learnt { labels: Some(&labels("v")), ..Learnt::default() }).is_err());
        assert_eq!(cache.labels(&digest("a")), Some(labels("v")));
    }
}
