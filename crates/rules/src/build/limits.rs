//! Which names and references cannot work although the API takes them, and what to write instead.
//!
//! R-LIMITS-1 Names that become values of labels, tags or names of Jobs are bounded: a pool's and a MachineOSConfig's.
//! R-LIMITS-2 An image is pushed by tag and recorded by digest, and the API is stricter about digests: at most one path
//! element before the repository, lower case only, a host that is not an alias, and a length.
//! R-LIMITS-3 A pool has one MachineOSConfig; of several the one with the pool's name counts, else the first by name.
//! R-LIMITS-4 Everything that is wrong is reported at once, on the MachineOSConfig, and no build starts.
//!
//! Source: `ImageTagFormat` and `ImageDigestFormat` in `machineconfiguration/v1` of github.com/openshift/api; "Labels" of
//! the Kubernetes API reference.

use super::identity::without_tag;
use weir_api::MachineOSConfig;

/// Longest value of a label.
const LABEL: usize = 63;
/// `-` and an MD5 hash.
const HASH: usize = 33;
/// A pool's name stands in the label `rendered-POOL-HASH`.
pub const LONGEST_POOL: usize = LABEL - HASH - "rendered-".len();
/// A MachineOSConfig's name stands in the label `build-CONFIG-HASH` of its Job's pods.
pub const LONGEST_CONFIG: usize = LABEL - HASH - "build-".len();
/// Longest pull spec that the API takes.
const LONGEST_SPEC: usize = 447;
/// `@sha256:` and a hash.
const DIGEST: usize = 72;
/// Hosts that are completed to another name, so that the recorded pull spec would differ from the written one.
const ALIASES: [&str; 2] = ["docker.io", "index.docker.io"];

/// What cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// The pool's name is too long.
    #[error("pool {name:?} has a name of {} characters, and image mode needs one of at most {LONGEST_POOL}: make a pool with a shorter name and move its nodes there", name.len())]
    PoolName {
        /// The pool.
        name: String,
    },
    /// The name of the MachineOSConfig is too long.
    #[error("the name has {} characters, at most {LONGEST_CONFIG} can be built: make a pool with a shorter name, and a MachineOSConfig of that name", name.len())]
    ConfigName {
        /// The MachineOSConfig.
        name: String,
    },
    /// Too many path elements.
    #[error(
        "spec.renderedImagePushSpec {spec:?} has {levels} path elements before the repository, and one at most can be recorded by digest: push to a repository such as {instead:?}"
    )]
    Nested {
        /// What is written.
        spec: String,
        /// How many there are.
        levels: usize,
        /// What could be written.
        instead: String,
    },
    /// Capital letters.
    #[error(
        "spec.renderedImagePushSpec {spec:?} has capital letters before the tag, which no registry takes: write {instead:?}"
    )]
    Capitals {
        /// What is written.
        spec: String,
        /// What could be written.
        instead: String,
    },
    /// An alias instead of a registry.
    #[error(
        "spec.renderedImagePushSpec {spec:?} names {host:?}, which clients complete to another name: write the organisation and repository in full, as in {host}/ORGANISATION/REPOSITORY:TAG"
    )]
    Alias {
        /// What is written.
        spec: String,
        /// The host.
        host: String,
    },
    /// No tag, or one that cannot be replaced.
    #[error(
        "spec.renderedImagePushSpec {spec:?} is not HOST/REPOSITORY:TAG: write one such as \"registry.example.com/os/worker:latest\""
    )]
    Form {
        /// What is written.
        spec: String,
    },
    /// Too long with a digest.
    #[error("spec.renderedImagePushSpec has {length} characters before the tag, and at most {} can be recorded with a digest: push to a shorter name", LONGEST_SPEC - DIGEST)]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// No Secret to push with.
    #[error("spec.renderedImagePushSecret names no Secret: name one of the namespace of the operator that can push")]
    NoPushSecret,
    /// Another MachineOSConfig counts for the pool.
    #[error("MachineOSConfig {other:?} is for pool {pool:?} as well, and counts: delete one of the two")]
    Second {
        /// The one that counts.
        other: String,
        /// The pool.
        pool: String,
    },
}

/// Everything about a MachineOSConfig that cannot work. `all` are the MachineOSConfigs there are.
#[must_use]
pub fn limits(config: &MachineOSConfig, all: &[&MachineOSConfig]) -> Vec<Limit> {
    let (name, pool) = (name_of(config), &config.spec.machine_config_pool.name);
    let mut found = Vec::new();
    if pool.len() > LONGEST_POOL {
        found.push(Limit::PoolName { name: pool.clone() });
    }
    if name.len() > LONGEST_CONFIG {
        found.push(Limit::ConfigName { name: name.to_owned() });
    }
    found.extend(reference(&config.spec.rendered_image_push_spec));
    if config.spec.rendered_image_push_secret.name.is_empty() {
        found.push(Limit::NoPushSecret);
    }
    if let Some(other) = of_pool(pool, all).map(name_of).filter(|other| *other != name) {
        found.push(Limit::Second { other: other.to_owned(), pool: pool.clone() });
    }
    found
}

/// The MachineOSConfig that counts for a pool (R-LIMITS-3).
#[must_use]
pub fn of_pool<'a>(pool: &str, all: &[&'a MachineOSConfig]) -> Option<&'a MachineOSConfig> {
    let of_it = all.iter().filter(|config| config.spec.machine_config_pool.name == pool);
    of_it.min_by_key(|config| (name_of(config) != pool, name_of(config))).copied()
}

fn name_of(config: &MachineOSConfig) -> &str {
    config.metadata.name.as_deref().unwrap_or_default()
}

/// R-LIMITS-2
fn reference(spec: &str) -> Option<Limit> {
    let spec = spec.to_owned();
    let name = without_tag(&spec);
    let Some((host, path)) = name.split_once('/').filter(|(_, path)| name != spec && !path.is_empty()) else {
        return Some(Limit::Form { spec });
    };
    let tag = &spec[name.len()..];
    if ALIASES.contains(&host) && (host != ALIASES[0] || !path.contains('/')) {
        return Some(Limit::Alias { host: host.to_owned(), spec });
    }
    if path.chars().any(char::is_uppercase) {
        let instead = format!("{host}/{}{tag}", path.to_lowercase());
        return Some(Limit::Capitals { spec, instead });
    }
    let levels = path.matches('/').count();
    if levels > 1 {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let instead = format!("{host}/{first}/{}{tag}", rest.replace('/', "-"));
        return Some(Limit::Nested { levels, instead, spec });
    }
    (name.len() > LONGEST_SPEC - DIGEST).then_some(Limit::TooLong { length: name.len() })
}

#[cfg(test)]
mod tests {
    use super::{super::identity::tests::sample, *};
    use weir_api::references::NameReference;

    #[test]
    fn references_that_the_api_takes_and_that_cannot_work() {
        let long = format!("quay.io/{}", "a".repeat(LONGEST_SPEC - DIGEST - "quay.io/".len()));
        for (spec, says) in [
            ("quay.io/org/os:latest", ""),
            ("quay.io/os:latest", ""),
            ("registry.example.com:5000/os/worker:1", ""),
            ("image-registry.openshift-image-registry.svc:5000/ns/os:latest", ""),
            ("docker.io/org/os:latest", ""),
            (&format!("{long}:t"), ""),
            (&format!("{long}a:t"), "376 characters"),
            ("quay.io/a/b/c:latest", "quay.io/a/b-c:latest"),
            ("quay.io/mco/renderedImage:Latest", "quay.io/mco/renderedimage:Latest"),
            ("docker.io/repo:latest", "docker.io/ORGANISATION/REPOSITORY:TAG"),
            ("quay.io/org/os", "registry.example.com"),
            ("os:latest", "registry.example.com"),
        ] {
            let found = reference(spec).map(|limit| limit.to_string()).unwrap_or_default();
            assert!(found.contains(says) && found.is_empty() == says.is_empty(), "{spec}: {found}");
        }
    }

    #[test]
    fn names_at_their_bounds_and_all_at_once() {
        let named = |length: usize| {
            let (_, mut config, _) = sample();
            config.metadata.name = Some("a".repeat(length));
            config.spec.machine_config_pool = NameReference::to(&"a".repeat(length));
            config
        };
        assert_eq!((LONGEST_POOL, LONGEST_CONFIG), (21, 24));
        assert_eq!(limits(&named(21), &[]), []);
        assert!(matches!(limits(&named(22), &[])[..], [Limit::PoolName { .. }]));
        assert!(matches!(limits(&named(25), &[])[..], [Limit::PoolName { .. }, Limit::ConfigName { .. }]));
        let mut bad = named(25);
        bad.spec.rendered_image_push_spec.clear();
        bad.spec.rendered_image_push_secret.name.clear();
        assert_eq!(limits(&bad, &[]).len(), 4);
    }

    #[test]
    fn of_two_for_one_pool_the_one_with_its_name_counts() {
        let (_, worker, _) = sample();
        let mut old = worker.clone();
        old.metadata.name = Some("a-layered".to_owned());
        let all = [&old, &worker];
        assert_eq!(of_pool("worker", &all), Some(&worker));
        assert_eq!(limits(&worker, &all), []);
        let said = limits(&old, &all)[0].to_string();
        assert!(said.contains("\"worker\"") && said.contains("delete one"), "{said}");
        let mut older = old.clone();
        older.metadata.name = Some("b-layered".to_owned());
        assert_eq!(of_pool("worker", &[&older, &old]), Some(&old));
        assert_eq!(of_pool("infra", &all), None);
    }
}
