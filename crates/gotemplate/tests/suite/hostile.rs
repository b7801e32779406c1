//! Templates that nobody should write: each is refused or stops in time, and says where.
#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use serde_json::json;
use weir_gotemplate::{Error, Functions, Limits, Signature, Stage, Template, Value};

struct NoFunctions;

impl Functions for NoFunctions {
    fn signature(&self, _: &str) -> Option<Signature> {
        None
    }

    fn call(&self, name: &str, _: &[Value]) -> Result<Value, String> {
        Err(format!("{name} is not there"))
    }
}

fn run(text: &str, limits: Limits) -> Result<String, Error> {
    let data = Value::generic(&json!({"L": ["a", "b"], "M": {"k": "v"}, "N": null, "S": "text", "I": 3}));
    Template::parse("dir/file.yaml", text, &NoFunctions)?.execute(&data, &NoFunctions, limits)
}

fn refused(text: &str) -> Error {
    run(text, Limits::default()).unwrap_err()
}

#[test]
fn an_error_says_where() {
    let parse = refused("a\nb {{if .L}}\n  {{.S.}}\n{{end}}");
    assert_eq!((parse.line, parse.column, parse.stage), (3, 6, Stage::Parse));
    assert!(parse.to_string().starts_with("template: dir/file.yaml:3:6: unexpected \".\" in operand"), "{parse}");
    let execute = refused("a\n  {{ .S | len }}{{ .S.X }}");
    assert_eq!((execute.line, execute.column, execute.stage), (2, 21, Stage::Execute));
    assert_eq!(
        execute.to_string(),
        "template: dir/file.yaml:2:21: executing \"dir/file.yaml\" at <.S.X>: can't evaluate field X in type string"
    );
}

#[test]
fn what_is_not_supported_is_refused_before_anything_runs() {
    for (text, why) in [
        ("x{{html .S}}", "function \"html\" is not supported"),
        ("x{{call .S}}", "function \"call\" is not supported"),
        ("x{{1i}}", "illegal number syntax"),
        ("x{{1+1i}}", "complex numbers are not supported"),
        ("x{{0x1p4}}", "illegal number syntax"),
    ] {
        let error = refused(text);
        assert_eq!(error.stage, Stage::Parse, "{text}");
        assert!(error.reason.contains(why), "{error}");
    }
    for (text, why) in [
        (r#"x{{printf "%[2]v" .S .I}}"#, "the index of an operand in a verb is not supported"),
        (r#"x{{printf "%5d" .S}}"#, "a width or flag of verb %d, which does not fit its operand, is not supported"),
        (r#"x{{printf "%+s" .I}}"#, "a width or flag of verb %s, which does not fit its operand, is not supported"),
        (r#"x{{printf "% x" .S}}"#, "verb %x of a string is not supported"),
        (r#"x{{printf "%q" .I}}"#, "verb %q of a int is not supported"),
    ] {
        let error = refused(text);
        assert_eq!(error.stage, Stage::Execute, "{text}");
        assert!(error.reason.contains(why), "{error}");
    }
}

#[test]
fn every_bound_stops_at_itself() {
    let small = Limits { output: 100, steps: 100, depth: 10 };
    assert_eq!(run(&"x".repeat(100), small).unwrap().len(), 100);
    assert!(run(&"x".repeat(101), small).unwrap_err().reason.contains("100 bytes of output"));
    assert!(run("{{range 98}}{{end}}", small).is_ok());
    assert!(run("{{range 1000000000}}{{end}}", small).unwrap_err().reason.contains("more than 100 steps"));
    assert!(run("{{range 1000}}{{range 1000}}{{range 1000}}{{end}}{{end}}{{end}}", Limits::default()).is_err());
    assert!(refused(r#"{{define "a"}}{{template "a"}}{{end}}{{template "a"}}"#).reason.contains("deep"));
    assert!(
        refused(r#"{{define "a"}}{{if true}}{{template "a"}}{{end}}{{end}}{{template "a"}}"#).reason.contains("deep")
    );
    let nested =
        |depth: usize| format!("{}1{}", "{{if ".to_owned() + &"(".repeat(depth), ")".repeat(depth) + "}}{{end}}");
    assert!(run(&nested(98), Limits::default()).is_ok());
    assert!(refused(&nested(100_000)).reason.contains("nested more than 100 deep"));
    assert!(refused(&"{{if 1}}".repeat(100_000)).reason.contains("nested more than 100 deep"));
    assert!(refused(&"{{with 0}}{{else with 0}}".repeat(100_000)).reason.contains("nested more than 100 deep"));
    assert!(refused(&" ".repeat(weir_gotemplate::MAX_TEXT + 1)).reason.contains("longer than"));
    assert!(refused(r#"{{printf "%1001d" 1}}"#).reason.contains("more than 1000"));
    assert!(refused(r#"{{printf "%*d" 1000000000 1}}"#).reason.contains("more than 1000"));
}

/// Pieces that templates are made of, whole and cut.
const PIECES: [&str; 44] = [
    "{{", "}}", "{{-", "-}}", " ", "\n", "-", "(", ")", "|", ",", ":=", "=", ".", "$", "$x", ".S", ".L", ".M.k",
    ".N.x", "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue", "\"a\"", "`a`",
    "'a'", "1", "-1.5e3", "true", "nil", "len", "index", "printf", "and", "/*", "*/", "text",
];

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_129), ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn no_text_is_too_odd(pieces in proptest::collection::vec(0..PIECES.len(), 0..40)) {
        let text: String = pieces.iter().map(|at| PIECES[*at]).collect();
        let limits = Limits { output: 10_000, steps: 2_000, depth: 20 };
        if let Err(error) = run(&text, limits) {
            // Where it says that something is wrong there is a place.
            let line = text.split('\n').nth(error.line - 1);
            prop_assert!(line.is_some_and(|line| error.column <= line.len()), "{error} in {text:?}");
        }
        // The same once more with an end: what is cut off must not pass for a whole.
        let cut = run(&format!("{{{{if true}}}}{text}"), limits);
        if let Ok(printed) = cut {
            prop_assert!(text.contains("end"), "{text:?} printed {printed:?}");
        }
    }

    #[test]
    fn no_bytes_are_too_odd(text in "(\\{\\{|\\}\\}|\\PC|[ \\n]){0,60}") {
        _ = run(&text, Limits { output: 10_000, steps: 2_000, depth: 20 });
    }
}
