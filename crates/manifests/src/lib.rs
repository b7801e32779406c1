//! Objects out of files: YAML and JSON, several documents to a file, lists, folders, must-gathers and archives.
//!
//! What cannot be read does not hide what else cannot: reading goes on, and everything is told at the end, with file,
//! document, line and, where there is one, the path of the field.
//!
//! How the objects of a cluster are read ([`Rule::Objects`]):
//!
//! 1. A file that is named, and standard input, which `-` names, is read as YAML or JSON, whatever it is called.
//! 2. A folder is read with all folders below it, in order of names: files that end in `.yaml`, `.yml` or `.json`. Links
//!    to folders are not followed, so that no loop of them has to be left.
//! 3. A file that is named and ends in `.tar`, `.tar.gz` or `.tgz` is read as the folder that was packed; nothing is
//!    unpacked to disk, and links in it are not followed.
//! 4. What cannot be read, has no kind, or is of a kind that [`MACHINE_CONFIG_GROUP`](weir_api::kind::MACHINE_CONFIG_GROUP)
//!    does not have, is an error.
//! 5. Not so below the root of what `oc adm must-gather` or `oc adm inspect` wrote, which is known by names that they give:
//!    files there that are no objects are passed over, and so are, with a warning, files that cannot be read.
//! 6. An object that is there several times counts once. Of different ones, the highest `resourceVersion` counts where
//!    both stand in folders or archives; else it is an error.
//! 7. Everything is bounded ([`Limits`]); what goes beyond is an error.
//!
//! | module | what it holds |
//! |---|---|
//! | `reading` | files, folders and archives, by a rule |
//! | `manifest` | one object and where it stands |
//! | `text` | from bytes to documents, and from documents to values |
//! | `locate` | in which line of a document a field stands |
//! | `folder` | what is in a folder |
//! | `archive` | what is in an archive |
//! | `gathered` | what is known by its names as collected by a tool |
//! | `once` | objects that are there several times |
//! | `limits` | what is too much |
//! | `seen` | what there was, for who looked for something else |
//! | `error` | what can go wrong |
//! | `several` | several things that went wrong at once |

mod archive;
mod error;
mod folder;
mod gathered;
mod limits;
mod locate;
mod manifest;
mod once;
mod reading;
mod seen;
mod several;
mod text;

pub use error::{ReadError, WriteError};
pub use limits::Limits;
pub use manifest::{Kind, Manifest, Place};
pub use reading::{Reading, Rule, read, read_within};
pub use seen::{NothingFound, Seen};
pub use several::Several;

use serde::Serialize;

/// Writes objects as YAML documents. Long text is never folded: a pull spec or key stays on its line.
///
/// # Errors
/// When an object cannot be written.
pub fn to_yaml(objects: &[impl Serialize]) -> Result<String, WriteError> {
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    Ok(serde_saphyr::to_string_multiple_with_options(objects, options)?)
}
