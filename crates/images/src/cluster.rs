//! What a cluster's own objects say about reading images: registries, credentials, certificates, proxy.
//!
//! Flags and files given at startup take precedence: an entry of the given authfile or registries configuration
//! hides the cluster's entry for the same location, and given layouts are asked first. The cluster's proxy, if set,
//! overrides that of the environment, as in the reference.
//!
//! R-REGISTRY-ACCESS-1  An item of a set with no mirror other than its source is ignored, including its policy.
//! R-REGISTRY-ACCESS-2  The mirror lists of one source are merged so that each keeps its order. Contradicting lists are
//!                 settled by name. The source itself comes last, unless a list has it earlier.
//! R-REGISTRY-ACCESS-3  Mirrors of digest sets and of the older content source policies are for digests only, those of tag
//!                 sets for tags only. A source is blocked when an item says NeverContactSource.
//! R-REGISTRY-ACCESS-4  What is nested in an insecure scope is insecure, mirrors included. What is nested in a blocked scope is
//!                 blocked, mirrors excepted.
//! R-REGISTRY-ACCESS-5  An entry nested in a mirrored source that has no mirrors of its own has those of the source.
//!
//! Source: `pkg/registries/registries.go` of github.com/openshift/runtime-utils. `allowedRegistries` is ignored
//! there and here: it restricts what nodes run.

use crate::authfile::{Authfile, BadAuthfile};
use crate::certificates::host_of;
use crate::images::Source;
use crate::proxy::{BadProxy, Proxy};
use crate::registries::{Entry, Mirror, PullFrom, Registries};
use crate::trust::{BadTrust, Trust};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use k8s_openapi::api::core::v1::Secret;
use std::collections::{BTreeMap, BTreeSet};
use weir_api::controller_config::ControllerConfigSpec;
use weir_api::image_config::Image;
use weir_api::mirrors::Mirrors;
use weir_api::mirrors::content_source::ImageContentSourcePolicy;
use weir_api::mirrors::digest::ImageDigestMirrorSet;
use weir_api::mirrors::tag::ImageTagMirrorSet;

const NEVER_CONTACT_SOURCE: &str = "NeverContactSource";

/// The objects of a cluster that say where images are.
#[derive(Clone, Debug, Default)]
pub struct Policy<'a> {
    /// `Image` config `cluster`.
    pub image: Option<&'a Image>,
    /// Every `ImageDigestMirrorSet`.
    pub digest_sets: Vec<&'a ImageDigestMirrorSet>,
    /// Every `ImageContentSourcePolicy`.
    pub content_sources: Vec<&'a ImageContentSourcePolicy>,
    /// Every `ImageTagMirrorSet`.
    pub tag_sets: Vec<&'a ImageTagMirrorSet>,
}

impl Policy<'_> {
    /// The registries configuration.
    #[must_use]
    pub fn registries(&self) -> Registries {
        let digest = self.digest_sets.iter().filter_map(|set| set.spec.image_digest_mirrors.as_ref()).flatten();
        let older = self.content_sources.iter().filter_map(|set| set.spec.repository_digest_mirrors.as_ref()).flatten();
        let tag = self.tag_sets.iter().filter_map(|set| set.spec.image_tag_mirrors.as_ref()).flatten();
        let mut made = Made::default();
        made.mirrors(merged(digest.chain(older)), PullFrom::DigestOnly);
        made.mirrors(merged(tag), PullFrom::TagOnly);
        let sources = self.image.and_then(|image| image.spec.registry_sources.as_ref());
        let blocked = sources.and_then(|sources| sources.blocked_registries.as_deref()).unwrap_or_default();
        let insecure = sources.and_then(|sources| sources.insecure_registries.as_deref()).unwrap_or_default();
        for scope in blocked {
            made.entry(scope);
        }
        for scope in insecure {
            made.insecure(scope);
        }
        for scope in blocked {
            made.blocked(scope);
        }
        made.inherited();
        Registries { entries: made.0 }
    }
}

/// Why a cluster's objects cannot be used for reading images.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCluster {
    /// The pull secret contains no credentials.
    #[error("Secret {name}: {why}")]
    PullSecret {
        /// Namespace and name.
        name: String,
        /// Why.
        why: BadAuthfile,
    },
    /// The proxy.
    #[error("could not build proxy: {0}; mend Proxy cluster")]
    Proxy(#[from] BadProxy),
}

impl Source {
    /// Adds the cluster's objects to what was given at startup. The pull secret comes with its name.
    ///
    /// # Errors
    /// When one of them is invalid.
    pub fn with_cluster(
        mut self,
        policy: &Policy<'_>,
        config: Option<&ControllerConfigSpec>,
        pull_secret: Option<(&str, &Secret)>,
    ) -> Result<Self, BadCluster> {
        self.registries.add(policy.registries());
        if let Some((name, secret)) = pull_secret {
            let found = Authfile::of_secret(secret);
            self.authfile.add(found.map_err(|why| BadCluster::PullSecret { name: name.to_owned(), why })?);
        }
        if let Some(config) = config {
            self.trust.add(trust(config));
            if let Some(proxy) = proxy(config)? {
                self.proxy = proxy;
            }
        }
        Ok(self)
    }
}

/// Certificates for registries: per registry, and for all. A broken bundle is remembered as such:
/// registries that are trusted without it can still be read.
#[must_use]
pub fn trust(config: &ControllerConfigSpec) -> Trust {
    let mut trust = Trust::default();
    let hosts = config.image_registry_bundle_data.iter().chain(&config.image_registry_bundle_user_data).flatten();
    for bundle in hosts {
        let host = host_of(&bundle.file);
        let pem = decoded(&format!("imageRegistryBundleData {}", bundle.file), &bundle.data);
        if let Err(why) = pem.and_then(|pem| trust.add_host_bundle(&host, &pem)) {
            trust.miss(Some(&host), why);
        }
    }
    let additional = config.additional_trust_bundle.as_deref().unwrap_or_default();
    for (origin, text) in [("additionalTrustBundle", additional), ("rootCAData", config.root_ca_data.as_str())] {
        if let Err(why) = decoded(origin, text).and_then(|pem| trust.add_bundle(origin, &pem)) {
            trust.miss(None, why);
        }
    }
    trust
}

/// Bytes are base64 in an object.
fn decoded(origin: &str, text: &str) -> Result<Vec<u8>, BadTrust> {
    let bad = |error| BadTrust { origin: format!("ControllerConfig {origin}"), why: format!("{error}") };
    BASE64.decode(text).map_err(bad)
}

/// The cluster's proxy for registries; `None` without one.
///
/// # Errors
/// When its address is not a URL.
pub fn proxy(config: &ControllerConfigSpec) -> Result<Option<Proxy>, BadProxy> {
    let proxy = config.proxy.as_ref().filter(|proxy| !proxy.https_proxy.is_empty() || !proxy.http_proxy.is_empty());
    proxy.map(|proxy| Proxy::new(&proxy.https_proxy, &proxy.http_proxy, &proxy.no_proxy)).transpose()
}

/// What the items say about one source.
#[derive(Default)]
struct Merged<'a> {
    lists: Vec<&'a [String]>,
    blocked: bool,
}

/// R-REGISTRY-ACCESS-1, by source.
fn merged<'a>(items: impl Iterator<Item = &'a Mirrors>) -> BTreeMap<&'a str, Merged<'a>> {
    let mut all: BTreeMap<&str, Merged<'_>> = BTreeMap::new();
    for item in items {
        let mirrors = item.mirrors.as_deref().unwrap_or_default();
        if mirrors.iter().any(|mirror| *mirror != item.source) {
            let merged = all.entry(item.source.as_str()).or_default();
            merged.blocked |= item.mirror_source_policy.as_deref() == Some(NEVER_CONTACT_SOURCE);
            merged.lists.push(mirrors);
        }
    }
    all
}

/// R-REGISTRY-ACCESS-2: the nodes of a graph in topological order.
fn ordered<'a>(source: &'a str, lists: &[&'a [String]]) -> Vec<&'a str> {
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for list in lists {
        let mut chain: Vec<&str> = list.iter().map(String::as_str).collect();
        if !chain.contains(&source) {
            chain.push(source);
        }
        for node in &chain {
            edges.entry(node).or_default();
        }
        for pair in chain.windows(2).filter(|pair| pair[0] != pair[1]) {
            edges.entry(pair[0]).or_default().insert(pair[1]);
        }
    }
    let mut waiting: BTreeMap<&str, usize> = edges.keys().map(|node| (*node, 0)).collect();
    for to in edges.values().flatten() {
        *waiting.entry(to).or_default() += 1;
    }
    let mut order: Vec<&str> = waiting.iter().filter(|(_, before)| **before == 0).map(|(node, _)| *node).collect();
    waiting.retain(|_, before| *before > 0);
    let mut at = 0;
    loop {
        if at == order.len() {
            // Contradicting lists form cycles: break them at the first name.
            let Some((node, _)) = waiting.pop_first() else { break };
            order.push(node);
        }
        for next in &edges[order[at]] {
            if let Some(before) = waiting.get_mut(next) {
                *before -= 1;
                if *before == 0 {
                    waiting.remove(next);
                    order.push(next);
                }
            }
        }
        at += 1;
    }
    if order.last() == Some(&source) {
        order.pop();
    }
    order
}

/// The entries so far.
#[derive(Default)]
struct Made(Vec<Entry>);

impl Made {
    fn entry(&mut self, scope: &str) -> &mut Entry {
        let at = self.0.iter().position(|entry| entry.prefix == scope).unwrap_or_else(|| {
            self.0.push(Entry { prefix: scope.to_owned(), ..Entry::default() });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    fn mirrors(&mut self, sources: BTreeMap<&str, Merged<'_>>, pull_from: PullFrom) {
        for (source, merged) in sources {
            let mirror = |location: &str| Mirror { location: location.to_owned(), insecure: false, pull_from };
            let mirrors: Vec<Mirror> = ordered(source, &merged.lists).into_iter().map(mirror).collect();
            let entry = self.entry(source);
            entry.blocked |= merged.blocked;
            entry.mirrors.extend(mirrors);
        }
    }

    fn insecure(&mut self, scope: &str) {
        self.entry(scope);
        for entry in &mut self.0 {
            entry.insecure |= nested(&entry.prefix, scope).is_some();
            for mirror in &mut entry.mirrors {
                mirror.insecure |= nested(&mirror.location, scope).is_some();
            }
        }
    }

    fn blocked(&mut self, scope: &str) {
        for entry in &mut self.0 {
            entry.blocked |= nested(&entry.prefix, scope).is_some();
        }
    }

    fn inherited(&mut self) {
        let mirrored: Vec<Entry> = self.0.iter().filter(|entry| !entry.mirrors.is_empty()).cloned().collect();
        for source in mirrored {
            for entry in self.0.iter_mut().filter(|entry| entry.mirrors.is_empty()) {
                if let Some(suffix) = nested(&entry.prefix, &source.prefix) {
                    let deeper =
                        |mirror: &Mirror| Mirror { location: format!("{}{suffix}", mirror.location), ..mirror.clone() };
                    let mirrors = source.mirrors.iter().map(deeper).collect();
                    entry.mirrors = mirrors;
                }
            }
        }
    }
}

/// The part of a scope below another one; `None` when it is not nested in it.
fn nested<'a>(scope: &'a str, within: &str) -> Option<&'a str> {
    if scope == within {
        return Some("");
    }
    if let Some(domain) = within.strip_prefix('*') {
        let host = scope.split('/').next().unwrap_or(scope);
        let bare = host.split(':').next().unwrap_or(host);
        return (bare.len() > domain.len() && bare.ends_with(domain)).then(|| &scope[host.len()..]);
    }
    scope.strip_prefix(within).filter(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object<T: serde::de::DeserializeOwned>(spec: serde_json::Value) -> T {
        serde_json::from_value(json!({ "metadata": { "name": "x" }, "spec": spec })).unwrap()
    }

    fn item(source: &str, mirrors: &[&str], policy: &str) -> serde_json::Value {
        json!({ "source": source, "mirrors": mirrors, "mirrorSourcePolicy": policy })
    }

    fn shown(registries: &Registries) -> Vec<String> {
        let flag = |set, text: &'static str| if set { text } else { "" };
        let mirror = |mirror: &Mirror| {
            let kind = if mirror.pull_from == PullFrom::DigestOnly { "d" } else { "t" };
            format!(" {}({kind}{})", mirror.location, flag(mirror.insecure, "!"))
        };
        let entry = |entry: &Entry| {
            let mirrors: String = entry.mirrors.iter().map(mirror).collect();
            format!("{}{}{}{mirrors}", entry.prefix, flag(entry.insecure, " insecure"), flag(entry.blocked, " blocked"))
        };
        registries.entries.iter().map(entry).collect()
    }

    #[test]
    fn everything_at_once() {
        let never = NEVER_CONTACT_SOURCE;
        let image: Image = object(json!({ "registrySources": {
            "insecureRegistries": ["*.wild.io", "m1.io"], "blockedRegistries": ["a.wild.io", "quay.io/rel/sub"],
        }}));
        let digest: ImageDigestMirrorSet = object(json!({ "imageDigestMirrors": [
            item("quay.io/rel", &["m2.io/rel", "m3.io/rel"], ""),
            item("self.io/x", &["self.io/x"], never),
            item("never.io/x", &["m9.io/x"], never),
            item("first.io/x", &["first.io/x", "m9.io/x"], ""),
        ]}));
        let older: ImageContentSourcePolicy =
            object(json!({ "repositoryDigestMirrors": [item("quay.io/rel", &["m1.io/rel", "m2.io/rel"], "")] }));
        let tag: ImageTagMirrorSet =
            object(json!({ "imageTagMirrors": [item("quay.io/rel", &["t.wild.io/rel"], "")] }));
        let policy = Policy {
            image: Some(&image),
            digest_sets: vec![&digest],
            content_sources: vec![&older],
            tag_sets: vec![&tag],
        };
        assert_eq!(
            shown(&policy.registries()),
            [
                "first.io/x first.io/x(d) m9.io/x(d)",
                "never.io/x blocked m9.io/x(d)",
                "quay.io/rel m1.io/rel(d!) m2.io/rel(d) m3.io/rel(d) t.wild.io/rel(t!)",
                "a.wild.io insecure blocked",
                "quay.io/rel/sub blocked m1.io/rel/sub(d!) m2.io/rel/sub(d) m3.io/rel/sub(d) t.wild.io/rel/sub(t!)",
                "*.wild.io insecure",
                "m1.io insecure",
            ]
        );
        assert_eq!(Policy::default().registries(), Registries::default());
    }

    #[test]
    fn certificates_and_proxy_are_those_of_the_controller_config() {
        let ca = weir_testkit::Authority::new("ca").unwrap().pem().to_owned();
        let pem = BASE64.encode(&ca);
        let config: ControllerConfigSpec = serde_json::from_value(json!({
            "imageRegistryBundleData": [{ "file": "a.io..5000", "data": pem }],
            "imageRegistryBundleUserData": [{ "file": "b.io", "data": pem }],
            "additionalTrustBundle": pem,
            "rootCAData": pem,
            "proxy": { "httpProxy": "http://p:1", "noProxy": ".a.io" },
        }))
        .unwrap();
        let trust = trust(&config);
        assert_eq!((trust.hosts().collect::<Vec<_>>(), trust.bundle_size()), (vec!["a.io:5000", "b.io"], 2));
        assert!(format!("{:?}", proxy(&config).unwrap()).contains("\"p\""));
        assert_eq!(trust.unusable().count(), 0);
    }

    #[test]
    fn a_broken_bundle_is_missed_where_it_was_meant_for() {
        let ca = BASE64.encode(weir_testkit::Authority::new("ca").unwrap().pem());
        let broken = BASE64.encode("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
        let mut config: ControllerConfigSpec = serde_json::from_value(json!({
            "imageRegistryBundleData": [{ "file": "a.io..5000", "data": broken }, { "file": "b.io", "data": ca }],
            "rootCAData": ca,
        }))
        .unwrap();
        let first = trust(&config);
        assert_eq!((first.bundle_size(), first.unusable().count()), (1, 1));
        assert!(first.missed("a.io:5000").contains("a.io:5000") && first.missed("b.io").is_empty());
        config.additional_trust_bundle = Some("!".to_owned());
        let second = trust(&config);
        assert!(second.missed("b.io").contains("additionalTrustBundle"), "{}", second.missed("b.io"));
    }

    #[test]
    fn lists_are_merged_in_an_order_that_suits_all() {
        let cases: [(&[&[&str]], &[&str]); 6] = [
            (&[&["a", "b"], &["b", "c"]], &["a", "b", "c"]),
            (&[&["c"], &["a"]], &["a", "c"]),
            (&[&["b", "a"], &["a", "b"]], &["a", "b"]),
            (&[&["a", "s", "b"]], &["a", "s", "b"]),
            (&[&["a", "s"]], &["a"]),
            (&[&["a", "a", "b"]], &["a", "b"]),
        ];
        for (lists, expected) in cases {
            let owned: Vec<Vec<String>> =
                lists.iter().map(|list| list.iter().map(ToString::to_string).collect()).collect();
            let lists: Vec<&[String]> = owned.iter().map(Vec::as_slice).collect();
            assert_eq!(ordered("s", &lists), expected, "{lists:?}");
        }
    }

    #[test]
    fn scopes_in_scopes() {
        for (scope, within, suffix) in [
            ("q.io", "q.io", Some("")),
            ("q.io/a", "q.io", Some("/a")),
            ("q.io:5000", "q.io", None),
            ("q.iox", "q.io", None),
            ("q.io", "q.io/a", None),
            ("a.q.io", "*.q.io", Some("")),
            ("a.q.io:5000/x", "*.q.io", Some("/x")),
            ("q.io", "*.q.io", None),
            ("x.io/a.q.io", "*.q.io", None),
        ] {
            assert_eq!(nested(scope, within), suffix, "{scope} in {within}");
        }
    }
}
