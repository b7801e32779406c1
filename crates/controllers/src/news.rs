//! What was last said about each subject, so that nothing is said twice.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};

/// What was last said, by subject.
#[derive(Debug, Default)]
pub(crate) struct News {
    said: Mutex<BTreeMap<String, String>>,
}

impl News {
    /// Whether this is not what was last said about the subject; it is now.
    pub(crate) fn is_new(&self, subject: &str, text: &str) -> bool {
        let mut said = self.said.lock();
        if said.get(subject).is_some_and(|last| last == text) {
            return false;
        }
        said.insert(subject.to_owned(), text.to_owned());
        true
    }

    /// Forgets what was said about all other subjects.
    pub(crate) fn keep(&self, subjects: &BTreeSet<&str>) {
        let mut said = self.said.lock();
        said.retain(|subject, _| subjects.contains(subject.as_str()));
    }

    /// Forgets what was said about the subject.
    pub(crate) fn forget(&self, subject: &str) {
        self.said.lock().remove(subject);
    }

    /// Forgets what was said about all other subjects.
    pub(crate) fn retain(&self, is_kept: impl Fn(&str) -> bool) {
        self.said.lock().retain(|subject, _| is_kept(subject));
    }
}
