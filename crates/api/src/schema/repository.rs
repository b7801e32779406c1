//! Names of registries and repositories as schemas restrict them, with and without a wildcard.
//!
//! Source: `config/v1/types_image.go`, `types_image_digest_mirror_set.go` and `types_image_policy.go` of
//! github.com/openshift/api.

use super::{Rule, rule};
use schemars::{Schema, SchemaGenerator, json_schema};

/// A part of a host name between dots.
macro_rules! label {
    () => {
        "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
    };
}

/// The path after a host; `$escape` is a backslash, doubled in CEL.
macro_rules! path {
    () => {
        "(?:(?:/[a-z0-9]+(?:(?:(?:[._]|__|[-]*)[a-z0-9]+)+)?)+)?"
    };
}

/// The domains below one.
macro_rules! wildcard {
    ($escape:literal) => {
        concat!("^", $escape, "*(?:", $escape, ".", label!(), ")+$")
    };
}

/// A host, which may be a single word, with port and path.
macro_rules! repository {
    ($escape:literal) => {
        concat!("^(", label!(), "(?:(?:", $escape, ".", label!(), ")+)?(?::[0-9]+)?)", path!(), "$")
    };
}

/// A domain of several words or `localhost`, with port and path; neither anchored.
macro_rules! qualified {
    () => {
        concat!("((", label!(), r"(?:\\.", label!(), ")+(?::[0-9]+)?)|(localhost(?::[0-9]+)?))", path!())
    };
}

const REPOSITORY: &str = repository!(r"\");
/// What a mirror set may be for, as a pattern.
pub(crate) const SOURCE: &str = concat!(wildcard!(r"\"), "|", repository!(r"\"));

const REGISTRY: Rule = rule(
    concat!("self.matches('", wildcard!(r"\\"), "|", repository!(r"\\"), "')"),
    "each registry must be a valid hostname[:port][/path] or wildcard *.hostname format without tags or digests",
);
const SCOPE: [Rule; 3] = [
    rule(
        "size(self.split('/')[0].split('.')) == 1 ? self.split('/')[0].split('.')[0].split(':')[0] == 'localhost' : true",
        "invalid image scope format, scope must contain a fully qualified domain name or 'localhost'",
    ),
    rule(
        concat!("self.contains('*') ? self.matches('", wildcard!(r"\\"), "') : true"),
        "invalid image scope with wildcard, a wildcard can only be at the start of the domain and is only supported for \
         subdomain matching, not path matching",
    ),
    rule(
        concat!(
            "!self.contains('*') ? self.matches('^(",
            qualified!(),
            r")(?::([\\w][\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*[:][[:xdigit:]]{32,}))?$') : true",
        ),
        "invalid repository namespace or image specification in the image scope",
    ),
];
const IDENTITY: [Rule; 2] = [
    rule(
        r"self.matches('.*:([\\w][\\w.-]{0,127})$')? self.matches('^(localhost:[0-9]+)$'): true",
        "invalid repository or prefix in the signedIdentity, should not include the tag or digest",
    ),
    rule(
        concat!("self.matches('^", qualified!(), "$')"),
        "invalid repository or prefix in the signedIdentity. The repository or prefix must starts with 'localhost' or a \
         valid '.' separated domain. If contains registry paths, the path component names must start with at least one \
         letter or number, with following parts able to be separated by one period, one or two underscore and multiple \
         dashes.",
    ),
];

/// Longest scope of a policy, and longest repository in one.
const POLICY_NAME_MAX: u32 = 512;
/// Scopes of one policy.
const SCOPES_MAX: u32 = 256;
/// Longest name of a registry in `Image`, and how many there may be in a list.
const REGISTRY_MAX: u32 = 256;
const REGISTRIES_MAX: u32 = 1024;

/// Repositories to pull from instead, each once.
pub(crate) fn mirrors(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string", "pattern": REPOSITORY }
    })
}

/// A list of registries, repositories and domains.
pub(crate) fn registries(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": REGISTRIES_MAX, "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "string", "minLength": 1, "maxLength": REGISTRY_MAX, "x-kubernetes-validations": [REGISTRY]
        }
    })
}

/// What a signature policy is for: registries, repositories, images and domains, each once.
pub(crate) fn scopes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "maxItems": SCOPES_MAX, "x-kubernetes-list-type": "set",
        "items": { "type": "string", "maxLength": POLICY_NAME_MAX, "x-kubernetes-validations": SCOPE }
    })
}

/// A repository with its host, or the beginning of one.
pub(crate) fn identity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": POLICY_NAME_MAX, "x-kubernetes-validations": IDENTITY })
}
