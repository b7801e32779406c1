//! What Go itself made of templates, case by case.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a malformed recording shall stop it")]

use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::BTreeSet;
use weir_gotemplate::{Functions, Limits, Parameter, Signature, Stage, Template, Value};

#[derive(Deserialize)]
struct Case {
    case: String,
    template: String,
    #[serde(default)]
    data: Json,
    output: Option<String>,
    stage: Option<String>,
}

/// Cases that Go accepts and this engine refuses on purpose.
const REFUSED: &[(&str, &str)] = &[
    ("{{html \"<a>\" 1}}", "function \"html\" is not supported"),
    ("{{html}}", "function \"html\" is not supported"),
    ("{{urlquery \"a b&c=d/\u{e9}\"}}", "function \"urlquery\" is not supported"),
    ("{{urlquery \"a\" \"b\"}}", "function \"urlquery\" is not supported"),
    ("{{1+2i}}", "complex numbers are not supported"),
];

/// The functions of the recorded program that need no cluster.
struct Recorded;

impl Functions for Recorded {
    fn signature(&self, name: &str) -> Option<Signature> {
        use Parameter::{Any, Int, Text, Texts};
        Some(match name {
            "toString" => Signature::of([Any]),
            "indent" => Signature::of([Int, Text]),
            "join" => Signature::of([Texts, Text]),
            "skip" | "urlHost" | "urlPort" => Signature::of([Text]),
            _ => return None,
        })
    }

    fn call(&self, name: &str, arguments: &[Value]) -> Result<Value, String> {
        match (name, arguments) {
            ("toString", [Value::Missing | Value::Nil]) => Ok(Value::text("<nil>")),
            ("toString", [Value::Text(text, _)]) => Ok(Value::text(text)),
            ("toString", [Value::Float(float)]) => Ok(Value::text(&float.to_string())),
            ("indent", [Value::Int(width, _), Value::Text(text, _)]) => {
                let pad = " ".repeat(usize::try_from(*width).map_err(|error| error.to_string())?);
                Ok(Value::text(&format!("{pad}{}", text.replace('\n', &format!("\n{pad}")))))
            }
            ("skip", [Value::Text(key, _)]) => {
                let fits = !key.is_empty()
                    && !key.starts_with(|c: char| !(c == '_' || c.is_ascii_lowercase()))
                    && key.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
                if fits {
                    Ok(Value::text(&format!("{{{{.{key}}}}}")))
                } else {
                    Err("invalid key for skipKey".to_owned())
                }
            }
            _ => Err("not part of this test".to_owned()),
        }
    }
}

#[test]
fn templates_print_what_go_prints() {
    let text = weir_recorded::read("generated/go-template.jsonl");
    let (mut wrong, mut count, mut elsewhere) = (Vec::new(), 0, 0);
    let mut refused = BTreeSet::new();
    for line in text.lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        if ["urlHost", "urlPort"].iter().any(|name| case.template.contains(name)) {
            // The functions themselves are not this engine's.
            elsewhere += 1;
            continue;
        }
        count += 1;
        let data = Value::generic(&case.data);
        let result = Template::parse("t", &case.template, &Recorded)
            .and_then(|template| template.execute(&data, &Recorded, Limits::default()));
        let on_purpose = REFUSED.iter().find(|(template, _)| *template == case.template);
        match (result, case.output, case.stage.as_deref(), on_purpose) {
            (Err(error), Some(_), _, Some((template, why))) if error.reason.contains(why) => {
                _ = refused.insert(*template)
            }
            (Ok(got), Some(expected), _, None) if got == expected => {}
            (Err(error), None, Some("parse"), _) if error.stage == Stage::Parse => {}
            (Err(error), None, Some("execute"), _) if error.stage == Stage::Execute => {}
            // What can only fail may be refused at once.
            (Err(error), None, Some("execute"), _) if error.reason.contains("is not supported") => {}
            (result, output, stage, _) => {
                wrong.push(format!(
                    "{}: {:?}\n  got  {result:?}\n  want {output:?} {stage:?}",
                    case.case, case.template
                ));
            }
        }
    }
    println!("{count} cases, {} refused on purpose, {elsewhere} of functions that are tested elsewhere", refused.len());
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(refused.len(), REFUSED.len(), "listed as refused but not there");
    assert!(count > 250, "the recording has lost cases: {count}");
}
