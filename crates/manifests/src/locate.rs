//! The line of a field in a document.

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_path_to_error::{Path, Segment};
use serde_saphyr::Spanned;
use std::fmt;

/// Line of the value at a path, from 1, or of the innermost existing parent. `None` when the text
/// cannot be read.
pub(crate) fn line(text: &str, item: Option<usize>, path: &Path) -> Option<usize> {
    let fields = path.iter().map_while(|segment| match segment {
        Segment::Map { key } => Some(Step::Field(key)),
        Segment::Seq { index } => Some(Step::Item(*index)),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    innermost(text, item, fields)
}

/// The same for a path as API servers write it: `spec.list[0].field`.
pub(crate) fn line_of(text: &str, item: Option<usize>, path: &str) -> Option<usize> {
    let steps = path.split('.').filter(|part| !part.is_empty()).flat_map(|part| {
        let mut parts = part.split('[');
        let field = parts.next().filter(|field| !field.is_empty()).map(Step::Field);
        let items = parts.filter_map(|index| index.strip_suffix(']')?.parse().ok()).map(Step::Item);
        field.into_iter().chain(items)
    });
    innermost(text, item, steps)
}

fn innermost<'a>(text: &str, item: Option<usize>, fields: impl Iterator<Item = Step<'a>>) -> Option<usize> {
    let items = item.map(|index| [Step::Field("items"), Step::Item(index)]);
    let steps: Vec<Step<'_>> = items.into_iter().flatten().chain(fields).collect();
    (0..=steps.len()).rev().find_map(|length| {
        let seed = Locate(&steps[..length]);
        serde_saphyr::with_deserializer_from_str_with_options(text, crate::text::options(), |d| seed.deserialize(d))
            .ok()
            .and_then(|line| usize::try_from(line).ok())
    })
}

/// One step down.
#[derive(Clone, Copy)]
enum Step<'a> {
    Field(&'a str),
    Item(usize),
}

/// Follows the path and returns where it ends.
struct Locate<'a>(&'a [Step<'a>]);

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        match self.0 {
            [] => {
                let found: Spanned<IgnoredAny> = serde::Deserialize::deserialize(deserializer)?;
                Ok(found.referenced.line())
            }
            [Step::Field(_), ..] => deserializer.deserialize_map(self),
            [Step::Item(_), ..] => deserializer.deserialize_seq(self),
        }
    }
}

/// What is left of the way after a key. A key with dots is several steps of a path as API servers write it.
fn after<'s, 'a>(steps: &'s [Step<'a>], key: &str) -> Option<&'s [Step<'a>]> {
    let mut left = key;
    for (index, step) in steps.iter().enumerate() {
        let Step::Field(name) = step else { return None };
        left = left.strip_prefix(name)?;
        if left.is_empty() {
            return steps.get(index + 1..);
        }
        left = left.strip_prefix('.')?;
    }
    None
}

impl<'de> Visitor<'de> for Locate<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what is on the path")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<u64, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            match after(self.0, &key) {
                Some(rest) => found = Some(map.next_value_seed(Locate(rest))?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        found.ok_or_else(|| A::Error::custom("not there"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u64, A::Error> {
        let (mut found, mut at) = (None, 0);
        loop {
            match self.0 {
                [Step::Item(index), rest @ ..] if *index == at => found = list.next_element_seed(Locate(rest))?,
                _ => {
                    if list.next_element::<IgnoredAny>()?.is_none() {
                        break;
                    }
                }
            }
            at += 1;
        }
        found.ok_or_else(|| A::Error::custom("not there"))
    }
}
