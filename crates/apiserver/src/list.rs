//! GET of one object and of collections.

use crate::{
    body,
    registry::Resource,
    request::{Query, View},
    response::{self, Body},
    selectors::Selector,
    served::Served,
    status::Failure,
    store::{Key, Object, serialise, type_head},
    table::{self, RowObject},
    versions::in_version,
};
use base64::{
    Engine as _, alphabet,
    engine::general_purpose::{GeneralPurpose, NO_PAD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use weir_apischema::schema::FieldError;

/// The bytes of an object in the version of the resource.
pub(crate) fn rendered(resource: &Resource, object: &Object) -> Bytes {
    // `apiVersion` comes first in the stored bytes.
    let prefix = format!("{{\"apiVersion\":\"{}\"", resource.api_version());
    if object.raw.starts_with(prefix.as_bytes()) {
        return object.raw.clone();
    }
    serialise(&in_version(resource, object)).into()
}

/// Which form of the object accompanies the cells of a row.
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

impl Page {
    fn of(version: u64) -> Self {
        Self { objects: Vec::new(), version, next: None, remaining: None }
    }

    fn fill<'a>(
        version: u64,
        objects: impl Iterator<Item = (&'a Key, &'a Arc<Object>)>,
        limit: usize,
        selector: &Selector,
    ) -> Self {
        let mut page = Self::of(version);
        let (mut last, mut rest) = (None, 0);
        for (key, object) in objects {
            if page.objects.len() == limit {
                rest += 1;
                // How many of the remaining objects match is unknown, so the count is left out.
                if !selector.is_empty() {
                    break;
                }
            } else if selector.is_empty() || selector.matches(key, object) {
                page.objects.push(object.clone());
                last = Some(key);
            }
        }
        if rest > 0 {
            page.next = last.cloned();
            page.remaining = selector.is_empty().then_some(rest);
        }
        page
    }
}

/// Where a list continues: the version that its pages show (`None` for the latest) and the last key that was shown.
struct Token {
    version: Option<u64>,
    after: Key,
}

/// Stands in tokens for "the latest version".
const LATEST: i64 = -1;
/// The form of the tokens.
const TOKENS: &str = "meta.k8s.io/v1";
/// Go takes the last bits of the last character whatever they are.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

impl Token {
    fn text(&self) -> String {
        let version = self.version.map_or_else(|| LATEST.into(), Value::from);
        let start = [&*self.after.namespace, &*self.after.name];
        URL_SAFE_NO_PAD.encode(json!({"v": TOKENS, "rv": version, "start": start}).to_string())
    }

    fn parse(token: &str) -> Result<Self, Failure> {
        let because =
            |why: &str| Failure::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        let bytes = LENIENT.decode(token).map_err(|_| {
            let in_alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            // The last character alone holds no byte.
            let bad = token.bytes().position(|b| !in_alphabet(b)).unwrap_or(token.len().saturating_sub(1));
            because(&format!("illegal base64 data at input byte {bad}"))
        })?;
        let value: Value = body::json(&bytes).map_err(|why| because(&why))?;
        let kind = crate::object::text(&value, &["v"]);
        if kind != TOKENS {
            return Err(because(&format!("server does not recognize this encoded version {kind:?}")));
        }
        let version = value.get("rv").and_then(Value::as_i64).unwrap_or_default();
        let version = if version == LATEST { None } else { Some(u64::try_from(version).unwrap_or_default()) };
        if version == Some(0) {
            return Err(because(&format!("incorrect encoded start resourceVersion (version {TOKENS})")));
        }
        let part = |index| value.pointer(&format!("/start/{index}")).and_then(Value::as_str);
        let after = part(0).zip(part(1)).map(|(namespace, name)| Key::new(namespace, name));
        let after = after.ok_or_else(|| because(&format!("encoded start key empty (version {TOKENS})")))?;
        Ok(Self { version, after })
    }
}

/// Whether a text is a valid continue token.
#[cfg(test)]
pub(crate) fn is_token(text: &str) -> bool {
    Token::parse(text).is_ok()
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

/// One object.
pub(crate) fn get(
    served: &dyn Served,
    resource: &Resource,
    key: &Key,
    query: &Query,
    accept: &str,
) -> Result<Response<Body>, Failure> {
    let view = View::negotiate(accept, false)?;
    let object = served.store().get(&resource.storage, key).ok_or_else(|| Failure::not_found(resource, &key.name))?;
    Ok(match view {
        View::Object => response::bytes(StatusCode::OK, rendered(resource, &object)),
        view => response::json(StatusCode::OK, &shown(served, resource, &in_version(resource, &object), view, query)),
    })
}

/// One object in the requested form.
pub(crate) fn shown(served: &dyn Served, resource: &Resource, object: &Value, view: View, query: &Query) -> Value {
    match view {
        View::Object => object.clone(),
        View::Metadata => table::partial(object),
        View::Table => {
            let metadata = json!({"resourceVersion": crate::object::meta(object, "resourceVersion")});
            let row = table::row(resource, object, row_object(query), served.now());
            table::table(resource, metadata, vec![row], true)
        }
    }
}

fn page(served: &dyn Served, resource: &Resource, namespace: &str, query: &Query) -> Result<Page, Failure> {
    let selector = Selector::parse(query.get("labelSelector"), query.get("fieldSelector"), resource)?;
    check_options(query)?;
    // Version 0 means "whatever is cached", which is everything, so the limit is ignored.
    let limit = query.number("limit").filter(|l| *l > 0 && query.get("resourceVersion") != "0");
    let limit = limit.and_then(|l| usize::try_from(l).ok()).unwrap_or(usize::MAX);
    let asked = parse_version(query.get("resourceVersion"))?;
    let token = match query.get("continue") {
        "" => None,
        _ if asked > 0 => {
            return Err(Failure::bad_request("specifying resource version is not allowed when using continue"));
        }
        token => Some(Token::parse(token)?),
    };
    let tables = served.store().read();
    let exact = (query.get("resourceVersionMatch") == "Exact").then_some(asked);
    let version = token.as_ref().and_then(|token| token.version).or(exact).unwrap_or(tables.version);
    if version.max(asked) > tables.version {
        return Err(Failure::too_new(version.max(asked), tables.version));
    }
    let after = token.as_ref().map(|token| &token.after);
    let Some(table) = tables.table(&resource.storage) else { return Ok(Page::of(version)) };
    if version == tables.version {
        return Ok(Page::fill(version, table.range(namespace, after), limit, &selector));
    }
    match (table.range_at(namespace, after, version), after) {
        (Some(past), _) => Ok(Page::fill(version, past.into_iter(), limit, &selector)),
        (None, Some(after)) => Err(Failure::expired_page(Token { version: None, after: after.clone() }.text())),
        (None, None) => Err(Failure::expired(format!(
            "The resourceVersion for the provided list is too old: {version}, current: {}",
            tables.version
        ))),
    }
}

/// A collection.
pub(crate) fn list(
    served: &dyn Served,
    resource: &Arc<Resource>,
    namespace: &str,
    query: &Query,
    accept: &str,
) -> Result<Response<Body>, Failure> {
    let view = View::negotiate(accept, true)?;
    let page = page(served, resource, namespace, query)?;
    let mut metadata = json!({"resourceVersion": page.version.to_string()});
    if let Some(after) = page.next {
        let next = Token { version: Some(page.version), after };
        crate::object::set(&mut metadata, "continue", next.text().into());
    }
    if let Some(remaining) = page.remaining {
        crate::object::set(&mut metadata, "remainingItemCount", remaining.into());
    }
    let shown = Shown {
        resource: resource.clone(),
        view,
        row_object: row_object(query),
        now: served.now(),
        type_head: type_head(&resource.api_version(), &resource.kind),
    };
    let start = shown.start(&metadata);
    Ok(shown.answer(start, page.objects))
}

/// How the items of a list are shown.
struct Shown {
    resource: Arc<Resource>,
    view: View,
    row_object: RowObject,
    now: jiff::Timestamp,
    /// The beginning of the bytes of an object of this version.
    type_head: String,
}

/// A list is sent in pieces of about this size, each of them made after the previous one was sent: the first bytes leave at once,
/// and no list is ever in memory as a whole.
const PIECE: usize = 128 << 10;

impl Shown {
    /// The list up to its first item.
    fn start(&self, metadata: &Value) -> Vec<u8> {
        let (kind, version) = (self.resource.list_kind.as_str(), self.resource.api_version());
        let head = |kind: &str, version: &str, columns: &str, items: &str| {
            format!("{{\"kind\":{kind:?},\"apiVersion\":{version:?},\"metadata\":{metadata},{columns}\"{items}\":[")
        };
        let text = match self.view {
            View::Object => head(kind, &version, "", "items"),
            View::Metadata => head("PartialObjectMetadataList", "meta.k8s.io/v1", "", "items"),
            View::Table => {
                let columns = format!("\"columnDefinitions\":{},", table::column_definitions(&self.resource));
                head("Table", "meta.k8s.io/v1", &columns, "rows")
            }
        };
        text.into_bytes()
    }

    fn answer(self, start: Vec<u8>, objects: Vec<Arc<Object>>) -> Response<Body> {
        let mut pieces = Pieces { shown: self, start, objects: objects.into_iter(), first: true, over: false };
        let first = pieces.next().unwrap_or_default();
        if pieces.over {
            return response::bytes(StatusCode::OK, first);
        }
        response::stream(futures::stream::iter(std::iter::once(first).chain(pieces)))
    }

    fn write(&self, out: &mut Vec<u8>, object: &Object) {
        let resource = &*self.resource;
        let value = match self.view {
            View::Object => return self.write_whole(out, object),
            View::Metadata => table::partial(&in_version(resource, object)),
            View::Table => table::row(resource, &in_version(resource, object), self.row_object, self.now),
        };
        // Writing JSON values to memory does not fail.
        let _ = serde_json::to_writer(out, &value);
    }

    /// A whole object. For built-in kinds, only the list names the type.
    fn write_whole(&self, out: &mut Vec<u8>, object: &Object) {
        let head = self.type_head.as_bytes();
        // Rare: it is stored in another version.
        let other = (!object.raw.starts_with(head)).then(|| rendered(&self.resource, object));
        let raw = other.as_ref().unwrap_or(&object.raw);
        match raw.strip_prefix(head) {
            Some(rest) if !self.resource.is_custom() => {
                out.push(b'{');
                out.extend_from_slice(rest);
            }
            _ => out.extend_from_slice(raw),
        }
    }
}

/// A list, piece by piece.
struct Pieces {
    shown: Shown,
    start: Vec<u8>,
    objects: std::vec::IntoIter<Arc<Object>>,
    first: bool,
    over: bool,
}

impl Pieces {
    /// Size of the next piece, estimated from the stored objects: growing step by step would copy every byte once more.
    fn ahead(&self) -> usize {
        let mut bytes = 0;
        for object in self.objects.as_slice() {
            bytes += object.raw.len() + 1;
            if bytes >= PIECE {
                break;
            }
        }
        bytes
    }
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let mut out = std::mem::take(&mut self.start);
        out.reserve(self.ahead());
        while out.len() < PIECE {
            let Some(object) = self.objects.next() else {
                out.extend_from_slice(b"]}");
                self.over = true;
                break;
            };
            if !std::mem::take(&mut self.first) {
                out.push(b',');
            }
            self.shown.write(&mut out, &object);
        }
        Some(out.into())
    }
}
