//! What `/metrics` answers: OpenMetrics to a scraper that asks for it, the text format of Prometheus to any other.
//!
//! Sources: "OpenMetrics 1.0" and "Exposition formats" of the Prometheus documentation.

use std::{borrow::Cow, collections::BTreeMap};

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics 1.0.
    Open,
    /// The text format 0.0.4.
    Text,
}

impl Format {
    /// The one for a request with this header `Accept`.
    pub(super) fn accepted(accept: Option<&str>) -> Self {
        if accept.is_some_and(|accept| accept.contains("application/openmetrics-text")) {
            Self::Open
        } else {
            Self::Text
        }
    }

    /// Its media type.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Open => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// The metrics, written in OpenMetrics, in this format.
    pub(super) fn of(self, open: String) -> String {
        match self {
            Self::Open => open,
            Self::Text => text(&open),
        }
    }
}

/// In the text format a family has the name of its series: that of a counter ends in `_total`, that of an info in `_info`. Units have
/// no line of their own, and the end is not marked.
fn text(open: &str) -> String {
    let described = |line: &str, what: &str| {
        let (name, rest) = line.strip_prefix("# ")?.strip_prefix(what)?.strip_prefix(' ')?.split_once(' ')?;
        Some((name.to_owned(), rest.to_owned()))
    };
    let types: BTreeMap<String, String> = open.lines().filter_map(|line| described(line, "TYPE")).collect();
    let family = |name: &str| match types.get(name).map(String::as_str) {
        Some("counter") => format!("{name}_total"),
        Some("info") => format!("{name}_info"),
        _ => name.to_owned(),
    };
    let lines = open.lines().filter_map(|line| {
        if let Some((name, help)) = described(line, "HELP") {
            return Some(Cow::from(format!("# HELP {} {help}", family(&name))));
        }
        if let Some((name, kind)) = described(line, "TYPE") {
            let kind = match kind.as_str() {
                "info" | "stateset" => "gauge",
                "unknown" => "untyped",
                kind => kind,
            };
            return Some(Cow::from(format!("# TYPE {} {kind}", family(&name))));
        }
        (!line.starts_with('#')).then_some(Cow::from(line))
    });
    lines.fold(String::with_capacity(open.len()), |text, line| text + &line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scraper_gets_what_it_asks_for() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5";
        assert_eq!(Format::accepted(Some(prometheus)), Format::Open);
        for other in [None, Some("*/*"), Some("text/plain;version=0.0.4")] {
            assert_eq!(Format::accepted(other), Format::Text, "{other:?}");
        }
    }

    #[test]
    fn families_are_named_as_their_series() {
        let open = "# HELP weir_reconcile_errors Passes that failed.\n# TYPE weir_reconcile_errors counter\n\
                    weir_reconcile_errors_total{controller=\"render\"} 2\n\
                    # HELP took_seconds How long.\n# TYPE took_seconds histogram\n# UNIT took_seconds seconds\n\
                    took_seconds_sum 1.5\ntook_seconds_count 1\ntook_seconds_bucket{le=\"+Inf\"} 1\n\
                    # HELP up Up.\n# TYPE up gauge\nup 1\n# EOF\n";
        assert_eq!(
            Format::Text.of(open.to_owned()),
            "# HELP weir_reconcile_errors_total Passes that failed.\n# TYPE weir_reconcile_errors_total counter\n\
             weir_reconcile_errors_total{controller=\"render\"} 2\n\
             # HELP took_seconds How long.\n# TYPE took_seconds histogram\n\
             took_seconds_sum 1.5\ntook_seconds_count 1\ntook_seconds_bucket{le=\"+Inf\"} 1\n\
             # HELP up Up.\n# TYPE up gauge\nup 1\n"
        );
        assert_eq!(Format::Open.of(open.to_owned()), open);
    }
}
