//! GET of one object and of collections.

use crate::{
    pipeline::in_version,
    registry::Resource,
    request::{Query, View},
    response::{self, Body},
    selectors::Selector,
    server::State,
    status::Failure,
    store::{Key, Object},
    table::{self, RowObject},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// The bytes of an object in the version of the resource.
pub(crate) fn rendered(resource: &Resource, object: &Object) -> Bytes {
    // Keys are sorted, so the version comes first.
    let prefix = format!("{{\"apiVersion\":\"{}\"", resource.api_version());
    if object.raw.starts_with(prefix.as_bytes()) {
        return object.raw.clone();
    }
    serde_json::to_vec(&in_version(resource, object)).unwrap_or_default().into()
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
    let invalid = || Failure::bad_request("continue key is not valid: illegal base64 data or JSON");
    let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).map_err(|_| invalid())?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| invalid())?;
    let part = |index| value.pointer(&format!("/start/{index}")).and_then(Value::as_str).ok_or_else(invalid);
    let version = value.get("rv").and_then(Value::as_u64).ok_or_else(invalid)?;
    Ok((version, Key::new(part(0)?, part(1)?)))
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
        let limit = query.number("limit").and_then(|l| usize::try_from(l).ok()).filter(|l| *l > 0);
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
                // Only without a selector is it known how many are left.
                if !selector.is_empty() {
                    rest += usize::from(selector.matches(key, object));
                    if rest > 0 {
                        break;
                    }
                    continue;
                }
                rest += 1;
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
                joined(&head, page.objects.iter().map(|o| rendered(resource, o)))
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
