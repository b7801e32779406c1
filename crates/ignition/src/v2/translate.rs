//! Version 2.2, deduplicated, in terms of version 3.0.
//!
//! Source: `translate/v23tov30` of github.com/coreos/ign-converter, with one file system `root` mounted at `/`.

use crate::check::{below, clean, is_true, items, text};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

type Fields = Map<String, Value>;

/// Translates, or returns why that is impossible.
pub(super) fn translate(fields: Fields) -> Result<Fields, String> {
    translatable(&fields)?;
    let mut out = Fields::new();
    out.insert("ignition".to_owned(), Value::Object(ignition(below(&fields, "ignition").unwrap_or(&Fields::new()))));
    if let Some(passwd) = below(&fields, "passwd") {
        let users = items(passwd, "users").map(|user| without(user, &["create"]));
        out.insert(
            "passwd".to_owned(),
            json!({
                "users": named(users), "groups": named(items(passwd, "groups").cloned()),
            }),
        );
    }
    if let Some(systemd) = below(&fields, "systemd") {
        out.insert("systemd".to_owned(), json!({ "units": named(items(systemd, "units").map(unit)) }));
    }
    if let Some(storage) = below(&fields, "storage") {
        out.insert(
            "storage".to_owned(),
            json!({
                "disks": items(storage, "disks").map(|d| without(d, &["partitions"])).collect::<Vec<_>>(),
                "raid": named(items(storage, "raid").cloned()),
                "files": items(storage, "files").map(file).collect::<Vec<_>>(),
                "directories": items(storage, "directories").map(node).collect::<Vec<_>>(),
                "links": items(storage, "links").map(link).collect::<Vec<_>>(),
            }),
        );
    }
    Ok(out)
}

fn translatable(fields: &Fields) -> Result<(), String> {
    let storage = below(fields, "storage");
    let list = |name: &'static str| storage.into_iter().flat_map(move |s| items(s, name));
    if list("disks").any(|disk| items(disk, "partitions").next().is_some()) {
        return Err("Invalid input config:\ndeprecated: size is deprecated; use sizeMB instead\ndeprecated: start is \
                    deprecated; use startMB instead"
            .to_owned());
    }
    if below(fields, "networkd").is_some_and(|n| items(n, "units").next().is_some()) {
        return Err("config includes deprecated networkd section - use Files instead".to_owned());
    }
    if let Some(name) = list("filesystems").map(|f| text(f, "name").unwrap_or_default()).find(|n| *n != ROOT) {
        return Err(format!(
            "Config defined filesystem {name:?} but no mapping was defined.Please specify a path to be used as the \
             filesystem mountpoint."
        ));
    }
    let links: Vec<String> = list("links").map(joined).collect();
    let mut inodes: BTreeMap<String, String> = BTreeMap::new();
    for (name, kind) in [("files", "File"), ("directories", "Directory"), ("links", "Link")] {
        for path in list(name).map(joined) {
            let inode = format!("{kind}: {path}");
            if let Some(other) = inodes.get(&path) {
                return Err(format!(
                    "Config has conflicting inodes: {other:?} and {inode:?}.  All files, directories and links must \
                     specify a unique `path`."
                ));
            }
            // A plain prefix, so that a link /l also covers /lib.
            if let Some(link) = links.iter().find(|link| path.starts_with(*link) && path != **link) {
                return Err(format!(
                    "{inode} uses link defined in config {link:?}. Please use a link not defined in Storage:Links"
                ));
            }
            inodes.insert(path, inode);
        }
    }
    for unit in below(fields, "systemd").into_iter().flat_map(|s| items(s, "units")) {
        let mut seen = BTreeSet::new();
        if let Some(dropin) = items(unit, "dropins").filter_map(|d| text(d, "name")).find(|name| !seen.insert(*name)) {
            return Err(format!(
                "Config has duplicate dropin name {dropin:?} in unit {:?}.  All dropins must specify a unique `name`.",
                text(unit, "name").unwrap_or_default()
            ));
        }
    }
    Ok(())
}

/// The file system that always exists.
const ROOT: &str = "root";

fn joined(node: &Fields) -> String {
    clean(&format!("/{}", text(node, "path").unwrap_or_default()))
}

fn ignition(old: &Fields) -> Fields {
    let mut new = without(old, &["config"]);
    new.insert("version".to_owned(), Value::from("3.0.0"));
    if let Some(config) = below(old, "config") {
        let merge: Vec<Fields> = items(config, "append").map(|r| filled(r, "source")).collect();
        let mut references = json!({ "merge": merge });
        if let Some(replace) = below(config, "replace") {
            references["replace"] = Value::Object(filled(replace, "source"));
        }
        new.insert("config".to_owned(), references);
    }
    for authority in new.get_mut("security").and_then(|s| s.pointer_mut("/tls/certificateAuthorities")).into_iter() {
        for reference in authority.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            *reference = filled(reference, "source");
        }
    }
    new
}

/// Objects with the name that version 3 requires.
fn named(objects: impl Iterator<Item = Fields>) -> Vec<Fields> {
    objects.map(|object| filled(&object, "name")).collect()
}

fn filled(fields: &Fields, name: &str) -> Fields {
    let mut fields = fields.clone();
    fields.entry(name).or_insert(Value::from(""));
    fields
}

fn without(fields: &Fields, names: &[&str]) -> Fields {
    let mut fields = fields.clone();
    fields.retain(|name, _| !names.contains(&name.as_str()));
    fields
}

fn unit(old: &Fields) -> Fields {
    let mut new = without(old, &["enable", "dropins"]);
    if is_true(old, "enable") {
        new.entry("enabled").or_insert(Value::Bool(true));
    }
    new.insert("dropins".to_owned(), json!(named(items(old, "dropins").cloned())));
    new
}

fn node(old: &Fields) -> Fields {
    let mut new = without(old, &["filesystem"]);
    let path = text(old, "path").unwrap_or_default();
    let path = if text(old, "filesystem") == Some(ROOT) { clean(&format!("/{path}")) } else { clean(path) };
    new.insert("path".to_owned(), Value::from(path));
    new
}

fn link(old: &Fields) -> Fields {
    filled(&node(old), "target")
}

fn file(old: &Fields) -> Fields {
    let mut new = without(&node(old), &["append", "contents"]);
    let contents = filled(below(old, "contents").unwrap_or(&Fields::new()), "source");
    if is_true(old, "append") {
        new.insert("overwrite".to_owned(), Value::Bool(false));
        new.insert("append".to_owned(), json!([contents]));
    } else {
        new.entry("overwrite").or_insert(Value::Bool(true));
        new.insert("contents".to_owned(), Value::Object(contents));
    }
    new
}
