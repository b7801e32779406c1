//! Objects from files: YAML and JSON, several documents per file, lists, folders, must-gathers and archives.
//!
//! One error does not hide another: reading continues, and all errors are reported at the end, with file,
//! document, line and, where there is one, the path of the field.
//!
//! How the objects of a cluster are read ([`Rule::Objects`]):
//!
//! 1. A file given by name, and standard input, given as `-`, is read as YAML or JSON, whatever it is called.
//! 2. A folder is read recursively, in name order: files that end in `.yaml`, `.yml` or `.json`. Links
//!    to folders are not followed, which rules out loops.
//! 3. A file given by name that ends in `.tar`, `.tar.gz`, `.tgz` or `.zip` is read like the folder that was packed; nothing
//!    is unpacked to disk, and links in it are not followed.
//! 4. Anything unreadable, without a kind, wanted and without a name, or of a kind that [`MACHINE_CONFIG_GROUP`](weir_api::kind::MACHINE_CONFIG_GROUP)
//!    does not have, is an error.
//! 5. Except below the root of what `oc adm must-gather` or `oc adm inspect` wrote, recognized by the names they use:
//!    files there that are not objects are skipped, and unreadable files are counted, told and skipped.
//! 6. Identical copies of an object count once. Of copies that differ, the one with the highest `resourceVersion` wins if
//!    both are in folders or archives; otherwise they are an error. So are two versions with different `uid` of what a
//!    cluster has once, such as its ClusterVersion: those are two clusters, and that is the only error told.
//! 7. Objects that are not wanted are not parsed where their kind is plain to see, and errors in them stay unnoticed.
//! 8. Everything is bounded ([`Limits`]); exceeding a limit is an error.
//!
//! | module | contents |
//! |---|---|
//! | `reading` | files, folders and archives, by a rule |
//! | `manifest` | one object and its position |
//! | `want` | which objects are wanted |
//! | `skim` | what a document holds, without parsing it |
//! | `text` | from bytes to documents, and from documents to values |
//! | `words` | what parsers have against a text, for people |
//! | `locate` | the line of a field in a document |
//! | `folder` | reading folders |
//! | `archive` `zip` | reading archives |
//! | `packing` | how bytes are packed, and what is wrong with packed ones |
//! | `gathered` | recognizing by name what a tool collected |
//! | `once` | duplicate objects |
//! | `only` | objects of which only some fields are wanted |
//! | `limits` | limits |
//! | `seen` | what was found, for errors about what was not |
//! | `error` | what can go wrong |
//! | `several` | several errors at once |

mod archive;
mod error;
mod folder;
mod gathered;
mod limits;
mod locate;
mod manifest;
mod once;
mod only;
mod packing;
mod reading;
mod seen;
mod several;
mod skim;
mod text;
mod want;
mod words;
mod zip;

pub use error::{ReadError, WriteError};
pub use limits::Limits;
pub use manifest::{Kind, Manifest, Place};
pub use reading::{Reading, Rule, read, read_within};
pub use seen::{NothingFound, Seen};
pub use several::Several;
pub use text::BadText;
pub use want::Want;

use serde::{Serialize, de::DeserializeOwned};

/// Writes objects as YAML documents. Long text is never folded: a pull spec or key stays on one line.
///
/// # Errors
/// When an object cannot be serialized.
pub fn to_yaml(objects: &[impl Serialize]) -> Result<String, WriteError> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    Ok(serde_saphyr::to_string_multiple_with_options(objects, options)?)
}

/// Reads a text that is no object of a cluster, such as a story: one document of YAML, or JSON, which YAML includes.
///
/// # Errors
/// When it is not what it should be: with its line, in words for whoever wrote it.
pub fn from_yaml<T: DeserializeOwned>(text: &str) -> Result<T, BadText> {
    text::yaml(text, 0)
}
