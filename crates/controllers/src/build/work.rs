//! Builds that are under way in this process. They end with it; whoever comes next begins them again.

use futures::future::BoxFuture;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::{sync::watch, task::JoinHandle};

/// The pull spec by digest, or what went wrong.
pub(super) type Outcome = Result<String, String>;

/// What is under way, by build.
#[derive(Debug)]
pub(super) struct Work {
    tasks: Mutex<BTreeMap<String, Task>>,
    ended: Arc<Mutex<BTreeMap<String, Outcome>>>,
    changes: watch::Sender<u64>,
}

/// It ends when it is dropped.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Default for Work {
    fn default() -> Self {
        Self { tasks: Mutex::default(), ended: Arc::default(), changes: watch::Sender::new(0) }
    }
}

impl Work {
    /// Changes whenever a build has ended.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn is_under_way(&self, build: &str) -> bool {
        self.tasks.lock().contains_key(build)
    }

    pub(super) fn begin(&self, build: &str, work: BoxFuture<'static, Outcome>) {
        let (ended, changes, name) = (self.ended.clone(), self.changes.clone(), build.to_owned());
        let task = tokio::spawn(async move {
            let outcome = work.await;
            ended.lock().insert(name, outcome);
            changes.send_modify(|count| *count += 1);
        });
        self.tasks.lock().insert(build.to_owned(), Task(task));
    }

    /// Builds that ended, and how. They are told again until they are forgotten.
    pub(super) fn ended(&self) -> BTreeMap<String, Outcome> {
        self.ended.lock().clone()
    }

    /// Ends a build, if it is under way, and forgets it.
    pub(super) fn forget(&self, build: &str) {
        self.tasks.lock().remove(build);
        self.ended.lock().remove(build);
    }

    /// Ends and forgets all others.
    pub(super) fn keep(&self, builds: &BTreeSet<&str>) {
        self.tasks.lock().retain(|build, _| builds.contains(build.as_str()));
        self.ended.lock().retain(|build, _| builds.contains(build.as_str()));
    }
}
