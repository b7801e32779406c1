//! The alerts and the board that `weir manifests` installs, checked by Prometheus's own `promtool`.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::process::Command;
use weir_rules::operator::install::{
    alerts::{alerts, rule},
    grafana,
};

/// What fires when, in the format of "Unit testing for rules" of the Prometheus documentation.
const SCENES: &str = include_str!("alerts/scenes.yaml");

#[test]
fn alerts_fire_when_they_should_and_not_before() -> Result<()> {
    if Command::new("promtool").arg("--version").output().is_err() {
        weir_recorded::skip("a test of the alerts", &weir_recorded::Absent::Program("promtool"));
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let all = alerts(false);
    std::fs::write(folder.path().join("rules.yaml"), serde_saphyr::to_string(&rule(&all)["spec"])?)?;
    std::fs::write(folder.path().join("scenes.yaml"), SCENES)?;
    for arguments in [["check", "rules", "rules.yaml"], ["test", "rules", "scenes.yaml"]] {
        let output =
            Command::new("promtool").args(arguments).current_dir(folder.path()).output().context("promtool")?;
        let text = [output.stdout, output.stderr].concat();
        ensure!(output.status.success(), "promtool {}: {}", arguments.join(" "), String::from_utf8_lossy(&text));
    }
    for alert in all {
        ensure!(SCENES.contains(&format!("alertname: {}\n", alert.name)), "{} is not tried", alert.name);
    }
    Ok(())
}

/// What Grafana would put in the place of a board's variables.
fn chosen(expression: &str) -> String {
    let chosen = [("$pool", ".*"), ("$__rate_interval", "5m"), ("$__range", "3h")];
    chosen.iter().fold(expression.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

#[test]
fn expressions_of_the_board_are_promql() -> Result<()> {
    if Command::new("promtool").arg("--version").output().is_err() {
        weir_recorded::skip("a test of the board", &weir_recorded::Absent::Program("promtool"));
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let expressions = grafana::expressions().enumerate();
    let rules: Vec<Value> =
        expressions.map(|(at, one)| json!({"record": format!("board:{at}"), "expr": chosen(one)})).collect();
    let groups = json!({"groups": [{"name": "board", "rules": rules}]});
    std::fs::write(folder.path().join("board.yaml"), groups.to_string())?;
    let output = Command::new("promtool").args(["check", "rules", "board.yaml"]).current_dir(folder.path()).output()?;
    let text = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&text));
    Ok(())
}

#[test]
fn alerts_and_board_use_metrics_that_the_documentation_lists() {
    let documented = include_str!("../../../../docs/user/run.md");
    let alerts = alerts(false);
    let expressions = alerts.iter().map(|alert| alert.expression).chain(grafana::expressions());
    let separate = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    for name in expressions.flat_map(|expression| expression.split(separate)) {
        let family = name.trim_end_matches("_bucket");
        if ["weir_", "mco_", "mcc_", "ocl_"].iter().any(|prefix| name.starts_with(prefix)) {
            assert!(documented.contains(&format!("`{family}`")), "{family}");
        }
    }
}
