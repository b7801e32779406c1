//! What the other controllers and users learn: shared problems, and events.

use super::{Acted, Controller, Error, Failed};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;
use weir_api::{OSImageStream, keys::names::CLUSTER};
use weir_kubeio::{Event, Next, drive::chain};
use weir_rules::{
    stream::{
        catalog::{Catalog, due::Due},
        mismatch::clause,
        problem::{CatalogProblem, PayloadEvidence, StreamProblems},
    },
    world::World,
};

impl Controller {
    pub(super) async fn report(&self, world: &World, due: &Due, acted: Acted) -> Result<Next, Error> {
        match acted {
            Acted::Done => self.report_done(due, world.streams.as_deref()).await,
            Acted::Waits => {}
            Acted::Again(pause) => return Ok(Next::After(pause)),
            Acted::Made(made) => self.report_made(due, &made).await,
            Acted::Checked { release, evidence } => self.report_check(release, evidence).await?,
            Acted::Failed(failed) => {
                self.report_failure(&failed).await;
                return Err(failed.error);
            }
        }
        Ok(Next::Await)
    }

    async fn report_done(&self, due: &Due, object: Option<&OSImageStream>) {
        let event = match due {
            Due::OtherVersion { desired, ours } => {
                tracing::info!(desired, ours, "the controllers of the desired release make the OSImageStream");
                return;
            }
            Due::UnknownDefault { wanted, available } => {
                let text =
                    format!("spec.defaultStream {wanted} is not available; available are: {}", available.join(", "));
                if object.is_none() || !self.last_said.is_new(CLUSTER, &text) {
                    return;
                }
                Event::warning("DefaultStreamNotAvailable", text)
            }
            Due::Drop { streams } => {
                let are = if streams.len() == 1 { "is" } else { "are" };
                let text = format!("{} {are} no longer in the release and no longer used", streams.join(", "));
                Event::normal("StreamDropped", text)
            }
            Due::Off | Due::NoRelease | Due::Nothing | Due::Make { .. } | Due::TakeDefault { .. } => return,
        };
        if let Some(object) = object {
            self.recorder.record(object, &event).await;
        }
    }

    /// Records on the object what it was made from, and what users should know about it.
    async fn report_made(&self, due: &Due, made: &Catalog) {
        self.succeeded();
        self.context.cluster.stream_problems.change(|problems| *problems = StreamProblems::default());
        let Some(object) = self.context.cluster.streams.get(CLUSTER) else { return };
        let names: Vec<&str> = made.streams.iter().map(|stream| stream.set.name.as_str()).collect();
        let release = if let Due::Make { release, .. } = due { release.as_str() } else { "" };
        let text = format!("{} from {release}; default is {}: {}", names.join(", "), made.default, made.because);
        self.recorder.record(&*object, &Event::normal("OSImageStreamMade", text)).await;
        for notice in &made.notices {
            self.recorder.record(&*object, &Event::warning(notice.code(), notice.to_string())).await;
        }
    }

    async fn report_check(&self, release: String, evidence: PayloadEvidence) -> Result<(), Error> {
        let (evidence, misfit) = self.weigh(evidence);
        self.context.cluster.stream_problems.change(|problems| problems.evidence = evidence);
        *self.checked.lock() = Some(release.clone());
        if misfit.is_empty() {
            return Ok(());
        }
        let error = Error::Mismatch { release, why: clause(self.context.profile, &misfit) };
        self.warn(error.code(), chain(&error)).await;
        Err(error)
    }

    async fn report_failure(&self, failed: &Failed) {
        if let Some(evidence) = &failed.evidence {
            self.context.cluster.stream_problems.change(|problems| problems.evidence = evidence.clone());
        }
        let Some(attempt) = &failed.attempt else { return };
        let (error, obstacle) = (&failed.error, failed.error.obstacle());
        let with_access = |text| if obstacle.is_of_reading() { self.with_access(text) } else { text };
        let said = with_access(error.why());
        let (pause, is_new) = self.remember(attempt.clone(), said.clone());
        self.share(&attempt.release, said, obstacle.is_blocking(), Some(pause));
        if is_new {
            let text = format!("{}; next attempt in {} s", chain(error), pause.as_secs_f32().ceil());
            self.warn(error.code(), with_access(text)).await;
        }
    }

    /// The registry is slow.
    pub(super) async fn report_delay(&self, release: &str) {
        let why = "the images of the release are being read, and the registry has not answered yet";
        let why = self.with_access(why.to_owned());
        self.share(release, why.clone(), false, None);
        self.warn("OSImageStreamDelayed", format!("{release}: {why}")).await;
    }

    /// What could not be read, and which objects say how it is read.
    fn with_access(&self, why: String) -> String {
        format!("{why}; objects that say how images are read: {}", self.access.in_use())
    }

    /// Shares why the streams are not those of the release.
    fn share(&self, release: &str, why: String, blocking: bool, pause: Option<Duration>) {
        let next = pause.and_then(|pause| SignedDuration::try_from(pause).ok());
        let catalog = CatalogProblem {
            release: release.to_owned(),
            why,
            blocking,
            next: next.map(|pause| self.context.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX)),
        };
        self.context.cluster.stream_problems.change(|problems| problems.catalog = Some(catalog));
    }

    /// Without a catalogue to make there are no problems with one. While the gate is off, the result of the check stays.
    pub(super) fn forget_problems(&self, due: &Due) {
        if matches!(due, Due::Make { .. }) {
            return;
        }
        let keeps = *due == Due::Off && self.checked.lock().is_some();
        self.context.cluster.stream_problems.change(|problems| {
            let evidence = if keeps { std::mem::take(&mut problems.evidence) } else { PayloadEvidence::default() };
            *problems = StreamProblems { evidence, catalog: None };
        });
    }

    /// A warning about what the whole cluster should run.
    async fn warn(&self, reason: &str, text: String) {
        if let Some(version) = self.context.cluster_version() {
            self.recorder.record(&*version, &Event::warning(reason, text)).await;
        }
    }
}
