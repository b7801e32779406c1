//! What a change would do: it is only planned.
//!
//! R-ASKED-1 What is pasted is at most [`LARGEST`] bytes, and as many plans as there are processors for are made at once: the rest is
//! refused with the reason.
//! R-ASKED-2 Nothing is written, neither to the cluster nor to a file.

use crate::{form, source::Everything};
use jiff::Timestamp;
use std::path::Path;
use weir_manifests::{ReadError, Reading, Rule, Several};
use weir_rules::plan::{Change, Facts, Plan, plan};

/// Bytes of a form: a MachineConfig with more does not fit into a cluster (etcd takes 1.5 MiB a request), and percent-encoding makes three
/// of one.
pub(crate) const LARGEST: usize = 4 << 20;
/// Field of a form with the stream of a pool, whose name follows.
pub(crate) const STREAM_OF: &str = "stream/";
/// Field with the default stream.
pub(crate) const DEFAULT: &str = "default";
/// Field with manifests.
pub(crate) const MANIFESTS: &str = "manifests";

/// What was asked, and what comes of it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) asked: Vec<(String, String)>,
    pub(crate) plan: Result<Plan, String>,
}

/// Something that cannot be read.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error(transparent)]
    Read(#[from] Box<ReadError>),
    #[error(transparent)]
    Several(#[from] Box<Several<Wrong>>),
}

impl From<ReadError> for Wrong {
    fn from(error: ReadError) -> Self {
        Self::Read(Box::new(error))
    }
}

impl From<Several<Self>> for Wrong {
    fn from(several: Several<Self>) -> Self {
        Self::Several(Box::new(several))
    }
}

/// Plans what a form asks for.
pub(crate) fn answer(form: &str, everything: Everything, now: Timestamp) -> Answer {
    let asked = form::pairs(form);
    let plan = changes(&asked).and_then(|changes| {
        let facts = Facts { unknown: everything.unknown.into_iter().collect(), ..Facts::default() };
        plan(&everything.world, &changes, &facts, now).map_err(|refused| refused.to_string())
    });
    Answer { asked, plan }
}

fn changes(asked: &[(String, String)]) -> Result<Vec<Change>, String> {
    let mut changes = Vec::new();
    let text = form::value(asked, MANIFESTS).unwrap_or_default();
    if !text.trim().is_empty() {
        let read = Reading::of_text(Path::new("what was pasted"), text.as_bytes().to_vec(), Rule::Objects(&[]));
        let taken = read.each(|manifest| {
            changes.push(Change::Apply(manifest.object));
            Ok::<(), Wrong>(())
        });
        taken.map_err(|error| error.to_string())?;
    }
    let streams = asked.iter().filter(|(_, stream)| !stream.is_empty());
    changes.extend(streams.filter_map(|(name, stream)| {
        let (pool, stream) = (name.strip_prefix(STREAM_OF)?.to_owned(), stream.clone());
        Some(Change::Stream { pool, stream })
    }));
    let default = form::value(asked, DEFAULT).filter(|default| !default.is_empty());
    changes.extend(default.map(|default| Change::DefaultStream(default.to_owned())));
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_changes_and_what_is_wrong_is_said() {
        let of = |form: &str| changes(&form::pairs(form));
        let stream = Change::Stream { pool: "worker".to_owned(), stream: "b".to_owned() };
        assert_eq!(of("manifests=++&stream%2Fworker=b&stream%2Finfra=&default="), Ok(vec![stream]));
        assert_eq!(of("default=c"), Ok(vec![Change::DefaultStream("c".to_owned())]));
        let manifest = "manifests=apiVersion:+v1%0Akind:+Node%0Ametadata:+{name:+a}";
        assert!(matches!(of(manifest).unwrap()[..], [Change::Apply(_)]));
        let wrong = of("manifests=a:+[").unwrap_err();
        assert!(wrong.contains("what was pasted"), "{wrong}");
    }
}
