//! Which mirrors a repository has, and in which order.
//!
//! R-MIRRORS-1 Sources and mirrors are valid by R-SCOPE-4. Whether a source may be contacted must be the same in all sets: by
//! digest (IDMS), by tag (ITMS) or in the older form (ICSP), which allows it. A source that is never contacted must not be one of
//! its own mirrors.
//! R-MIRRORS-2 A set without a mirror other than its source has no effect.
//! R-MIRRORS-3 Sets of one source are merged. Each set determines which name comes before which, with the source last if it is not
//! listed. Names are otherwise sorted. Where sets contradict each other, the first remaining name goes next.
//! R-MIRRORS-4 The source is left out if it comes last. It is never contacted if one of its sets says so.
//!
//! Source: `EditRegistriesConfig` and `mergedMirrorSets` in `pkg/registries` of github.com/openshift/runtime-utils.

use super::scope::{is_mirror, is_source};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use weir_api::{ImageContentSourcePolicy, ImageDigestMirrorSet, ImageTagMirrorSet, mirrors::Mirrors};

const NEVER: &str = "NeverContactSource";

/// All mirror sets of a cluster.
#[derive(Clone, Copy, Debug, Default)]
pub struct MirrorSets<'a> {
    /// `ImageDigestMirrorSet`.
    pub digest: &'a [&'a ImageDigestMirrorSet],
    /// `ImageTagMirrorSet`.
    pub tag: &'a [&'a ImageTagMirrorSet],
    /// `ImageContentSourcePolicy`.
    pub content_source: &'a [&'a ImageContentSourcePolicy],
}

/// The mirrors of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The source.
    pub source: String,
    /// In the order in which they are tried.
    pub mirrors: Vec<String>,
    /// Whether the source itself is never contacted.
    pub is_blocked: bool,
}

/// A mirror set is invalid. Permanent until it changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// The source is invalid.
    #[error(
        "invalid format for source {source_name:?} (of {object}): a host with or without port and path, or *. and a domain"
    )]
    Source {
        /// The set.
        object: String,
        /// The given source.
        source_name: String,
    },
    /// A mirror is invalid.
    #[error("invalid format for mirror {mirror:?} (of {object}): a host with or without port and path, in lower case")]
    Mirror {
        /// The set.
        object: String,
        /// The given mirror.
        mirror: String,
    },
    /// Sets disagree whether the source may be contacted.
    #[error(
        "conflicting mirrorSourcePolicy is set for the same source {source_name:?} in imagedigestmirrorsets, imagetagmirrorsets, or \
         imagecontentsourcepolicies"
    )]
    Policy {
        /// The sets that have the source, of which some disagree with others.
        objects: BTreeSet<String>,
        /// The source.
        source_name: String,
    },
    /// The source is never contacted, but listed as a mirror.
    #[error("cannot set mirrorSourcePolicy: NeverContactSource if the source {source_name:?} is one of the mirrors")]
    Never {
        /// The set.
        object: String,
        /// The source.
        source_name: String,
    },
}

impl MirrorError {
    /// Kind and name of the sets that have to change, with a space between them.
    #[must_use]
    pub fn objects(&self) -> Vec<&str> {
        match self {
            Self::Source { object, .. } | Self::Mirror { object, .. } | Self::Never { object, .. } => vec![object],
            Self::Policy { objects, .. } => objects.iter().map(String::as_str).collect(),
        }
    }
}

impl<'a> MirrorSets<'a> {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digest.is_empty() && self.tag.is_empty() && self.content_source.is_empty()
    }

    /// Kind and name of the sets that have an effect (R-MIRRORS-2), with a space between them; sorted by kind and name.
    #[must_use]
    pub fn effective(&self) -> BTreeSet<String> {
        let all = self.by_digest().into_iter().chain(self.by_tag());
        all.filter(|(_, entry)| has_effect(entry)).map(|(object, _)| object).collect()
    }

    /// Entries for pulls by digest with kind and name of their objects, sorted by name.
    fn by_digest(&self) -> Vec<(String, &'a Mirrors)> {
        let mut all: Vec<(String, &Mirrors)> = Vec::new();
        for set in named(self.digest, |set| &set.metadata) {
            let object = format!("ImageDigestMirrorSet {}", name(&set.metadata));
            all.extend(set.spec.image_digest_mirrors.iter().flatten().map(|entry| (object.clone(), entry)));
        }
        for set in named(self.content_source, |set| &set.metadata) {
            let object = format!("ImageContentSourcePolicy {}", name(&set.metadata));
            all.extend(set.spec.repository_digest_mirrors.iter().flatten().map(|entry| (object.clone(), entry)));
        }
        all
    }

    /// Entries for pulls by tag.
    fn by_tag(&self) -> Vec<(String, &'a Mirrors)> {
        let mut all: Vec<(String, &Mirrors)> = Vec::new();
        for set in named(self.tag, |set| &set.metadata) {
            let object = format!("ImageTagMirrorSet {}", name(&set.metadata));
            all.extend(set.spec.image_tag_mirrors.iter().flatten().map(|entry| (object.clone(), entry)));
        }
        all
    }

    /// Mirrors for pulls by digest, by source.
    #[must_use]
    pub fn for_digests(&self) -> Vec<Merged> {
        merged(&self.by_digest())
    }

    /// Mirrors for pulls by tag, by source.
    #[must_use]
    pub fn for_tags(&self) -> Vec<Merged> {
        merged(&self.by_tag())
    }

    /// Checks all sets: R-MIRRORS-1.
    ///
    /// # Errors
    /// The first problem.
    pub fn check(&self) -> Result<(), MirrorError> {
        let mut policies: BTreeMap<&str, bool> = BTreeMap::new();
        for (object, entry) in self.by_digest().into_iter().chain(self.by_tag()) {
            let source = entry.source.as_str();
            if !is_source(source) {
                return Err(MirrorError::Source { object, source_name: source.to_owned() });
            }
            let never = is_never(entry);
            if *policies.entry(source).or_insert(never) != never {
                let all = self.by_digest().into_iter().chain(self.by_tag());
                let objects = all.filter(|(_, entry)| entry.source == source).map(|(object, _)| object).collect();
                return Err(MirrorError::Policy { objects, source_name: source.to_owned() });
            }
            for mirror in entry.mirrors.iter().flatten() {
                if !is_mirror(mirror) {
                    return Err(MirrorError::Mirror { object, mirror: mirror.clone() });
                }
                if never && mirror == source {
                    return Err(MirrorError::Never { object, source_name: source.to_owned() });
                }
            }
        }
        Ok(())
    }
}

fn named<'a, T>(
    all: &[&'a T],
    metadata: impl Fn(&T) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
) -> Vec<&'a T> {
    let mut all = all.to_vec();
    all.sort_by(|a, b| metadata(a).name.cmp(&metadata(b).name));
    all
}

fn name(metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> &str {
    metadata.name.as_deref().unwrap_or_default()
}

fn is_never(entry: &Mirrors) -> bool {
    entry.mirror_source_policy.as_deref() == Some(NEVER)
}

/// R-MIRRORS-2.
fn has_effect(entry: &Mirrors) -> bool {
    entry.mirrors.iter().flatten().any(|mirror| *mirror != entry.source)
}

fn merged(entries: &[(String, &Mirrors)]) -> Vec<Merged> {
    let mut by_source: BTreeMap<&str, (Vec<Vec<&str>>, bool)> = BTreeMap::new();
    for (_, entry) in entries {
        let source = entry.source.as_str();
        if !has_effect(entry) {
            continue;
        }
        let mut list: Vec<&str> = entry.mirrors.iter().flatten().map(String::as_str).collect();
        if !list.contains(&source) {
            list.push(source);
        }
        let (lists, is_blocked) = by_source.entry(source).or_default();
        lists.push(list);
        *is_blocked |= is_never(entry);
    }
    let one = |(source, (lists, is_blocked)): (&str, (Vec<Vec<&str>>, bool))| {
        let mut mirrors = in_order(&lists);
        if mirrors.last() == Some(&source) {
            mirrors.pop();
        }
        let mirrors = mirrors.into_iter().map(str::to_owned).collect();
        Merged { source: source.to_owned(), mirrors, is_blocked }
    };
    by_source.into_iter().map(one).collect()
}

/// One order of all names that agrees with all lists: R-MIRRORS-3.
fn in_order<'a>(lists: &[Vec<&'a str>]) -> Vec<&'a str> {
    let mut left: BTreeSet<&str> = lists.iter().flatten().copied().collect();
    let mut before: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for pair in lists.iter().flat_map(|list| list.windows(2)).filter(|pair| pair[0] != pair[1]) {
        before.entry(pair[1]).or_default().insert(pair[0]);
    }
    let is_free = |before: &BTreeMap<&str, BTreeSet<&str>>, name: &str| before.get(name).is_none_or(BTreeSet::is_empty);
    let mut queue: VecDeque<&str> = left.iter().copied().filter(|name| is_free(&before, name)).collect();
    let mut order = Vec::new();
    while let Some(next) = queue.pop_front().or_else(|| left.first().copied()) {
        if !left.remove(next) {
            continue;
        }
        order.push(next);
        for (name, earlier) in &mut before {
            if earlier.remove(next) && earlier.is_empty() && left.contains(name) {
                queue.push_back(name);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn orders_that_fit_all_and_one_where_none_does() {
        for (lists, order) in [
            (vec![vec!["b", "a"], vec!["a", "c"]], vec!["b", "a", "c"]),
            (vec![vec!["z", "s"], vec!["a", "s"]], vec!["a", "z", "s"]),
            (vec![vec!["a", "b"], vec!["b", "a"]], vec!["a", "b"]),
            (vec![vec!["x", "c", "d"], vec!["d", "c"]], vec!["x", "c", "d"]),
            (vec![vec!["a", "a", "b"]], vec!["a", "b"]),
        ] {
            assert_eq!(in_order(&lists), order, "{lists:?}");
        }
    }

    #[test]
    fn what_is_refused_names_the_set() {
        let error = |entries: Value| {
            let set: ImageDigestMirrorSet =
                serde_json::from_value(json!({"metadata": {"name": "i"}, "spec": {"imageDigestMirrors": entries}}))
                    .unwrap();
            let error = MirrorSets { digest: &[&set], ..MirrorSets::default() }.check().unwrap_err();
            assert_eq!(error.objects(), ["ImageDigestMirrorSet i"]);
            error.to_string()
        };
        for (entries, part) in [
            (
                json!([{"source": "a.*.io", "mirrors": []}]),
                "invalid format for source \"a.*.io\" (of ImageDigestMirrorSet i)",
            ),
            (
                json!([{"source": "a.io", "mirrors": ["*.b.io"]}]),
                "invalid format for mirror \"*.b.io\" (of ImageDigestMirrorSet i)",
            ),
            (
                json!([{"source": "a.io", "mirrors": ["a.io", "b.io"], "mirrorSourcePolicy": "NeverContactSource"}]),
                "if the source \"a.io\" is one of the mirrors",
            ),
            (
                json!([{"source": "a.io"}, {"source": "a.io", "mirrorSourcePolicy": "NeverContactSource"}]),
                "conflicting mirrorSourcePolicy is set for the same source \"a.io\"",
            ),
        ] {
            let error = error(entries);
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn sets_that_disagree_are_both_named_and_those_without_mirrors_have_no_effect() {
        let digest: ImageDigestMirrorSet = serde_json::from_value(json!({
            "metadata": {"name": "i"}, "spec": {"imageDigestMirrors": [{"source": "a.io", "mirrors": ["b.io"]}]},
        }))
        .unwrap();
        let tag = |policy: &str, mirror: &str| -> ImageTagMirrorSet {
            let entry = json!({"source": "a.io", "mirrors": [mirror], "mirrorSourcePolicy": policy});
            serde_json::from_value(json!({"metadata": {"name": "t"}, "spec": {"imageTagMirrors": [entry]}})).unwrap()
        };
        let of = |tag: &ImageTagMirrorSet| {
            let sets = MirrorSets { digest: &[&digest], tag: &[tag], ..MirrorSets::default() };
            (sets.check(), sets.effective().into_iter().collect::<Vec<_>>())
        };
        let (checked, effective) = of(&tag("NeverContactSource", "c.io"));
        assert_eq!(checked.unwrap_err().objects(), ["ImageDigestMirrorSet i", "ImageTagMirrorSet t"]);
        assert_eq!(effective, ["ImageDigestMirrorSet i", "ImageTagMirrorSet t"]);
        let (checked, effective) = of(&tag("AllowContactingSource", "a.io"));
        assert_eq!((checked, effective), (Ok(()), vec!["ImageDigestMirrorSet i".to_owned()]));
    }
}
