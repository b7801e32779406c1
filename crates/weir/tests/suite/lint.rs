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
        (
            "spec:\n",
            "spec:\n  extensions: [usbgard]\n",
            1,
            "there is no extension \"usbgard\"; write usbguard if that was meant; known are two-node-ha, ipsec, usbguard, ",
        ),
        ("spec:\n", "spec:\n  extensions: [podman]\n", 1, "there is no extension \"podman\"; known are "),
        (
            "  name: 90-slips\n",
            "  name: 90_Slips\n",
            1,
            "error: standard input:5: MachineConfig 90_Slips: metadata.name: Invalid value: \"90_Slips\": a lowercase RFC 1123 subdomain must consist of ",
        ),
        (
            "spec:\n",
            "spec:\n  kernelType: fast\n",
            1,
            "error: standard input:8: MachineConfig 90-slips: kernelType=fast is invalid; known are default, realtime, 64k-pages (UnknownKernel)",
        ),
        (
            "  name: 90-slips\n",
            "  name: rendered-slips\n",
            0,
            "warning: standard input:5: MachineConfig rendered-slips: names that begin with rendered- belong to the controller",
        ),
        (
            "io/role: worker}",
            "io/rule: worker}",
            0,
            "warning: standard input:6: MachineConfig 90-slips: there is no label machineconfiguration.openshift.io/role",
        ),
        (
            "path: /etc/a",
            "path: etc/a",
            1,
            "error: standard input:12: MachineConfig 90-slips: parsing Ignition config spec v3 failed with error: config is not valid: Report: error at $.storage.files.0.path: path not absolute",
        ),
        (
            "version: 3.2.0",
            "version: 3.9.0",
            1,
            "error: standard input:9: MachineConfig 90-slips: parsing Ignition config failed: unknown version",
        ),
    ];
    for (from, to, code, said) in slips {
        let text = CONFIG.replacen(from, to, 1);
        assert_ne!(text, CONFIG, "{from}");
        let (exit, told) = lint(&text)?;
        assert!(exit == Some(code) && told.contains(said), "{to}: {exit:?} {told}");
    }
    Ok(())
}

/// Kinds beside MachineConfig: what controllers and policies would refuse.
#[test]
fn settings_and_policies() -> Result<()> {
    let of = |api: &str, kind: &str, spec: &str| {
        format!("apiVersion: {api}/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec:\n{spec}")
    };
    let ours = "machineconfiguration.openshift.io";
    let pools = "  machineConfigPoolSelector: {matchLabels: {pool: worker}}\n";
    for (text, code, said) in [
        (
            of(ours, "KubeletConfig", &format!("{pools}  kubeletConfig:\n    clusterDNS: [1.2.3.4]\n")),
            1,
            "error: standard input:7: KubeletConfig a: KubeletConfiguration: clusterDNS is not allowed to be set, but contains: [1.2.3.4]; correct it: no pool gets it (Refused)",
        ),
        (
            of(
                ours,
                "KubeletConfig",
                &format!("{pools}  kubeletConfig:\n    evictionHard:\n      memory.available: much\n"),
            ),
            1,
            "error: standard input:8: KubeletConfig a: spec.kubeletConfig.evictionHard.memory.available: ",
        ),
        (
            of(ours, "KubeletConfig", &format!("{pools}  kubeletConfig:\n    maxPods: 1\n    maxPodz: 1\n")),
            0,
            "warning: standard input:8: KubeletConfig a: kubelets have no setting \"maxPodz\"",
        ),
        (
            of(ours, "KubeletConfig", &format!("{pools}  kubeletConfig:\n    failSwapOn: false\n")),
            0,
            "warning: standard input:7: KubeletConfig a: from release 4.21 on: KubeletConfiguration: failSwapOn is not allowed",
        ),
        (
            of(ours, "ContainerRuntimeConfig", &format!("{pools}  containerRuntimeConfig:\n    pidsLimit: 3\n")),
            1,
            "error: standard input:7: ContainerRuntimeConfig a: invalid PidsLimit 3; correct it: no pool gets it (Refused)",
        ),
        (
            of("operator.openshift.io", "MachineConfiguration", "  logLevel: Normal\n"),
            1,
            "error: standard input:3: MachineConfiguration a: machineconfigurations.operator.openshift.io \"a\" is forbidden: ValidatingAdmissionPolicy",
        ),
        (
            of(
                ours,
                "MachineConfigPool",
                "  paused: false\n  machineConfigSelector:\n    matchLabels: {machineconfiguration.openshift.io/role: infra}\n",
            ),
            1,
            "error: standard input:7: MachineConfigPool a: machineconfigpools.machineconfiguration.openshift.io \"a\" is forbidden: ",
        ),
    ] {
        let (exit, told) = lint(&text)?;
        assert!(exit == Some(code) && told.starts_with(said) && told.lines().count() == 1, "{text}: {exit:?} {told}");
    }
    Ok(())
}

/// The examples of the pages, one of each kind.
#[test]
fn the_examples_are_right() -> Result<()> {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/user/examples");
    let told = String::from_utf8(weir(&["lint", "-f", examples], "")?.stdout)?;
    assert_eq!(told.lines().filter(|line| !line.ends_with("(UnknownKind)")).collect::<Vec<_>>(), [""; 0]);
    Ok(())
}

/// That nothing is wrong with nothing says nothing.
#[test]
fn nothing_to_read_is_an_error() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("README.md"), "no manifest")?;
    let place = folder.path().display().to_string();
    let output = weir(&["lint", "-f", &place], "")?;
    let told = String::from_utf8(output.stdout)?;
    assert_eq!(
        (output.status.code(), told),
        (
            Some(1),
            format!(
                "error: no object in {place}: found none in 0 files that end in .yaml, .yml or .json; \
                 name files or folders with manifests (NothingFound)\n"
            )
        )
    );
    let (exit, told) = lint("# nothing\n")?;
    assert!(exit == Some(1) && told.starts_with("error: no object in standard input: "), "{exit:?} {told}");
    // Beside one with manifests, too.
    let output = weir(&["lint", "-f", &place, "-", "-o", "json"], CONFIG)?;
    let json: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(
        (&json[0]["code"], &json[0]["file"], &json[0]["line"]),
        (&"NothingFound".into(), &place.into(), &Value::Null)
    );
    assert_eq!((output.status.code(), json.as_array().map(Vec::len)), (Some(1), Some(1)));
    Ok(())
}

/// What cannot be read has a place as everything else.
#[test]
fn the_unreadable_has_a_place() -> Result<()> {
    let kind = CONFIG.replace("kind: MachineConfig\n", "kind: MachineConfg\n");
    for (text, line) in [(format!("{CONFIG}---\na: [\n"), 14), (format!("{CONFIG}---{kind}"), 15)] {
        let json: Value = serde_json::from_slice(&weir(&["lint", "-f", "-", "-o", "json"], &text)?.stdout)?;
        let found = (&json[0]["code"], &json[0]["file"], &json[0]["line"]);
        assert_eq!(found, (&"Unreadable".into(), &"standard input".into(), &line.into()), "{text}");
        let sarif: Value = serde_json::from_slice(&weir(&["lint", "-f", "-", "-o", "sarif"], &text)?.stdout)?;
        let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "stdin");
        assert_eq!(place["region"]["startLine"], line);
    }
    let sarif: Value = serde_json::from_slice(&weir(&["lint", "-f", "there/is-none.yaml", "-o", "sarif"], "")?.stdout)?;
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(*place, serde_json::json!({"artifactLocation": {"uri": "there/is-none.yaml"}}));
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
    for (from, to, warning) in [
        (
            "  name: 90-slips\n",
            "  name: rendered-slips\n",
            "warning: standard input:15: MachineConfig rendered-slips: names that",
        ),
        ("worker}\nspec", "worker, a: b}\nspec", ""),
    ] {
        let output = render(&CONFIG.replacen(from, to, 1))?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.starts_with(warning) && said.is_empty() == warning.is_empty(),
            "{said}"
        );
    }
    let infra = POOL.replace("name: worker", "name: infra").replace("role: worker", "role: infra");
    let both = format!("{infra}{}", CONFIG.replace("role: worker", "role: infra"));
    let output = weir(&["render", "-f", "-", "-o", "name"], &both)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success()
            && said.starts_with("warning: standard input:5: MachineConfigPool infra: machineconfigpools."),
        "{said}"
    );
    let roleless = CONFIG.replace("role: worker", "rule: worker");
    let output =
        weir(&["render", "-f", "-", "-o", "name"], &format!("{POOL}{CONFIG}---{}", roleless.replace("90", "91")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("warning: standard input:28: MachineConfig 91-slips: there is no label"), "{said}");
    Ok(())
}
