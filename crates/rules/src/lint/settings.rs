//! What is wrong with pools and settings for them beyond their schemas: R-LINT-9 and 10.

use super::{Code, Finding, refused};
use crate::{
    kubelet::{KubeletError, Warning, amounts::bad_amounts, fields::RELEASES, settings::read, validate::refused_since},
    objects::selector::{Selector, SelectorError},
    render::{components::NotRendered, name_of},
    runtime::{settings::validate, sync::RuntimeError},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize as _;
use serde_json::Value;
use weir_api::{ContainerRuntimeConfig, KubeletConfig, MachineConfigPool};

/// Selectors of a pool.
pub(super) fn of_pool(object: &Value, findings: &mut Vec<Finding>) {
    // What is not of its type, the schema has said.
    let Ok(pool) = MachineConfigPool::deserialize(object) else { return };
    if let Err(error) = Selector::parse(pool.spec.machine_config_selector.as_ref()) {
        findings.push(refused("spec.machineConfigSelector".to_owned(), &NotRendered::from(error)));
    }
    if let Err(error) = Selector::parse(pool.spec.node_selector.as_ref()) {
        findings.push(refused("spec.nodeSelector".to_owned(), &format!("spec.nodeSelector is invalid: {error}")));
    }
}

/// A KubeletConfig.
pub(super) fn of_kubelets(object: &Value, findings: &mut Vec<Finding>) {
    let Ok(config) = KubeletConfig::deserialize(object) else { return };
    if let Some((since, error)) = refused_since(&config) {
        let found = refused(error.field(), &error);
        findings.push(match RELEASES.first() == Some(&since) {
            true => found,
            false => Finding {
                code: Code::RefusedLater,
                message: format!("from release {since} on: {}", found.message),
                remedy: "remove it before an update to that release".to_owned(),
                ..found
            },
        });
    }
    match pools(config.spec.machine_config_pool_selector.as_ref()) {
        Ok(true) => {}
        Ok(false) => findings.push(refused(KubeletError::NoPool.field(), &KubeletError::NoPool)),
        Err(error) => findings.push(refused(KubeletError::NoPool.field(), &KubeletError::from(error))),
    }
    let newest = RELEASES.last().copied();
    let raw = config.spec.kubelet_config.as_ref();
    let Some(Ok(read)) = newest.zip(raw).map(|(newest, raw)| read(raw, newest)) else { return };
    findings.extend(read.unknown.into_iter().map(|path| Finding {
        code: Code::UnknownSetting,
        message: format!("kubelets have no setting {path:?} in any release that is known: it is left out"),
        remedy: "remove or correct it".to_owned(),
        path: format!("spec.kubeletConfig.{path}"),
    }));
    findings.extend(bad_amounts(&read.settings).into_iter().map(|bad| Finding {
        code: Code::BadAmount,
        path: format!("spec.kubeletConfig.{}", bad.field),
        remedy: format!("write a {}", bad.expected),
        message: Warning::Amount(bad).to_string(),
    }));
}

/// A ContainerRuntimeConfig.
pub(super) fn of_runtimes(object: &Value, findings: &mut Vec<Finding>) {
    let Ok(config) = ContainerRuntimeConfig::deserialize(object) else { return };
    if let Err(error) = validate(&config.spec.container_runtime_config) {
        findings.push(refused(error.field(), &error));
    }
    let none = || RuntimeError::NoPool(name_of(&config.metadata).to_owned());
    let why = match pools(config.spec.machine_config_pool_selector.as_ref()) {
        Ok(true) => return,
        Ok(false) => none(),
        Err(error) => error.into(),
    };
    findings.push(refused(KubeletError::NoPool.field(), &why));
}

/// Whether a selector can select a pool: neither an absent nor an empty one does.
fn pools(selector: Option<&LabelSelector>) -> Result<bool, SelectorError> {
    let selector = Selector::parse(selector)?;
    Ok(!matches!(selector, Selector::Nothing) && !selector.is_everything())
}
