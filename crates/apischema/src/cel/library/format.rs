//! Named formats: `!format.dns1123Label().validate(self).hasValue()`.

use super::value_type::value_type;
use crate::{
    names::{NameRule, label_value, qualified_name},
    text::{Uri, is_format},
};
use cel::{
    DeclarationError, Env, add_member_overload, add_overload,
    common::{
        types::{CelList, CelOptional, CelString},
        value::{CowVal, Val},
    },
};

/// A format by its name in [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format(&'static str);
value_type!(Format, "kubernetes.NamedFormat");

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
    let one = |wrong: bool, complaint: &str| if wrong { vec![complaint.to_owned()] } else { Vec::new() };
    let prefix = format.ends_with("Prefix");
    match format.trim_end_matches("Prefix") {
        "dns1123Label" => NameRule::Label.violations(text, prefix),
        "dns1123Subdomain" => NameRule::Subdomain.violations(text, prefix),
        "dns1035Label" => NameRule::Label1035.violations(text, prefix),
        "qualifiedName" => qualified_name(text),
        "labelValue" => label_value(text),
        "uri" => Uri::parse(text).err().into_iter().collect(),
        "uuid" => one(is_format("uuid", text) == Some(false), "does not match the UUID format"),
        "byte" => one(is_format("byte", text) == Some(false), "invalid base64"),
        "date" => one(is_format("date", text) == Some(false), "invalid date"),
        _ => one(is_format("datetime", text) == Some(false), "invalid datetime"),
    }
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
