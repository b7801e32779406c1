//! What templates see of a cluster.
//!
//! R-DATA-1 The spec of the ControllerConfig, under Go's names (`types.json`), together with the pull secret without white space,
//! which replaces the reference to it, what TLS allows, and a few constants.
//! R-DATA-2 There is always a pull secret.
//!
//! Source: `RenderConfig` in `pkg/controller/template/render.go` of github.com/openshift/machine-config-operator; the types:
//! github.com/openshift/api.

use crate::template::{TlsSettings, error::TemplateError};
use serde::de::IgnoredAny;
use serde_json::json;
use std::sync::LazyLock;
use weir_api::controller_config::ControllerConfigSpec;
use weir_gotemplate::{TypeError, Types, Value};

/// Name of the type of the data that templates are given.
pub const RENDER_CONFIG: &str = "template.RenderConfig";
/// Path at which machines find the URL of the API server.
const API_SERVER_URL_FILE: &str = "/etc/kubernetes/apiserver-url.env";

static TYPES: LazyLock<Result<Types, TypeError>> = LazyLock::new(|| {
    let table = serde_json::from_str(include_str!("types.json"));
    let unread = |error: serde_json::Error| TypeError::Table { at: "top".to_owned(), why: error.to_string() };
    Types::read(&table.map_err(unread)?)
});

/// The data that templates are given.
///
/// # Errors
/// If there is no pull secret, if it is not JSON, or if a field of the spec has a type that the API does not allow.
pub fn of(spec: &ControllerConfigSpec, pull_secret: Option<&str>, tls: &TlsSettings) -> Result<Value, TemplateError> {
    let pull_secret = compact(pull_secret.ok_or(TemplateError::NoPullSecret)?)?;
    let types = TYPES.as_ref().map_err(Clone::clone)?;
    let unread =
        |error: serde_json::Error| TypeError::Table { at: "ControllerConfig".to_owned(), why: error.to_string() };
    let mut json = serde_json::to_value(spec).map_err(unread)?;
    json["PullSecret"] = pull_secret.into();
    json["TLSMinVersion"] = tls.min_version.as_str().into();
    json["TLSCipherSuites"] = json!(tls.cipher_suites);
    json["Constants"] = json!({"APIServerURLFile": API_SERVER_URL_FILE});
    Ok(types.value(RENDER_CONFIG, &json)?)
}

/// JSON without white space between its parts; everything else stays as written.
fn compact(text: &str) -> Result<String, TemplateError> {
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| TemplateError::PullSecret { line: error.line(), column: error.column() })?;
    let (mut inside, mut escaped) = (false, false);
    let kept = text.chars().filter(|c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            ' ' | '\t' | '\r' | '\n' => return inside,
            _ => {}
        }
        true
    });
    Ok(kept.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_only_where_it_says_nothing() {
        let text = "{\n \"a b\" : [ 1,\t2 ],\r\n\"q\\\" \": \"\\\\\" }\n";
        assert_eq!(compact(text).unwrap(), r#"{"a b":[1,2],"q\" ":"\\"}"#);
        assert_eq!(compact("{\n\"a\": secret}"), Err(TemplateError::PullSecret { line: 2, column: 6 }));
    }

    /// The table here contains exactly what templates reach of the recorded types, and agrees with them.
    #[test]
    fn the_table_is_the_recorded_one() {
        let all: serde_json::Value = serde_json::from_str(&weir_recorded::read("generated/go-types.json")).unwrap();
        let ours: serde_json::Value = serde_json::from_str(include_str!("types.json")).unwrap();
        for (name, fields) in ours.as_object().unwrap() {
            let mut recorded = all[name].clone();
            for field in recorded.as_array_mut().unwrap() {
                field.as_object_mut().unwrap().remove("omitempty");
            }
            assert_eq!(*fields, recorded, "{name}");
        }
        assert!(ours["v1.ControllerConfigSpec"].as_array().unwrap().len() > 20);
    }
}
