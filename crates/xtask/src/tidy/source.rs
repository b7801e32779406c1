//! File names, words and function lengths.

use anyhow::{Context, Result};
use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};
use syn::{
    Attribute, Expr, ExprField, ExprMethodCall, ImplItemFn, ItemFn, ItemMod, Member,
    spanned::Spanned,
    visit::{self, Visit},
};

/// A function longer than a screen hides its decisions.
const LONGEST_FUNCTION: usize = 60;
/// A file longer than this has more than one subject.
const LONGEST_FILE: usize = 700;
/// `main.rs` is a shim.
const LONGEST_MAIN: usize = 40;
/// Folders without a subject.
const REFUSED_NAMES: [&str; 4] = ["helpers", "utils", "common", "misc"];
/// Names of distributions; what they stand for is data in `crates/distro`.
const BRAND_WORDS: [&str; 7] = ["okd", "scos", "rhcos", "fcos", "rhel", "centos", "stream-coreos"];
const BRAND_HOME: &str = "crates/distro";
/// Floors and programs that decide by annotations, …
const ANNOTATIONS_OF: [&str; 5] = ["rules", "controllers", "fleet", "sim", "weir"];
/// … and the one place that reads them, so that each key is read in one way.
const ANNOTATIONS_HOME: &str = "crates/rules/src/view/";
/// What lives in simulations, which have to be the same each time: `select!` otherwise begins with a branch by chance.
const SIMULATED: [&str; 5] = ["controllers", "fleet", "images", "kubeio", "sim"];
const ALLOWED: &str = "crates/xtask/tidy-allow.toml";

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    /// `path::function`, each with its reason as a comment in the file.
    long_functions: Vec<String>,
    /// `path::word`: a brand name that is part of somebody else's API, in lower case.
    wire_words: Vec<String>,
}

/// Findings about the source files.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join(ALLOWED)).with_context(|| format!("reading {ALLOWED}"))?;
    let allowed: Allowed = toml::from_str(&text).with_context(|| format!("parsing {ALLOWED}"))?;
    let mut findings = Vec::new();
    for path in rust_files(&root.join("crates"))? {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
        findings.extend(one(&name, &text, &allowed).with_context(|| format!("parsing {name}"))?);
    }
    Ok(findings)
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn one(name: &str, text: &str, allowed: &Allowed) -> syn::Result<Vec<String>> {
    let mut findings = Vec::new();
    if name.split(['/', '.']).any(|part| REFUSED_NAMES.contains(&part)) {
        findings.push(format!("{name}: name the file after its subject"));
    }
    let lines = text.lines().count();
    if name.ends_with("src/main.rs") && !name.contains("xtask") && lines > LONGEST_MAIN {
        findings.push(format!("{name}: {lines} lines, main.rs is a shim of at most {LONGEST_MAIN}"));
    }
    if is_test(name) {
        return Ok(findings);
    }
    let mut seen = Seen::default();
    seen.visit_file(&syn::parse_file(text)?);
    let tested: usize = seen.tests.iter().map(|r| r.end() - r.start() + 1).sum();
    if lines - tested > LONGEST_FILE {
        findings.push(format!("{name}: {} lines without tests, at most {LONGEST_FILE}", lines - tested));
    }
    for (function, length) in seen.functions {
        if length > LONGEST_FUNCTION && !allowed.long_functions.contains(&format!("{name}::{function}")) {
            findings.push(format!("{name}: {function} has {length} lines, at most {LONGEST_FUNCTION}"));
        }
    }
    if ANNOTATIONS_OF.iter().any(|krate| name.starts_with(&format!("crates/{krate}/")))
        && !name.starts_with(ANNOTATIONS_HOME)
    {
        let looked = seen.annotations.iter().filter(|line| !seen.tests.iter().any(|r| r.contains(line)));
        findings.extend(looked.map(|line| format!("{name}:{line}: annotations are read by {ANNOTATIONS_HOME}")));
    }
    if SIMULATED.iter().any(|krate| name.starts_with(&format!("crates/{krate}/"))) {
        findings.extend(left_to_chance(name, text, &seen.tests));
    }
    if !name.starts_with(BRAND_HOME) && !name.starts_with("crates/xtask") {
        findings.extend(brand_words(name, text, &seen.tests, &allowed.wire_words));
    }
    Ok(findings)
}

fn is_test(name: &str) -> bool {
    name.split('/').any(|part| matches!(part, "tests" | "benches" | "testkit" | "tests.rs"))
        || name.ends_with("_tests.rs")
}

fn left_to_chance(name: &str, text: &str, tests: &[RangeInclusive<usize>]) -> Vec<String> {
    let lines = text.lines().zip(text.lines().skip(1)).enumerate();
    lines
        .filter(|(_, (line, next))| line.trim_end().ends_with("select! {") && next.trim() != "biased;")
        .map(|(index, _)| index + 1)
        .filter(|number| !tests.iter().any(|range| range.contains(number)))
        .map(|number| format!("{name}:{number}: begin select! with `biased;`, or lives are not the same each time"))
        .collect()
}

fn brand_words(name: &str, text: &str, tests: &[RangeInclusive<usize>], wire_words: &[String]) -> Vec<String> {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.to_lowercase()));
    numbered
        .filter(|(number, _)| !tests.iter().any(|r| r.contains(number)))
        .flat_map(|(number, line)| {
            let refused = |word: &&&str| !wire_words.contains(&format!("{name}::{word}"));
            let words = BRAND_WORDS.iter().filter(refused).filter(move |word| stands_alone(&line, word));
            words.map(|word| format!("{name}:{number}: '{word}' belongs into {BRAND_HOME}")).collect::<Vec<_>>()
        })
        .collect()
}

/// Whether the word occurs, and not as part of a longer word.
fn stands_alone(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].chars().next_back().is_some_and(char::is_alphanumeric))
}

#[derive(Default)]
struct Seen {
    functions: Vec<(String, usize)>,
    tests: Vec<RangeInclusive<usize>>,
    /// Lines that read the annotations of an object: `x.annotations.as_ref()` and the like.
    annotations: Vec<usize>,
}

impl Seen {
    fn function(&mut self, name: &syn::Ident, from: proc_macro2::Span, to: proc_macro2::Span) {
        self.functions.push((name.to_string(), to.end().line - from.start().line + 1));
    }
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if module.attrs.iter().any(is_cfg_test) {
            let span = module.span();
            self.tests.push(span.start().line..=span.end().line);
        } else {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.function(&function.sig.ident, function.sig.span(), function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        const LOOKS: [&str; 5] = ["as_ref", "as_deref", "iter", "get", "unwrap_or_default"];
        let field = |of: &Expr| match of {
            Expr::Field(ExprField { member: Member::Named(name), .. }) => Some(name.to_string()),
            Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
            _ => None,
        };
        let of_object = |of: &Expr| match of {
            Expr::Field(of) => {
                matches!(&of.member, Member::Named(name) if name == "annotations")
                    && field(&of.base).is_some_and(|base| base == "metadata")
            }
            _ => false,
        };
        if of_object(&call.receiver) && LOOKS.iter().any(|look| call.method == look) {
            self.annotations.push(call.method.span().start().line);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.function(&function.sig.ident, function.sig.span(), function.block.span());
        visit::visit_impl_item_fn(self, function);
    }
}

fn is_cfg_test(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|i| i == "test")
}

#[cfg(test)]
mod tests {
    use super::{Allowed, one};

    fn findings(name: &str, text: &str) -> Vec<String> {
        one(name, text, &Allowed { long_functions: vec![], wire_words: vec!["crates/a/src/wire.rs::okd".to_owned()] })
            .unwrap()
    }

    #[test]
    fn a_file_without_a_subject_is_refused() {
        assert_eq!(findings("crates/a/src/utils.rs", "").len(), 1);
        assert_eq!(findings("crates/a/src/helpers/b.rs", "").len(), 1);
        assert!(findings("crates/a/src/commonality.rs", "").is_empty());
    }

    #[test]
    fn brand_words_are_found_outside_their_home_and_outside_tests() {
        let text =
            "fn f() -> &'static str {\n    \"rhel-9\"\n}\n#[cfg(test)]\nmod tests {\n    const A: &str = \"okd\";\n}\n";
        assert_eq!(findings("crates/a/src/b.rs", text), ["crates/a/src/b.rs:2: 'rhel' belongs into crates/distro"]);
        assert!(findings("crates/distro/src/b.rs", text).is_empty());
        assert!(findings("crates/a/tests/b.rs", text).is_empty());
        assert!(findings("crates/a/src/b.rs", "const A: &str = \"cookdough\";").is_empty());
        assert!(findings("crates/a/src/wire.rs", "const A: &str = \"OKD\";").is_empty());
    }

    #[test]
    fn annotations_are_read_in_their_home_only() {
        let text = "fn f(m: &M) {\n    let a = m.metadata.annotations.as_ref();\n    m.metadata.annotations = Some(a);\n    m.annotations.get(a);\n}\n";
        let found = ["crates/rules/src/render.rs:2: annotations are read by crates/rules/src/view/"];
        assert_eq!(findings("crates/rules/src/render.rs", text), found);
        assert!(findings("crates/rules/src/view/pod.rs", text).is_empty());
        assert!(findings("crates/apiserver/src/store.rs", text).is_empty());
    }

    #[test]
    fn what_is_simulated_leaves_nothing_to_chance() {
        let text = "fn f() {\n    tokio::select! {\n        () = a => {}\n    }\n    tokio::select! {\n        biased;\n        () = a => {}\n    }\n}\n";
        let found = findings("crates/fleet/src/a.rs", text);
        assert_eq!(
            found,
            ["crates/fleet/src/a.rs:2: begin select! with `biased;`, or lives are not the same each time"]
        );
        assert!(findings("crates/weir/src/a.rs", text).is_empty());
    }

    #[test]
    fn a_long_function_is_refused_unless_allowed() {
        let text = format!("impl A {{\n    fn f() {{\n{}    }}\n}}\n", "        g();\n".repeat(60));
        assert_eq!(findings("crates/a/src/b.rs", &text), ["crates/a/src/b.rs: f has 62 lines, at most 60"]);
        let allowed = Allowed { long_functions: vec!["crates/a/src/b.rs::f".to_owned()], wire_words: vec![] };
        assert!(one("crates/a/src/b.rs", &text, &allowed).unwrap().is_empty());
    }
}
