//! `weir lint` as a pipeline has it: slips that nobody else tells, with file and line.

use anyhow::Result;
use serde_json::Value;
use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

const POOL: &str = "
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: worker}
spec: {machineConfigSelector: {matchLabels: {machineconfiguration.openshift.io/role: worker}}}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: ControllerConfig
metadata: {name: machine-config-controller, uid: given}
spec: {baseOSContainerImage: registry.example.com/os@sha256:1}
---";

/// Line 11 is its first.
const CONFIG: &str = "
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata:
  name: 90-slips
  labels: {machineconfiguration.openshift.io/role: worker}
spec:
  config:
    ignition: {version: 3.2.0}
    storage:
      files:
      - {path: /etc/a, mode: 0644, contents: {source: 'data:,a'}}
";

fn weir(arguments: &[&str], input: &str) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(arguments).env_remove("KUBECONFIG");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().ok_or_else(|| anyhow::anyhow!("no standard input"))?;
    // Who refuses its arguments does not read.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    Ok(child.wait_with_output()?)
}

/// Exit code, and what is told.
fn lint(config: &str) -> Result<(Option<i32>, String)> {
    let output = weir(&["lint", "-f", "-"], config)?;
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok((output.status.code(), String::from_utf8(output.stdout)?))
}

#[test]
fn each_slip_is_told_with_its_line() -> Result<()> {
    assert_eq!(lint(CONFIG)?, (Some(0), String::new()));
    let slips = [
        (
            "spec:\n",
            "spec:\n  kargs: [nosmt]\n",
            1,
            "error: standard input:8: MachineConfig 90-slips: unknown field \"spec.kargs\"",
        ),
        (
            "io/v1\n",
            "io/v1beta1\n",
            1,
            "error: standard input:2: MachineConfig 90-slips: apiVersion \"machineconfiguration.openshift.io/v1beta1\" does not exist",
        ),
        (
            "{source: 'data:,a'}",
            "{inline: a}",
            0,
            "warning: standard input:12: MachineConfig 90-slips: Ignition has no key \"storage.files[0].contents.inline\" in this version; that is Butane",
        ),
        (
            "    storage:\n",
            "    filesystems: []\n    storage:\n",
            0,
            "warning: standard input:10: MachineConfig 90-slips: Ignition has no key \"filesystems\"",
        ),
        (
            "mode: 0644",
            "mode: 444",
            0,
            "warning: standard input:12: MachineConfig 90-slips: mode 444 of /etc/a is a decimal number: 0674; write 0444",
        ),
        (
            "mode: 0644",
            "mode: 644",
            1,
            "mode 644 of /etc/a is a decimal number: 01204; write 0644 (in JSON 420) if that was meant (DecimalMode)",
        ),
        ("kind: MachineConfig\n", "kind: MachineConfg\n", 1, "machineconfiguration.openshift.io has no such kind"),
        (
            "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\n",
            "apiVersion: v1\nkind: ConfigMap\n",
            0,
            "warning: standard input:3: ConfigMap",
        ),
        (
            "metadata:\n",
            "metadata:\n  name: twice\n",
            1,
            "error: standard input: document 1 (line 1): line 6: duplicate mapping key `name` is not allowed here (column 3) (Unreadable)",
        ),
        ("spec:\n", "spec:\n  extensions: [kerberos5]\n", 1, "there is no extension \"kerberos5\"; known are "),
    ];
    for (from, to, code, said) in slips {
        let text = CONFIG.replacen(from, to, 1);
        assert_ne!(text, CONFIG, "{from}");
        let (exit, told) = lint(&text)?;
        assert!(exit == Some(code) && told.contains(said), "{to}: {exit:?} {told}");
    }
    Ok(())
}

#[test]
fn for_programs() -> Result<()> {
    let text = CONFIG.replace("mode: 0644", "mode: 444").replace("spec:\n", "spec:\n  kargs: []\n");
    let json: Value = serde_json::from_slice(&weir(&["lint", "-f", "-", "-o", "json"], &text)?.stdout)?;
    let first = &json[0];
    assert_eq!(
        (&first["level"], &first["code"], &first["rule"], &first["line"], &first["field"]),
        (&"error".into(), &"UnknownField".into(), &"R-LINT-1".into(), &8.into(), &"spec.kargs".into())
    );
    let sarif: Value = serde_json::from_slice(&weir(&["lint", "-f", "-", "-o", "sarif"], &text)?.stdout)?;
    let run = &sarif["runs"][0];
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(run["results"][1]["ruleId"], "DecimalMode");
    assert_eq!(run["results"][1]["locations"][0]["physicalLocation"]["region"]["startLine"], 13);
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "DecimalMode");
    Ok(())
}

/// The name of what is rendered stays that of the reference; what counts for nothing is told.
#[test]
fn rendering_warns_of_it() -> Result<()> {
    let render = |config: &str| weir(&["render", "-f", "-", "-o", "name"], &format!("{POOL}{config}"));
    let (good, slip) = (render(CONFIG)?, render(&CONFIG.replace("spec:\n", "spec:\n  kargs: [nosmt]\n"))?);
    let said = String::from_utf8_lossy(&slip.stderr);
    assert!(good.status.success() && good.stderr.is_empty(), "{good:?}");
    assert_eq!((slip.status.code(), &slip.stdout), (Some(0), &good.stdout), "{said}");
    assert!(
        said.starts_with("warning: standard input:18: MachineConfig 90-slips: unknown field \"spec.kargs\""),
        "{said}"
    );
    Ok(())
}
