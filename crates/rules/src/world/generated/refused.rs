//! What pools say of settings from which nothing can be generated.
//!
//! R-REFUSED-1 Settings that select pools, and the ControllerConfig, say it in their own status, and pools wait for them
//! (R-COMPONENTS). Everything else neither has a status for it nor keeps pools from being rendered: a condition of the pool says what
//! cannot be used, why, and that the pool keeps what was generated before.
//! R-REFUSED-2 The Image configuration, mirror sets and image policies concern the built-in pools; nodes.config, feature gates and
//! credential providers concern every pool.
//!
//! All of this is ours.

use super::plan::{Part, Subject};
use crate::{render::name_of, runtime::image::is_built_in};
use std::collections::BTreeMap;
use weir_api::MachineConfigPool;

/// What each pool says, by its name; nothing of pools that have everything. `rejected` has the objects whose MachineConfigs the API
/// server does not take, and why.
#[must_use]
pub fn refused(
    parts: &[Part],
    rejected: &[(Subject, String)],
    pools: &[&MachineConfigPool],
) -> BTreeMap<String, String> {
    let failed = parts.iter().filter_map(|part| Some((&part.subject, part.error.as_deref()?)));
    let rejected = rejected.iter().map(|(subject, why)| (subject, why.as_str()));
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (subject, why) in failed.chain(rejected) {
        for pool in pools.iter().filter(|pool| concerns(subject, pool)) {
            said.entry(name_of(&pool.metadata).to_owned()).or_default().push(format!("{subject}: {why}"));
        }
    }
    let sentence = |whys: Vec<String>| format!("{}; the pool keeps what was generated before", whys.join("; "));
    said.into_iter().map(|(pool, whys)| (pool, sentence(whys))).collect()
}

/// R-REFUSED-2.
fn concerns(subject: &Subject, pool: &MachineConfigPool) -> bool {
    match subject {
        Subject::Image | Subject::ClusterImagePolicy(_) | Subject::ImagePolicy { .. } => is_built_in(pool),
        Subject::NodeConfig | Subject::FeatureGate | Subject::CredentialProviders => true,
        Subject::Pool(name) => name_of(&pool.metadata) == name,
        Subject::ControllerConfig | Subject::KubeletConfig(_) | Subject::ContainerRuntimeConfig(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use weir_api::keys::config::BUILT_IN;

    #[test]
    fn each_pool_says_what_concerns_it() {
        let pool = |name: &str, labels| -> MachineConfigPool {
            serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}, "spec": {}})).unwrap()
        };
        let pools = [pool("infra", json!({})), pool("worker", json!({ BUILT_IN: "" }))];
        let failed = |subject: Subject| Part { error: Some("no".to_owned()), ..Part::of(subject) };
        let said = |parts: &[Part], rejected: &[(Subject, String)]| {
            let all = refused(parts, rejected, &pools.iter().collect::<Vec<_>>());
            all.into_iter().map(|(pool, said)| format!("{pool}: {said}")).collect::<Vec<_>>()
        };
        let kept = "the pool keeps what was generated before";
        let image = "Image.config.openshift.io cluster: no";
        assert_eq!(said(&[failed(Subject::Image)], &[]), [format!("worker: {image}; {kept}")]);
        assert_eq!(
            said(&[failed(Subject::Pool("infra".to_owned()))], &[]),
            [format!("infra: MachineConfigPool infra: no; {kept}")]
        );
        let node = "Node.config.openshift.io cluster: too large";
        let rejected = [(Subject::NodeConfig, "too large".to_owned())];
        assert_eq!(
            said(&[failed(Subject::Image)], &rejected),
            [format!("infra: {node}; {kept}"), format!("worker: {image}; {node}; {kept}")]
        );
        let own = [
            Subject::ControllerConfig,
            Subject::KubeletConfig("k".to_owned()),
            Subject::ContainerRuntimeConfig("c".to_owned()),
        ];
        assert_eq!(said(&own.map(failed), &[]), [""; 0]);
    }
}
