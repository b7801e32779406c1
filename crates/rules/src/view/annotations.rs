//! The annotations of an object: the only place that reads them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// The annotations of an object; empty for a missing object.
#[derive(Clone, Copy, Debug, Default)]
pub struct Annotations<'a>(Option<&'a BTreeMap<String, String>>);

impl<'a> Annotations<'a> {
    /// Those of an object.
    #[must_use]
    pub fn of(metadata: &'a ObjectMeta) -> Self {
        Self(metadata.annotations.as_ref())
    }

    /// Whether this key is present.
    #[must_use]
    pub fn has(self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// The value of a key.
    #[must_use]
    pub fn get(self, key: &str) -> Option<&'a str> {
        self.0?.get(key).map(String::as_str)
    }

    /// The value of a key, unless it is empty.
    #[must_use]
    pub fn filled(self, key: &str) -> Option<&'a str> {
        self.get(key).filter(|value| !value.is_empty())
    }

    /// All of them, by key.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.into_iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The time in a value; `None` if it is not one (RFC 3339).
    #[must_use]
    pub fn time(self, key: &str) -> Option<Timestamp> {
        self.get(key)?.parse().ok()
    }

    /// The comma-separated names in a value.
    pub fn names(self, key: &str) -> impl Iterator<Item = &'a str> {
        self.get(key).into_iter().flat_map(|names| names.split(',')).map(str::trim).filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_times_and_names() {
        let annotations = [("a", "x"), ("b", ""), ("c", "2026-01-02T03:04:05Z"), ("d", " one,, two ")];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let metadata = ObjectMeta { annotations: Some(annotations.into()), ..ObjectMeta::default() };
        let marks = Annotations::of(&metadata);
        assert_eq!((marks.get("a"), marks.get("b"), marks.get("z")), (Some("x"), Some(""), None));
        assert_eq!((marks.filled("a"), marks.filled("b"), marks.has("b")), (Some("x"), None, true));
        assert_eq!((marks.time("a"), marks.time("c")), (None, Some("2026-01-02T03:04:05Z".parse().unwrap())));
        assert_eq!(marks.names("d").collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(Annotations::default().names("d").count(), 0);
    }
}
