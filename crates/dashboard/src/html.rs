//! HTML under construction. Text and values are escaped by whoever writes them here; there is no way around it.
//!
//! R-HTML-1 Tags and names of attributes are written in this program. Text and values of attributes come from anywhere and are escaped.
//! R-HTML-2 Characters that hide text or turn its direction are replaced by U+FFFD: a name looks like what it is.
//! R-HTML-3 Addresses are [`Link`]s: paths on this page, each part of them percent-encoded. No other attribute takes one.
//! R-HTML-4 A part is an element that can be exchanged on its own when its contents change; parts do not contain others.
//!
//! Source: the HTML standard, "Parsing" (<https://html.spec.whatwg.org/multipage/parsing.html>).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::{
    collections::BTreeMap,
    fmt::{self, Display, Write as _},
    ops::Range,
};

/// HTML under construction.
#[derive(Debug, Default)]
pub(crate) struct Html {
    out: String,
    parts: BTreeMap<String, Range<usize>>,
}

/// Complete HTML, with the places of its parts (R-HTML-4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// All of it.
    pub(crate) text: String,
    parts: BTreeMap<String, Range<usize>>,
}

/// An element that was opened and has no contents yet.
#[derive(Debug)]
#[must_use]
pub(crate) struct Tag<'h> {
    html: &'h mut Html,
    name: &'static str,
    part: Option<(String, usize)>,
}

/// An address on this page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link(String);

/// Attributes that take an address or a program, and are not for [`Tag::attr`] (R-HTML-3).
const NOT_TEXT: [&str; 7] = ["href", "src", "action", "formaction", "style", "srcdoc", "xlink:href"];

/// What is percent-encoded in a part of an address: everything but letters, digits, and what RFC 3986 calls unreserved.
const PART: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

impl Link {
    /// The address of this path, which is written in this program.
    pub(crate) fn to(path: &'static str) -> Self {
        Self(path.to_owned())
    }

    /// The same with a further part of the path.
    pub(crate) fn part(mut self, part: &str) -> Self {
        if !self.0.ends_with('/') {
            self.0.push('/');
        }
        // A part of only dots would be resolved as a step up.
        match part {
            "." | ".." => self.0.push_str(&part.replace('.', "%2E")),
            part => self.0.extend(utf8_percent_encode(part, &PART)),
        }
        self
    }

    /// The same with a value in the query; without it if that is empty.
    pub(crate) fn query(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.push(if self.0.contains('?') { '&' } else { '?' });
            self.0.push_str(name);
            self.0.push('=');
            self.0.extend(utf8_percent_encode(value, &PART));
        }
        self
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Html {
    /// Opens an element.
    pub(crate) fn tag(&mut self, name: &'static str) -> Tag<'_> {
        self.out.push('<');
        self.out.push_str(name);
        Tag { html: self, name, part: None }
    }

    /// Opens an element that is a part; its id is also what a browser finds it by (R-HTML-4).
    pub(crate) fn part(&mut self, name: &'static str, id: impl Display) -> Tag<'_> {
        let (id, start) = (id.to_string(), self.out.len());
        let mut tag = self.tag(name).attr("data-part", &id);
        tag.part = Some((id, start));
        tag
    }

    /// Writes text.
    pub(crate) fn text(&mut self, text: impl Display) {
        // Writing into a String cannot fail.
        _ = write!(Escaped(&mut self.out), "{text}");
    }

    /// The beginning of a document.
    pub(crate) fn doctype(&mut self) {
        self.out.push_str("<!doctype html>");
    }

    /// Writes what another one wrote, which escaped everything in it.
    pub(crate) fn append(&mut self, written: &Rendered) {
        self.out.push_str(&written.text);
    }

    /// What was written.
    pub(crate) fn finish(self) -> Rendered {
        Rendered { text: self.out, parts: self.parts }
    }
}

impl<'h> Tag<'h> {
    /// Gives it an attribute, none that takes an address or a program.
    pub(crate) fn attr(self, name: &'static str, value: impl Display) -> Self {
        debug_assert!(!NOT_TEXT.contains(&name) && !name.starts_with("on"), "{name} is no attribute for text");
        self.raw_attr(name, value)
    }

    fn raw_attr(self, name: &'static str, value: impl Display) -> Self {
        self.html.out.push(' ');
        self.html.out.push_str(name);
        self.html.out.push_str("=\"");
        self.html.text(value);
        self.html.out.push('"');
        self
    }

    /// Gives it an attribute if there is a value.
    pub(crate) fn maybe(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Gives it an attribute without a value, if so.
    pub(crate) fn flag(self, name: &'static str, so: bool) -> Self {
        if so {
            self.html.out.push(' ');
            self.html.out.push_str(name);
        }
        self
    }

    /// Gives it a class.
    pub(crate) fn class(self, class: impl Display) -> Self {
        self.attr("class", class)
    }

    /// Where it leads to.
    pub(crate) fn href(self, link: &Link) -> Self {
        self.raw_attr("href", link.as_str())
    }

    /// Where a form is sent to.
    pub(crate) fn action(self, link: &Link) -> Self {
        self.raw_attr("action", link.as_str())
    }

    /// Where a script is.
    pub(crate) fn src(self, link: &Link) -> Self {
        self.raw_attr("src", link.as_str())
    }

    /// Writes its contents and closes it.
    pub(crate) fn body(self, contents: impl FnOnce(&mut Html)) {
        let Tag { html, name, part } = self;
        html.out.push('>');
        contents(html);
        html.out.push_str("</");
        html.out.push_str(name);
        html.out.push('>');
        html.end(part);
    }

    /// Writes text as its contents and closes it.
    pub(crate) fn text(self, text: impl Display) {
        self.body(|html| html.text(text));
    }

    /// Ends an element that has no contents and no end tag, such as `meta`.
    pub(crate) fn void(self) {
        let Tag { html, part, .. } = self;
        html.out.push('>');
        html.end(part);
    }
}

impl Html {
    fn end(&mut self, part: Option<(String, usize)>) {
        if let Some((id, start)) = part {
            self.parts.insert(id, start..self.out.len());
        }
    }
}

impl Rendered {
    /// The parts that differ from what was before, by id; `None` if more than parts differ.
    pub(crate) fn changed(&self, before: &Self) -> Option<BTreeMap<&str, &str>> {
        if !self.parts.keys().eq(before.parts.keys()) || !self.around().eq(before.around()) {
            return None;
        }
        let pairs = self.parts.iter().zip(before.parts.values());
        let found = pairs.map(|((id, now), was)| (id.as_str(), self.slice(now), before.slice(was)));
        Some(found.filter(|(_, now, was)| now != was).map(|(id, now, _)| (id, now)).collect())
    }

    fn slice(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// What is between the parts, with their ids in its order.
    fn around(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut places: Vec<_> = self.parts.iter().map(|(id, range)| (range.start, range.end, id.as_str())).collect();
        places.sort_unstable();
        places.push((self.text.len(), self.text.len(), ""));
        let mut from = 0;
        places.into_iter().map(move |(start, end, id)| {
            let gap = self.text.get(from..start).unwrap_or_default();
            from = end;
            (gap, id)
        })
    }
}

/// Writes text so that it is text in HTML and within the quotes of an attribute (R-HTML-1, R-HTML-2).
struct Escaped<'s>(&'s mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Almost all that is written is plain.
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'');
        let plain = text.bytes().position(|byte| !is_plain(byte)).unwrap_or(text.len());
        let (plain, rest) = text.split_at_checked(plain).unwrap_or(("", text));
        self.0.push_str(plain);
        for character in rest.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                hidden if hides(hidden) => self.0.push(char::REPLACEMENT_CHARACTER),
                character => self.0.push(character),
            }
        }
        Ok(())
    }
}

/// Control characters but line breaks and tabs, and those that turn the direction of text or are not seen (Unicode Standard Annex 9, and
/// "Default ignorable"): what text of others must not bring along.
#[must_use]
pub fn hides(character: char) -> bool {
    let is_control = character.is_control() && !matches!(character, '\n' | '\t');
    is_control
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(write: impl FnOnce(&mut Html)) -> Rendered {
        let mut html = Html::default();
        write(&mut html);
        html.finish()
    }

    #[test]
    fn whatever_a_name_is_it_stays_text() {
        for hostile in [
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
            "' onmouseover='alert(1)",
            "</title><script>",
            "&lt;script&gt;",
            "a\u{202e}b\u{0}c\u{200b}",
        ] {
            let text = of(|html| html.tag("p").attr("title", hostile).text(hostile)).text;
            let inner = text.strip_prefix("<p title=\"").and_then(|rest| rest.strip_suffix("</p>")).unwrap();
            let (value, shown) = inner.split_once("\">").unwrap();
            assert_eq!(value, shown);
            assert!(!value.contains(['<', '>', '"', '\'', '\u{202e}', '\u{0}', '\u{200b}']), "{value}");
        }
        assert_eq!(of(|html| html.text("a & \"b\"")).text, "a &amp; &quot;b&quot;");
    }

    #[test]
    fn an_address_stays_on_this_page() {
        let of = |name: &str| Link::to("/nodes").part(name).as_str().to_owned();
        assert_eq!(of("javascript:alert(1)"), "/nodes/javascript%3Aalert%281%29");
        assert_eq!(of("//evil.example/?a=b#c"), "/nodes/%2F%2Fevil.example%2F%3Fa%3Db%23c");
        assert_eq!(of(".."), "/nodes/%2E%2E");
        assert_eq!(
            Link::to("/nodes").query("q", "a b&c").query("pool", "").query("zone", "z").as_str(),
            "/nodes?q=a%20b%26c&zone=z"
        );
    }

    #[test]
    #[should_panic(expected = "onclick")]
    fn no_attribute_takes_a_program() {
        of(|html| html.tag("p").attr("onclick", "x").void());
    }

    #[test]
    fn only_changed_parts_are_exchanged_and_more_is_said_to_be_more() {
        let page = |a: &str, b: &str, around: &str| {
            of(|html| {
                html.tag("p").text(around);
                html.part("b", "a").text(a);
                html.part("b", "b").text(b);
            })
        };
        let before = page("1", "2", "x");
        assert_eq!(page("1", "2", "x").changed(&before), Some(BTreeMap::new()));
        let now = page("longer", "2", "x");
        assert_eq!(now.changed(&before), Some(BTreeMap::from([("a", "<b data-part=\"a\">longer</b>")])));
        assert_eq!(page("1", "2", "y").changed(&before), None);
        let fewer = of(|html| html.part("b", "a").text("1"));
        assert_eq!(fewer.changed(&before), None);
    }
}
