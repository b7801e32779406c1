//! The name of the MachineConfig for an object and a pool.
//!
//! R-NAME-1 The first object of a pool has `99-POOL-generated-KIND`, the others the same with `-N`. An object's annotation records
//! what it was given: empty for the plain name, or what follows the dash.
//! R-NAME-2 Without the annotation: the plain name if no other object selects the pool. Otherwise, if a younger one does, the
//! existing MachineConfig with the largest number among the object's finalizers, as before annotations were introduced. Otherwise
//! one more than the largest number of the pool's objects, at most 9; a number is not reused while a larger one exists.
//! R-NAME-3 A MachineConfig that belongs to another object is never written: an object with several pools has only one annotation,
//! and the name in it may be taken in one of them. It keeps its name in that pool, or gets the next number.
//! R-NAME-4 The annotation is set once, from the name in the first pool: the number, or empty if the name has none.
//!
//! Source: `getManagedKubeletConfigKey` in `pkg/controller/kubelet-config/helpers.go` of
//! github.com/openshift/machine-config-operator and its twin for container runtimes. R-NAME-3 is ours.

use crate::{
    objects::selector::{SelectorError, selects},
    view::Annotations,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use weir_api::{
    MachineConfig, MachineConfigPool,
    keys::config::{NAME_SUFFIX, ROLE},
};

/// The largest number: ten objects for a pool.
const LARGEST: u32 = 9;

/// A kind of objects that MachineConfigs are generated from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name in owner references.
    pub kind: &'static str,
    /// How the names of its MachineConfigs end.
    pub word: &'static str,
    /// Singular, for messages.
    pub one: &'static str,
    /// Plural, for messages.
    pub several: &'static str,
}

/// `KubeletConfig`.
pub const KUBELET: Kind =
    Kind { kind: "KubeletConfig", word: "kubelet", one: "kubelet config", several: "kubelet configs" };
/// `ContainerRuntimeConfig`.
pub const CONTAINER_RUNTIME: Kind =
    Kind { kind: "ContainerRuntimeConfig", word: "containerruntime", one: "ctrcfgs", several: "ctrcfgs" };

/// What an object's names depend on.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Name, age, annotation and finalizers.
    pub metadata: &'a ObjectMeta,
    /// Which pools it selects.
    pub selector: Option<&'a LabelSelector>,
}

/// Why an object has no name for a pool. Permanent until objects change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The selector of one of the objects, not necessarily this one, is invalid.
    #[error("invalid label selector: {error} (of {object})")]
    Selector {
        /// The object.
        object: String,
        /// What is wrong.
        error: SelectorError,
    },
    /// The annotation of one of the objects is not a number.
    #[error("error converting {value} to int: annotation {NAME_SUFFIX} of {object} must be empty or a number")]
    Number {
        /// The object.
        object: String,
        /// The annotation.
        value: String,
    },
    /// All numbers are in use.
    #[error(
        "max number of supported {} (10) has been reached. Please delete old {} before retrying",
        .0.one, .0.several
    )]
    Full(Kind),
}

/// What names are chosen from.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The kind.
    pub kind: Kind,
    /// All objects of the kind.
    pub claims: &'a [Claim<'a>],
    /// All MachineConfigs.
    pub configs: &'a [&'a MachineConfig],
}

/// The plain name.
#[must_use]
pub fn plain(kind: Kind, pool: &str) -> String {
    format!("99-{pool}-generated-{}", kind.word)
}

/// The annotation of an object.
#[must_use]
pub fn suffix(metadata: &ObjectMeta) -> Option<&str> {
    Annotations::of(metadata).get(NAME_SUFFIX)
}

/// The value of the annotation after this name was given (R-NAME-4).
#[must_use]
pub fn suffix_of(name: &str) -> String {
    let last = name.rsplit('-').next().unwrap_or_default();
    if last.parse::<u32>().is_ok() { last.to_owned() } else { String::new() }
}

impl Names<'_> {
    /// The name for an object and a pool.
    ///
    /// # Errors
    /// If there is none.
    pub fn give(&self, claim: &Claim<'_>, pool: &MachineConfigPool) -> Result<String, NameError> {
        let pool_name = pool.metadata.name.as_deref().unwrap_or_default();
        let wanted = self.as_annotated(claim, pool, pool_name)?;
        if !self.is_of_another(&wanted, claim) {
            return Ok(wanted);
        }
        let prefix = plain(self.kind, pool_name);
        let own = self.configs.iter().find(|config| {
            let name = config.metadata.name.as_deref().unwrap_or_default();
            let role = config.metadata.labels.as_ref().and_then(|labels| labels.get(ROLE));
            name.starts_with(&prefix)
                && role.is_some_and(|role| role == pool_name)
                && self.owner(config) == Some(claim.uid())
        });
        match own.and_then(|config| config.metadata.name.clone()) {
            Some(name) => Ok(name),
            None => self.next(&prefix, &self.of_pool(pool)?),
        }
    }

    fn as_annotated(&self, claim: &Claim<'_>, pool: &MachineConfigPool, pool_name: &str) -> Result<String, NameError> {
        let plain = plain(self.kind, pool_name);
        let others = self.of_pool(pool)?;
        match suffix(claim.metadata) {
            Some("") => return Ok(plain),
            Some(suffix) => return Ok(format!("{plain}-{suffix}")),
            None if others.len() <= 1 => return Ok(plain),
            None => {}
        }
        if others.iter().any(|other| other.metadata.creation_timestamp > claim.metadata.creation_timestamp)
            && let Some(name) = self.by_finalizers(claim, &plain)
        {
            return Ok(name);
        }
        self.next(&plain, &others)
    }

    /// The objects that select a pool.
    fn of_pool(&self, pool: &MachineConfigPool) -> Result<Vec<&Claim<'_>>, NameError> {
        let mut found = Vec::new();
        for claim in self.claims {
            let error = |error| NameError::Selector { object: claim.name(), error };
            if selects(claim.selector, &pool.metadata).map_err(error)? {
                found.push(claim);
            }
        }
        Ok(found)
    }

    /// The MachineConfig of the pool with the largest number among the finalizers.
    fn by_finalizers(&self, claim: &Claim<'_>, plain: &str) -> Option<String> {
        let there = |name: &str| self.configs.iter().any(|config| config.metadata.name.as_deref() == Some(name));
        let numbered = claim.metadata.finalizers.iter().flatten().filter_map(|name| {
            let rest = name.strip_prefix(plain).filter(|_| there(name))?;
            let number = rest.rsplit('-').next().and_then(|number| number.parse::<u32>().ok());
            let number = number.or_else(|| rest.is_empty().then_some(0))?;
            Some((number, name.clone()))
        });
        numbered.max().map(|(_, name)| name)
    }

    /// The name with the next number.
    fn next(&self, plain: &str, claims: &[&Claim<'_>]) -> Result<String, NameError> {
        let mut largest = 0;
        for claim in claims {
            let Some(value) = suffix(claim.metadata).filter(|value| !value.is_empty()) else { continue };
            let error = || NameError::Number { object: claim.name(), value: value.to_owned() };
            largest = largest.max(value.parse::<i64>().map_err(|_| error())?);
        }
        let mut number = u32::try_from(largest).unwrap_or(u32::MAX);
        loop {
            if number >= LARGEST {
                return Err(NameError::Full(self.kind));
            }
            number += 1;
            let name = format!("{plain}-{number}");
            let taken = |config: &&&MachineConfig| config.metadata.name.as_deref() == Some(name.as_str());
            if self.configs.iter().find(taken).is_none_or(|config| self.owner(config).is_none()) {
                return Ok(name);
            }
        }
    }

    /// Whether a MachineConfig of this name exists and belongs to another object.
    fn is_of_another(&self, name: &str, claim: &Claim<'_>) -> bool {
        let found = self.configs.iter().find(|config| config.metadata.name.as_deref() == Some(name));
        found.and_then(|config| self.owner(config)).is_some_and(|owner| owner != claim.uid())
    }

    /// Uid of the object that a MachineConfig belongs to, if it exists.
    fn owner<'c>(&self, config: &'c MachineConfig) -> Option<&'c str> {
        let mut owners = config.metadata.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.kind == self.kind.kind && !owner.uid.is_empty())?;
        self.claims.iter().any(|claim| claim.uid() == owner.uid).then_some(owner.uid.as_str())
    }
}

impl Claim<'_> {
    fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    fn name(&self) -> String {
        self.metadata.name.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::config::{machine_config, owner};
    use serde_json::{Value, json};

    fn metadata(name: &str, more: Value) -> ObjectMeta {
        let mut all = json!({"name": name, "uid": name});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn pool(name: &str) -> MachineConfigPool {
        serde_json::from_value(json!({"metadata": {"name": name, "labels": {"all": "", "pool": name}}})).unwrap()
    }

    fn suffixed(suffix: &str) -> Value {
        json!({"annotations": {NAME_SUFFIX: suffix}})
    }

    /// The name for the first of these objects in pool `w`, which all of them select.
    fn first(objects: &[ObjectMeta], configs: &[MachineConfig]) -> Result<String, String> {
        let selector: LabelSelector = serde_json::from_value(json!({"matchLabels": {"all": ""}})).unwrap();
        let claims: Vec<Claim<'_>> =
            objects.iter().map(|metadata| Claim { metadata, selector: Some(&selector) }).collect();
        let configs: Vec<&MachineConfig> = configs.iter().collect();
        let names = Names { kind: KUBELET, claims: &claims, configs: &configs };
        names.give(&claims[0], &pool("w")).map_err(|error| error.to_string())
    }

    fn of(object: &str, name: &str) -> MachineConfig {
        let mut config = machine_config(name, "w", "b", &[]);
        config.metadata.owner_references = Some(vec![owner("v1", "KubeletConfig", &metadata(object, json!({})), true)]);
        config
    }

    #[test]
    fn numbers_go_up_and_are_not_used_again() {
        let new = || metadata("a", json!({}));
        assert_eq!(first(&[new()], &[]).as_deref(), Ok("99-w-generated-kubelet"));
        let table =
            [("", "99-w-generated-kubelet-1"), ("1", "99-w-generated-kubelet-2"), ("8", "99-w-generated-kubelet-9")];
        for (other, name) in table {
            assert_eq!(first(&[new(), metadata("b", suffixed(other))], &[]).as_deref(), Ok(name), "{other}");
        }
        let full = first(&[new(), metadata("b", suffixed("9"))], &[]).unwrap_err();
        assert!(full.starts_with("max number of supported kubelet config (10) has been reached"), "{full}");
        let word = first(&[new(), metadata("b", suffixed("x"))], &[]).unwrap_err();
        assert!(word.contains("of b must be empty or a number"), "{word}");
        assert_eq!(first(&[metadata("a", suffixed("x"))], &[]).as_deref(), Ok("99-w-generated-kubelet-x"));
    }

    #[test]
    fn an_older_object_keeps_the_name_of_its_finalizer() {
        let at = |second: u8| json!(format!("2026-01-01T00:00:0{second}Z"));
        let finalizers = json!(["99-w-generated-kubelet-7", "99-w-generated-kubelet-2", "99-w-generated-kubelet", "x"]);
        let old = metadata("a", json!({"finalizers": finalizers, "creationTimestamp": at(1)}));
        let young = metadata("b", json!({"creationTimestamp": at(2)}));
        let there =
            ["99-w-generated-kubelet", "99-w-generated-kubelet-2"].map(|name| machine_config(name, "w", "b", &[]));
        let both = [old.clone(), young.clone()];
        assert_eq!(first(&both, &there).as_deref(), Ok("99-w-generated-kubelet-2"));
        assert_eq!(first(&both, &there[..1]).as_deref(), Ok("99-w-generated-kubelet"));
        assert_eq!(first(&both, &[]).as_deref(), Ok("99-w-generated-kubelet-1"));
        assert_eq!(first(&[young, old], &there).as_deref(), Ok("99-w-generated-kubelet-1"));
    }

    #[test]
    fn what_belongs_to_another_object_is_not_taken() {
        let objects = [metadata("a", suffixed("")), metadata("b", suffixed(""))];
        let others = of("b", "99-w-generated-kubelet");
        assert_eq!(first(&objects, std::slice::from_ref(&others)).as_deref(), Ok("99-w-generated-kubelet-1"));
        let own = of("a", "99-w-generated-kubelet-3");
        assert_eq!(first(&objects, &[others.clone(), own]).as_deref(), Ok("99-w-generated-kubelet-3"));
        // One that another object has, and one that belonged to a deleted object.
        let first_two = [others, of("b", "99-w-generated-kubelet-1"), of("gone", "99-w-generated-kubelet-2")];
        assert_eq!(first(&objects, &first_two).as_deref(), Ok("99-w-generated-kubelet-2"));
        assert_eq!(
            first(&objects[..1], &[of("gone", "99-w-generated-kubelet")]).as_deref(),
            Ok("99-w-generated-kubelet")
        );
    }

    #[test]
    fn one_invalid_selector_is_named() {
        let bad: LabelSelector =
            serde_json::from_value(json!({"matchExpressions": [{"key": "a", "operator": "Nope"}]})).unwrap();
        let [own, other] = ["a", "b"].map(|name| metadata(name, json!({})));
        let claims = [Claim { metadata: &own, selector: None }, Claim { metadata: &other, selector: Some(&bad) }];
        let names = Names { kind: CONTAINER_RUNTIME, claims: &claims, configs: &[] };
        let error = names.give(&claims[0], &pool("w")).unwrap_err().to_string();
        assert!(error.starts_with("invalid label selector: ") && error.ends_with("(of b)"), "{error}");
    }

    #[test]
    fn the_annotation_is_the_number_of_the_name() {
        for (name, annotation) in
            [("99-w-generated-kubelet", ""), ("99-w-generated-kubelet-3", "3"), ("99-gpu-1-generated-kubelet", "")]
        {
            assert_eq!(suffix_of(name), annotation, "{name}");
        }
    }
}
