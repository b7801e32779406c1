//! The alerts that `weir manifests` installs, evaluated by Prometheus's own `promtool`.

use anyhow::{Context as _, Result, ensure};
use std::process::Command;
use weir_rules::operator::install::alerts::{alerts, rule};

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
