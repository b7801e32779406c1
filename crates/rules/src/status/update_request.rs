//! What ClusterVersion's `spec.desiredUpdate` asks of a cluster that weir made, and what is answered.
//!
//! R-REQUEST-1 An update is asked for by the pull spec of a release. A version alone names none: no update is ever offered here.
//! R-REQUEST-2 A request is answered once: with what was asked for on the ClusterVersion, so that a restart does not answer it again. When
//! it is taken back, so is the answer.
//! R-REQUEST-3 It is accepted when the release can be read, is of the cluster's distribution, and nothing is in the way of it that a
//! plan would name; or if the request is forced, whatever a plan names. Otherwise nothing is changed but the condition that says why.
//! R-REQUEST-4 The condition `ReleaseAccepted` is of the last request; without one it is of the release that the cluster is to run.
//! Whoever asks for an update knows by it that somebody answers.
//! R-REQUEST-5 The ClusterVersion of an OpenShift cluster, which weir did not create, is never answered.
//!
//! Source: `config/v1/types_cluster_version.go` of github.com/openshift/api for the fields; "Updating a cluster using the CLI" in the
//! documentation of OpenShift for the condition.

use super::update_history::set;
use crate::view::Annotations;
use jiff::Timestamp;
use serde_json::{Value, json};
use weir_api::{
    ClusterVersion,
    condition::{FALSE, TRUE, Typed as _, find},
    keys::{
        cluster_operator::RELEASE_ACCEPTED,
        config::{SEEDED, UPDATE_ANSWERED},
    },
};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// This release.
    Release {
        /// Its pull spec.
        image: String,
        /// Whether what is in the way does not count.
        force: bool,
    },
    /// A version, which names no release (R-REQUEST-1).
    Version(String),
    /// Nothing, or nothing any more.
    Nothing,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The release is taken.
    Accepted {
        /// What was asked for.
        image: String,
        /// Its version.
        version: String,
    },
    /// It is not.
    Refused {
        /// What was asked for.
        asked: String,
        /// A reason in CamelCase.
        reason: Reason,
        /// Why.
        why: String,
    },
    /// Nothing is asked for: the cluster is to run what it is to run.
    Nothing,
}

/// Why a release is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It cannot be read, or is none.
    RetrievePayload,
    /// Something is in the way.
    PreconditionChecks,
    /// Nobody offers that version.
    VersionNotFound,
}

impl Reason {
    /// In CamelCase.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::RetrievePayload => "RetrievePayload",
            Self::PreconditionChecks => "PreconditionChecks",
            Self::VersionNotFound => "VersionNotFound",
        }
    }
}

/// What has not been answered yet (R-REQUEST-2).
#[must_use]
pub fn request(version: &ClusterVersion) -> Option<Request> {
    let marks = Annotations::of(&version.metadata);
    if !marks.has(SEEDED) {
        return None;
    }
    let wanted = version.spec.desired_update.as_ref();
    let text = |key: &str| wanted.and_then(|wanted| wanted[key].as_str()).filter(|text| !text.is_empty());
    let answered = marks.get(UPDATE_ANSWERED);
    match (text("image"), text("version")) {
        (Some(image), _) if answered == Some(image) => None,
        (Some(image), _) => {
            let force = wanted.is_some_and(|wanted| wanted["force"] == true);
            Some(Request::Release { image: image.to_owned(), force })
        }
        (None, Some(asked)) if answered == Some(asked) => None,
        (None, Some(asked)) => Some(Request::Version(asked.to_owned())),
        (None, None) => {
            let is_said = said(version).is_some_and(|(accepted, _)| accepted);
            (answered.is_some() || !is_said).then_some(Request::Nothing)
        }
    }
}

/// Whether the last request was accepted, and what is said of it; absent without one.
#[must_use]
pub fn said(version: &ClusterVersion) -> Option<(bool, &str)> {
    let conditions = version.status.as_ref()?.conditions.as_deref()?;
    let found = find(conditions, RELEASE_ACCEPTED)?;
    Some((found.says(RELEASE_ACCEPTED, TRUE), found.message.as_deref().unwrap_or_default()))
}

/// The merge patches of the object and of its status.
#[must_use]
pub fn answered(version: &ClusterVersion, answer: &Answer, now: Timestamp) -> [Option<Value>; 2] {
    let (mut conditions, generation) = (
        version.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default(),
        version.metadata.generation.unwrap_or_default(),
    );
    let mark = |text: Option<&str>| json!({"metadata": {"annotations": {UPDATE_ANSWERED: text}}});
    let object = match answer {
        Answer::Accepted { image, version } => {
            set(&mut conditions, RELEASE_ACCEPTED, TRUE, format!("release {version} was read from {image}"), now);
            reason(&mut conditions, "PayloadLoaded");
            Some(mark(Some(image)))
        }
        Answer::Refused { asked, reason: code, why } => {
            set(
                &mut conditions,
                RELEASE_ACCEPTED,
                FALSE,
                format!("{asked} is not taken, and nothing is changed: {why}"),
                now,
            );
            reason(&mut conditions, code.code());
            // What cannot be read now may be later; what is in the way of it may go.
            (*code == Reason::VersionNotFound).then(|| mark(Some(asked)))
        }
        Answer::Nothing => {
            let desired = version.status.as_ref().map(|status| &status.desired);
            let (number, image) = desired.map_or(("", ""), |desired| (&desired.version, &desired.image));
            set(&mut conditions, RELEASE_ACCEPTED, TRUE, format!("release {number} was read from {image}"), now);
            reason(&mut conditions, "PayloadLoaded");
            Annotations::of(&version.metadata).has(UPDATE_ANSWERED).then(|| mark(None))
        }
    };
    let status = json!({"status": {"conditions": conditions, "observedGeneration": generation}});
    let before = version.status.as_ref();
    let changes = before.is_none_or(|before| {
        before.conditions.as_deref().unwrap_or_default() != conditions || before.observed_generation != generation
    });
    [object, changes.then_some(status)]
}

fn is_it(condition: &weir_api::cluster_operator::OperatorCondition) -> bool {
    condition.says(RELEASE_ACCEPTED, TRUE) || condition.says(RELEASE_ACCEPTED, FALSE)
}

fn reason(conditions: &mut [weir_api::cluster_operator::OperatorCondition], code: &str) {
    for condition in conditions.iter_mut().filter(|condition| is_it(condition)) {
        condition.reason = Some(code.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(desired: Value, answered: Option<&str>) -> ClusterVersion {
        let mut version = ClusterVersion::named("version", Default::default());
        version.spec.desired_update = Some(desired).filter(|desired| !desired.is_null());
        let marks = answered.map(|text| (UPDATE_ANSWERED.to_owned(), text.to_owned()));
        version.metadata.annotations = Some(marks.into_iter().chain([(SEEDED.to_owned(), "v1".to_owned())]).collect());
        version.metadata.generation = Some(3);
        version
    }

    /// The version after the answer.
    fn after(version: &ClusterVersion, answer: &Answer) -> ClusterVersion {
        let [object, status] = answered(version, answer, Timestamp::UNIX_EPOCH);
        let mut value = json!(version);
        if let Some(object) = object {
            value["metadata"]["annotations"][UPDATE_ANSWERED] =
                object["metadata"]["annotations"][UPDATE_ANSWERED].clone();
            if value["metadata"]["annotations"][UPDATE_ANSWERED].is_null() {
                value["metadata"]["annotations"].as_object_mut().unwrap().remove(UPDATE_ANSWERED);
            }
        }
        if let Some(status) = status {
            value["status"]["conditions"] = status["status"]["conditions"].clone();
            value["status"]["observedGeneration"] = status["status"]["observedGeneration"].clone();
        }
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_request_is_answered_once_and_a_refused_one_stays_open() {
        let asked = version(json!({"image": "r@b", "force": true, "version": "5.0.1"}), None);
        assert_eq!(request(&asked), Some(Request::Release { image: "r@b".into(), force: true }));
        let taken = after(&asked, &Answer::Accepted { image: "r@b".into(), version: "5.0.1".into() });
        assert_eq!((request(&taken), said(&taken)), (None, Some((true, "release 5.0.1 was read from r@b"))));
        assert_eq!(taken.status.as_ref().unwrap().observed_generation, 3);
        let refused = Answer::Refused { asked: "r@b".into(), reason: Reason::RetrievePayload, why: "no answer".into() };
        let refused = after(&asked, &refused);
        assert_eq!(said(&refused), Some((false, "r@b is not taken, and nothing is changed: no answer")));
        assert!(request(&refused).is_some(), "it may be read later");
        let mut back = taken;
        back.spec.desired_update = None;
        assert_eq!(request(&back), Some(Request::Nothing));
        let forgotten = after(&back, &Answer::Nothing);
        assert_eq!((request(&forgotten), said(&forgotten).map(|(accepted, _)| accepted)), (None, Some(true)));
    }

    #[test]
    fn a_version_names_no_release_and_an_openshift_is_left_alone() {
        let asked = version(json!({"version": "5.0.1"}), None);
        assert_eq!(request(&asked), Some(Request::Version("5.0.1".into())));
        let why = "nobody offers it".to_owned();
        let refused = Answer::Refused { asked: "5.0.1".into(), reason: Reason::VersionNotFound, why };
        assert_eq!(request(&after(&asked, &refused)), None);
        let mut theirs = version(json!({"image": "r@b"}), None);
        theirs.metadata.annotations = None;
        assert_eq!((request(&theirs), request(&version(Value::Null, None))), (None, Some(Request::Nothing)));
    }

    #[test]
    fn what_is_said_already_is_not_written_again() {
        let asked = version(json!({"image": "r@b"}), None);
        let refused = Answer::Refused { asked: "r@b".into(), reason: Reason::PreconditionChecks, why: "older".into() };
        let once = after(&asked, &refused);
        assert_eq!(answered(&once, &refused, Timestamp::UNIX_EPOCH), [None, None]);
        let conditions = once.status.as_ref().unwrap().conditions.as_ref().unwrap();
        assert_eq!(conditions[0].reason.as_deref(), Some("PreconditionChecks"));
    }
}
