//! The last message about each subject, so that no message is repeated.

use parking_lot::Mutex;
use std::collections::BTreeMap;

/// The last message, by subject.
#[derive(Debug, Default)]
pub(crate) struct LastSaid {
    messages: Mutex<BTreeMap<String, String>>,
}

impl LastSaid {
    /// Remembers the message; whether it differs from the last one about the subject.
    pub(crate) fn is_new(&self, subject: &str, text: &str) -> bool {
        let mut messages = self.messages.lock();
        if messages.get(subject).is_some_and(|last| last == text) {
            return false;
        }
        messages.insert(subject.to_owned(), text.to_owned());
        true
    }

    /// Forgets the subject.
    pub(crate) fn forget(&self, subject: &str) {
        self.messages.lock().remove(subject);
    }

    /// Forgets the subjects that are not kept.
    pub(crate) fn retain(&self, is_kept: impl Fn(&str) -> bool) {
        self.messages.lock().retain(|subject, _| is_kept(subject));
    }
}
