//! Which streams an OSImageStream listed in the past.
//!
//! R-FORMER-1 The name of a stream that leaves the list is recorded on the object, so that a pool that still names it can be distinguished
//! from one whose name never existed.
//! R-FORMER-2 A stream that comes back is no longer a former one. Of more than [`MOST`] names the oldest are dropped.
//!
//! All of this is ours.

use crate::view::Annotations;
use weir_api::{OSImageStream, keys::config::FORMER_STREAMS};

/// Maximum number of recorded names: a release brings one or two streams, so this lasts for decades.
pub const MOST: usize = 16;

/// Names of the streams that the object listed in the past, oldest first.
#[must_use]
pub fn former(object: &OSImageStream) -> Vec<&str> {
    Annotations::of(&object.metadata).names(FORMER_STREAMS).collect()
}

/// The annotation's value once the object lists these streams; `None` when there is no former one.
#[must_use]
pub fn former_after(object: Option<&OSImageStream>, listed: &[&str]) -> Option<String> {
    let known = object.map(former).unwrap_or_default();
    let status = object.and_then(|object| object.status.as_ref());
    let left = status.iter().flat_map(|status| &status.available_streams).map(|set| set.name.as_str());
    let mut names: Vec<&str> = Vec::new();
    for name in known.into_iter().chain(left).filter(|name| !listed.contains(name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let names = &names[names.len().saturating_sub(MOST)..];
    (!names.is_empty()).then(|| names.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(mark: Option<&str>, listed: &[&str]) -> OSImageStream {
        let sets: Vec<_> = listed.iter().map(|name| json!({"name": name})).collect();
        serde_json::from_value(json!({
            "metadata": {"annotations": mark.map(|mark| json!({FORMER_STREAMS: mark}))},
            "status": {"availableStreams": sets, "defaultStream": ""},
        }))
        .unwrap()
    }

    #[test]
    fn what_leaves_the_list_is_remembered_until_it_comes_back() {
        for (mark, listed, next, expected) in [
            (None, &[][..], &["a"][..], None),
            (None, &["a"], &["a"], None),
            (None, &["a"], &["b"], Some("a")),
            (Some("a"), &["b"], &["b"], Some("a")),
            (Some("a"), &["b"], &["c"], Some("a,b")),
            (Some("a"), &["b"], &["a"], Some("b")),
            (Some("a, a,"), &["a"], &["b"], Some("a")),
        ] {
            let found = former_after(Some(&object(mark, listed)), next);
            assert_eq!(found.as_deref(), expected, "{mark:?} {listed:?} {next:?}");
        }
        assert_eq!(former_after(None, &["a"]), None);
        let many: Vec<String> = (0..40).map(|number| format!("s{number}")).collect();
        let after = former_after(Some(&object(Some(&many.join(",")), &["last"])), &["new"]).unwrap();
        assert_eq!(after.split(',').count(), MOST);
        assert!(after.ends_with(",s39,last"), "{after}");
    }
}
