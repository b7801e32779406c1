//! What a KubeletConfig changes in the base.
//!
//! R-KUBELET-MERGE-1 A value of the KubeletConfig counts if it is not zero: not false, 0, empty text or an empty list. Lists are replaced
//! as a whole, objects merged field by field, and maps key by key, including empty values.
//! R-KUBELET-MERGE-2 If a field distinguishes absent from zero, zero counts where the base has no value, but does not replace a value of
//! the base.
//! R-KUBELET-MERGE-3 Sizes of log buffers are ignored.
//! R-KUBELET-MERGE-4 Each value without effect is reported, together with the value that stays. It does not take effect: every changed byte
//! reboots nodes.
//!
//! Source: `Merge` with `WithOverride` of github.com/imdario/mergo, as `pkg/controller/kubelet-config/helpers.go` of
//! github.com/openshift/machine-config-operator calls it. R-KUBELET-MERGE-4 is ours.

use super::{
    fields::{Field, KUBELET_CONFIGURATION, Kind},
    settings::{Settings, is_zero},
};
use serde_json::{Map, Value};

/// A value without effect, because it is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ineffective {
    /// Path of the field, with dots.
    pub field: String,
    /// The given value, as JSON.
    pub wanted: String,
    /// The value that stays, as JSON.
    pub kept: String,
}

/// Merges `user` into `base`; returns the values without effect.
pub fn merge(base: &mut Settings, user: &Settings) -> Vec<Ineffective> {
    let mut merger = Merger { path: Vec::new(), ineffective: Vec::new() };
    merger.fields(KUBELET_CONFIGURATION, &mut base.0, &user.0);
    merger.ineffective
}

struct Merger {
    path: Vec<&'static str>,
    ineffective: Vec<Ineffective>,
}

impl Merger {
    fn fields(&mut self, fields: &'static [Field], base: &mut Map<String, Value>, user: &Map<String, Value>) {
        for field in fields {
            let Some(wanted) = user.get(field.name) else { continue };
            self.path.push(field.name);
            if matches!(field.kind, Kind::Struct(_)) {
                base.entry(field.name).or_insert_with(|| Value::Object(Map::new()));
            }
            let is_pointer = matches!(field.kind, Kind::Pointer(_));
            match base.get_mut(field.name) {
                Some(there) => self.value(&field.kind, there, wanted),
                None if matches!(field.kind, Kind::BufferSize) => self.tell(wanted, &Value::from("0")),
                None if is_pointer || !is_zero(wanted) => _ = base.insert(field.name.to_owned(), wanted.clone()),
                None => {}
            }
            self.path.pop();
        }
    }

    fn value(&mut self, kind: &'static Kind, base: &mut Value, wanted: &Value) {
        match (kind, base, wanted) {
            (Kind::Pointer(inner), base, wanted) => self.value(inner, base, wanted),
            (Kind::Struct(fields), Value::Object(base), Value::Object(wanted)) => self.fields(fields, base, wanted),
            (Kind::Map(_), Value::Object(base), Value::Object(wanted)) => {
                base.extend(wanted.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            (Kind::FlushFrequency, Value::Object(base), Value::Object(wanted)) => {
                base.extend(
                    wanted.iter().filter(|(_, v)| !is_zero(v)).map(|(key, value)| (key.clone(), value.clone())),
                );
            }
            (Kind::BufferSize, base, wanted) => self.tell(wanted, base),
            (_, base, wanted) if is_zero(wanted) => self.tell(wanted, base),
            (_, base, wanted) => *base = wanted.clone(),
        }
    }

    fn tell(&mut self, wanted: &Value, kept: &Value) {
        if wanted != kept && !(is_zero(wanted) && is_zero(kept)) {
            let field = self.path.join(".");
            self.ineffective.push(Ineffective { field, wanted: wanted.to_string(), kept: kept.to_string() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet::{fields::V5_0, settings::read};
    use serde_json::json;

    fn merged(base: &Value, user: &Value) -> (Value, Vec<String>) {
        let [mut base, user] = [base, user].map(|value| read(value, V5_0).unwrap().settings);
        let told = merge(&mut base, &user);
        (Value::Object(base.0), told.into_iter().map(|t| format!("{} {} {}", t.field, t.wanted, t.kept)).collect())
    }

    #[test]
    fn each_kind_of_field_merges_its_own_way() {
        let table = [
            (json!({"maxPods": 110}), json!({"maxPods": 0}), json!({"maxPods": 110}), vec!["maxPods 0 110"]),
            (json!({}), json!({"maxPods": 0}), json!({}), vec![]),
            (
                json!({"serializeImagePulls": true}),
                json!({"serializeImagePulls": false}),
                json!({"serializeImagePulls": true}),
                vec!["serializeImagePulls false true"],
            ),
            (json!({}), json!({"serializeImagePulls": false}), json!({"serializeImagePulls": false}), vec![]),
            (
                json!({"tlsCipherSuites": ["A", "B"]}),
                json!({"tlsCipherSuites": ["C"]}),
                json!({"tlsCipherSuites": ["C"]}),
                vec![],
            ),
            (
                json!({"tlsCipherSuites": ["A"]}),
                json!({"tlsCipherSuites": []}),
                json!({"tlsCipherSuites": ["A"]}),
                vec!["tlsCipherSuites [] [\"A\"]"],
            ),
            (
                json!({"evictionHard": {"a": "1", "b": "2"}}),
                json!({"evictionHard": {"b": "", "c": "3"}}),
                json!({"evictionHard": {"a": "1", "b": "", "c": "3"}}),
                vec![],
            ),
            (
                json!({"tracing": {"endpoint": "a"}}),
                json!({"tracing": {"samplingRatePerMillion": 0}}),
                json!({"tracing": {"endpoint": "a", "samplingRatePerMillion": 0}}),
                vec![],
            ),
            (
                json!({"logging": {"flushFrequency": 5}}),
                json!({"logging": {"flushFrequency": "0s", "options": {"json": {"infoBufferSize": "1Ki"}}}}),
                json!({"logging": {"flushFrequency": {"duration": 5, "text": true}, "options": {"json": {}}}}),
                vec!["logging.options.json.infoBufferSize \"1Ki\" \"0\""],
            ),
        ];
        for (base, user, expected, told) in table {
            assert_eq!(merged(&base, &user), (expected, told.into_iter().map(str::to_owned).collect()), "{user}");
        }
    }
}
