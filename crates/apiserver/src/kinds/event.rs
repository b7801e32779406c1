//! Events: stored once, and served both by the core group and, with other field names, by `events.k8s.io`.

use crate::built_in::Rules;
use crate::object::{self, text};
use serde_json::Value;
use weir_apischema::schema::FieldError;

pub(super) const ZERO: &str = r#"{"involvedObject":{},"source":{},"firstTimestamp":null,"lastTimestamp":null,
    "eventTime":null,"reportingComponent":"","reportingInstance":""}"#;

/// Core name, `events.k8s.io` name.
const FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

pub(super) const EVENT: Rules = Rules {
    validate: |new, _| {
        // Objects without a namespace have their events in `default`.
        let (own, of) = (object::meta(new, "namespace"), text(new, &["involvedObject", "namespace"]));
        if own == of || (of.is_empty() && own == "default") || (of.is_empty() && own == "kube-system") {
            return Vec::new();
        }
        vec![FieldError::invalid("involvedObject.namespace", &of.into(), "does not match event.namespace")]
    },
    ..Rules::NONE
};

/// The stored form of an event that came through `events.k8s.io`.
pub(crate) fn to_core(event: &mut Value) {
    rename(event, FIELDS.map(|(core, other)| (other, core)));
    object::set(event, "apiVersion", "v1".into());
}

/// An event as `events.k8s.io` shows it.
pub(crate) fn from_core(event: &mut Value) {
    rename(event, FIELDS);
    object::set(event, "apiVersion", "events.k8s.io/v1".into());
}

fn rename<const N: usize>(event: &mut Value, names: [(&str, &str); N]) {
    for (from, to) in names {
        if let Some(value) = object::remove(event, from) {
            object::set(event, to, value);
        }
    }
}
