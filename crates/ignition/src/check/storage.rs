//! Validation of disks, file systems, files, directories and links.

use super::{Fields, Findings, below, clean, is_true, items, path, some_text, text};
use crate::url;
use serde_json::Value;
use std::collections::BTreeSet;

/// Highest mode of a file or directory.
const HIGHEST_MODE: i64 = 0o7777;

pub(crate) fn mode(fields: &Fields, findings: &mut Findings<'_>) {
    if fields.get("mode").and_then(Value::as_i64).is_some_and(|m| !(0..=HIGHEST_MODE).contains(&m)) {
        findings.error("mode", "illegal file mode");
    }
}

pub(crate) fn file(fields: &Fields, findings: &mut Findings<'_>) {
    mode(fields, findings);
    let has_source = below(fields, "contents").is_some_and(|c| c.contains_key("source"));
    if is_true(fields, "overwrite") && !has_source {
        findings.error("overwrite", "overwrite must be false if source is unspecified");
    }
}

pub(crate) fn owner(fields: &Fields, findings: &mut Findings<'_>) {
    if fields.contains_key("id") && some_text(fields, "name").is_some() {
        findings.error("", "cannot set both id and name");
    }
}

/// Calls for each node of a list that lies below a link, with its index.
fn links_below(storage: &Fields, list: &str, mut visit: impl FnMut(usize)) {
    let links: BTreeSet<&str> = items(storage, "links").filter_map(|l| text(l, "path")).collect();
    if links.is_empty() {
        return;
    }
    for (index, node) in items(storage, list).enumerate() {
        let path = text(node, "path").unwrap_or_default();
        path.match_indices('/').filter(|(at, _)| links.contains(&path[..*at])).for_each(|_| visit(index));
    }
}

pub(crate) fn storage(fields: &Fields, findings: &mut Findings<'_>) {
    for (list, message) in [
        ("directories", "directory path includes link in config"),
        ("files", "file path includes link in config"),
        ("links", "link path includes link in config"),
    ] {
        links_below(fields, list, |index| findings.error(&format!("{list}.{index}"), message));
    }
    for (index, link) in items(fields, "links").enumerate() {
        let target = match some_text(link, "target") {
            Some(target) => target,
            None if findings.minor >= 3 => {
                findings.error(&format!("links.{index}.target"), "link target is required");
                continue;
            }
            None => "",
        };
        if !is_true(link, "hard") {
            continue;
        }
        let target = match target.starts_with('/') {
            true => clean(target),
            false => clean(&format!("{}/{target}", text(link, "path").unwrap_or_default())),
        };
        for _ in items(fields, "directories").filter(|d| text(d, "path") == Some(&target)) {
            findings.error(&format!("links.{index}"), "hard link target is a directory");
        }
    }
}

pub(crate) fn disk(fields: &Fields, findings: &mut Findings<'_>) {
    match text(fields, "device") {
        None | Some("") => return findings.error("device", "disk device is required"),
        Some(device) => findings.note("device", path(device)),
    }
    let partitions: Vec<&Fields> = items(fields, "partitions").collect();
    let number = |p: &Fields, name: &str| p.get(name).and_then(Value::as_i64);
    let mut numbers = BTreeSet::new();
    let second = partitions.iter().position(|p| number(p, "number").is_some_and(|n| n != 0 && !numbers.insert(n)));
    if let Some(index) = second {
        findings.error(&format!("partitions.{index}"), "partition numbers collide");
    }
    let extents: Vec<Option<(i64, i64)>> = partitions
        .iter()
        .map(|p| {
            let (start, size) = (number(p, "startMiB")?, number(p, "sizeMiB")?);
            // A start of 0 is any free place; a size of 0 is all the space free there.
            (start != 0).then(|| (start, if size == 0 { start } else { start.saturating_add(size).saturating_sub(1) }))
        })
        .collect();
    let overlapping = extents.iter().enumerate().find_map(|(one, extent)| {
        let (start, end) = (*extent)?;
        let overlaps = |(other, extent): (usize, &Option<(i64, i64)>)| {
            extent.is_some_and(|(s, e)| {
                other != one && ((s..=e).contains(&start) || (s..=e).contains(&end) || (start < s && end > e))
            })
        };
        extents.iter().enumerate().position(overlaps)
    });
    if let Some(index) = overlapping {
        findings.error(&format!("partitions.{index}"), "partitions overlap");
    }
    let mut labels = BTreeSet::new();
    if let Some(index) = partitions.iter().position(|p| text(p, "label").is_some_and(|l| !labels.insert(l))) {
        findings.error(&format!("partitions.{index}"), "cannot use the same partition label twice");
    }
}

pub(crate) fn partition(fields: &Fields, findings: &mut Findings<'_>) {
    // Bytes of a partition name: 36 characters in the table (UEFI specification, GPT partition entry).
    const LONGEST_LABEL: usize = 36;
    let others = ["label", "startMiB", "sizeMiB"].iter().any(|f| fields.contains_key(*f))
        || ["typeGuid", "guid"].iter().any(|f| some_text(fields, f).is_some());
    if fields.get("shouldExist") == Some(&Value::Bool(false)) && others {
        findings.error("", "shouldExist specified false with other options also specified");
    }
    if !fields.contains_key("number") && !fields.contains_key("label") {
        findings.error("", "a partition number >= 1 or a label must be specified");
    }
    match text(fields, "label") {
        Some(label) if label.len() > LONGEST_LABEL => {
            findings.error("label", "partition labels may not exceed 36 characters");
        }
        Some(label) if label.contains(':') => {
            findings.error("label", "partition label will be truncated to text before the colon");
        }
        _ => {}
    }
    for name in ["guid", "typeGuid"] {
        if some_text(fields, name).is_some_and(|guid| !is_guid(guid)) {
            findings.error(name, "doesn't match the form \"01234567-89AB-CDEF-EDCB-A98765432101\"");
        }
    }
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

pub(crate) fn filesystem(fields: &Fields, findings: &mut Findings<'_>) {
    let format = some_text(fields, "format");
    let some = |name: &str| fields.get(name).and_then(Value::as_array).is_some_and(|l| !l.is_empty());
    let others = ["path", "label", "uuid"].iter().any(|f| some_text(fields, f).is_some())
        || is_true(fields, "wipeFilesystem")
        || some("options")
        || some("mountOptions");
    match format {
        None if others => findings.error(
            "format",
            "format cannot be empty when path, label, uuid, wipeFilesystem, options, or mountOptions is specified",
        ),
        None | Some("ext4" | "btrfs" | "xfs" | "swap" | "vfat") => {}
        Some("none") if findings.minor >= 3 => {}
        Some(_) => findings.error("format", "invalid filesystem format"),
    }
    match (some_text(fields, "label"), format) {
        (None, _) => {}
        (Some(_), None) => findings.error("label", "filesystem must specify format if label is specified"),
        (Some(label), Some(format)) => {
            if let Some(longest) = longest_label(format).filter(|longest| label.len() > *longest) {
                findings.error(
                    "label",
                    format!("filesystem labels cannot be longer than {longest} characters when using {format}"),
                );
            }
        }
    }
}

/// Longest label in bytes: mkfs.ext4(8), mkfs.btrfs(8), mkfs.xfs(8), mkfs.fat(8); mkswap cuts longer ones.
pub(crate) fn longest_label(format: &str) -> Option<usize> {
    match format {
        "ext4" => Some(16),
        "btrfs" => Some(256),
        "xfs" => Some(12),
        "swap" => Some(15),
        "vfat" => Some(11),
        _ => None,
    }
}

pub(crate) fn luks(fields: &Fields, findings: &mut Findings<'_>) {
    // A LUKS2 header has 48 bytes for the label, the last of them zero.
    const LONGEST_LABEL: usize = 47;
    if text(fields, "name").is_some_and(|n| n.contains('/')) {
        findings.error("name", "device names cannot contain slashes");
    }
    if text(fields, "label").is_some_and(|l| l.len() > LONGEST_LABEL) {
        findings.error("label", "luks device labels cannot be longer than 47 characters");
    }
    match some_text(fields, "device") {
        None => findings.error("device", "disk device is required"),
        Some(device) => findings.note("device", path(device)),
    }
    let clevis = below(fields, "clevis");
    let custom = clevis.and_then(|c| below(c, "custom"));
    let is_custom = custom.is_some_and(|c| findings.minor < 3 || some_text(c, "pin").is_some());
    let others = clevis.is_some_and(|c| {
        items(c, "tang").next().is_some()
            || is_true(c, "tpm2")
            || c.get("threshold").and_then(Value::as_i64).is_some_and(|t| t != 0)
    });
    if is_custom && others {
        findings.error("clevis", "cannot use custom clevis config with tpm2, tang, or threshold");
    }
    let key_file = below(fields, "keyFile").and_then(|k| some_text(k, "source"));
    if key_file.is_some_and(|source| url::check(source, findings.minor).is_some()) {
        findings.error("keys", "invalid key-file source");
    }
    if below(fields, "cex").is_some_and(|c| is_true(c, "enabled")) {
        if is_custom || others {
            findings.error("cex", "cannot use cex with clevis");
        }
        if key_file.is_some() {
            findings.error("cex", "cannot use key file with cex");
        }
    }
}

pub(crate) fn raid(fields: &Fields, findings: &mut Findings<'_>) {
    let level = some_text(fields, "level");
    match level {
        None if findings.minor >= 3 => findings.error("level", "raid level is required"),
        _ => {
            let spares = fields.get("spares").and_then(Value::as_i64).unwrap_or_default();
            findings.note("level", wrong_level(level.unwrap_or_default(), spares));
        }
    }
    if fields.get("devices").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        findings.error("devices", "raid devices required");
    }
}

pub(crate) fn wrong_level(level: &str, spares: i64) -> Option<&'static str> {
    match level {
        "linear" | "raid0" | "0" | "stripe" if spares != 0 => Some("spares unsupported for linear and raid0 arrays"),
        "linear" | "raid0" | "0" | "stripe" | "raid1" | "1" | "mirror" | "raid4" | "4" | "raid5" | "5" | "raid6"
        | "6" | "raid10" | "10" => None,
        _ => Some("unrecognized raid level"),
    }
}
