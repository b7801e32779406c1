//! Why a pool is paused, until when, and how long that is safe.
//!
//! R-PAUSE-1 Who pauses a pool may write on it why, and when it is to resume. On a pool that is not paused neither counts, and both go,
//! so that they do not count for the next pause.
//! R-PAUSE-2 At that time the pool resumes: `spec.paused` and both annotations go in one write, which applies only to the pool as it
//! was seen. A time that cannot be read resumes nothing.
//! R-PAUSE-3 Who resumes or pauses a pool by hand has the last word: a pause without a time ends by hand.
//! R-PAUSE-4 That a pool resumes by itself is said only where weir renders it, or generates in the name of the operator before it:
//! nobody else acts on the time.
//! R-PAUSE-5 A pause is safe until the first of the certificates expires by which kubelets know the API server: a node gets the next
//! one with an update, or from its daemon. Where the cluster does not say which there are, it is not known.
//!
//! Sources: <https://kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz/> for what the certificate is for; the
//! documentation of OpenShift on pausing pools for R-PAUSE-5; `pkg/controller/template/template_controller.go` of
//! github.com/openshift/machine-config-operator for where certificates are reported.

use crate::view::{Annotations, PoolView};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt;
use weir_api::{
    keys::pool::{PAUSED_BECAUSE, PAUSED_UNTIL},
    pool::CertExpiry,
};

/// The event of a pool that resumes.
pub const RESUMED: &str = "PauseEnded";
/// What is said where files leave out what would show it.
const NOT_SEEN: &str =
    "whether anything resumes it then is not known: neither its configuration nor the ControllerConfig is there";
/// What is said of a pause that has a time where nobody acts on it.
const NOBODY_RESUMES: &str = "nothing resumes it then: no controller of weir is seen to manage this pool";
/// What the subject of the certificates contains that sign the API server's certificate towards kubelets.
const SIGNER: &str = "kube-apiserver-to-kubelet-signer";

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Why, in the words of who paused it.
    pub because: Option<String>,
    /// When it ends.
    pub until: Until,
    /// How long it is safe.
    pub safe: Safe,
}

/// A pause as users are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// The pause.
    pub pause: Pause,
    /// Whether weir acts on its time (R-PAUSE-4); absent if files do not say who manages the pool.
    pub resumes: Option<bool>,
}

impl Paused {
    /// Why and until when; absent if nothing is said beyond that the pool is paused.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let pause = Some(&self.pause).filter(|pause| pause.is_told())?;
        Some(match self.resumes.filter(|_| pause.ends().is_some()) {
            Some(false) => format!("{pause}; {NOBODY_RESUMES}"),
            None if pause.ends().is_some() => format!("{pause}; {NOT_SEEN}"),
            _ => pause.to_string(),
        })
    }

    /// How long it is safe, where somebody said more than that the pool is paused, or it is known.
    #[must_use]
    pub fn safety(&self) -> Option<String> {
        Some(&self.pause).filter(|pause| pause.is_told() || pause.is_safe_until().is_some()).map(Pause::safety)
    }
}

/// When a pause ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Until {
    /// When somebody resumes the pool.
    ByHand,
    /// At this time.
    Time(Timestamp),
    /// The annotation cannot be read; what it says.
    Unreadable(String),
}

/// How long a pause is safe (R-PAUSE-5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Safe {
    /// Until the certificate with this subject expires.
    Until {
        /// When it expires.
        at: Timestamp,
        /// Its subject.
        subject: String,
    },
    /// The cluster does not say which certificates there are.
    NotKnown,
}

impl Pause {
    /// The pause of a pool; absent if it is not paused (R-PAUSE-1).
    #[must_use]
    pub fn of(pool: &PoolView<'_>, certificates: &[CertExpiry]) -> Option<Self> {
        let marks = Annotations::of(&pool.object.metadata);
        let until = match (marks.filled(PAUSED_UNTIL), marks.time(PAUSED_UNTIL)) {
            (None, _) => Until::ByHand,
            (Some(_), Some(time)) => Until::Time(time),
            (Some(text), None) => Until::Unreadable(text.to_owned()),
        };
        let because = marks.filled(PAUSED_BECAUSE).map(str::to_owned);
        pool.paused.then(|| Self { because, until, safe: Safe::of(certificates) })
    }

    /// Whether more is said of it than that the pool is paused.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.because.is_some() || self.until != Until::ByHand
    }

    /// When it ends by itself.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        match self.until {
            Until::Time(time) => Some(time),
            Until::ByHand | Until::Unreadable(_) => None,
        }
    }

    /// Until when it is safe, where that is known.
    #[must_use]
    pub fn is_safe_until(&self) -> Option<Timestamp> {
        match self.safe {
            Safe::Until { at, .. } => Some(at),
            Safe::NotKnown => None,
        }
    }

    /// How long it is safe, as a clause.
    #[must_use]
    pub fn safety(&self) -> String {
        match &self.safe {
            Safe::Until { at, subject } => {
                format!("a pause is safe until {at:.0}: then {subject} expires, by which kubelets know the API server")
            }
            Safe::NotKnown => {
                "how long a pause is safe is not known: the cluster does not say when certificates of kubelets expire"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.until {
            Until::ByHand => f.write_str("paused until somebody resumes it")?,
            Until::Time(time) => write!(f, "paused until {time:.0}")?,
            Until::Unreadable(text) => {
                write!(f, "paused until somebody resumes it: annotation {PAUSED_UNTIL} is no time, but {text:?}")?;
            }
        }
        self.because.as_ref().map_or(Ok(()), |because| write!(f, ", because: {because}"))
    }
}

impl Safe {
    fn of(certificates: &[CertExpiry]) -> Self {
        let signers = certificates.iter().filter(|known| known.subject.contains(SIGNER));
        let first = signers.filter_map(|known| Some((known.expiry.as_ref()?.0, &known.subject))).min();
        first.map_or(Self::NotKnown, |(at, subject)| Self::Until { at, subject: subject.clone() })
    }
}

/// What to do about pauses now, and when there is more to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resume {
    /// The pools to write.
    pub now: Vec<Ended>,
    /// The next time at which a pool resumes.
    pub next: Option<Timestamp>,
}

/// A pause that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// The pool.
    pub pool: String,
    /// The merge patch.
    pub patch: Value,
    /// The pause that ends with it; absent if somebody ended it already.
    pub pause: Option<Pause>,
}

/// Which pools resume (R-PAUSE-2), and which were resumed by hand (R-PAUSE-1).
#[must_use]
pub fn resume<'a>(pools: impl IntoIterator<Item = &'a PoolView<'a>>, now: Timestamp) -> Resume {
    let mut resume = Resume::default();
    for pool in pools.into_iter().filter(|pool| !pool.deleting) {
        let pause = Pause::of(pool, &[]);
        let marks = Annotations::of(&pool.object.metadata);
        let is_left = pause.is_none() && (marks.has(PAUSED_UNTIL) || marks.has(PAUSED_BECAUSE));
        match pause.as_ref().and_then(Pause::ends) {
            Some(at) if at > now => resume.next = Some(resume.next.map_or(at, |next| next.min(at))),
            None if !is_left => {}
            _ => resume.now.push(Ended { pool: pool.name.to_owned(), patch: resumed(pool), pause }),
        }
    }
    resume
}

/// The merge patch that resumes a pool; for the pool as it was seen.
#[must_use]
pub fn resumed(pool: &PoolView<'_>) -> Value {
    let marks = json!({PAUSED_UNTIL: null, PAUSED_BECAUSE: null});
    let version = &pool.object.metadata.resource_version;
    json!({"metadata": {"resourceVersion": version, "annotations": marks}, "spec": {"paused": false}})
}

/// The merge patch that pauses a pool; for the pool as it was seen.
#[must_use]
pub fn paused(pool: &PoolView<'_>, because: Option<&str>, until: Option<Timestamp>) -> Value {
    let until = until.map(|until| format!("{until:.0}"));
    let version = &pool.object.metadata.resource_version;
    let marks = json!({PAUSED_UNTIL: until, PAUSED_BECAUSE: because});
    json!({"metadata": {"resourceVersion": version, "annotations": marks}, "spec": {"paused": true}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_api::MachineConfigPool;

    fn pool(paused: bool, until: Option<&str>) -> MachineConfigPool {
        let mut marks = json!({PAUSED_BECAUSE: "a holiday"});
        if let Some(until) = until {
            marks[PAUSED_UNTIL] = json!(until);
        }
        let metadata = json!({"name": "worker", "resourceVersion": "7", "annotations": marks});
        serde_json::from_value(json!({"metadata": metadata, "spec": {"paused": paused}})).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_pause_says_why_and_until_when_and_only_while_it_lasts() {
        let of = |paused, until| Pause::of(&PoolView::new(&pool(paused, until)), &[]).map(|pause| pause.to_string());
        let by_hand = "paused until somebody resumes it";
        assert_eq!(of(false, Some("2026-01-01T00:00:00Z")), None);
        assert_eq!(of(true, None), Some(format!("{by_hand}, because: a holiday")));
        let timed = "paused until 2026-01-01T00:00:00Z, because: a holiday";
        assert_eq!(of(true, Some("2026-01-01T00:00:00Z")).as_deref(), Some(timed));
        let odd = of(true, Some("tomorrow")).unwrap();
        assert!(odd.starts_with(by_hand) && odd.contains("is no time, but \"tomorrow\""), "{odd}");
    }

    #[test]
    fn a_pool_resumes_at_its_time_and_not_before() {
        let pools =
            [Some("2026-01-01T00:00:00Z"), Some("2026-01-02T00:00:00Z"), Some("soon"), None].map(|t| pool(true, t));
        let views: Vec<_> = pools.iter().map(PoolView::new).collect();
        let resume = |now| super::resume(&views, at(now));
        let before = resume("2025-12-31T23:59:59Z");
        assert_eq!((before.now.len(), before.next), (0, Some(at("2026-01-01T00:00:00Z"))));
        let then = resume("2026-01-01T00:00:00Z");
        assert_eq!(then.next, Some(at("2026-01-02T00:00:00Z")));
        let patch = &then.now[0].patch;
        assert_eq!((then.now.len(), &patch["spec"]["paused"], then.now[0].pause.is_some()), (1, &json!(false), true));
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert!(patch["metadata"]["annotations"].as_object().unwrap().values().all(Value::is_null));
        assert_eq!(resume("2030-01-01T00:00:00Z").now.len(), 2);
    }

    #[test]
    fn what_a_pause_left_does_not_count_for_the_next_one() {
        let left = pool(false, Some("2030-01-01T00:00:00Z"));
        let found = super::resume(&[PoolView::new(&left)], at("2026-01-01T00:00:00Z"));
        assert_eq!((found.now.len(), &found.now[0].pause, found.next), (1, &None, None));
        let mut clean = left;
        clean.metadata.annotations = None;
        assert_eq!(super::resume(&[PoolView::new(&clean)], at("2026-01-01T00:00:00Z")), Resume::default());
    }

    #[test]
    fn where_nobody_ends_a_pause_that_is_said() {
        let told = |until, resumes| {
            let pause = Pause::of(&PoolView::new(&pool(true, until)), &[]).unwrap();
            Paused { pause, resumes }.told().unwrap()
        };
        let time = Some("2026-01-01T00:00:00Z");
        assert!(
            told(time, Some(false))
                .ends_with("; nothing resumes it then: no controller of weir is seen to manage this pool")
        );
        assert!(told(time, Some(true)).ends_with("a holiday") && told(None, Some(false)).ends_with("a holiday"));
        assert!(told(time, None).contains("whether anything resumes it then is not known: "));
        assert!(told(None, None).ends_with("a holiday"));
        let mut plain = pool(true, None);
        plain.metadata.annotations = None;
        let paused = Paused { pause: Pause::of(&PoolView::new(&plain), &[]).unwrap(), resumes: Some(false) };
        assert_eq!((paused.told(), paused.safety()), (None, None));
    }

    #[test]
    fn the_first_certificate_of_kubelets_that_expires_ends_what_is_safe() {
        let of = |subject: &str, expiry: &str| CertExpiry {
            subject: subject.to_owned(),
            expiry: serde_json::from_value(json!(expiry)).unwrap(),
            ..CertExpiry::default()
        };
        let signer = "CN=kube-apiserver-to-kubelet-signer,OU=openshift";
        let all = [
            of("CN=other", "2020-01-01T00:00:00Z"),
            of(signer, "2027-06-01T00:00:00Z"),
            of(signer, "2027-01-01T00:00:00Z"),
        ];
        let pool = pool(true, None);
        let safety = |known: &[CertExpiry]| Pause::of(&PoolView::new(&pool), known).unwrap().safety();
        assert!(
            safety(&all).starts_with("a pause is safe until 2027-01-01T00:00:00Z: then CN=kube-apiserver-to-kubelet")
        );
        assert!(safety(&all[..1]).contains("is not known"));
    }
}
