//! What is wrong with a MachineConfig beyond its schema: R-LINT-4 to 6, 8, 9, 12 and 13.

use super::{Code, Finding, nearest, refused};
use crate::{
    build::extensions,
    operator::unused::is_rendered,
    render::{check_kernel, kernels, refuse_kernel_devel},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize as _;
use serde_json::Value;
use std::fmt;
use weir_api::{
    keys::{config::ROLE, names::RENDERED_PREFIX},
    machine_config::MachineConfigSpec,
};
use weir_ignition::{InvalidError, ParseError, Parsed, Report, unknown_keys};

/// Everything.
pub(super) fn check(object: &Value, findings: &mut Vec<Finding>) {
    let spec = &object["spec"];
    of_metadata(&object["metadata"], findings);
    of_ignition(&spec["config"], findings);
    of_extensions(&spec["extensions"], findings);
    of_kernel(spec, findings);
}

fn of_metadata(metadata: &Value, findings: &mut Vec<Finding>) {
    let Ok(metadata) = ObjectMeta::deserialize(metadata) else { return };
    if is_rendered(&metadata) {
        return;
    }
    let name = metadata.name.as_deref().unwrap_or_default();
    if name.starts_with(RENDERED_PREFIX) {
        findings.push(Finding {
            code: Code::ReservedName,
            path: "metadata.name".to_owned(),
            message: format!(
                "names that begin with {RENDERED_PREFIX} belong to the controller, which renders pools under them"
            ),
            remedy: "give it another name, such as 99-worker-…".to_owned(),
        });
    }
    if metadata.labels.as_ref().is_none_or(|labels| !labels.contains_key(ROLE)) {
        findings.push(Finding {
            code: Code::NoRole,
            path: "metadata.labels".to_owned(),
            message: format!("there is no label {ROLE}, by which pools select: most likely no pool takes it"),
            remedy: format!("write the name of a pool, such as {ROLE}: worker"),
        });
    }
}

fn of_kernel(spec: &Value, findings: &mut Vec<Finding>) {
    let kernel = spec["kernelType"].as_str().unwrap_or_default();
    if let Err(error) = check_kernel(kernel) {
        findings.push(Finding {
            code: Code::UnknownKernel,
            path: "spec.kernelType".to_owned(),
            message: error.to_string(),
            remedy: nearest::remedy(kernel, &kernels().collect::<Vec<_>>()),
        });
    } else if !kernel.is_empty() {
        let texts = spec["extensions"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let spec = MachineConfigSpec {
            kernel_type: Some(kernel.to_owned()),
            extensions: Some(texts.map(str::to_owned).collect()),
            ..MachineConfigSpec::default()
        };
        let refusal = refuse_kernel_devel(&spec).err();
        findings.extend(refusal.map(|error| refused("spec.kernelType".to_owned(), &error)));
    }
}

/// The most errors of one configuration that are told.
const TOLD: usize = 100;

/// Where the Ignition configuration is in a MachineConfig.
const IGNITION: &str = "spec.config";

fn of_ignition(raw: &Value, findings: &mut Vec<Finding>) {
    if raw.is_null() {
        return;
    }
    findings.extend(wrong_fields(raw).into_iter().map(|(field, why)| Finding {
        code: Code::InvalidIgnition,
        path: if field.is_empty() { IGNITION.to_owned() } else { format!("{IGNITION}.{field}") },
        message: why.trim_end().replace('\n', ": "),
        remedy: "correct it: no pool with it is rendered".to_owned(),
    }));
    findings.extend(unknown_keys(raw).into_iter().map(|path| {
        let remedy = match path.ends_with(".contents.inline") || path.ends_with(".contents.local") {
            true => "that is Butane: write contents.source, a data URL",
            false => "remove or correct it: machines come up without what it says",
        };
        Finding {
            code: Code::UnknownIgnitionKey,
            message: format!("Ignition has no key {path:?} in this version"),
            remedy: remedy.to_owned(),
            path: format!("{IGNITION}.{path}"),
        }
    }));
    let files = raw.pointer("/storage/files").and_then(Value::as_array);
    for (index, file) in files.into_iter().flatten().enumerate() {
        let (path, mode) = (file["path"].as_str().unwrap_or_default(), file["mode"].as_i64());
        if let Some((mode, meant)) = mode.and_then(|mode| Some((mode, meant(mode)?))) {
            findings.push(Finding {
                code: Code::DecimalMode,
                path: format!("{IGNITION}.storage.files[{index}].mode"),
                message: format!("mode {mode} of {path} is a decimal number: 0{mode:o}"),
                remedy: format!("write 0{mode} (in JSON {meant}) if that was meant"),
            });
        }
    }
}

/// What is wrong with a configuration: each field, and the words of the rules.
fn wrong_fields(raw: &Value) -> Vec<(String, String)> {
    let one = |field: String, error: &dyn fmt::Display| vec![(field, error.to_string())];
    let each = |report: Report, of: &dyn Fn(Report) -> String| {
        let entries = report.entries.into_iter().take(TOLD);
        entries.map(|entry| (entry.field(), of(Report { entries: vec![entry] }))).collect()
    };
    let parsed = match Parsed::parse(raw) {
        Ok(parsed) => parsed,
        Err(ParseError::V3(report)) => return each(report, &|report| ParseError::V3(report).to_string()),
        Err(ParseError::V2(report)) => return each(report, &|report| ParseError::V2(report).to_string()),
        Err(error) => return one("ignition.version".to_owned(), &error),
    };
    match parsed.validate() {
        Ok(()) => {}
        Err(InvalidError::V3(report)) => return each(report, &|report| InvalidError::V3(report).to_string()),
        Err(error @ InvalidError::Mode { .. }) => return one(field_of_mode(raw, &error), &error),
    }
    parsed.convert().map_or_else(|error| one(String::new(), &error), |_| Vec::new())
}

/// The field of a mode that is refused.
fn field_of_mode(raw: &Value, error: &InvalidError) -> String {
    let InvalidError::Mode { path, mode } = error else { return String::new() };
    let files = raw.pointer("/storage/files").and_then(Value::as_array);
    let is_it = |file: &Value| file["path"] == path.as_str() && file["mode"] == *mode;
    let index = files.and_then(|files| files.iter().position(is_it));
    index.map_or_else(|| "storage.files".to_owned(), |index| format!("storage.files[{index}].mode"))
}

/// The mode that was meant by one whose digits are those of an octal number.
fn meant(mode: i64) -> Option<i64> {
    let octal = i64::from_str_radix(&mode.to_string(), 8).ok()?;
    (is_sensible(octal) && !is_sensible(mode)).then_some(octal)
}

fn is_sensible(mode: i64) -> bool {
    let classes = [mode >> 6, mode >> 3 & 7, mode & 7];
    let is_read = |class: i64| class == 0 || class & 4 != 0;
    let is_less = |pair: &[i64]| matches!(pair, [before, after] if after & !before == 0);
    (1..=0o777).contains(&mode) && classes.into_iter().all(is_read) && classes.windows(2).all(is_less)
}

fn of_extensions(list: &Value, findings: &mut Vec<Finding>) {
    for (index, name) in list.as_array().into_iter().flatten().enumerate() {
        let Some(name) = name.as_str().filter(|name| !extensions::known().contains(name)) else { continue };
        findings.push(Finding {
            code: Code::UnknownExtension,
            path: format!("spec.extensions[{index}]"),
            message: format!("there is no extension {name:?}"),
            remedy: nearest::remedy(name, &extensions::known()),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        for (mode, wanted) in [
            (644, Some(0o644)),
            (755, Some(0o755)),
            (600, Some(0o600)),
            (444, Some(0o444)),
            (440, Some(0o440)),
            (400, Some(0o400)),
            (700, Some(0o700)),
            (777, Some(0o777)),
            (420, None),
            (416, None),
            (384, None),
            (256, None),
            (292, None),
            (288, None),
            (493, None),
            (448, None),
            (511, None),
            (0, None),
            (-644, None),
            (689, None),
            (i64::MAX, None),
        ] {
            assert_eq!(meant(mode), wanted, "{mode}");
        }
    }
}
