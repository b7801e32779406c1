use super::*;
use serde_json::json;

fn cluster(infrastructure_status: serde_json::Value) -> ControllerConfig {
    serde_json::from_value(json!({
        "metadata": {"name": "machine-config-controller"},
        "spec": {"pullSecret": {"name": "pull-secret"}, "infra": {"status": infrastructure_status}, "network": null},
    }))
    .unwrap()
}

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    files.iter().for_each(|(path, text)| tree.add_file(path, text.as_bytes()).unwrap());
    tree
}

fn made(tree: &Tree, config: &ControllerConfig, release: Option<&str>) -> Result<Vec<MachineConfig>, TemplateError> {
    let tls = TlsSettings::of(None);
    let input = TemplateInput { controller_config: config, pull_secret: Some("{}"), tls: &tls, build: "b", release };
    generate(tree, &input)
}

fn none() -> ControllerConfig {
    cluster(json!({"platformStatus": {"type": "None"}}))
}

#[test]
fn a_role_of_ones_own_is_the_workers_and_two_of_a_name_are_refused() {
    let tree = tree(&[("worker/00-worker/_base/files/a", "path: /a"), ("infra/x/NOTES", "")]);
    let config = none();
    let error = made(&tree, &config, None).unwrap_err().to_string();
    assert_eq!(error, "failed to create MachineConfig for role worker: another role makes a MachineConfig 00-worker");
    let tls = TlsSettings::of(None);
    let input =
        TemplateInput { controller_config: &config, pull_secret: Some("{}"), tls: &tls, build: "b", release: None };
    let of_infra = of_role(&tree, &input, "infra").unwrap();
    assert_eq!(of_infra[0].metadata.name.as_deref(), Some("00-worker"));
    assert_eq!(of_infra[0].metadata.labels.as_ref().unwrap()[config::ROLE], "infra");
    let only = Tree::default();
    assert!(of_role(&only, &input, "infra").unwrap_err().to_string().contains("failed to read dir \"worker\""));
}

#[test]
fn a_folder_that_comes_to_nothing_is_a_valid_machineconfig() {
    let mut tree = Tree::default();
    tree.add_folder("worker/00-worker").unwrap();
    let configs = made(&tree, &none(), None).unwrap();
    assert_eq!(configs[0].spec.config, Some(json!({"ignition": {"version": "3.5.0"}})));
}

#[test]
fn old_templates_hold_a_layer_that_nobody_used() {
    let dns = "cloud-platform-alt-dns";
    let tree = tree(&[(&format!("worker/00-worker/{dns}/files/a"), "path: /a")]);
    let hosted = json!({"dnsType": "ClusterHosted", "clusterHosted": {}});
    let config = cluster(json!({"platformStatus": {"type": "GCP", "gcp": {"cloudLoadBalancerConfig": hosted}}}));
    for (release, counts) in [("4.18.9", false), ("4.19.0-ec.1", true), ("5.0.0", true), ("unknown", true)] {
        let configs = made(&tree, &config, Some(release)).unwrap();
        assert_eq!(configs[0].spec.config.as_ref().unwrap().get("storage").is_some(), counts, "{release}");
    }
}

#[test]
fn what_cannot_be_used_is_told_with_file_and_place_and_nothing_of_the_pull_secret() {
    let secret = r#"{"auths":{"r":{"auth":"c2VjcmV0"}}}"#;
    let config = none();
    let tls = TlsSettings::of(None);
    let table = [
        (
            "{{ .Nope",
            "failed to parse template worker/00-worker/_base/files/f: template: worker/00-worker/_base/files/f:1:",
        ),
        (
            "path: /a\nx: {{.Infra.Nope}}",
            ":2:11: executing \"worker/00-worker/_base/files/f\" at <.Infra.Nope>: can't evaluate field Nope",
        ),
        ("{{range 2000000}}{{end}}", "more than 1000000 steps"),
        ("{{range 300}}{{printf \"%65536d\" 1}}{{end}}", "f:1:"),
        ("{{indent 9000000 \"x\"}}", "error calling indent: more than 8388608 bytes"),
        ("{{define \"f\"}}{{template \"f\"}}{{end}}{{template \"f\"}}", "more than 200 deep"),
        (
            "path: \"{{.PullSecret}}\"",
            "failed to unmarshal worker/00-worker/_base/files/f into struct: its output is not YAML in line 1, column 10",
        ),
        ("mode: {{.PullSecret}}", "mode is an object where an integer belongs"),
        ("mode: \"0644\"", "mode is text where an integer belongs"),
        ("- a", "its output is a list where an object belongs"),
        ("append: [a]", "append.0 is text where an object belongs"),
    ];
    for (text, expected) in table {
        let tree = tree(&[("worker/00-worker/_base/files/f", text)]);
        let input = TemplateInput {
            controller_config: &config,
            pull_secret: Some(secret),
            tls: &tls,
            build: "b",
            release: None,
        };
        let error = generate(&tree, &input).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
        assert!(!error.contains("c2VjcmV0"), "{error}");
    }
    let unit = tree(&[("worker/00-worker/_base/units/u", "enabled: \"yes\"")]);
    let error = made(&unit, &config, None).unwrap_err().to_string();
    assert!(
        error.contains("worker/00-worker/_base/units/u into struct: enabled is text where a truth value"),
        "{error}"
    );
}

#[test]
fn a_controllerconfig_that_is_not_one_names_the_field() {
    let input_error = |config: &ControllerConfig, secret| {
        let tls = TlsSettings::of(None);
        let input =
            TemplateInput { controller_config: config, pull_secret: secret, tls: &tls, build: "b", release: None };
        generate(&Tree::default(), &input).unwrap_err().to_string()
    };
    let error = input_error(&cluster(json!({"platformStatus": []})), Some("{}"));
    assert_eq!(error, "ControllerConfig: infra.status.platformStatus: v1.PlatformStatus expected");
    assert!(input_error(&none(), None).starts_with("no pull secret"));
    assert_eq!(input_error(&none(), Some("{")), "couldn't compact pullsecret: line 1, column 1: not JSON");
}
