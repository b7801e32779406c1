//! What a request asks for: path, query, media types.

use crate::{
    identity::User,
    protobuf::encode,
    registry::{Registry, Resource},
    status::Failure,
};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use percent_encoding::percent_decode_str;
use std::sync::Arc;

/// A request with its body.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: Vec<String>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) user: User,
}

impl Request {
    pub(crate) fn new(head: &http::request::Parts, body: Bytes, user: User) -> Self {
        Self {
            // A HEAD is handled like a GET; the body is cut off when the response is sent.
            method: if head.method == Method::HEAD { Method::GET } else { head.method.clone() },
            path: head.uri.path().split('/').filter(|s| !s.is_empty()).map(decode).collect(),
            query: Query::parse(head.uri.query().unwrap_or_default()),
            headers: head.headers.clone(),
            body,
            user,
        }
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Media type of the body, without parameters.
    pub(crate) fn content_type(&self) -> &str {
        self.header(header::CONTENT_TYPE).split(';').next().unwrap_or_default().trim()
    }

    pub(crate) fn accept(&self) -> &str {
        self.header(header::ACCEPT)
    }

    /// The name recorded as the manager of fields: `fieldManager`, or the program's name.
    pub(crate) fn field_manager(&self) -> String {
        match self.query.get("fieldManager") {
            "" => match self.header(header::USER_AGENT).split('/').next().unwrap_or_default() {
                "" => "unknown".into(),
                agent => agent.chars().take(LONGEST_MANAGER).collect(),
            },
            manager => manager.to_owned(),
        }
    }
}

/// Maximum length of `fieldManager` (`k8s.io/apimachinery/pkg/apis/meta/v1/validation`).
const LONGEST_MANAGER: usize = 128;

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Query parameters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(&key.replace('+', " ")), decode(&value.replace('+', " ")))
        });
        Self(pairs.collect())
    }

    /// The first value of a parameter, or `""`.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether a boolean parameter is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.0.iter().any(|(key, value)| key == name && matches!(value.as_str(), "true" | "1" | ""))
    }

    /// A parameter as a number, if it is one.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name).parse().ok()
    }
}

/// The target of a request: a resource, and which part of it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    pub(crate) namespace: String,
    /// Empty for the collection.
    pub(crate) name: String,
    /// Empty for the object itself.
    pub(crate) subresource: String,
}

impl Target {
    /// Reads a path below `/api` or `/apis`. `None` when there is no such group or version.
    pub(crate) fn find(registry: &Registry, path: &[String]) -> Option<Result<Self, Failure>> {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let (group, version, rest) = match path.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let served = registry.version(group, version)?;
        let (namespace, rest) = match rest {
            // `namespaces/x` and `namespaces/x/status` are the namespace itself.
            ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => ("", rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let found = match rest {
            [plural] => served.resources.get(*plural).map(|r| (r, "", "")),
            [plural, name] => served.resources.get(*plural).map(|r| (r, *name, "")),
            // Whatever comes after it is for the program behind the proxy.
            [plural @ ("nodes" | "pods" | "services"), name, "proxy", ..] if group.is_empty() => {
                served.resources.get(*plural).map(|r| (r, host_of(name), "proxy"))
            }
            [plural, name, subresource] => served.resources.get(*plural).map(|r| (r, *name, *subresource)),
            _ => None,
        };
        let target = found.filter(|(resource, name, _)| {
            resource.namespaced != namespace.is_empty() || (resource.namespaced && name.is_empty())
        });
        Some(target.ok_or_else(Failure::no_resource).map(|(resource, name, subresource)| Self {
            resource: resource.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: subresource.to_owned(),
        }))
    }
}

/// The name in `https:name:port`, of which the name alone is required.
fn host_of(text: &str) -> &str {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [_, name, _] => name,
        [name, _] => name,
        _ => text,
    }
}

const YAML: &str = "application/yaml";

/// Whether YAML is the first media type of the Accept header that the server supports.
pub(crate) fn wants_yaml(accept: &str) -> bool {
    let types = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim());
    let mut known = types.filter(|name| matches!(*name, YAML | "application/json" | "*/*" | "application/*"));
    known.next() == Some(YAML)
}

/// The requested form of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Object,
    Table,
    Metadata,
}

impl View {
    /// The first form of the Accept header that the server supports. Lists have a metadata form of their own.
    pub(crate) fn negotiate(accept: &str, list: bool) -> Result<Self, Failure> {
        let metadata = if list { "PartialObjectMetadataList" } else { "PartialObjectMetadata" };
        if accept.trim().is_empty() || encode::is_wanted(accept) {
            return Ok(Self::Object);
        }
        let wanted = accept.split(',').find_map(|range| {
            let mut parts = range.split(';').map(str::trim);
            if !matches!(parts.next()?, "application/json" | YAML | "*/*" | "application/*") {
                return None;
            }
            let parameters: Vec<(&str, &str)> = parts.filter_map(|p| p.split_once('=')).collect();
            let parameter = |name| parameters.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
            let known =
                matches!(parameter("g"), None | Some("meta.k8s.io")) && matches!(parameter("v"), None | Some("v1"));
            match parameter("as") {
                None => Some(Self::Object),
                Some("Table") if known => Some(Self::Table),
                Some(other) if known && other == metadata => Some(Self::Metadata),
                Some(_) => None,
            }
        });
        wanted.ok_or_else(Failure::not_acceptable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let query = Query::parse("?&labelSelector=a%3Db,c&watch=1&limit=5&x");
        assert_eq!(query.get("labelSelector"), "a=b,c");
        assert!(query.is_on("watch") && query.is_on("x") && !query.is_on("force"));
        assert_eq!(query.number("limit"), Some(5));
    }

    #[test]
    fn views() {
        let cases = [
            ("", false, Some(View::Object)),
            ("*/*", false, Some(View::Object)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", true, Some(View::Table)),
            ("application/vnd.kubernetes.protobuf,application/json", true, Some(View::Object)),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", true, Some(View::Metadata)),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", false, None),
            ("application/yaml", true, Some(View::Object)),
            ("application/yaml;as=Table;v=v1;g=meta.k8s.io", true, Some(View::Table)),
            ("application/vnd.kubernetes.protobuf", true, Some(View::Object)),
            ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io", true, None),
        ];
        for (accept, list, expected) in cases {
            assert_eq!(View::negotiate(accept, list).ok(), expected, "{accept}");
        }
        assert!(wants_yaml("application/yaml") && wants_yaml("text/html, application/yaml;q=0.9,application/json"));
        assert!(!wants_yaml("") && !wants_yaml("application/json,application/yaml") && !wants_yaml("*/*"));
    }
}
