//! Which objects are wanted.

use crate::{Kind, Manifest};
use weir_api::kind::{MACHINE_CONFIG_GROUP, MACHINE_CONFIG_KINDS};

/// Objects of a kind: all of them, or those with a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want<'a> {
    /// Group and kind.
    pub kind: Kind<'a>,
    /// Key of the label they must have, and its value if that matters.
    pub label: Option<(&'a str, Option<&'a str>)>,
    /// Fields that are wanted of each, as paths; absent for all. The others may be there or not.
    pub only: Option<&'static [&'static str]>,
}

impl<'a> Want<'a> {
    /// All objects of a kind.
    #[must_use]
    pub const fn all(kind: Kind<'a>) -> Self {
        Self { kind, label: None, only: None }
    }

    /// Those objects of a kind that have this label. Others are not even parsed.
    #[must_use]
    pub const fn labelled(kind: Kind<'a>, key: &'a str, value: &'a str) -> Self {
        Self { kind, label: Some((key, Some(value))), only: None }
    }

    /// Those objects of a kind that have this label, whatever its value. Others are not even parsed.
    #[must_use]
    pub const fn with_label(kind: Kind<'a>, key: &'a str) -> Self {
        Self { kind, label: Some((key, None)), only: None }
    }

    /// The same objects, of which only these fields are wanted.
    #[must_use]
    pub const fn only(self, fields: &'static [&'static str]) -> Self {
        Self { only: Some(fields), ..self }
    }

    /// Whether an object of this kind with this text may be wanted: key and value of a label are written as they are.
    fn may_be(&self, kind: Kind<'_>, text: &str) -> bool {
        self.kind == kind && self.label.is_none_or(|(key, value)| text.contains(value.unwrap_or(key)))
    }

    fn is(&self, kind: Kind<'_>, manifest: &Manifest) -> bool {
        let labels = &manifest.object["metadata"]["labels"];
        let has = |(key, wanted): (&str, Option<&str>)| {
            labels.get(key).is_some_and(|value| wanted.is_none_or(|wanted| value == wanted))
        };
        self.kind == kind && self.label.is_none_or(has)
    }
}

/// Whether an object of this kind with this text has to be parsed: it may be wanted, or its kind is a mistake to be told.
pub(crate) fn may_be_wanted(wants: &[Want<'_>], kind: Kind<'_>, text: &str) -> bool {
    let is_mistake = kind.0 == MACHINE_CONFIG_GROUP && !MACHINE_CONFIG_KINDS.contains(&kind.1);
    wants.is_empty() || is_mistake || wants.iter().any(|want| want.may_be(kind, text))
}

/// The fields that are wanted of objects of this kind, if that is not all.
pub(crate) fn fields(wants: &[Want<'_>], kind: Kind<'_>) -> Option<&'static [&'static str]> {
    let mut of_kind = wants.iter().filter(|want| want.kind == kind);
    let only = of_kind.next()?.only;
    only.filter(|_| of_kind.next().is_none())
}

/// Whether an object is wanted.
pub(crate) fn is_wanted(wants: &[Want<'_>], manifest: &Manifest) -> bool {
    let kind = (manifest.group(), manifest.kind());
    wants.is_empty() || wants.iter().any(|want| want.is(kind, manifest))
}
