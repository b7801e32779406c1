//! The published definitions, from the folder with reference data beside the workspace.
#![allow(clippy::unwrap_used, reason = "a test: unreadable definitions shall stop it")]

use serde_json::Value;
use std::path::PathBuf;

/// File name and content of every published definition; `None`, and a printed line, when the data is absent.
pub fn definitions() -> Option<Vec<(String, Value)>> {
    let directory = weir_recorded::reference("comparison with the published definitions", "reference/crds")?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        (file.file_name().unwrap().to_string_lossy().into_owned(), serde_saphyr::from_str(&text).unwrap())
    };
    Some(files.into_iter().map(read).collect())
}
