//! The contents of `storage.conf`.
//!
//! R-STORAGE-1 The templates' file is parsed and written again: known keys in the order of Go's struct; everything else, including
//! comments, is lost. Numbers are also written if they are 0, and so are driver and roots if they are empty.
//! R-STORAGE-2 Overlay size and stores are in `storage.options` itself. Paths of layer stores get `:ref`.
//! R-STORAGE-3 A key of the wrong type is an error. Tables of drivers are written if something in them is set.
//!
//! Source: `updateStorageConfig` in `pkg/controller/container-runtime-config/helpers.go` of
//! github.com/openshift/machine-config-operator; `pkg/config/config.go` of github.com/containers/storage.

use crate::generated::toml_text::{Table, Toml, to_string};
use toml::Value;

/// The file cannot be read. Permanent: other templates are needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("storage.conf of the templates: {0}")]
pub struct StorageError(pub String);

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Flag,
    Texts,
    Map,
    /// A table with these text keys.
    Table(&'static [&'static str]),
}

const STORAGE: [&str; 3] = ["driver", "runroot", "graphroot"];
/// Keys of `storage.options`, in the order in which they are written.
const OPTIONS: [(&str, Kind); 20] = [
    ("additionalimagestores", Kind::Texts),
    ("imagestore", Kind::Text),
    ("additionallayerstores", Kind::Texts),
    ("size", Kind::Text),
    ("ignore_chown_errors", Kind::Text),
    ("use_composefs", Kind::Text),
    ("force_mask", Kind::Number),
    ("root-auto-userns-user", Kind::Text),
    ("auto-userns-min-size", Kind::Number),
    ("auto-userns-max-size", Kind::Number),
    ("skip_mount_home", Kind::Text),
    ("mount_program", Kind::Text),
    ("mountopt", Kind::Text),
    ("disable-volatile", Kind::Flag),
    ("aufs", Kind::Table(&["mountopt"])),
    ("btrfs", Kind::Table(&["min_space", "size"])),
    (
        "overlay",
        Kind::Table(&[
            "ignore_chown_errors",
            "mountopt",
            "mount_program",
            "size",
            "inodes",
            "skip_mount_home",
            "use_composefs",
            "force_mask",
        ]),
    ),
    ("vfs", Kind::Table(&["ignore_chown_errors"])),
    ("zfs", Kind::Table(&["mountopt", "fsname", "size"])),
    ("pull_options", Kind::Map),
];

/// The file with these changes; what is absent or empty stays as it is.
///
/// # Errors
/// If the text is not TOML, or a key has the wrong type.
pub fn with(text: &str, size: Option<&str>, layers: &[String], images: &[String]) -> Result<String, StorageError> {
    let document: toml::Table =
        toml::from_str(text).map_err(|error| StorageError(error.to_string().trim_end().to_owned()))?;
    let storage = table("storage", document.get("storage"))?;
    let mut written: Table = Vec::new();
    for key in STORAGE {
        let value = scalar(key, Kind::Text, storage.and_then(|storage| storage.get(key)))?;
        written.push((key.to_owned(), value.unwrap_or_else(|| Toml::Text(String::new()))));
    }
    let options = table("storage.options", storage.and_then(|storage| storage.get("options")))?;
    let mut of_options: Table = Vec::new();
    for (key, kind) in OPTIONS {
        let changed = match key {
            "size" => size.map(|size| Toml::Text(size.to_owned())),
            "additionallayerstores" if !layers.is_empty() => {
                Some(Toml::Texts(layers.iter().map(|path| format!("{path}:ref")).collect()))
            }
            "additionalimagestores" if !images.is_empty() => Some(Toml::Texts(images.to_vec())),
            _ => None,
        };
        let found = scalar(key, kind, options.and_then(|options| options.get(key)))?;
        let value = changed.or(found).filter(|value| !is_empty(value));
        let zero = matches!(kind, Kind::Number).then_some(Toml::Number(0));
        of_options.extend(value.or(zero).map(|value| (key.to_owned(), value)));
    }
    written.push(("options".to_owned(), Toml::Table(of_options)));
    Ok(to_string(&vec![("storage".to_owned(), Toml::Table(written))]))
}

fn table<'v>(key: &str, value: Option<&'v Value>) -> Result<Option<&'v toml::Table>, StorageError> {
    match value {
        None => Ok(None),
        Some(Value::Table(table)) => Ok(Some(table)),
        Some(other) => Err(wrong(key, "a table", other)),
    }
}

fn scalar(key: &str, kind: Kind, value: Option<&Value>) -> Result<Option<Toml>, StorageError> {
    let Some(value) = value else { return Ok(None) };
    let read = match (kind, value) {
        (Kind::Text, Value::String(text)) => Some(Toml::Text(text.clone())),
        (Kind::Number, Value::Integer(number)) => Some(Toml::Number(*number)),
        (Kind::Flag, Value::Boolean(flag)) => Some(Toml::Flag(*flag)),
        (Kind::Texts, Value::Array(items)) => {
            let texts: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            texts.map(Toml::Texts)
        }
        (Kind::Map, Value::Table(given)) => {
            let mut keys: Vec<&String> = given.keys().collect();
            keys.sort();
            let entry = |key: &String| Some((key.clone(), scalar(key, Kind::Text, given.get(key)).transpose()?));
            let entries = keys.into_iter().filter_map(entry);
            Some(Toml::Table(entries.map(|(key, value)| Ok((key, value?))).collect::<Result<_, StorageError>>()?))
        }
        (Kind::Table(keys), Value::Table(given)) => {
            let mut table = Table::new();
            for key in keys {
                let value = scalar(key, Kind::Text, given.get(*key))?.filter(|value| !is_empty(value));
                table.extend(value.map(|value| ((*key).to_owned(), value)));
            }
            Some(Toml::Table(table))
        }
        _ => None,
    };
    let expected = match kind {
        Kind::Text => "text",
        Kind::Number => "a whole number",
        Kind::Flag => "true or false",
        Kind::Texts => "a list of texts",
        Kind::Map | Kind::Table(_) => "a table",
    };
    read.map(Some).ok_or_else(|| wrong(key, expected, value))
}

fn wrong(key: &str, expected: &str, value: &Value) -> StorageError {
    StorageError(format!("{key}: {expected} expected, found {}", value.type_str()))
}

/// What Go's encoder leaves out.
fn is_empty(value: &Toml) -> bool {
    match value {
        Toml::Text(text) => text.is_empty(),
        Toml::Texts(items) => items.is_empty(),
        Toml::Flag(flag) => !flag,
        Toml::Table(table) => table.is_empty(),
        Toml::Number(_) | Toml::Tables(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::with;

    #[test]
    fn another_type_says_which_key() {
        let error = |text: &str| with(text, Some("1G"), &[], &[]).unwrap_err().to_string();
        for (text, part) in [
            ("[storage]\ndriver = 1", "driver: text expected, found integer"),
            ("storage = 1", "storage: a table expected, found integer"),
            ("[storage]\noptions = []", "storage.options: a table expected, found array"),
            ("[storage.options]\nforce_mask = \"7\"", "force_mask: a whole number expected, found string"),
            ("[storage.options.pull_options]\nx = true", "x: text expected, found boolean"),
            ("[storage.options]\nadditionalimagestores = [1]", "additionalimagestores: a list of texts expected"),
            ("[storage\nx", "storage.conf of the templates: TOML parse error at line 1"),
        ] {
            assert!(error(text).contains(part), "{}", error(text));
        }
    }
}
