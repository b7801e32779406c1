//! Keys of a configuration that nothing reads: Ignition warns of them, and machines come up without what they say.

use crate::{
    MINOR, declared_version, decode,
    schema::{CONFIG, Object, Shape},
    version::Version,
};
use serde_json::Value;

/// Maximum number of unknown keys that are told.
const TOLD: usize = 100;

/// Paths (`storage.files[0].contents.inline`) of the keys that a configuration of version 3 does not have in its
/// declared version, at most the first hundred. None of any other configuration: what that is, [`crate::Parsed::parse`] says.
///
/// Source: the specifications, <https://coreos.github.io/ignition/specs/>; that unknown keys are warned of:
/// `ValidateWithContext` and "unused key" in github.com/coreos/vcontext.
#[must_use]
pub fn unknown_keys(raw: &Value) -> Vec<String> {
    let version = declared_version(raw).ok().and_then(Version::parse);
    let Some(minor) = version.and_then(|version| version.minor_of(3)).filter(|minor| *minor <= MINOR) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    object(raw, &CONFIG, minor, "", &mut found);
    found
}

fn object(value: &Value, of: &'static Object, minor: u8, at: &str, found: &mut Vec<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match (decode::find(of, key, minor).map(|field| field.shape), value) {
            (None, _) if found.len() < TOLD => found.push(path),
            (Some(Shape::Object(of)), value) => object(value, of, minor, &path, found),
            (Some(Shape::Objects(of)), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    object(item, of, minor, &format!("{path}[{index}]"), found);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unknown_keys;
    use serde_json::json;

    #[test]
    fn keys() {
        let config = |version: &str| {
            json!({
                "ignition": {"version": version}, "filesystems": [{"device": "/dev/sdb"}], "Storage": {
                    "files": [{"path": "/etc/a", "contents": {"inline": "a"}}, {"path": "/etc/b", "Mode": 420, "owner": "a"}],
                },
                "kernelArguments": {"shouldExist": ["a"]},
            })
        };
        let mut wanted = vec!["Storage.files[0].contents.inline", "Storage.files[1].owner", "filesystems"];
        assert_eq!(unknown_keys(&config("3.5.0")), wanted);
        // Since 3.3.
        wanted.push("kernelArguments");
        assert_eq!(unknown_keys(&config("3.2.0")), wanted);
        for other in ["2.2.0", "3.6.0", "x"] {
            assert!(unknown_keys(&config(other)).is_empty(), "{other}");
        }
        let many: serde_json::Map<_, _> = (0..200).map(|n| (format!("a{n}"), json!(1))).collect();
        let config = json!({"ignition": {"version": "3.5.0"}, "storage": many});
        assert_eq!(unknown_keys(&config).len(), 100);
    }
}
