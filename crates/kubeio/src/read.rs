//! The objects in a response of the API server, each by itself.
//!
//! A list or a watch event is split without decoding it, so an object that cannot be decoded, even one nested too deep for the
//! decoder, does not hide others. Its name and labels can still be read. Nothing else of its contents gets into a message: messages
//! go to logs, and objects contain secrets.

use kube::{
    Api, Client, Resource,
    api::ListParams,
    core::{ListMeta, Request},
};
use memchr::memchr2;
use serde::{Deserialize, de::DeserializeOwned, de::Error as _};
use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range};

/// Maximum size of one object. An API server stores 1.5 MiB (etcd's `--max-request-bytes`), and may return a little more.
const LARGEST: usize = 16 << 20;
/// Objects in one page of a list, as in client-go (`tools/pager/pager.go` of k8s.io/client-go).
const PAGE: u32 = 500;
/// Maximum length of the explanation of what is wrong with an object.
const LONGEST_WHY: usize = 300;

/// An object that exists but cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty for cluster-scoped kinds.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels, by which pools select MachineConfigs.
    pub labels: BTreeMap<String, String>,
    /// What is wrong with it, without quoting it.
    pub why: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, namespace, name, why, .. } = self;
        let slash = if namespace.is_empty() { "" } else { "/" };
        write!(f, "{kind} {namespace}{slash}{name} cannot be read: {why}")
    }
}

/// Which object it is, and in which version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Identity {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: String,
    pub(crate) labels: Option<BTreeMap<String, String>>,
}

impl Identity {
    /// Selected parts of an object's text; everything else is skipped at any depth.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let mut scan = Scan { text, at: 0 };
        scan.enter(r#""metadata""#)?;
        serde_json::from_str(scan.value()?).ok()
    }
}

/// An object, or what is known about one that cannot be decoded.
#[derive(Clone, Debug)]
pub(crate) enum Read<K> {
    Object(K),
    Not(Box<(Identity, Unreadable)>),
}

/// Decodes one object.
pub(crate) fn object<K: Resource<DynamicType = ()> + DeserializeOwned>(text: &str) -> Read<K> {
    let read = without_unread::<K>(text);
    let why = match serde_json::from_str(&read) {
        _ if text.len() > LARGEST => format!("larger than {} MiB", LARGEST >> 20),
        Ok(object) => return Read::Object(object),
        Err(_) => explained::<K>(&read),
    };
    let identity = Identity::of(text).unwrap_or_default();
    let unreadable = Unreadable {
        kind: K::kind(&()).into_owned(),
        namespace: identity.namespace.clone(),
        name: identity.name.clone(),
        labels: identity.labels.clone().unwrap_or_default(),
        why,
    };
    Read::Not(Box::new((identity, unreadable)))
}

/// A request, if it could be built.
pub type Built = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// Asks for one object, decoded as caches hold it: without `managedFields`, and a node without its images.
///
/// # Errors
/// When the server refuses it or cannot be reached, or does not return such an object.
pub async fn answer<K: Resource<DynamicType = ()> + DeserializeOwned>(
    client: &Client,
    request: Built,
) -> kube::Result<K> {
    let text = client.request_text(request.map_err(kube::Error::BuildRequest)?).await?;
    serde_json::from_str(&without_unread::<K>(&text)).map_err(kube::Error::SerdeError)
}

/// The text without what nothing here reads and takes long to decode, or much to keep.
fn without_unread<K: Resource<DynamicType = ()>>(text: &str) -> Cow<'_, str> {
    let mut left = Cow::Borrowed(text);
    for path in UNREAD.iter().filter(|path| path.of.is_none_or(|kind| K::kind(&()) == kind)) {
        if let Some(at) = path.value_in(&left) {
            left = format!("{}null{}", &left[..at.start], &left[at.end..]).into();
        }
    }
    left
}

/// A field that no cache keeps.
struct Unread {
    /// The kind that has it; `None` for all.
    of: Option<&'static str>,
    parent: &'static str,
    field: &'static str,
}

const UNREAD: [Unread; 2] = [
    // Almost half of a node.
    Unread { of: None, parent: r#""metadata""#, field: r#""managedFields""# },
    // Up to 50, each with several names: `nodeStatusMaxImages` of KubeletConfiguration in kubelet.config.k8s.io/v1beta1.
    Unread { of: Some("Node"), parent: r#""status""#, field: r#""images""# },
];

impl Unread {
    fn value_in(&self, text: &str) -> Option<Range<usize>> {
        // Cheap, and catches text from which it was removed before.
        if !text.contains(self.field) {
            return None;
        }
        let mut scan = Scan { text, at: 0 };
        scan.enter(self.parent)?;
        scan.enter(self.field)?;
        let start = scan.at;
        scan.value()?;
        Some(start..scan.at)
    }
}

/// Decodes the text once more to find the offending field.
fn explained<K: DeserializeOwned>(text: &str) -> String {
    let decoder = &mut serde_json::Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, K>(decoder) {
        Ok(_) => "more than one object".to_owned(),
        Err(error) => {
            let (path, inner) = (error.path().to_string(), error.inner());
            let what = harmless(inner);
            // If the object is nested too deep, the path shows nothing but the nesting.
            if path == "." || !inner.is_data() { what } else { cut(&format!("{path}: {what}"), LONGEST_WHY) }
        }
    }
}

/// A decoder's message, without quoted values and positions in the text.
#[must_use]
pub fn harmless(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said.split(" at line ").next().unwrap_or_default();
    if said.starts_with("recursion limit") {
        return "nested deeper than 127 levels".to_owned();
    }
    for kind in ["invalid type: ", "invalid value: "] {
        if let Some(rest) = said.strip_prefix(kind)
            && let Some((value, expected)) = rest.rsplit_once(", expected ")
        {
            let value = value.split(['"', '`', '\'']).next().unwrap_or_default().trim_end();
            return cut(&format!("{kind}{value}, expected {expected}"), LONGEST_WHY);
        }
    }
    if let Some(rest) = said.strip_prefix("unknown variant ") {
        let known = rest.rsplit_once("`, expected ").map(|(_, known)| known);
        return cut(&format!("unknown value, expected {}", known.unwrap_or("another")), LONGEST_WHY);
    }
    let names_a_field = ["missing field ", "unknown field ", "duplicate field "];
    if names_a_field.iter().any(|prefix| said.starts_with(prefix)) {
        return cut(said, LONGEST_WHY);
    }
    unquoted(said)
}

/// The text without anything in quotes.
fn unquoted(text: &str) -> String {
    let mut out = String::new();
    let mut open = None;
    for c in text.chars() {
        match open {
            None => {
                out.push(c);
                open = ['"', '`'].contains(&c).then_some(c);
                if open.is_some() {
                    out.push('…');
                }
            }
            Some(quote) if quote == c => {
                out.push(c);
                open = None;
            }
            Some(_) => {}
        }
    }
    cut(&out, LONGEST_WHY)
}

/// The text, or as much of it as fits.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// One page of a list, with its objects still as text.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    pub(crate) metadata: ListMeta,
    pub(crate) items: Vec<&'a str>,
}

impl<'a> Page<'a> {
    /// Splits a list.
    pub(crate) fn of(text: &'a str) -> kube::Result<Self> {
        let mut page = Page { metadata: ListMeta::default(), items: Vec::new() };
        for (name, value) in members(text).ok_or_else(|| malformed("this is not a list"))? {
            match name {
                r#""metadata""# => page.metadata = serde_json::from_str(value).map_err(kube::Error::SerdeError)?,
                r#""items""# if value != "null" => {
                    page.items = elements(value).ok_or_else(|| malformed("the items of this list are not an array"))?;
                }
                _ => {}
            }
        }
        Ok(page)
    }
}

/// A malformed response.
pub(crate) fn malformed(what: &str) -> kube::Error {
    kube::Error::SerdeError(serde_json::Error::custom(what))
}

/// The names (still in quotes) and values of a JSON object.
pub(crate) fn members(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut scan = Scan { text, at: 0 };
    scan.open(b'{', b'}', |scan| {
        let name = scan.value()?;
        scan.take(b':')?;
        Some((name, scan.value()?))
    })
}

/// Values of a JSON array.
fn elements(text: &str) -> Option<Vec<&str>> {
    Scan { text, at: 0 }.open(b'[', b']', Scan::value)
}

/// Finds the ends of JSON values without a stack, so nesting costs nothing. What is between them is left to the decoder.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn open<T>(&mut self, open: u8, close: u8, one: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        self.take(open)?;
        let mut all = Vec::new();
        if self.peek()? == close {
            return Some(all);
        }
        loop {
            all.push(one(self)?);
            match self.peek()? {
                b',' => self.at += 1,
                byte if byte == close => return Some(all),
                _ => return None,
            }
        }
    }

    /// Moves to the value of a member of the object that begins here.
    fn enter(&mut self, wanted: &str) -> Option<()> {
        self.take(b'{')?;
        loop {
            let name = self.value()?;
            self.take(b':')?;
            if name == wanted {
                return self.peek().map(drop);
            }
            self.value()?;
            self.take(b',')?;
        }
    }

    /// The text of the next value.
    fn value(&mut self) -> Option<&'a str> {
        self.peek()?;
        let bytes = self.text.as_bytes();
        let (start, mut depth) = (self.at, 0_usize);
        loop {
            match *bytes.get(self.at)? {
                b'"' => self.string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                // Between values of an open list or object, or within a number or a word.
                _ => self.at += 1,
            }
            if depth > 0 {
                continue;
            }
            let next = bytes.get(self.at);
            if next.is_none_or(|byte| matches!(byte, b',' | b':' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n')) {
                return self.text.get(start..self.at);
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        let bytes = self.text.as_bytes();
        loop {
            self.at += memchr2(b'"', b'\\', bytes.get(self.at..)?)?;
            if bytes.get(self.at) == Some(&b'"') {
                self.at += 1;
                return Some(());
            }
            // An escaped character does not end the string.
            self.at += 2;
        }
    }
}

/// All objects in a list, and those that cannot be read.
#[derive(Clone, Debug)]
pub struct Listed<K> {
    /// The readable ones.
    pub items: Vec<K>,
    /// The unreadable ones.
    pub unreadable: Vec<Unreadable>,
}

/// Lists objects, page by page; an unreadable one does not hide others.
///
/// # Errors
/// If the server refuses it, cannot be reached, or does not return a list.
pub async fn list<K>(api: &Api<K>, parameters: &ListParams) -> kube::Result<Listed<K>>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone,
{
    let mut listed = Listed { items: Vec::new(), unreadable: Vec::new() };
    let client = api.clone().into_client();
    pages(&client, api.resource_url(), parameters, |read| match read {
        Read::Object(object) => listed.items.push(object),
        Read::Not(odd) => listed.unreadable.push(odd.1),
    })
    .await?;
    Ok(listed)
}

/// Lists objects into `each`, page by page; returns the version of the list.
pub(crate) async fn pages<K>(
    client: &Client,
    url: &str,
    parameters: &ListParams,
    mut each: impl FnMut(Read<K>),
) -> kube::Result<String>
where
    K: Resource<DynamicType = ()> + DeserializeOwned,
{
    let mut parameters = ListParams { limit: Some(PAGE), ..parameters.clone() };
    loop {
        let request = Request::new(url).list(&parameters).map_err(kube::Error::BuildRequest)?;
        let text = client.request_text(request).await?;
        let Page { metadata, items } = Page::of(&text)?;
        items.into_iter().for_each(|item| each(object(item)));
        match metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return metadata.resource_version.ok_or_else(|| malformed("this list has no resourceVersion")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Read, object, without_unread};
    use k8s_openapi::api::core::v1::Node;
    use weir_api::MachineConfig;

    #[test]
    fn an_object_nested_too_deep_is_named() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
        let text = format!(r#"{{"metadata":{{"name":"deep"}},"spec":{{"config":{deep}}}}}"#);
        let Read::Not(odd) = object::<MachineConfig>(&text) else { panic!("it was read") };
        assert_eq!(odd.1.to_string(), "MachineConfig deep cannot be read: nested deeper than 127 levels");
    }

    #[test]
    fn managed_fields_are_dropped_and_nothing_else() {
        let owned = r#"{"kind":"A","metadata" : {"name":"a","managedFields":[{"f":{"x":"]}"}}],"uid":"u"},"spec":1}"#;
        assert_eq!(
            without_unread::<MachineConfig>(owned),
            r#"{"kind":"A","metadata" : {"name":"a","managedFields":null,"uid":"u"},"spec":1}"#
        );
        for text in [
            r#"{"metadata":{"name":"a"}}"#,
            r#"{"data":{"managedFields":"x"},"metadata":{"name":"a"}}"#,
            r#"{"metadata":{"annotations":{"managedFields":"x"}}}"#,
            r#"{"metadata":{"name":"\"managedFields\":[1]"}}"#,
            r#"{"metadata":{"managedFields":[{"#,
            r#"{"metadata":"managedFields","#,
            r#"["managedFields"]"#,
            "",
        ] {
            assert_eq!(without_unread::<MachineConfig>(text), text);
        }
    }

    #[test]
    fn a_node_is_kept_without_its_images() {
        let text = r#"{"metadata":{"name":"a","managedFields":[{}]},"status":{"images":[{"names":["i"],"sizeBytes":1}],"phase":"x"}}"#;
        let left = r#"{"metadata":{"name":"a","managedFields":null},"status":{"images":null,"phase":"x"}}"#;
        assert_eq!(without_unread::<Node>(text), left);
        assert!(without_unread::<MachineConfig>(text).contains("sizeBytes"));
        let Read::Object(node) = object::<Node>(text) else { panic!("it was not read") };
        assert_eq!(node.status.unwrap().images, None);
    }
}
