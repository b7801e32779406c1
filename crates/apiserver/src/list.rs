//! GET of one object and of collections.

use crate::{
    body,
    pipeline::in_version,
    registry::Resource,
    request::{Query, View},
    response::{self, Body},
    schema::FieldError,
    selectors::Selector,
    server::State,
    status::Failure,
    store::{Key, Object, serialise, type_head},
    table::{self, RowObject},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// The bytes of an object in the version of the resource.
pub(crate) fn rendered(resource: &Resource, object: &Object) -> Bytes {
    // The version comes first.
    let prefix = format!("{{\"apiVersion\":\"{}\"", resource.api_version());
    if object.raw.starts_with(prefix.as_bytes()) {
        return object.raw.clone();
    }
    serialise(&in_version(resource, object)).into()
}

/// Which object stands beside the cells of a row.
pub(crate) fn row_object(query: &Query) -> RowObject {
    match query.get("includeObject") {
        "None" => RowObject::None,
        "Object" => RowObject::Object,
        _ => RowObject::Metadata,
    }
}

/// A page of a collection.
struct Page {
    objects: Vec<Arc<Object>>,
    version: u64,
    next: Option<Key>,
    remaining: Option<usize>,
}

/// Where a list goes on: the version it shows, and the last key it has shown.
fn continue_token(version: u64, key: &Key) -> String {
    URL_SAFE_NO_PAD
        .encode(json!({"v": "meta.k8s.io/v1", "rv": version, "start": [key.namespace, key.name]}).to_string())
}

fn read_token(token: &str) -> Result<(u64, Key), Failure> {
    let because = |why: &str| Failure::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| {
        let in_alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let bad = token.bytes().position(|b| !in_alphabet(b)).unwrap_or(token.len());
        because(&format!("illegal base64 data at input byte {bad}"))
    })?;
    let value: Value = body::json(&bytes).map_err(|why| because(&why))?;
    let invalid = || because("incorrect encoding");
    let part = |index| value.pointer(&format!("/start/{index}")).and_then(Value::as_str).ok_or_else(invalid);
    let version = value.get("rv").and_then(Value::as_u64).ok_or_else(invalid)?;
    Ok((version, Key::new(part(0)?, part(1)?)))
}

fn check_options(query: &Query) -> Result<(), Failure> {
    let (version, how) = (query.get("resourceVersion"), query.get("resourceVersionMatch"));
    let mut errors = Vec::new();
    let mut forbid = |field: &str, why: &str| errors.push(FieldError::forbidden(field, why));
    if !how.is_empty() {
        if version.is_empty() {
            forbid("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if !query.get("continue").is_empty() {
            forbid("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
        }
        if how == "Exact" && version == "0" {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            forbid("resourceVersionMatch", why);
        }
    }
    if !query.get("sendInitialEvents").is_empty() {
        forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
    if !matches!(how, "" | "Exact" | "NotOlderThan") {
        let known = ["Exact", "NotOlderThan", ""];
        errors.push(FieldError::not_supported("resourceVersionMatch", &how.into(), known));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid_kind("ListOptions.meta.k8s.io", "meta.k8s.io", "ListOptions", "", &errors))
}

/// Reads a `resourceVersion` parameter; empty and `0` mean any.
pub(crate) fn parse_version(text: &str) -> Result<u64, Failure> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| {
        let why = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
        Failure::unclassified(format!("resourceVersion: Invalid value: {text:?}: {why}"))
    })
}

impl State {
    /// One object.
    pub(crate) fn get(
        &self,
        resource: &Resource,
        key: &Key,
        query: &Query,
        accept: &str,
    ) -> Result<Response<Body>, Failure> {
        let view = View::negotiate(accept, false)?;
        let object = self.store.get(&resource.storage, key).ok_or_else(|| Failure::not_found(resource, &key.name))?;
        Ok(match view {
            View::Object => response::bytes(StatusCode::OK, rendered(resource, &object)),
            view => response::json(StatusCode::OK, &self.shown(resource, &in_version(resource, &object), view, query)),
        })
    }

    /// One object in the form that is wanted.
    pub(crate) fn shown(&self, resource: &Resource, object: &Value, view: View, query: &Query) -> Value {
        match view {
            View::Object => object.clone(),
            View::Metadata => table::partial(object),
            View::Table => {
                let metadata = json!({"resourceVersion": crate::object::meta(object, "resourceVersion")});
                let row = table::row(resource, object, row_object(query), self.clock.now());
                table::table(resource, metadata, vec![row], true)
            }
        }
    }

    fn page(&self, resource: &Resource, namespace: &str, query: &Query) -> Result<Page, Failure> {
        let selector = Selector::parse(query.get("labelSelector"), query.get("fieldSelector"), resource)?;
        check_options(query)?;
        // Version 0 means "whatever is at hand", which is everything.
        let limit = query.number("limit").filter(|l| *l > 0 && query.get("resourceVersion") != "0");
        let limit = limit.and_then(|l| usize::try_from(l).ok());
        let asked = parse_version(query.get("resourceVersion"))?;
        let (token_version, after) = match query.get("continue") {
            "" => (None, None),
            _ if asked > 0 => {
                return Err(Failure::bad_request("specifying resource version is not allowed when using continue"));
            }
            token => read_token(token).map(|(version, key)| (Some(version), Some(key)))?,
        };
        let tables = self.store.read();
        if asked > tables.version {
            return Err(Failure::too_new(asked, tables.version));
        }
        if query.get("resourceVersionMatch") == "Exact" && asked != tables.version {
            let message =
                format!("The resourceVersion for the provided list is too old: {asked}, current: {}", tables.version);
            return Err(Failure::expired(message));
        }
        let version = token_version.unwrap_or(tables.version);
        let mut page = Page { objects: Vec::new(), version, next: None, remaining: None };
        let Some(table) = tables.table(&resource.storage) else { return Ok(page) };
        let (mut last, mut rest) = (None, 0);
        for (key, object) in table.range(namespace, after.as_ref()) {
            if limit.is_some_and(|limit| page.objects.len() == limit) {
                rest += 1;
                // Whether more objects match is not looked up, so it is not said how many are left.
                if !selector.is_empty() {
                    break;
                }
                continue;
            }
            if selector.is_empty() || selector.matches(key, object) {
                page.objects.push(object.clone());
                last = Some(key);
            }
        }
        if rest > 0 {
            page.next = last.cloned();
            page.remaining = selector.is_empty().then_some(rest);
        }
        Ok(page)
    }

    /// A collection.
    pub(crate) fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        query: &Query,
        accept: &str,
    ) -> Result<Response<Body>, Failure> {
        let view = View::negotiate(accept, true)?;
        let page = self.page(resource, namespace, query)?;
        let mut metadata = json!({"resourceVersion": page.version.to_string()});
        if let Some(next) = &page.next {
            crate::object::set(&mut metadata, "continue", continue_token(page.version, next).into());
        }
        if let Some(remaining) = page.remaining {
            crate::object::set(&mut metadata, "remainingItemCount", remaining.into());
        }
        let body = match view {
            View::Object => {
                let (kind, version) = (&resource.list_kind, resource.api_version());
                let head =
                    format!("{{\"kind\":{kind:?},\"apiVersion\":{version:?},\"metadata\":{metadata},\"items\":[");
                objects(resource, &head, &page.objects)
            }
            View::Metadata => {
                let head = format!(
                    "{{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{metadata},\"items\":["
                );
                let items = page.objects.iter().map(|o| table::partial(&in_version(resource, o)));
                joined(&head, items.map(|item| serde_json::to_vec(&item).unwrap_or_default().into()))
            }
            View::Table => {
                let columns = table::column_definitions(resource);
                let head = format!(
                    "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{metadata},\"columnDefinitions\":{columns},\"rows\":["
                );
                let (shown, now) = (row_object(query), self.clock.now());
                let rows = page.objects.iter().map(|o| table::row(resource, &in_version(resource, o), shown, now));
                joined(&head, rows.map(|row| serde_json::to_vec(&row).unwrap_or_default().into()))
            }
        };
        Ok(response::bytes(StatusCode::OK, body))
    }
}

/// A list of whole objects. Items of built-in kinds leave their type to the list.
fn objects(resource: &Resource, head: &str, objects: &[Arc<Object>]) -> Bytes {
    let type_head = type_head(&resource.api_version(), &resource.kind);
    let size: usize = objects.iter().map(|o| o.raw.len() + 1).sum();
    let mut out = Vec::with_capacity(head.len() + size + 2);
    out.extend_from_slice(head.as_bytes());
    for (index, object) in objects.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // Stored in another version: rare.
        let other = (!object.raw.starts_with(type_head.as_bytes())).then(|| rendered(resource, object));
        let raw = other.as_ref().unwrap_or(&object.raw);
        match raw.strip_prefix(type_head.as_bytes()) {
            Some(rest) if !resource.is_custom() => {
                out.push(b'{');
                out.extend_from_slice(rest);
            }
            _ => out.extend_from_slice(raw),
        }
    }
    out.extend_from_slice(b"]}");
    out.into()
}

/// A JSON object that ends in a list, written item by item so that no tree of the whole is ever built.
fn joined(head: &str, items: impl Iterator<Item = Bytes>) -> Bytes {
    let mut out = head.as_bytes().to_vec();
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&item);
    }
    out.extend_from_slice(b"]}");
    out.into()
}
