//! Schemas of values that several kinds share, for `#[schemars(schema_with = …)]`, and the CEL rule type.
//!
//! A field's own doc comment becomes its description; the schemas here give only the shape that the API server enforces.
//! Source of patterns, bounds and messages: `machineconfiguration/v1` and `operator/v1` of github.com/openshift/api.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serialize;

pub(crate) mod repository;

/// One CEL rule of `x-kubernetes-validations`.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The expression that must hold; `self` is the value the rule sits on.
    pub rule: &'static str,
    /// What the API server answers when it does not hold.
    pub message: &'static str,
    /// Makes `oldSelf` an optional, so that the rule also runs on creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub optional_old_self: Option<bool>,
}

/// A rule with its message.
#[must_use]
pub const fn rule(rule: &'static str, message: &'static str) -> Rule {
    Rule { rule, message, optional_old_self: None }
}

/// A rule that runs on creation too and sees `oldSelf` as an optional.
#[must_use]
pub const fn rule_from_birth(rule: &'static str, message: &'static str) -> Rule {
    Rule { rule, message, optional_old_self: Some(true) }
}

const IS_SUBDOMAIN: &str = "!format.dns1123Subdomain().validate(self).hasValue()";
const LOWERCASE_SUBDOMAIN: Rule = rule(
    IS_SUBDOMAIN,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
     and end with an alphanumeric character.",
);
const STREAM_NAME: Rule = rule(
    IS_SUBDOMAIN,
    "a RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end \
     with an alphanumeric character.",
);
const ENDS_IN_DIGEST: Rule = rule(
    "(self.split('@').size() == 2 && self.split('@')[1].matches('^sha256:[a-f0-9]{64}$'))",
    "the OCI Image reference must end with a valid '@sha256:<digest>' suffix, where '<digest>' is 64 characters long",
);
const IMAGE_NAME: Rule = rule(
    r"(self.split('@')[0].matches('^([a-zA-Z0-9-]+\\.)+[a-zA-Z0-9-]+(:[0-9]{2,5})?/([a-zA-Z0-9-_]{0,61}/)?[a-zA-Z0-9-_.]*?$'))",
    "the OCI Image name should follow the host[:port][/namespace]/name format, resembling a valid URL without the scheme",
);

const IMAGE_NAME_OR_LOCALHOST: Rule = rule(
    r"(self.split('@')[0].matches('^(localhost|([a-zA-Z0-9-]+\\.)+[a-zA-Z0-9-]+)(:[0-9]{2,5})?/([a-zA-Z0-9-_]{0,61}/)?[a-zA-Z0-9-_.]*?$'))",
    "the OCI Image name should follow the host[:port][/namespace]/name format, resembling a valid URL without the \
     scheme; host must be either 'localhost' or a dot-qualified domain name",
);
const TAGGED_IMAGE: Rule = rule(
    r"self.matches('^([a-zA-Z0-9-]+\\.)+[a-zA-Z0-9-]+(:[0-9]{2,5})?(/[a-zA-Z0-9-_]{1,61})*/[a-zA-Z0-9-_.]+:[a-zA-Z0-9._-]+$') || self.matches('^[^.]+\\.[^.]+\\.svc:\\d+\\/[^\\/]+\\/[^\\/]+:[^\\/]+$')",
    "the OCI Image name should follow the host[:port][/namespace]/name format, resembling a valid URL without the \
     scheme. Or it must be a valid .svc followed by a port, repository, image name, and tag.",
);
const RELEASE_BUNDLE: Rule = rule(
    r"self.matches('^ocp-release-bundle-[0-9]+\\.[0-9]+\\.[0-9]+-[A-Za-z0-9._-]+$')",
    "must be ocp-release-bundle-<version>-<arch|stream> and <= 64 chars",
);
const IS_LABEL: Rule = rule(
    "!format.dns1123Label().validate(self).hasValue()",
    "the value must consist of only lowercase alphanumeric characters and hyphens",
);
const IS_RESOURCE: Rule = rule(
    "!format.dns1035Label().validate(self).hasValue()",
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, \
     and end with an alphanumeric character",
);

/// Longest RFC 1123 subdomain.
pub const SUBDOMAIN_MAX: u32 = 253;
/// Longest pull spec: 253 of the host, 63 each of port, namespace and name with their separators, and the digest.
pub const PULL_SPEC_MAX: u32 = 447;

/// Longest RFC 1123 or RFC 1035 label.
pub const LABEL_MAX: u32 = 63;
/// Longest name of a release bundle.
const BUNDLE_NAME_MAX: u32 = 64;

/// Name of an OS image stream: a non-empty RFC 1123 subdomain.
pub fn stream_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": SUBDOMAIN_MAX, "x-kubernetes-validations": [STREAM_NAME]
    })
}

/// Name of an object: an RFC 1123 subdomain.
pub fn subdomain(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "maxLength": SUBDOMAIN_MAX, "x-kubernetes-validations": [LOWERCASE_SUBDOMAIN]
    })
}

/// Pull spec that ends in a `sha256` digest.
pub fn digested_image(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": PULL_SPEC_MAX,
        "x-kubernetes-validations": [ENDS_IN_DIGEST, IMAGE_NAME]
    })
}

/// As [`subdomain`], and not empty.
pub fn nonempty_subdomain(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": SUBDOMAIN_MAX,
        "x-kubernetes-validations": [LOWERCASE_SUBDOMAIN]
    })
}

/// Shortest name of a rendered MachineConfig: `rendered-` and a pool of one letter.
const RENDERED_NAME_MIN: u32 = 10;

/// A [`crate::references::NameReference`] whose name is not empty.
pub fn required_name(_: &mut SchemaGenerator) -> Schema {
    name_of_length(1)
}

/// A [`crate::references::NameReference`] to a rendered MachineConfig.
pub fn rendered_name(_: &mut SchemaGenerator) -> Schema {
    name_of_length(RENDERED_NAME_MIN)
}

fn name_of_length(min: u32) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["name"],
        "properties": { "name": {
            "type": "string", "minLength": min, "maxLength": SUBDOMAIN_MAX,
            "description": "Name of the object, an RFC 1123 subdomain.",
            "x-kubernetes-validations": [LOWERCASE_SUBDOMAIN]
        } }
    })
}

/// A namespace: an RFC 1123 label.
pub fn namespace(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": LABEL_MAX, "x-kubernetes-validations": [IS_LABEL]
    })
}

/// Plural name of a kind: an RFC 1035 label.
pub fn resource(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": LABEL_MAX, "x-kubernetes-validations": [IS_RESOURCE]
    })
}

/// As [`digested_image`], and the host may be `localhost`.
pub fn digested_image_or_localhost(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": PULL_SPEC_MAX,
        "x-kubernetes-validations": [ENDS_IN_DIGEST, IMAGE_NAME_OR_LOCALHOST]
    })
}

/// Pull spec that ends in a tag, to push to.
pub fn tagged_image(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": PULL_SPEC_MAX, "x-kubernetes-validations": [TAGGED_IMAGE]
    })
}

/// Name of a release bundle.
pub fn release_bundle(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string", "minLength": 1, "maxLength": BUNDLE_NAME_MAX, "x-kubernetes-validations": [RELEASE_BUNDLE]
    })
}

/// An object by its name, which may be anything.
pub(crate) fn named(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "required": ["name"],
        "properties": { "name": { "type": "string", "description": "Name of the object." } }
    })
}

/// Any JSON object; the API server keeps what it does not know.
pub fn opaque_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// As [`opaque_object`], and `null`.
pub fn opaque_nullable_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "nullable": true, "x-kubernetes-preserve-unknown-fields": true })
}

/// An object without fields, or `null`.
pub fn nullable_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "nullable": true })
}

/// Names of TLS key exchange groups, each once.
pub fn tls_groups(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "maxItems": TLS_GROUPS.len(), "x-kubernetes-list-type": "set",
        "items": { "type": "string", "enum": TLS_GROUPS }
    })
}

/// Names as in IANA's registry of TLS supported groups.
const TLS_GROUPS: [&str; 7] =
    ["X25519", "secp256r1", "secp384r1", "secp521r1", "X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024"];

/// What GOMAXPROCS of a process may follow.
pub(crate) const GOMAXPROCS: [&str; 2] = ["Autosize", "Disabled"];

/// A Kubernetes quantity: a number, or text with a suffix.
pub fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{ "type": "integer" }, { "type": "string" }],
        "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
        "x-kubernetes-int-or-string": true
    })
}

/// Bytes in base64.
pub fn bytes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "byte" })
}

/// Bytes in base64, or `null`.
pub fn nullable_bytes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "byte", "nullable": true })
}

/// A point in time, RFC 3339.
pub fn date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// A point in time, RFC 3339, or `null`.
pub fn nullable_date_time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time", "nullable": true })
}

/// A number, or a string such as a percentage.
pub fn int_or_string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "integer" }, { "type": "string" }], "x-kubernetes-int-or-string": true })
}

/// A list of strings that is replaced as a whole.
pub fn atomic_strings(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string" }, "x-kubernetes-list-type": "atomic" })
}

/// `LabelSelector` of meta/v1.
pub fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchExpressions": {
                "type": "array",
                "x-kubernetes-list-type": "atomic",
                "description": "Requirements that must all hold.",
                "items": {
                    "type": "object",
                    "required": ["key", "operator"],
                    "description": "One requirement on one label.",
                    "properties": {
                        "key": { "type": "string", "description": "Key of the label." },
                        "operator": { "type": "string", "description": "In, NotIn, Exists or DoesNotExist." },
                        "values": {
                            "type": "array",
                            "x-kubernetes-list-type": "atomic",
                            "description": "Values for In and NotIn; none otherwise.",
                            "items": { "type": "string" }
                        }
                    }
                }
            },
            "matchLabels": {
                "type": "object",
                "description": "Labels that must be there with exactly these values.",
                "additionalProperties": { "type": "string" }
            }
        }
    })
}

/// `ObjectReference` of core/v1.
pub fn object_reference(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "apiVersion": { "type": "string", "description": "Group and version of the object." },
            "fieldPath": { "type": "string", "description": "Part of the object that is meant; empty for all of it." },
            "kind": { "type": "string", "description": "Kind of the object." },
            "name": { "type": "string", "description": "Name of the object." },
            "namespace": { "type": "string", "description": "Namespace of the object; empty for cluster scope." },
            "resourceVersion": { "type": "string", "description": "Version of the object that was seen." },
            "uid": { "type": "string", "description": "Unique id of the object." }
        }
    })
}

/// A list of [`object_reference`], replaced as a whole.
pub fn object_references(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "x-kubernetes-list-type": "atomic", "items": object_reference(generator) })
}
