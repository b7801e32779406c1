//! What the reference made of templates, case by case: MachineConfigs equal, files byte for byte; errors for the same reason.
#![allow(clippy::unwrap_used, reason = "a test: a malformed recording shall stop it")]

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{APIServer, ControllerConfig, MachineConfig};
use weir_gotemplate::{Limits, Template};
use weir_rules::{
    objects::edit::means_same,
    template::{TemplateInput, TlsSettings, Tree, certificates, data, functions::OfCluster, generate, login},
};

/// What the recorded build called itself.
const BUILD: &str = "5eed5eed5eed5eed5eed5eed5eed5eed5eed5eed";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    case: String,
    tree: Option<String>,
    #[serde(default)]
    overlay: BTreeMap<String, Option<String>>,
    controller_config: ControllerConfig,
    pull_secret: Option<String>,
    api_server: Option<APIServer>,
    machine_configs: Option<Vec<Value>>,
    error: Option<String>,
}

/// Cases that differ on purpose: rows of docs/user/differences.md.
const ACCEPTED: [(&str, &str); 1] = [("tc-168", "JSON escapes a slash, which YAML 1.1 does not know")];

fn tree(case: &Case, main: &BTreeMap<String, String>) -> Tree {
    let mut files: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    if case.tree.is_some() {
        files.extend(main.iter().map(|(path, text)| (path.as_str(), Some(text.as_str()))));
    }
    files.extend(case.overlay.iter().map(|(path, text)| (path.as_str(), text.as_deref())));
    let mut tree = Tree::default();
    for (path, text) in files {
        match (path.strip_suffix('/'), text) {
            (Some(folder), _) => tree.add_folder(folder).unwrap(),
            (None, Some(text)) => tree.add_file(path, text.as_bytes()).unwrap(),
            (None, None) => {}
        }
    }
    tree
}

fn profile(server: Option<&APIServer>) -> TlsSettings {
    TlsSettings::of(server.and_then(|server| server.spec.tls_security_profile.as_ref()))
}

/// Where an error was found, or else what it says of the whole: what our texts have in common with the recorded ones.
fn reason(error: &str) -> String {
    let error = error.replace("$TREE/", "");
    let of_role = error.split(": ").next().filter(|first| first.starts_with("failed to create MachineConfig"));
    let place = error.rsplit_once("template: ").map(|(_, rest)| {
        // Errors of parsing have no column, and the line where what is open ends.
        let parts: Vec<&str> = rest.splitn(4, ':').collect();
        let reason = if error.contains("failed to parse") { String::new() } else { parts[1..].join(":") };
        format!("{}:{reason}", parts[0])
    });
    let transpiled = error.contains("error transpiling").then(|| {
        let kind = if error.contains("systemd unit") { "unit" } else { "file" };
        format!("transpiling a {kind}")
    });
    let rest = place.or(transpiled).unwrap_or_else(|| error.rsplit("role ").next().unwrap_or_default().to_owned());
    format!("{of_role:?} {rest}")
}

#[test]
fn recorded_generations() {
    let main: BTreeMap<String, String> =
        serde_json::from_str(&weir_recorded::read("generated/tree-main.json")).unwrap();
    let (mut wrong, mut count, mut accepted) = (Vec::new(), 0, BTreeSet::new());
    for line in weir_recorded::read("generated/template-controller.jsonl").lines() {
        let case: Case = serde_json::from_str(line).unwrap();
        count += 1;
        let tree = tree(&case, &main);
        let tls = profile(case.api_server.as_ref());
        let input = TemplateInput {
            controller_config: &case.controller_config,
            pull_secret: case.pull_secret.as_deref(),
            tls: &tls,
            build: BUILD,
            release: None,
        };
        match (generate(&tree, &input), &case.machine_configs, &case.error) {
            (Ok(made), Some(recorded), None) => compare(&case.case, &made, recorded, &mut wrong),
            (Err(error), None, Some(recorded)) => {
                let error = error.to_string();
                // Words for what is no JSON are a parser's own.
                let same = reason(&error) == reason(recorded)
                    || (recorded.starts_with("couldn't compact pullsecret") && error.starts_with("couldn't compact"));
                if !same {
                    wrong.push(format!("{}:\n  {error}\n  {recorded}", case.case));
                }
            }
            (Ok(_), None, Some(_)) if ACCEPTED.iter().any(|(name, _)| *name == case.case) => {
                accepted.insert(case.case);
            }
            (result, _, error) => wrong.push(format!("{}: {:?} where {error:?}", case.case, result.map(|_| "made"))),
        }
    }
    println!("{count} cases, {} of which differ on purpose", accepted.len());
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(accepted.len(), ACCEPTED.len());
    assert_eq!(count, 79, "the recording has lost cases");
}

fn compare(case: &str, made: &[MachineConfig], recorded: &[Value], wrong: &mut Vec<String>) {
    if made.len() != recorded.len() {
        wrong.push(format!("{case}: {} MachineConfigs where there are {}", made.len(), recorded.len()));
    }
    let mut made: Vec<Value> = made.iter().map(|config| serde_json::to_value(config).unwrap()).collect();
    made.sort_by(|a, b| a["metadata"]["name"].as_str().cmp(&b["metadata"]["name"].as_str()));
    for (made, recorded) in made.iter().zip(recorded) {
        for part in ["metadata", "spec"] {
            // Absent, null and empty are the same there; in the Ignition configuration they are not.
            if !means_same(&made[part], &recorded[part]) || made[part]["config"] != recorded[part]["config"] {
                wrong.push(format!("{case}: {part}\n  {}\n  {}", made[part], recorded[part]));
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    case: String,
    controller_config: ControllerConfig,
    pull_secret: String,
    tls_min_version: String,
    tls_cipher_suites: Vec<String>,
    templates: Vec<String>,
    results: Vec<Recorded>,
}

#[derive(Debug, Deserialize)]
struct Recorded {
    output: Option<String>,
    error: Option<String>,
}

#[test]
fn recorded_functions_of_clusters() {
    /// Methods, which the engine refuses.
    const METHODS: [&str; 1] = ["{{.Infra.GetName}}"];
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in weir_recorded::read("generated/render-config.jsonl").lines() {
        let case: Asked = serde_json::from_str(line).unwrap();
        let tls =
            TlsSettings { min_version: case.tls_min_version.clone(), cipher_suites: case.tls_cipher_suites.clone() };
        let spec = &case.controller_config.spec;
        let data = data::of(spec, Some(&case.pull_secret), &tls).unwrap();
        let functions = OfCluster::new(spec.infra.as_ref());
        for (text, recorded) in case.templates.iter().zip(&case.results) {
            count += 1;
            let printed = Template::parse("t", text, &functions)
                .and_then(|template| template.execute(&data, &functions, Limits::default()));
            let equal = match (&printed, recorded) {
                (Ok(printed), Recorded { output: Some(output), .. }) => printed == output,
                (Err(error), Recorded { error: Some(recorded), .. }) => {
                    // The text after the place of the error, where it is one of these functions.
                    let said = recorded.split("error calling ").nth(1).filter(|said| !said.starts_with("index"));
                    said.is_none_or(|said| error.reason.contains(said))
                }
                _ => METHODS.contains(&text.as_str()),
            };
            if !equal {
                wrong.push(format!("{} {text}: {printed:?} where {recorded:?}", case.case));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 1000, "the recording has lost cases: {count}");
}

#[test]
fn recorded_functions_of_text() {
    let functions = OfCluster::new(None);
    let mut count = 0;
    for line in weir_recorded::read("generated/go-template.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let template = case["template"].as_str().unwrap();
        if !["urlHost", "urlPort", "skip", "indent", "join", "toString"].iter().any(|name| template.contains(name)) {
            continue;
        }
        count += 1;
        let data = weir_gotemplate::Value::generic(&case["data"]);
        let printed = Template::parse("t", template, &functions)
            .and_then(|template| template.execute(&data, &functions, Limits::default()));
        assert_eq!(printed.ok().as_deref(), case["output"].as_str(), "{template}");
    }
    assert!(count > 20, "the recording has lost cases: {count}");
}

#[test]
fn recorded_inputs() {
    let mut count = BTreeMap::new();
    for line in weir_recorded::read("generated/inputs.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let kind = case["kind"].as_str().unwrap().to_owned();
        let name = &case["case"];
        match kind.as_str() {
            "tls" => {
                let server: Option<APIServer> = serde_json::from_value(case["apiServer"].clone()).unwrap();
                let settings = profile(server.as_ref());
                assert_eq!(json!(settings.cipher_suites), case["ciphers"], "{name}");
                assert_eq!(json!(settings.min_version), case["minVersion"], "{name}");
            }
            "iri" => {
                // There is always a ControllerConfig here.
                let Ok(config) = serde_json::from_value::<ControllerConfig>(case["controllerConfig"].clone()) else {
                    continue;
                };
                let password: Option<k8s_openapi::ByteString> =
                    serde_json::from_value(case["data"]["Secret"]["data"]["password"].clone()).unwrap();
                let domain = config.spec.dns.as_ref().and_then(|dns| dns.pointer("/spec/baseDomain")?.as_str());
                let secret = case["pullSecret"].as_str().unwrap();
                match login::with_login(secret, password.as_ref().map(|bytes| bytes.0.as_slice()), domain) {
                    Ok(merged) => assert_eq!(Some(merged.as_str()), case["output"].as_str(), "{name}"),
                    Err(error) => {
                        // Words for what is no JSON are a parser's own.
                        let recorded = case["error"].as_str().unwrap().replace("unexpected end of JSON input", "");
                        assert!(error.to_string().starts_with(&recorded), "{name}: {error}");
                    }
                }
            }
            _ => {
                // The API does not take null there; the recorded program was given it past the API.
                let mut config = case["controllerConfig"].clone();
                config["spec"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
                let config: ControllerConfig = serde_json::from_value(config).unwrap();
                let found = certificates::of(&config.spec);
                let recorded = match &case["controllerCertificates"] {
                    Value::Null => json!([]),
                    list => list.clone(),
                };
                assert_eq!(json!(found), recorded, "{name}");
            }
        }
        *count.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(count, BTreeMap::from([("certs".to_owned(), 7), ("iri".to_owned(), 5), ("tls".to_owned(), 5)]));
}
