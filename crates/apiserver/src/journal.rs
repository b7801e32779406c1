//! Objects on disk: every change is written behind the store, many in one transaction.
//!
//! Memory is what requests read; a write is acknowledged only when its change is on disk. The file is a redb database in
//! the data directory, with one row for each object.

use crate::{Error, store::Key};
use bytes::Bytes;
use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableError};
use std::{
    fs, io,
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
};
use tokio::sync::watch;

const FILE: &str = "objects.redb";
/// Resource, namespace, name; to the JSON of the object.
const OBJECTS: TableDefinition<'_, (&str, &str, &str), &[u8]> = TableDefinition::new("objects");
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");
/// Where versions go on after a restart.
const NEXT_VERSION: &str = "next-version";
/// Versions that were given out and not yet written when the process died may have been seen by watchers: a restart
/// skips this many, so that none is given out twice.
const SKIPPED_VERSIONS: u64 = 1_000_000;
/// All data is in memory already.
const CACHE: usize = 1 << 20;
/// Changes that go into one transaction; bounds the memory it takes.
const BATCH: usize = 4096;

/// A change of one object.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) resource: Arc<str>,
    pub(crate) key: Key,
    pub(crate) version: u64,
    /// The object; `None` when it was deleted.
    pub(crate) object: Option<Bytes>,
}

/// How far the disk has come.
#[derive(Clone, Debug)]
enum Progress {
    Durable(u64),
    Failed(String),
}

/// The way to the disk. Dropping it writes what is under way and closes the database.
#[derive(Debug)]
pub(crate) struct Journal {
    /// `None` while it is being dropped.
    records: Option<mpsc::Sender<Record>>,
    progress: watch::Receiver<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.records = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to write.
            let _ = thread.join();
        }
    }
}

/// What was on disk.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) objects: Vec<(Arc<str>, Key, Vec<u8>)>,
    /// The last version that may have been given out.
    pub(crate) version: u64,
}

impl Journal {
    /// Opens or makes the database of a data directory and reads all of it.
    pub(crate) fn open(data_dir: &Path) -> Result<(Self, Stored), Error> {
        fs::create_dir_all(data_dir).map_err(|cause| Error::Data {
            doing: "creating",
            path: data_dir.to_owned(),
            cause,
        })?;
        let path = data_dir.join(FILE);
        let database = Database::builder().set_cache_size(CACHE).create(&path).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => Error::InUse { path: data_dir.to_owned() },
            error => damaged(&path, error.into()),
        })?;
        let stored = load(&database).map_err(|error| damaged(&path, error))?;
        let (records, received) = mpsc::channel();
        let (report, progress) = watch::channel(Progress::Durable(stored.version));
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || run(&database, &received, &report))
            .map_err(|cause| Error::Data { doing: "starting to write", path, cause })?;
        Ok((Self { records: Some(records), progress, thread: Some(thread) }, stored))
    }

    /// Hands a change over. Changes must come in the order of their versions.
    pub(crate) fn write(&self, record: Record) {
        if let Some(records) = &self.records {
            // Fails only when the thread has ended, which it has then reported.
            let _ = records.send(record);
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
            Err(_) => Err("the journal has ended".into()),
        }
    }
}

fn damaged(path: &Path, error: redb::Error) -> Error {
    match error {
        redb::Error::Io(cause) => Error::Data { doing: "opening", path: path.to_owned(), cause },
        error => Error::Data { doing: "opening", path: path.to_owned(), cause: io::Error::other(error.to_string()) },
    }
}

fn load(database: &Database) -> Result<Stored, redb::Error> {
    let read = database.begin_read()?;
    let mut stored = Stored::default();
    match read.open_table(COUNTERS) {
        Ok(counters) => stored.version = counters.get(NEXT_VERSION)?.map_or(0, |v| v.value()),
        // A new database has no tables.
        Err(TableError::TableDoesNotExist(_)) => return Ok(stored),
        Err(error) => return Err(error.into()),
    }
    let mut resource: Arc<str> = "".into();
    for row in read.open_table(OBJECTS)?.iter()? {
        let (key, object) = row?;
        let (table, namespace, name) = key.value();
        if *resource != *table {
            resource = table.into();
        }
        stored.objects.push((resource.clone(), Key::new(namespace, name), object.value().to_vec()));
    }
    Ok(stored)
}

fn run(database: &Database, records: &mpsc::Receiver<Record>, report: &watch::Sender<Progress>) {
    while let Ok(first) = records.recv() {
        let mut batch = vec![first];
        batch.extend(records.try_iter().take(BATCH));
        match commit(database, &batch) {
            Ok(version) => report.send_replace(Progress::Durable(version)),
            Err(error) => {
                tracing::error!(%error, "objects can no longer be written to disk; writes are refused");
                report.send_replace(Progress::Failed(error.to_string()));
                return;
            }
        };
    }
}

fn commit(database: &Database, batch: &[Record]) -> Result<u64, redb::Error> {
    let write = database.begin_write()?;
    let version = batch.iter().map(|r| r.version).max().unwrap_or_default();
    {
        let mut objects = write.open_table(OBJECTS)?;
        for record in batch {
            let key = (&*record.resource, &*record.key.namespace, &*record.key.name);
            match &record.object {
                Some(object) => objects.insert(key, object.as_ref())?,
                None => objects.remove(key)?,
            };
        }
        write.open_table(COUNTERS)?.insert(NEXT_VERSION, version + SKIPPED_VERSIONS)?;
    }
    write.commit()?;
    Ok(version)
}
