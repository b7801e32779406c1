//! Objects on disk: changes are written here first, many in one transaction, and served afterwards.
//!
//! 1. The file is a redb database in the data directory, with one row for each object. The changes of one request go into one
//!    transaction, together with those of all requests that arrived while the previous one was written.
//! 2. A write is acknowledged and served once its transaction is on disk. Its version is then noted next to the database
//!    ([`Mark`]).
//! 3. If a transaction fails, nothing is written any more; the next start finds out how much of it is on disk.
//! 4. A start checks every page of the database, that every row is an object, and that nothing acknowledged is missing. If a check
//!    fails, nothing is served: the directory is damaged, and the error says what can be done.

use crate::{
    Error, object, private,
    stored::{Event, EventKind, Key},
};
use redb::{
    Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, StorageError, TableDefinition, TableError,
};
use serde_json::Value;
use std::{
    fs, io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::JoinHandle,
};
use tokio::sync::watch;

const FILE: &str = "objects.redb";
/// A database that is being created; it gets its final name when it is complete.
const UNFINISHED: &str = ".objects.redb.new";
/// Resource, namespace, name; to the JSON of the object.
const OBJECTS: TableDefinition<'_, (&str, &str, &str), &[u8]> = TableDefinition::new("objects");
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
/// The last version that is on disk.
const LAST_VERSION: &str = "next-version";
/// Size of the database's cache. Small, because all data is in memory already.
const CACHE: usize = 1 << 20;
/// Number of changes after which no further request joins a transaction; bounds the memory it takes.
const BATCH: usize = 4096;

/// A change of one object.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) resource: Arc<str>,
    pub(crate) event: Arc<Event>,
}

/// How far the disk has come.
#[derive(Clone, Debug)]
enum Progress {
    Durable(u64),
    Failed(String),
}

#[derive(Debug)]
enum Message {
    /// The changes of one request.
    Changes(Vec<Change>),
    /// Answered when everything before it is done.
    Flush(mpsc::Sender<()>),
}

/// Access to the disk. Dropping it writes what is pending and closes the database.
#[derive(Debug)]
pub(crate) struct Journal {
    /// `None` while it is being dropped.
    messages: Option<mpsc::Sender<Message>>,
    progress: watch::Receiver<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to write.
            let _ = thread.join();
        }
    }
}

impl Journal {
    /// Starts writing; `publish` gets changes that are on disk before they count as written.
    pub(crate) fn start(
        mut disk: Disk,
        version: u64,
        publish: impl Fn(Vec<Change>) + Send + 'static,
    ) -> Result<Self, Error> {
        let (messages, received) = mpsc::channel();
        let (report, progress) = watch::channel(Progress::Durable(version));
        let path = disk.path.clone();
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || run(&mut disk, &received, &report, publish))
            .map_err(|cause| Error::Data { doing: "starting to write", path, cause })?;
        Ok(Self { messages: Some(messages), progress, thread: Some(thread) })
    }

    /// Hands the changes of a request over. They must come in the order of their versions.
    pub(crate) fn write(&self, changes: Vec<Change>) {
        if let Some(messages) = &self.messages {
            // Fails only if the thread has ended, and then it has reported why.
            let _ = messages.send(Message::Changes(changes));
        }
    }

    /// Waits until everything up to a version is on disk.
    ///
    /// # Errors
    /// Why it will never be.
    pub(crate) async fn wait(&self, version: u64) -> Result<(), String> {
        let mut progress = self.progress.clone();
        let reached = progress.wait_for(|progress| match progress {
            Progress::Durable(durable) => *durable >= version,
            Progress::Failed(_) => true,
        });
        match reached.await.as_deref() {
            Ok(Progress::Durable(_)) => Ok(()),
            Ok(Progress::Failed(why)) => Err(why.clone()),
            Err(_) => Err(ENDED.into()),
        }
    }

    /// Waits until everything handed over so far is on disk. Blocks the thread.
    ///
    /// # Errors
    /// Why it will never be.
    pub(crate) fn flush(&self) -> Result<(), String> {
        let (answer, answered) = mpsc::channel();
        let sent = self.messages.as_ref().is_some_and(|messages| messages.send(Message::Flush(answer)).is_ok());
        let done = sent && answered.recv().is_ok();
        match self.failure() {
            Some(why) => Err(why),
            None if done => Ok(()),
            None => Err(ENDED.into()),
        }
    }

    /// Why nothing is written any more, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        match &*self.progress.borrow() {
            Progress::Failed(why) => Some(why.clone()),
            Progress::Durable(_) => None,
        }
    }
}

const ENDED: &str = "the journal has ended";

fn run(
    disk: &mut Disk,
    messages: &mpsc::Receiver<Message>,
    report: &watch::Sender<Progress>,
    publish: impl Fn(Vec<Change>),
) {
    while let Ok(first) = messages.recv() {
        let (mut batch, mut flushed) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Changes(changes) => batch.extend(changes),
                Message::Flush(answer) => flushed.push(answer),
            }
            next = if batch.len() < BATCH { messages.try_recv().ok() } else { None };
        }
        if let Some(version) = batch.last().map(|change| change.event.object.version) {
            if let Err(why) = disk.write(&batch, version) {
                tracing::error!(why, "objects can no longer be written to disk; writes are refused");
                report.send_replace(Progress::Failed(why));
                return;
            }
            publish(batch);
            report.send_replace(Progress::Durable(version));
        }
        for answer in flushed {
            // The caller may be gone.
            let _ = answer.send(());
        }
    }
}

/// What was on disk.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Resource, key, object, version.
    pub(crate) objects: Vec<(Arc<str>, Key, Value, u64)>,
    /// The last version that was acknowledged.
    pub(crate) version: u64,
}

/// The database of a data directory, and the mark next to it.
#[derive(Debug)]
pub(crate) struct Disk {
    path: PathBuf,
    database: Database,
    mark: Mark,
}

impl Disk {
    fn write(&mut self, batch: &[Change], version: u64) -> Result<(), String> {
        commit(&self.database, batch, version).map_err(|error| error.to_string())?;
        self.mark.write(version).map_err(|error| error.to_string())
    }
}

/// Opens or creates the database of a data directory and reads all of it.
///
/// # Errors
/// When the directory cannot be used, is in use, or is damaged.
pub(crate) fn open(data_dir: &Path) -> Result<(Disk, Stored), Error> {
    private::folder(data_dir, &[FILE])?;
    let path = data_dir.join(FILE);
    if !path.exists() {
        make(data_dir, &path)?;
    }
    private::file(&path)?;
    let failed = |cause| Error::Data { doing: "opening", path: path.clone(), cause };
    if fs::metadata(&path).map_err(failed)?.len() == 0 {
        return Err(damaged(&path, "it is empty, which a database never is"));
    }
    let opened = Database::builder().set_cache_size(CACHE).set_check_integrity_on_open(true).open(&path);
    let database = opened.map_err(|error| opening(data_dir, &path, error))?;
    let stored = load(&database, &path)?;
    let mark = Mark::open(data_dir, stored.version)?;
    Ok((Disk { path, database, mark }, stored))
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::Damaged { path: path.to_owned(), why: why.to_owned() }
}

fn opening(data_dir: &Path, path: &Path, error: DatabaseError) -> Error {
    match error {
        DatabaseError::DatabaseAlreadyOpen => Error::InUse { path: data_dir.to_owned() },
        DatabaseError::Storage(StorageError::Io(cause)) => refused("opening", path, cause),
        error => damaged(path, &error.to_string()),
    }
}

/// The system's error, or a damaged file: redb reports both with the same error.
fn refused(doing: &'static str, path: &Path, cause: io::Error) -> Error {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match cause.kind() {
        InvalidData | InvalidInput | UnexpectedEof => damaged(path, &cause.to_string()),
        _ => Error::Data { doing, path: path.to_owned(), cause },
    }
}

/// Creates an empty database, which does not appear under its name before it is complete.
fn make(data_dir: &Path, path: &Path) -> Result<(), Error> {
    let unfinished = data_dir.join(UNFINISHED);
    let failed = |cause| Error::Data { doing: "making", path: path.to_owned(), cause };
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        // Left over from a start that was killed.
        _ => {}
    }
    // Created here for its mode, which stays when the database is written into it.
    fs::OpenOptions::new().write(true).create_new(true).mode(private::FILE).open(&unfinished).map_err(failed)?;
    let database = Database::create(&unfinished).map_err(|error| opening(data_dir, &unfinished, error))?;
    commit(&database, &[], 0).map_err(|error| failed(io::Error::other(error.to_string())))?;
    drop(database);
    fs::rename(&unfinished, path).and_then(|()| fs::File::open(data_dir)?.sync_all()).map_err(failed)
}

fn load(database: &Database, path: &Path) -> Result<Stored, Error> {
    let failed = |error: redb::Error| match error {
        redb::Error::Io(cause) => refused("reading", path, cause),
        error => damaged(path, &error.to_string()),
    };
    let read = database.begin_read().map_err(|error| failed(error.into()))?;
    let mut stored = Stored::default();
    match read.open_table(COUNTERS) {
        Ok(counters) => {
            let version = counters.get(LAST_VERSION).map_err(|error| failed(error.into()))?;
            stored.version = version.map_or(0, |v| v.value());
        }
        // A start that was killed before its first write.
        Err(TableError::TableDoesNotExist(_)) => return Ok(stored),
        Err(error) => return Err(failed(error.into())),
    }
    let objects = read.open_table(OBJECTS).map_err(|error| failed(error.into()))?;
    let mut resource: Arc<str> = "".into();
    for row in objects.iter().map_err(|error| failed(error.into()))? {
        let (key, object) = row.map_err(|error| failed(error.into()))?;
        let (table, namespace, name) = key.value();
        if *resource != *table {
            resource = table.into();
        }
        let value: Value = serde_json::from_slice(object.value()).unwrap_or_default();
        let version = object::meta(&value, "resourceVersion").parse().ok().filter(|v| *v <= stored.version);
        let version = version.ok_or_else(|| damaged(path, &format!("{table} {namespace}/{name} is not an object")))?;
        stored.objects.push((resource.clone(), Key::new(namespace, name), value, version));
    }
    Ok(stored)
}

fn commit(database: &Database, batch: &[Change], version: u64) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut objects = write.open_table(OBJECTS)?;
        for Change { resource, event } in batch {
            let key = (&**resource, &*event.key.namespace, &*event.key.name);
            match event.kind {
                EventKind::Deleted => objects.remove(key)?,
                EventKind::Added | EventKind::Modified => objects.insert(key, event.object.raw.as_ref())?,
            };
        }
        write.open_table(COUNTERS)?.insert(LAST_VERSION, version)?;
    }
    Ok(write.commit()?)
}

/// The last acknowledged version, in a file of its own. A database considers itself intact even if its last transaction is damaged
/// or it is an older copy, because it then returns to the previous state. This file shows the difference.
#[derive(Debug)]
struct Mark {
    file: fs::File,
}

const MARK_FILE: &str = "objects.version";

impl Mark {
    /// Reads the mark of a data directory; creates it if it is missing.
    fn open(data_dir: &Path, stored: u64) -> Result<Self, Error> {
        let path = data_dir.join(MARK_FILE);
        let failed = |cause| Error::Data { doing: "opening", path: path.clone(), cause };
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(private::FILE);
        let is_new = !path.exists();
        let file = options.open(&path).map_err(failed)?;
        private::file(&path)?;
        let mark = Self { file };
        if !is_new {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let acknowledged = parse(&text).ok_or_else(|| {
                damaged(&path, "it does not hold the last version; if the database is known to be intact, removing this file is enough")
            })?;
            if acknowledged > stored {
                let why = format!(
                    "its last version is {stored}, and {acknowledged} was acknowledged: changes are missing at its end; removing {MARK_FILE} \
                     accepts that"
                );
                return Err(damaged(&data_dir.join(FILE), &why));
            }
        }
        mark.write(stored).map_err(failed)?;
        Ok(mark)
    }

    /// Notes a version. The file keeps its length, so that it can be written even if the disk is full. It need not reach the disk
    /// at once: it is never ahead of the database, and if the process is killed, it is still in the system's memory.
    fn write(&self, version: u64) -> io::Result<()> {
        self.file.write_all_at(text(version).as_bytes(), 0)
    }
}

/// Twenty digits hold any version; the same again as a check.
fn text(version: u64) -> String {
    format!("{version:020} {check:020}\n", check = !version)
}

fn parse(text: &str) -> Option<u64> {
    let (version, check) = text.strip_suffix('\n')?.split_once(' ')?;
    let version: u64 = version.parse().ok()?;
    (check.parse() == Ok(!version)).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corrupted_mark_is_invalid() {
        for version in [0, 1, u64::MAX] {
            let good = text(version);
            assert_eq!(parse(&good), Some(version));
            for bit in 0..8 * good.len() {
                let mut bytes = good.clone().into_bytes();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let bad = String::from_utf8_lossy(&bytes).into_owned();
                assert_eq!(parse(&bad), None, "{bad:?}");
            }
        }
        assert_eq!(parse(""), None);
    }
}
