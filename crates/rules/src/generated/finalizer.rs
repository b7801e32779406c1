//! Which finalizers an object has for the MachineConfigs that are generated from it.
//!
//! R-FINALIZER-1 The name of each of its MachineConfigs is a finalizer. Finalizers of Kubernetes, or with a domain, belong to
//! others and are left alone.
//! R-FINALIZER-2 An object that is being deleted loses its first MachineConfig, with that finalizer, in each pass.
//!
//! Source: `addFinalizerToKubeletConfig` and `popFinalizerFromKubeletConfig` in `pkg/controller/kubelet-config` of
//! github.com/openshift/machine-config-operator, which removes those of others too.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeSet;

/// Whether it is the name of a MachineConfig.
fn is_own(finalizer: &str) -> bool {
    !finalizer.contains('/') && !["foregroundDeletion", "orphan"].contains(&finalizer)
}

/// The finalizers including these names; absent if they are there already. `word` occurs in all finalizers of ours: if one lacks
/// it, they come from an old release and are replaced.
#[must_use]
pub fn with(metadata: &ObjectMeta, names: &BTreeSet<String>, word: Option<&str>) -> Option<Vec<String>> {
    let mut next = metadata.finalizers.clone().unwrap_or_default();
    let is_old = |finalizer: &String| is_own(finalizer) && word.is_some_and(|word| !finalizer.contains(word));
    if next.iter().any(is_old) {
        next.retain(|finalizer| !is_own(finalizer));
    }
    let new: Vec<String> = names.iter().filter(|name| !next.contains(name)).cloned().collect();
    next.extend(new);
    (next != metadata.finalizers.clone().unwrap_or_default()).then_some(next)
}

/// The MachineConfig to delete for an object that is being deleted, and the remaining finalizers; absent if it has none left.
#[must_use]
pub fn pop(metadata: &ObjectMeta) -> Option<(String, Vec<String>)> {
    let mut left = metadata.finalizers.clone()?;
    let first = left.iter().position(|finalizer| is_own(finalizer))?;
    Some((left.remove(first), left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_others_are_left_alone() {
        let of = |finalizers: &[&str]| ObjectMeta {
            finalizers: Some(finalizers.iter().map(|&text| text.to_owned()).collect()),
            ..ObjectMeta::default()
        };
        let names: BTreeSet<String> = ["99-a-generated-kubelet".to_owned()].into();
        let text = |list: Option<Vec<String>>| list.map(|list| list.join(" "));
        assert_eq!(text(with(&of(&[]), &names, Some("kubelet"))).as_deref(), Some("99-a-generated-kubelet"));
        assert_eq!(with(&of(&["x.io/y", "99-a-generated-kubelet"]), &names, Some("kubelet")), None);
        let old = of(&["uid-of-old", "orphan", "x.io/y"]);
        assert_eq!(text(with(&old, &names, Some("kubelet"))).as_deref(), Some("orphan x.io/y 99-a-generated-kubelet"));
        assert_eq!(text(with(&old, &names, None)).as_deref(), Some("uid-of-old orphan x.io/y 99-a-generated-kubelet"));
        let popped = pop(&of(&["x.io/y", "99-a", "99-b"])).unwrap();
        assert_eq!(popped, ("99-a".to_owned(), vec!["x.io/y".to_owned(), "99-b".to_owned()]));
        assert_eq!(pop(&of(&["foregroundDeletion", "x.io/y"])), None);
    }
}
