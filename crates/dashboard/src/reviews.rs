//! Whose token it is, and what that user may do, as the API server says.
//!
//! R-REVIEW-1 The API server is asked whose token it is (TokenReview), and for each kind that the page is about whether that user may
//! list it (SubjectAccessReview): who may not see it with kubectl does not see it here.
//! R-REVIEW-2 A verdict holds for [`HOLDS`]: so long a right that was taken away still counts, and so much is asked at most.
//!
//! Source: <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/>,
//! <https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/>.

use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, api::PostParams};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt, time::Duration};
use tokio::time::Instant;
use weir_api::kind::MACHINE_CONFIG_GROUP;
use weir_kubeio::error::said;

/// How long a verdict holds.
const HOLDS: Duration = Duration::from_secs(30);
/// Verdicts that are kept: beyond that many users at once, the oldest are asked for again.
const KEPT: usize = 1000;
/// What the page shows, and who looks has to be allowed to list: group and plural.
const SHOWN: [(&str, &str); 3] =
    [(MACHINE_CONFIG_GROUP, "machineconfigpools"), (MACHINE_CONFIG_GROUP, "machineconfigs"), ("", "nodes")];

/// What the API server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The user may look.
    May,
    /// Nobody has this token.
    Nobody,
    /// The user may not.
    MayNot {
        /// The user.
        user: String,
        /// What may not be listed.
        what: String,
    },
}

/// Verdicts by the digests of tokens, with when they were given.
type Kept = BTreeMap<[u8; 32], (Instant, Verdict)>;

/// Asks the API server.
pub struct Reviews {
    client: Client,
    kept: Mutex<Kept>,
}

impl fmt::Debug for Reviews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reviews")
    }
}

impl Reviews {
    /// Asks that of this client, which has to be allowed to create both kinds of reviews.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, kept: Mutex::default() }
    }

    /// Whether the user with this token may look.
    pub(crate) async fn verdict(&self, token: &str) -> Result<Verdict, String> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let known = self.kept.lock().get(&digest).cloned();
        if let Some((_, verdict)) = known.filter(|(since, _)| since.elapsed() < HOLDS) {
            return Ok(verdict);
        }
        let verdict = self.ask(token).await.map_err(|error| said(&error))?;
        let mut kept = self.kept.lock();
        if kept.len() >= KEPT {
            kept.retain(|_, (since, _)| since.elapsed() < HOLDS);
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(digest, (Instant::now(), verdict.clone()));
        Ok(verdict)
    }

    async fn ask(&self, token: &str) -> kube::Result<Verdict> {
        let spec = TokenReviewSpec { token: Some(token.to_owned()), ..TokenReviewSpec::default() };
        let review = TokenReview { spec, ..TokenReview::default() };
        let answer = Api::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        let status = answer.status.unwrap_or_default();
        let Some(user) = status.user.filter(|_| status.authenticated == Some(true)) else { return Ok(Verdict::Nobody) };
        for (group, plural) in SHOWN {
            if !self.may_list(&user, group, plural).await? {
                let what = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
                return Ok(Verdict::MayNot { user: user.username.unwrap_or_default(), what });
            }
        }
        Ok(Verdict::May)
    }

    async fn may_list(&self, user: &UserInfo, group: &str, plural: &str) -> kube::Result<bool> {
        let attributes = ResourceAttributes {
            group: Some(group.to_owned()),
            resource: Some(plural.to_owned()),
            verb: Some("list".to_owned()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: user.username.clone(),
            uid: user.uid.clone(),
            groups: user.groups.clone(),
            extra: user.extra.clone(),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let answer = Api::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
