//! Shared resources, and how much of them one user may have, so that nobody can starve others.

use crate::status::Failure;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// Seconds after which a refused client may try again.
const RETRY_AFTER: u32 = 1;

/// A shared resource of limited amount.
#[derive(Debug)]
pub(crate) struct Quota {
    /// What it consists of, as messages name it, e.g. `open watches`.
    of: &'static str,
    most: usize,
    most_each: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    all: usize,
    each: BTreeMap<Arc<str>, usize>,
}

/// The share of a user. Dropping it returns it.
#[derive(Debug)]
pub(crate) struct Share {
    quota: Arc<Quota>,
    who: Arc<str>,
    amount: usize,
}

impl Quota {
    pub(crate) fn new(of: &'static str, most: usize, most_each: usize) -> Arc<Self> {
        Arc::new(Self { of, most, most_each, used: Mutex::default() })
    }

    /// Takes a share for a user.
    ///
    /// # Errors
    /// If it is more than is left, in total or for the user, who may try again in a moment.
    pub(crate) fn take(self: &Arc<Self>, who: &str, amount: usize) -> Result<Share, Failure> {
        let mut used = self.used.lock();
        let own = used.each.get(who).copied().unwrap_or_default() + amount;
        if own > self.most_each {
            let why = format!("{who} has too many {} ({} at most), please try again later", self.of, self.most_each);
            return Err(Failure::too_many(why, RETRY_AFTER));
        }
        if used.all + amount > self.most {
            let why = format!(
                "there are too many {} on this server ({} at most), please try again later",
                self.of, self.most
            );
            return Err(Failure::too_many(why, RETRY_AFTER));
        }
        let who: Arc<str> = who.into();
        used.all += amount;
        used.each.insert(who.clone(), own);
        Ok(Share { quota: self.clone(), who, amount })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut used = self.quota.used.lock();
        used.all -= self.amount;
        if let Some(own) = used.each.get_mut(&self.who) {
            *own -= self.amount;
            if *own == 0 {
                used.each.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_cannot_use_up_what_others_need() {
        let quota = Quota::new("apples", 5, 3);
        let mine: Vec<Share> = (0..3).map(|_| quota.take("me", 1).unwrap()).collect();
        let refused = quota.take("me", 1).unwrap_err();
        assert_eq!(refused.message, "me has too many apples (3 at most), please try again later");
        assert_eq!(refused.code, http::StatusCode::TOO_MANY_REQUESTS);
        let hers = quota.take("her", 2).unwrap();
        assert!(quota.take("him", 1).unwrap_err().message.contains("on this server (5 at most)"));
        drop((mine, hers));
        assert!(quota.used.lock().each.is_empty() && quota.used.lock().all == 0);
        assert!(quota.take("him", 3).is_ok());
    }
}
