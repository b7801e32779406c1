//! URLs and their parts.

use super::value_type::value_type;
use crate::text::Uri;
use cel::{
    DeclarationError, Env, ExecutionError, add_member_overload, add_overload,
    common::{
        types::{CelBool, CelList, CelMap, CelMapKey, CelString},
        value::Val,
    },
};
use std::collections::{BTreeMap, HashMap};

#[derive(Debug, Clone, PartialEq, Eq)]
struct Url(Uri);
value_type!(Url, "kubernetes.URL");

pub(super) fn install(env: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(env, fn is_url: (CelString) -> CelBool, name = "isURL")?;
    add_overload!(env, fn url: (CelString) -> Result<Url>)?;
    add_member_overload!(env, fn get_scheme: (Url) -> CelString)?;
    add_member_overload!(env, fn get_host: (Url) -> CelString)?;
    add_member_overload!(env, fn get_hostname: (Url) -> CelString)?;
    add_member_overload!(env, fn get_port: (Url) -> CelString)?;
    add_member_overload!(env, fn get_escaped_path: (Url) -> CelString)?;
    add_member_overload!(env, fn get_query: (Url) -> CelMap)
}

fn is_url(text: &CelString<'_>) -> CelBool {
    CelBool::from(Uri::parse(text.inner()).is_ok())
}

fn url(text: &CelString<'_>) -> Result<Url, ExecutionError> {
    let error =
        |why| ExecutionError::function_error("url", format!("URL parse error during conversion from string: {why}"));
    Uri::parse(text.inner()).map(Url).map_err(error)
}

fn get_scheme<'a>(url: &Url) -> CelString<'a> {
    CelString::from(url.0.scheme.clone())
}

fn get_host<'a>(url: &Url) -> CelString<'a> {
    CelString::from(url.0.host.clone())
}

fn get_hostname<'a>(url: &Url) -> CelString<'a> {
    CelString::from(url.0.hostname().to_owned())
}

fn get_port<'a>(url: &Url) -> CelString<'a> {
    CelString::from(url.0.port().to_owned())
}

fn get_escaped_path<'a>(url: &Url) -> CelString<'a> {
    CelString::from(url.0.escaped_path())
}

fn get_query<'a>(url: &Url) -> CelMap<'a> {
    let mut grouped: BTreeMap<String, Vec<Box<dyn Val + 'a>>> = BTreeMap::new();
    for (key, value) in url.0.query() {
        grouped.entry(key).or_default().push(Box::new(CelString::from(value)));
    }
    let entries = grouped
        .into_iter()
        .map(|(key, values)| (CelMapKey::from(key), Box::new(CelList::from(values)) as Box<dyn Val>));
    CelMap::from(entries.collect::<HashMap<_, _>>())
}

#[cfg(test)]
mod tests {
    use crate::cel::library::probe::{all_fail, all_true};

    #[test]
    fn urls() {
        all_true(&[
            "isURL('https://example.com/x') && isURL('/absolute') && !isURL('relative') && !isURL('https://a b')",
            "url('https://example.com:80/').getHost() == 'example.com:80' && url('https://example.com:80/').getHostname() == 'example.com'",
            "url('https://[::1]:80/').getHostname() == '::1' && url('https://[::1]:80/').getPort() == '80'",
            "url('https://example.com').getPort() == '' && url('HTTPS://x').getScheme() == 'https'",
            "url('https://example.com/with space/').getEscapedPath() == '/with%20space/'",
            "url('https://example.com/?k1=a&k2=b&k2=c').getQuery() == {'k1': ['a'], 'k2': ['b', 'c']}",
            "url('https://example.com/path?').getQuery() == {}",
        ]);
        all_fail(&["url('x')"]);
    }
}
