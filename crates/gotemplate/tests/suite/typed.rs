//! Values with Go's types: what a ControllerConfig looks like to a template.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a malformed recording shall stop it")]

use serde::Deserialize;
use serde_json::{Value as Json, json};
use weir_gotemplate::{Functions, Limits, Signature, Template, TypeError, Types, Value};

/// None beside the language's own.
struct NoFunctions;

impl Functions for NoFunctions {
    fn signature(&self, _: &str) -> Option<Signature> {
        None
    }

    fn call(&self, name: &str, _: &[Value]) -> Result<Value, String> {
        Err(format!("{name} is not there"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    case: String,
    controller_config: Json,
    pull_secret: Json,
    tls_min_version: String,
    tls_cipher_suites: Json,
    templates: Vec<String>,
    results: Vec<Recorded>,
}

#[derive(Debug, Deserialize)]
struct Recorded {
    output: Option<String>,
    error: Option<String>,
}

fn types() -> Types {
    Types::read(&serde_json::from_str(&weir_recorded::read("generated/go-types.json")).unwrap()).unwrap()
}

/// The data of templates, as the recorded program makes it.
fn data(types: &Types, case: &Case) -> Value {
    let mut json = case.controller_config["spec"].clone();
    // Its own field hides that of the embedded struct; see `template.RenderConfig`.
    let pull_secret = match &case.pull_secret {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    };
    json["PullSecret"] = pull_secret.into();
    json["TLSMinVersion"] = case.tls_min_version.clone().into();
    json["TLSCipherSuites"] = case.tls_cipher_suites.clone();
    json["Constants"] = json!({"APIServerURLFile": "/etc/kubernetes/apiserver-url.env"});
    types.value("template.RenderConfig", &json).unwrap()
}

/// Methods, which this engine refuses.
const METHODS: [&str; 1] = ["{{.Infra.GetName}}"];

#[test]
fn fields_of_a_controllerconfig_are_what_go_sees() {
    let types = types();
    let (mut wrong, mut compared, mut elsewhere) = (Vec::new(), 0, 0);
    for line in weir_recorded::read("generated/render-config.jsonl").lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        let data = data(&types, &case);
        for (text, recorded) in case.templates.iter().zip(&case.results) {
            let template = match Template::parse("t", text, &NoFunctions) {
                Ok(template) => template,
                // What needs the functions of the recorded program is tested with them.
                Err(error) if error.reason.contains("not defined") => {
                    elsewhere += 1;
                    continue;
                }
                Err(error) => panic!("{text}: {error}"),
            };
            compared += 1;
            let result = template.execute(&data, &NoFunctions, Limits::default());
            let equal = match (&result, recorded) {
                (Ok(got), Recorded { output: Some(expected), .. }) => got == expected,
                (Err(error), Recorded { error: Some(recorded), .. }) => {
                    // The place is Go's, to the column; the words after it need not be.
                    let place = format!("template: t:{}:{}: executing", error.line, error.column);
                    !METHODS.contains(&text.as_str()) && recorded.contains(&place)
                }
                (Err(error), Recorded { output: Some(_), .. }) => {
                    METHODS.contains(&text.as_str()) && error.reason.contains("can't evaluate field GetName")
                }
                _ => false,
            };
            if !equal {
                wrong.push(format!("{} {text}: {result:?} where {recorded:?}", case.case));
            }
        }
    }
    println!("{compared} templates, {elsewhere} with functions that are tested elsewhere");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 100, "the recording has lost cases: {compared}");
}

#[test]
fn what_does_not_fit_names_its_field() {
    let types = types();
    let error = |json: Json| types.value("template.RenderConfig", &json).unwrap_err().to_string();
    assert_eq!(error(json!({"clusterDNSIP": 7})), "clusterDNSIP: string expected");
    assert_eq!(
        error(json!({"infra": {"status": {"platformStatus": []}}})),
        "infra.status.platformStatus: v1.PlatformStatus expected"
    );
    assert_eq!(error(json!({"images": {"a": {}}})), "images.a: string expected");
    assert_eq!(error(json!({"rootCAData": "no base64!"})), "rootCAData: []uint8 expected");
    assert!(matches!(types.value("v1.Unheard", &json!({})), Err(TypeError::Table { .. })));
    for table in [json!([]), json!({"A": {}}), json!({"A": [{"type": "string"}]}), json!({"A": [{"go": "B"}]})] {
        assert!(Types::read(&table).is_err(), "{table}");
    }
    let endless = Types::read(&json!({"A": [{"go": "B", "json": "b", "type": "A"}]})).unwrap();
    assert!(endless.value("A", &json!({})).unwrap_err().to_string().contains("within each other"));
}
