//! Queries and forms: `application/x-www-form-urlencoded`, as the URL standard describes it (<https://url.spec.whatwg.org/#application/x-www-form-urlencoded>).

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Fields that are read; no form here has as many.
const MOST: usize = 300;

/// The fields, in order. What is no UTF-8 is shown as such.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    let decoded = |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
    let fields = text.split('&').filter(|field| !field.is_empty()).take(MOST);
    fields.map(|field| field.split_once('=').unwrap_or((field, ""))).map(|(n, v)| (decoded(n), decoded(v))).collect()
}

/// The value of a field.
pub(crate) fn value<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The fields as a query.
pub(crate) fn text<'f>(fields: impl Iterator<Item = &'f (String, String)>) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    fields.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_counted() {
        let read = pairs("a=b+c&d=%26%3D&e&=f&g=%ff");
        let of = |name: &str| value(&read, name);
        assert_eq!((of("a"), of("d"), of("e"), of(""), of("x")), (Some("b c"), Some("&="), Some(""), Some("f"), None));
        assert_eq!(of("g"), Some("\u{fffd}"));
        assert_eq!(pairs(&"a=b&".repeat(1000)).len(), MOST);
    }
}
