//! Which generated MachineConfigs are no longer needed.
//!
//! R-STALE-1 Only those count whose names have the generator's number and word and that record the build that made them: what users
//! made under such a name is theirs.
//! R-STALE-2 One of another build is deleted if the object that it belongs to is gone, or if it belongs to none and its name is not
//! wanted. If its object exists, it stays: that object's own pass writes it anew, and its pool always has it.
//!
//! Source: `cleanUpDuplicatedMC` in `pkg/controller/kubelet-config` and `pkg/controller/container-runtime-config` of
//! github.com/openshift/machine-config-operator, which looks only at name and build.

use super::config::build_of;
use std::collections::BTreeSet;
use weir_api::MachineConfig;

/// The generator whose MachineConfigs count.
#[derive(Clone, Copy, Debug)]
pub struct Family<'a> {
    /// How their names begin.
    pub prefix: &'a str,
    /// What their names contain.
    pub word: &'a str,
    /// Kind of the objects that they belong to; absent if they belong to none.
    pub owner: Option<&'a str>,
}

/// Names of those to delete. `owners` are the uids of the existing objects, `wanted` the names in use.
#[must_use]
pub fn stale(
    family: Family<'_>,
    configs: &[&MachineConfig],
    build: &str,
    owners: &BTreeSet<&str>,
    wanted: &BTreeSet<&str>,
) -> Vec<String> {
    let is_stale = |config: &&&MachineConfig| {
        let name = config.metadata.name.as_deref().unwrap_or_default();
        let in_family = name.starts_with(family.prefix) && name.contains(family.word);
        let mut of =
            config.metadata.owner_references.iter().flatten().filter(|o| Some(o.kind.as_str()) == family.owner);
        in_family
            && build_of(config).is_some_and(|found| found != build)
            && !wanted.contains(name)
            && !of.any(|owner| owners.contains(owner.uid.as_str()))
    };
    configs.iter().filter(is_stale).filter_map(|config| config.metadata.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::config::{machine_config, owner};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

    #[test]
    fn only_what_nobody_answers_for_goes() {
        let family = Family { prefix: "99", word: "generated-kubelet", owner: Some("KubeletConfig") };
        let config = |name: &str, build: &str, of: Option<&str>| {
            let mut config = machine_config(name, "w", build, &[]);
            config.metadata.owner_references = of.map(|uid| {
                let metadata = ObjectMeta { uid: Some(uid.to_owned()), ..ObjectMeta::default() };
                vec![owner("v1", "KubeletConfig", &metadata, true)]
            });
            config
        };
        let configs = [
            config("99-a-generated-kubelet", "old", None),
            config("99-b-generated-kubelet", "old", Some("gone")),
            config("99-c-generated-kubelet", "old", Some("there")),
            config("99-d-generated-kubelet", "new", None),
            config("99-e-generated-kubelet", "", None),
            config("98-f-generated-kubelet", "old", None),
            config("99-g-generated-registries", "old", None),
            config("99-h-generated-kubelet", "old", None),
        ];
        let configs: Vec<&MachineConfig> = configs.iter().collect();
        let found = stale(family, &configs, "new", &["there"].into(), &["99-h-generated-kubelet"].into());
        assert_eq!(found, ["99-a-generated-kubelet", "99-b-generated-kubelet"]);
    }
}
