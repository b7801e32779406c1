//! How simulated machines behave, for the subcommands that have them.

use anyhow::{Context as _, Result};
use clap::Args;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::{path::PathBuf, sync::Arc, time::Duration};
use weir_fleet::{Faults, Settings, Workload};

/// How simulated machines behave
#[derive(Clone, Debug, Args)]
pub struct Machines {
    /// How long each step of a simulated node takes
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = weir_sim::duration)]
    pub step_time: Duration,
    /// Simulated pods for each worker; evicted ones come back on another worker
    #[arg(long, value_name = "N")]
    pub pods: Option<u32>,
    /// How many of those pods may be missing at a time, a number or a percentage: a PodDisruptionBudget
    #[arg(long, value_name = "N|N%", requires = "pods", value_parser = budget)]
    pub budget: Option<IntOrString>,
    /// Update without asking for a drain
    #[arg(long)]
    pub no_drains: bool,
    /// Faults to inject into the nodes
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
}

/// Makes boot IDs reproducible.
const SEED: u64 = 1;

impl Machines {
    /// The behaviour; `os` turns an OS image's pull spec into a readable name.
    ///
    /// # Errors
    /// When the faults cannot be read or are invalid.
    pub fn settings(&self, os: Arc<dyn Fn(&str) -> String + Send + Sync>) -> Result<Settings> {
        let faults = match &self.faults {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
                faults(&text).with_context(|| path.display().to_string())?
            }
            None => Faults::default(),
        };
        let workload = self.pods.map(|pods| Workload { pods, budget: self.budget.clone(), heeds_taints: true });
        Ok(Settings { step: self.step_time, seed: SEED, os, drains: !self.no_drains, faults, workload })
    }
}

/// Reads faults; errors name line and field.
fn faults(text: &str) -> Result<Faults> {
    let faults: Faults = weir_manifests::from_yaml(text)?;
    faults.check()?;
    Ok(faults)
}

fn budget(text: &str) -> Result<IntOrString, String> {
    let bad = || format!("{text:?}: write a number of pods, or a percentage such as 20%");
    match text.strip_suffix('%') {
        Some(percent) => match percent.parse::<u32>() {
            Ok(0..=100) => Ok(IntOrString::String(text.to_owned())),
            _ => Err(bad()),
        },
        None => match text.parse() {
            Ok(number @ 0..) => Ok(IntOrString::Int(number)),
            _ => Err(bad()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_as_kubernetes_takes_them() {
        assert_eq!(budget("0").unwrap(), IntOrString::Int(0));
        assert_eq!(budget("20%").unwrap(), IntOrString::String("20%".to_owned()));
        for bad in ["", "-1", "101%", "x", "%"] {
            assert!(budget(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_bad_file_of_faults_says_where() {
        let said = |text: &str| format!("{:#}", faults(text).unwrap_err());
        faults("faults:\n- {fault: never-returns, nodes: worker-*, after: 1, for: 30s}\n").unwrap();
        let unknown = said("faults:\n- fault: degraded\n  nodes: worker-1\n  reson: disk\n");
        assert!(unknown.contains("line 4") && unknown.contains("reson"), "{unknown}");
        let kind = said("faults:\n- fault: explodes\n  nodes: worker-1\n");
        assert!(kind.contains("line 2") && kind.contains("stuck-in-drain"), "{kind}");
        let time = said("faults:\n- fault: never-returns\n  nodes: w\n  for: soon\n");
        assert!(time.contains("write one such as 500ms"), "{time}");
        assert!(said("faults:\n- {fault: slow, nodes: w}\n").contains("faults[0].factor"));
        assert_eq!(said("faults: 5\n"), "line 1: a list is expected here (column 9)");
    }
}
