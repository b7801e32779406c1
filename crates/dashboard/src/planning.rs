//! What a change would do: it is only planned.
//!
//! R-ASKED-1 What is pasted is at most [`LARGEST`] bytes, and as many plans as there are processors for are made at once: the rest is
//! refused with the reason.
//! R-ASKED-2 Nothing is written, neither to the cluster nor to a file.
//! R-ASKED-3 A release is read from its registry, where the page may do that: for whoever started it, never on behalf of others. It is named by
//! its pull spec; folders of this machine are nobody's to name from a page.

use crate::{form, source::Everything};
use futures::future::BoxFuture;
use jiff::Timestamp;
use std::{fmt, path::Path, sync::Arc, time::Duration};
use tokio::{runtime::Handle, time::timeout};
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

/// Field with the pull spec of a release.
pub(crate) const RELEASE: &str = "release";
/// What a reference to a folder begins with.
const LAYOUT: &str = "oci:";
/// How long reading a release may take: a release of 200 images takes seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// Plans an update: what is known of the cluster, changes beside the update, the release's pull spec, the time.
pub type PlanUpdate =
    dyn Fn(Everything, Vec<Change>, String, Timestamp) -> BoxFuture<'static, Result<Plan, String>> + Send + Sync;

/// How updates are planned, or not at all.
#[derive(Clone, Default)]
pub(crate) struct Updates(pub(crate) Option<Arc<PlanUpdate>>);

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Updates").field(&self.0.is_some()).finish()
    }
}

impl Updates {
    /// Waits until the update is planned. Not to be called where others wait.
    fn plan(
        &self,
        everything: Everything,
        changes: Vec<Change>,
        release: &str,
        now: Timestamp,
    ) -> Result<Plan, String> {
        let asks = format!("`weir plan --release {release}`");
        let Some(plan) = &self.0 else { return Err(format!("This page reads no releases. Ask {asks}.")) };
        if release.starts_with(LAYOUT) {
            return Err(format!("This page reads releases from registries only. For a folder ask {asks}."));
        }
        let planned = async { timeout(PATIENCE, plan(everything, changes, release.to_owned(), now)).await };
        let late =
            |_| format!("The release {release} was not read within {} s. {asks} waits longer.", PATIENCE.as_secs());
        Handle::current().block_on(planned).map_err(late)?
    }
}

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
pub(crate) fn answer(form: &str, everything: Everything, updates: &Updates, now: Timestamp) -> Answer {
    let asked = form::pairs(form);
    let release = form::value(&asked, RELEASE).map(str::trim).filter(|release| !release.is_empty());
    let plan = changes(&asked).and_then(|changes| {
        if let Some(release) = release {
            return updates.plan(everything, changes, release, now);
        }
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
