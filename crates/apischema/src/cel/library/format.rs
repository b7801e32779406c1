//! Named formats: `!format.dns1123Label().validate(self).hasValue()`.

use super::value_type::value_type;
use crate::text::{Pattern, Uri, is_format};
use cel::{
    DeclarationError, Env, add_member_overload, add_overload,
    common::{
        types::{CelList, CelOptional, CelString},
        value::{CowVal, Val},
    },
};
use std::sync::LazyLock;

/// A format by its name in [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format(&'static str);
value_type!(Format, "kubernetes.NamedFormat");

/// Longest label of a host name, and longest host name, in bytes (RFC 1123).
const LABEL_LENGTH: usize = 63;
const SUBDOMAIN_LENGTH: usize = 253;

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_1035: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_VALUE: &str = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?";

/// Declares `format.<name>()` for each name: overloads are function pointers, so each needs its own.
macro_rules! declare {
    ($env:ident, $($name:literal),*) => {{
        $($env.add_overload(concat!("format.", $name), concat!("format.", $name), vec![], |_| Ok(CowVal::owned(Format($name))))?;)*
    }};
}

pub(super) fn install(env: &mut Env) -> Result<(), DeclarationError> {
    declare!(
        env,
        "dns1123Label",
        "dns1123Subdomain",
        "dns1035Label",
        "qualifiedName",
        "dns1123LabelPrefix",
        "dns1123SubdomainPrefix",
        "dns1035LabelPrefix",
        "labelValue",
        "uri",
        "uuid",
        "byte",
        "date",
        "datetime"
    );
    add_overload!(env, fn named: (CelString) -> CelOptional, name = "format.named")?;
    add_member_overload!(env, fn validate: (Format, CelString) -> CelOptional)
}

const NAMES: [&str; 13] = [
    "dns1123Label",
    "dns1123Subdomain",
    "dns1035Label",
    "qualifiedName",
    "dns1123LabelPrefix",
    "dns1123SubdomainPrefix",
    "dns1035LabelPrefix",
    "labelValue",
    "uri",
    "uuid",
    "byte",
    "date",
    "datetime",
];

fn named<'a>(name: &CelString<'_>) -> CelOptional<'a> {
    let known = NAMES.iter().find(|known| **known == name.inner());
    known.map_or_else(CelOptional::none, |name| CelOptional::of(Box::new(Format(name))))
}

/// The complaints, if there are any.
fn validate<'a>(format: &Format, text: &CelString<'_>) -> CelOptional<'a> {
    let complaints = complaints(format.0, text.inner());
    if complaints.is_empty() {
        return CelOptional::none();
    }
    let complaints: Vec<Box<dyn Val + 'a>> =
        complaints.into_iter().map(|c| Box::new(CelString::from(c)) as _).collect();
    CelOptional::of(Box::new(CelList::from(complaints)))
}

fn complaints(format: &str, text: &str) -> Vec<String> {
    // A prefix may end with a dash, because something will follow it.
    let masked = match text.strip_suffix('-') {
        Some(start) if format.ends_with("Prefix") && !start.is_empty() => format!("{start}a"),
        _ => text.to_owned(),
    };
    let text = masked.as_str();
    let one = |wrong: bool, complaint: &str| if wrong { vec![complaint.to_owned()] } else { Vec::new() };
    match format.trim_end_matches("Prefix") {
        "dns1123Label" => label(text),
        "dns1123Subdomain" => subdomain(text),
        "dns1035Label" => shaped(
            text,
            LABEL_LENGTH,
            LABEL_1035,
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', ",
        ),
        "qualifiedName" => qualified_name(text),
        "labelValue" => shaped(
            text,
            LABEL_LENGTH,
            LABEL_VALUE,
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', ",
        ),
        "uri" => Uri::parse(text).err().into_iter().collect(),
        "uuid" => one(is_format("uuid", text) == Some(false), "does not match the UUID format"),
        "byte" => one(is_format("byte", text) == Some(false), "invalid base64"),
        "date" => one(is_format("date", text) == Some(false), "invalid date"),
        _ => one(is_format("datetime", text) == Some(false), "invalid datetime"),
    }
}

/// Whether the whole text matches one of the patterns above.
fn is(pattern: &'static str, text: &str) -> bool {
    static COMPILED: LazyLock<Vec<(&str, Pattern)>> = LazyLock::new(|| {
        let patterns = [LABEL, SUBDOMAIN, LABEL_1035, QUALIFIED, LABEL_VALUE];
        patterns.into_iter().map(|source| (source, Pattern::new(format!("^{source}$")))).collect()
    });
    COMPILED.iter().any(|(source, compiled)| *source == pattern && compiled.matches(text))
}

fn shaped(text: &str, limit: usize, pattern: &'static str, complaint: &str) -> Vec<String> {
    let mut found = Vec::new();
    if text.len() > limit {
        found.push(format!("must be no more than {limit} bytes"));
    }
    if !is(pattern, text) {
        found.push(format!("{complaint}regex used for validation is '{pattern}')"));
    }
    found
}

fn label(text: &str) -> Vec<String> {
    let complaint = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', ";
    let mut found = shaped(text, LABEL_LENGTH, LABEL, complaint);
    if is(SUBDOMAIN, text)
        && !is(LABEL, text)
        && let Some(last) = found.last_mut()
    {
        *last = "must not contain dots".into();
    }
    found
}

fn subdomain(text: &str) -> Vec<String> {
    shaped(
        text,
        SUBDOMAIN_LENGTH,
        SUBDOMAIN,
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', ",
    )
}

fn qualified_name(text: &str) -> Vec<String> {
    const SHAPE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', ";
    let parts: Vec<&str> = text.split('/').collect();
    let (prefix, name) = match parts.as_slice() {
        [name] => (None, *name),
        [prefix, name] => (Some(*prefix), *name),
        _ => {
            return vec![format!(
                "a qualified name {SHAPE}regex used for validation is '{QUALIFIED}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    let mut found: Vec<String> = match prefix {
        Some("") => vec!["prefix part must be non-empty".into()],
        Some(prefix) => subdomain(prefix).into_iter().map(|complaint| format!("prefix part {complaint}")).collect(),
        None => Vec::new(),
    };
    if name.is_empty() {
        found.push("name part must be non-empty".into());
    }
    found.extend(
        shaped(name, LABEL_LENGTH, QUALIFIED, SHAPE).into_iter().map(|complaint| format!("name part {complaint}")),
    );
    found
}

#[cfg(test)]
mod tests {
    use crate::cel::library::probe::all_true;

    #[test]
    fn formats() {
        all_true(&[
            "!format.dns1123Label().validate('my-name').hasValue()",
            "format.dns1123Label().validate('my.name').value() == ['must not contain dots']",
            "format.dns1123Label().validate('My').hasValue() && format.dns1123Label().validate('').hasValue()",
            "!format.dns1123Subdomain().validate('a.b-c').hasValue() && format.dns1123Subdomain().validate('a..b').hasValue()",
            "format.dns1035Label().validate('1a').hasValue() && !format.dns1035Label().validate('a1').hasValue()",
            "!format.qualifiedName().validate('example.com/Name').hasValue() && format.qualifiedName().validate('/x').hasValue()",
            "!format.labelValue().validate('').hasValue() && format.labelValue().validate('a b').hasValue()",
            "!format.dns1123LabelPrefix().validate('abc-').hasValue() && format.dns1123LabelPrefix().validate('-').hasValue()",
            "format.named('uuid').hasValue() && !format.named('nope').hasValue()",
            "!format.date().validate('2024-01-01').hasValue() && format.date().validate('x').value() == ['invalid date']",
            "!format.uri().validate('https://a/b').hasValue() && !format.byte().validate('aGk=').hasValue()",
        ]);
    }
}
