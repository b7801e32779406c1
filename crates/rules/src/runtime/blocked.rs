//! Which registries are blocked and allowed, given that the cluster needs its release.
//!
//! R-BLOCKED-1 A blocked registry that does not contain the release's repository is blocked.
//! R-BLOCKED-2 One that contains it is blocked if the release can be pulled from somewhere else, through mirrors. The repository
//! itself then stays allowed, once.
//! R-BLOCKED-3 Otherwise it is left out with a warning: nodes could not be updated any more.
//! R-BLOCKED-4 If that cannot be determined, nothing is generated, and nodes keep what they have: no list is dropped for it.
//!
//! Source: `getValidBlockedAndAllowedRegistries` in `pkg/controller/container-runtime-config/helpers.go` of
//! github.com/openshift/machine-config-operator, which then drops all three lists. R-BLOCKED-4 is ours.

use super::{
    mirrors::MirrorSets,
    registries_conf::{RegistriesConf, RegistriesError},
    scope::{covered, is_nested, is_repository, repository},
};
use weir_api::image_config::RegistrySources;

/// The effective lists; absent differs from empty (R-IMAGE-2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Blocked in `registries.conf`.
    pub registries: Option<Vec<String>>,
    /// Blocked in `policy.json`.
    pub policy: Option<Vec<String>>,
    /// Allowed in `policy.json`.
    pub allowed: Option<Vec<String>>,
    /// Blocked registries that are left out (R-BLOCKED-3).
    pub left_out: Vec<String>,
}

/// Why the lists cannot be determined. Permanent until an object changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockedError {
    /// The release has no full name.
    #[error("error parsing reference of release image: {0:?} must be a host, a repository and a tag or digest")]
    Release(String),
    /// A mirror set is invalid.
    #[error("it cannot be told whether the release can be pulled while {blocked:?} is blocked: {error}")]
    Registries {
        /// The blocked registry.
        blocked: String,
        /// What is wrong.
        error: RegistriesError,
    },
    /// A mirror of the release gives no repository name.
    #[error(
        "it cannot be told whether the release can be pulled while {blocked:?} is blocked: mirror {place:?} of its source names no \
         repository"
    )]
    Place {
        /// The blocked registry.
        blocked: String,
        /// What the mirror turns the repository into.
        place: String,
    },
}

/// The lists for a release.
///
/// # Errors
/// If they cannot be determined: R-BLOCKED-4.
pub fn lists(release: &str, sources: &RegistrySources, sets: &MirrorSets<'_>) -> Result<Lists, BlockedError> {
    let payload = repository(release).ok_or_else(|| BlockedError::Release(release.to_owned()))?;
    let all = sources.blocked_registries.as_deref().unwrap_or_default();
    let (mut registries, mut policy, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    let mut allowed: Vec<String> = Vec::new();
    for blocked in all {
        if !is_nested(payload, blocked) {
            registries.push(blocked.clone());
            policy.push(blocked.clone());
        } else if has_other_place(payload, blocked, sources, sets)? {
            registries.push(blocked.clone());
            if blocked != payload {
                policy.push(blocked.clone());
            }
            allowed = vec![payload.to_owned()];
        } else {
            left_out.push(blocked.clone());
        }
    }
    allowed.extend(sources.allowed_registries.iter().flatten().cloned());
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    Ok(Lists { registries: some(registries), policy: some(policy), allowed: some(allowed), left_out })
}

/// Whether one of the places from which the release is pulled is in no blocked registry.
fn has_other_place(
    payload: &str,
    blocked: &str,
    sources: &RegistrySources,
    sets: &MirrorSets<'_>,
) -> Result<bool, BlockedError> {
    let [insecure, all] =
        [&sources.insecure_registries, &sources.blocked_registries].map(|list| list.as_deref().unwrap_or_default());
    let by_digest = MirrorSets { tag: &[], ..*sets };
    let mut conf = RegistriesConf::default();
    conf.edit(insecure, all, &by_digest)
        .map_err(|error| BlockedError::Registries { blocked: blocked.to_owned(), error })?;
    let covering = conf.entries().iter().filter_map(|entry| Some((entry, covered(entry.scope(), payload)?)));
    let Some((entry, covered)) = covering.max_by_key(|(entry, _)| entry.scope().len()) else { return Ok(false) };
    for place in entry.places() {
        let place = format!("{place}{}", &payload[covered..]);
        if !is_repository(&place) {
            return Err(BlockedError::Place { blocked: blocked.to_owned(), place });
        }
        if !all.iter().any(|blocked| is_nested(&place, blocked)) {
            return Ok(true);
        }
    }
    Ok(false)
}
