//! Histories that are there and cannot be read: R-HISTORY-8.

use super::{History, KEY, PREFIX, VERSION};
use k8s_openapi::api::core::v1::ConfigMap;
use weir_api::keys::names::OPERATOR_NAMESPACE;

/// Why a text is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// A newer build wrote it.
    #[error("it is of version {0}, as a newer weir writes it, and version {VERSION} is read")]
    Newer(u64),
    /// It is no JSON, or not that of a history.
    #[error("{KEY} in it is damaged: {0}")]
    Damaged(String),
}

impl HistoryError {
    fn remedy(&self) -> &'static str {
        match self {
            Self::Newer(_) => "use that weir",
            Self::Damaged(_) => "correct it, or delete it to begin a new one",
        }
    }
}

/// The history of a pool that is there and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the history of pool {pool} in ConfigMap {PREFIX}{pool} of {OPERATOR_NAMESPACE} cannot be read: {why}; {}; rollouts are not recorded \
     until then", .why.remedy()
)]
pub struct UnreadHistory {
    /// The pool.
    pub pool: String,
    /// Why not.
    pub why: HistoryError,
}

impl UnreadHistory {
    /// The reason of the event.
    pub const CODE: &'static str = "HistoryUnreadable";
}

/// The history of a pool in its ConfigMap; absent where nothing is written.
///
/// # Errors
/// When something is written that cannot be read.
pub fn of_map(pool: &str, map: &ConfigMap) -> Result<Option<History>, UnreadHistory> {
    let text = map.data.as_ref().and_then(|data| data.get(KEY));
    let read = text.map(|text| History::of_text(text)).transpose();
    read.map_err(|why| UnreadHistory { pool: pool.to_owned(), why })
}
