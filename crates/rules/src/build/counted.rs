//! What is counted of builds as it happens.
//!
//! R-COUNTED-1 A change between two observations is counted. What the first observation finds happened earlier, and was counted by
//! whoever observed it then.
//! R-COUNTED-2 The end of a build is counted once, with the time since the build was made; also of a build that was made and ended
//! between two observations. An image that is reused, or that was pre-built, is not counted. (The reference counts a failure again with
//! every try to write it.)
//! R-COUNTED-3 A build that succeeds has pushed its image, one that fails has not; the time is counted from the creation of its Job.
//! (The reference counts a push that failed with the first try, though a later one may succeed.)
//! R-COUNTED-4 A failed try of a Job is counted as a retry when another one follows.
//! R-COUNTED-5 A build waits from its creation to that of its Job.
//! R-COUNTED-6 Each change of a pool's rendered configuration is counted.
//!
//! Source: `pkg/controller/build/metrics.go` of github.com/openshift/machine-config-operator.

use super::{
    conditions::State,
    progress::RETRIES,
    told::{is_end, state_label},
};
use jiff::Timestamp;
use k8s_openapi::{api::batch::v1::Job, apimachinery::pkg::apis::meta::v1::Time};
use std::collections::BTreeMap;
use weir_api::{MachineConfigPool, MachineOSBuild, keys::build::TARGET_POOL};

/// What one observation found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Builds by uid.
    builds: BTreeMap<String, Build>,
    /// Rendered MachineConfigs by pool.
    pools: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Build {
    pool: String,
    state: State,
    /// Whether it was worked on.
    built: bool,
    made: Option<Timestamp>,
    job: Option<JobSeen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct JobSeen {
    made: Option<Timestamp>,
    failed: i32,
}

/// Something that is counted: its figure, its labels, and how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Counted {
    /// Name of the figure, one of [`super::told::FIGURES`].
    pub figure: &'static str,
    /// Its labels.
    pub labels: Labels,
    /// How much.
    pub what: Amount,
}

/// Labels of a figure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels {
    /// The pool.
    pub pool: String,
    /// The state, of figures that have one.
    pub state: Option<&'static str>,
}

/// How much is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// That many.
    More(u64),
    /// One that took so many seconds.
    Took(f64),
}

impl Look {
    /// Observes these objects. `jobs` are those that build images.
    #[must_use]
    pub fn at<'a>(
        pools: impl IntoIterator<Item = &'a MachineConfigPool>,
        builds: impl IntoIterator<Item = &'a MachineOSBuild>,
        jobs: &[&'a Job],
    ) -> Self {
        let target = |pool: &MachineConfigPool| {
            let target = pool.spec.configuration.as_ref()?.name().to_owned();
            Some((pool.metadata.name.clone()?, target)).filter(|(_, target)| !target.is_empty())
        };
        let build = |build: &MachineOSBuild| {
            let uid = build.metadata.uid.clone()?;
            let own = |job: &&&Job| job.metadata.owner_references.iter().flatten().any(|owner| owner.uid == uid);
            let job = jobs.iter().find(own).map(|job| JobSeen {
                made: time(job.metadata.creation_timestamp.as_ref()),
                failed: job.status.as_ref().and_then(|status| status.failed).unwrap_or_default(),
            });
            let seen = Build {
                pool: build
                    .metadata
                    .labels
                    .as_ref()
                    .and_then(|labels| labels.get(TARGET_POOL))
                    .cloned()
                    .unwrap_or_default(),
                state: State::of(build),
                built: build.status.as_ref().is_some_and(|status| status.build_start.is_some())
                    && !super::seed::stands_for_image(build),
                made: time(build.metadata.creation_timestamp.as_ref()),
                job,
            };
            Some((uid, seen))
        };
        let (pools, builds) = (pools.into_iter().filter_map(target), builds.into_iter().filter_map(build));
        Self { pools: pools.collect(), builds: builds.collect() }
    }

    /// What happened since an earlier observation; absent for the first one.
    #[must_use]
    pub fn since(&self, before: Option<&Self>, now: Timestamp) -> Vec<Counted> {
        let Some(before) = before else { return Vec::new() };
        let mut all = Vec::new();
        for (uid, build) in &self.builds {
            build.counted(before.builds.get(uid), now, &mut all);
        }
        for (pool, target) in &self.pools {
            if before.pools.get(pool).is_some_and(|held| held != target) {
                all.push(Counted::more("ocl_config_change_total", pool, None, 1));
            }
        }
        all
    }
}

impl Build {
    fn counted(&self, before: Option<&Self>, now: Timestamp, all: &mut Vec<Counted>) {
        let was = before.map_or(State::Initial, |before| before.state);
        let job = before.and_then(|before| before.job.as_ref());
        if let (Some(found), None) = (&self.job, job) {
            all.extend(Counted::took("ocl_build_queue_duration_seconds", &self.pool, None, self.made, found.made));
        }
        let tries = |job: Option<&JobSeen>| job.map_or(0, |job| job.failed.clamp(0, RETRIES));
        let retries = tries(self.job.as_ref()).saturating_sub(tries(job));
        if let Some(retries) = u64::try_from(retries).ok().filter(|retries| *retries > 0) {
            all.push(Counted::more("ocl_build_retries_total", &self.pool, None, retries));
        }
        if !self.built || !is_end(was, self.state) {
            return;
        }
        let state = Some(state_label(self.state));
        all.push(Counted::more("ocl_build_total", &self.pool, state, 1));
        all.extend(Counted::took("ocl_build_duration_seconds", &self.pool, state, self.made, Some(now)));
        if self.state != State::Interrupted {
            all.push(Counted::more("ocl_image_push_total", &self.pool, state, 1));
            // The Job goes once its build has succeeded.
            let job = self.job.as_ref().or(job);
            let begun = job.map_or(self.made, |job| job.made);
            all.extend(Counted::took("ocl_image_push_duration_seconds", &self.pool, state, begun, Some(now)));
        }
    }
}

impl Counted {
    fn more(figure: &'static str, pool: &str, state: Option<&'static str>, more: u64) -> Self {
        Self { figure, labels: Labels { pool: pool.to_owned(), state }, what: Amount::More(more) }
    }

    fn took(
        figure: &'static str,
        pool: &str,
        state: Option<&'static str>,
        from: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Option<Self> {
        let took = until?.duration_since(from?).as_secs_f64().max(0.0);
        Some(Self { figure, labels: Labels { pool: pool.to_owned(), state }, what: Amount::Took(took) })
    }
}

fn time(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::told::FIGURES;
    use serde_json::{Value, json};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn build(state: &str, built: bool) -> MachineOSBuild {
        let start = if built { json!("1970-01-01T00:00:01Z") } else { Value::Null };
        serde_json::from_value(json!({
            "metadata": {
                "name": "b", "uid": "u", "creationTimestamp": "1970-01-01T00:00:00Z",
                "labels": {"machineconfiguration.openshift.io/target-machine-config-pool": "worker"},
            },
            "spec": {"machineConfig": {"name": "r"}, "machineOSConfig": {"name": "worker"}, "renderedImagePushSpec": ""},
            "status": {"buildStart": start, "conditions": [{"type": state, "status": "True"}]},
        }))
        .unwrap()
    }

    fn job(failed: i32) -> Job {
        serde_json::from_value(json!({
            "metadata": {
                "creationTimestamp": "1970-01-01T00:00:02Z",
                "ownerReferences": [{"apiVersion": "", "kind": "MachineOSBuild", "name": "b", "uid": "u"}],
            },
            "status": {"failed": failed},
        }))
        .unwrap()
    }

    fn look(build: &MachineOSBuild, job: Option<&Job>) -> Look {
        Look::at([], [build], &job.into_iter().collect::<Vec<_>>())
    }

    fn said(all: &[Counted]) -> Vec<String> {
        let said = |counted: &Counted| {
            format!("{} {} {:?}", counted.figure, counted.labels.state.unwrap_or("-"), counted.what)
        };
        all.iter().map(said).collect()
    }

    #[test]
    fn each_step_is_counted_once() {
        let looks = [
            look(&build("Prepared", true), None),
            look(&build("Building", true), Some(&job(0))),
            look(&build("Building", true), Some(&job(1))),
            look(&build("Building", true), Some(&job(3))),
            look(&build("Failed", true), Some(&job(4))),
            look(&build("Failed", true), Some(&job(4))),
        ];
        assert!(looks[0].since(None, at(9)).is_empty());
        let steps: Vec<_> = looks.windows(2).map(|pair| said(&pair[1].since(Some(&pair[0]), at(9)))).collect();
        assert_eq!(steps[0], ["ocl_build_queue_duration_seconds - Took(2.0)"]);
        assert_eq!(steps[1], ["ocl_build_retries_total - More(1)"]);
        assert_eq!(steps[2], ["ocl_build_retries_total - More(2)"]);
        assert_eq!(
            steps[3],
            [
                "ocl_build_total failed More(1)",
                "ocl_build_duration_seconds failed Took(9.0)",
                "ocl_image_push_total failed More(1)",
                "ocl_image_push_duration_seconds failed Took(7.0)",
            ]
        );
        assert!(steps[4].is_empty());
        for counted in looks[4].since(Some(&looks[3]), at(9)) {
            let figure = FIGURES.iter().find(|figure| figure.name == counted.figure).unwrap();
            assert_eq!(figure.labels.contains(&"state"), counted.labels.state.is_some(), "{}", figure.name);
        }
    }

    #[test]
    fn what_was_not_built_is_not_counted_and_what_nobody_saw_is() {
        let (empty, all) = (Look::default(), |counted: Vec<Counted>| said(&counted).len());
        assert_eq!(all(look(&build("Succeeded", false), None).since(Some(&empty), at(9))), 0);
        let succeeded = look(&build("Succeeded", true), None);
        let found = said(&succeeded.since(Some(&empty), at(9)));
        assert!(found.contains(&"ocl_build_total succeeded More(1)".to_owned()), "{found:?}");
        // Its Job is gone by then.
        let before = look(&build("Building", true), Some(&job(0)));
        let found = said(&succeeded.since(Some(&before), at(9)));
        assert!(found.contains(&"ocl_image_push_duration_seconds succeeded Took(7.0)".to_owned()), "{found:?}");
        let interrupted = look(&build("Interrupted", true), None).since(Some(&before), at(9));
        assert_eq!(said(&interrupted).len(), 2, "{interrupted:?}");
    }

    #[test]
    fn a_pool_that_is_rendered_to_something_else_is_counted() {
        let pool = |target: &str| -> MachineConfigPool {
            serde_json::from_value(json!({"metadata": {"name": "worker"}, "spec": {"configuration": {"name": target}}}))
                .unwrap()
        };
        let look = |target: &str| Look::at([&pool(target)], [], &[]);
        assert_eq!(look("a").since(Some(&look("a")), at(0)), []);
        assert_eq!(said(&look("b").since(Some(&look("a")), at(0))), ["ocl_config_change_total - More(1)"]);
        assert!(look("a").since(Some(&Look::default()), at(0)).is_empty());
    }
}
