//! Job: stored and validated; who runs it is another matter.
//!
//! Source: "Job" of the Kubernetes API reference; `pkg/registry/batch/job/strategy.go` of github.com/kubernetes/kubernetes.

use super::pod;
use crate::{
    built_in::Rules,
    object::{self, meta},
};
use serde_json::{Value, json};
use weir_apischema::schema::FieldError;

pub(super) const ZERO: &str = r#"{"spec":{"template":{"metadata":{},"spec":{"containers":null}}},"status":{}}"#;

/// How often a Job that says nothing is tried again.
const RETRIES: u32 = 6;
/// Labels by which a Job knows its pods; the short ones are older.
const OF_PODS: [(&str, &str); 4] = [
    ("batch.kubernetes.io/controller-uid", "uid"),
    ("controller-uid", "uid"),
    ("batch.kubernetes.io/job-name", "name"),
    ("job-name", "name"),
];

pub(super) const JOB: Rules = Rules {
    default: |job| {
        object::edit(job, "spec", |spec| {
            // With a policy for failures, a pod is replaced once it has failed, and no sooner.
            let replaced = if spec.contains_key("podFailurePolicy") { "Failed" } else { "TerminatingOrFailed" };
            let defaults = [
                ("completions", json!(1)),
                ("parallelism", json!(1)),
                ("backoffLimit", RETRIES.into()),
                ("completionMode", json!("NonIndexed")),
                ("suspend", json!(false)),
                ("podReplacementPolicy", replaced.into()),
            ];
            for (field, value) in defaults {
                spec.entry(field).or_insert(value);
            }
            if let Some(template) = spec.get_mut("template") {
                object::edit(template, "spec", pod::default_spec);
            }
        });
    },
    prepare: |job, old| {
        let manual = object::at(job, &["spec", "manualSelector"]) == Some(&Value::Bool(true));
        if old.is_none() && !manual {
            select(job);
        }
    },
    validate: |new, old| {
        let template = object::at(new, &["spec", "template"]).unwrap_or(&Value::Null);
        let mut errors = pod::validate_spec(template, "spec.template.spec");
        let policy = object::text(template, &["spec", "restartPolicy"]);
        if !["Never", "OnFailure"].contains(&policy) {
            let path = "spec.template.spec.restartPolicy";
            errors.push(FieldError::required(path, "valid values: \"OnFailure\", \"Never\""));
        }
        if let Some(old) = old {
            for field in ["selector", "template", "completionMode"] {
                let [new, old] = [new, old].map(|job| object::at(job, &["spec", field]).cloned().unwrap_or_default());
                if new != old {
                    errors.push(FieldError::invalid(format!("spec.{field}"), &new, "field is immutable"));
                }
            }
        }
        errors
    },
    ..Rules::NONE
};

/// A Job finds its pods by its uid.
fn select(job: &mut Value) {
    let [uid, name] = ["uid", "name"].map(|field| meta(job, field).to_owned());
    object::edit(job, "spec", |spec| {
        spec.insert("selector".into(), json!({"matchLabels": {OF_PODS[0].0: uid}}));
        if let Some(metadata) = spec.get_mut("template").map(|template| &mut template["metadata"]) {
            if !metadata.is_object() {
                *metadata = json!({});
            }
            for (label, of) in OF_PODS {
                metadata["labels"][label] = json!(if of == "uid" { &uid } else { &name });
            }
        }
    });
}
