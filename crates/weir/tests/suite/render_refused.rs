//! What `weir render` says about MachineConfigs and files that cannot be used: the reference's words, and which object it is.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

const VERSION: &str = "machineconfiguration.openshift.io/v1";
const SUPPORTED: &str = "Supported spec versions: 2.2,3.0,3.1,3.2,3.3,3.4,3.5, in MachineConfig 99-bad";

fn render(input: &[u8], arguments: &[&str]) -> Result<Output> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_weir"))
        .args(["render", "-f", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // The program may end before it has read everything.
    let _ = child.stdin.take().context("stdin is piped")?.write_all(input);
    Ok(child.wait_with_output()?)
}

fn config(name: &str, spec: &Value) -> Value {
    let labels = json!({"machineconfiguration.openshift.io/role": "worker"});
    json!({"apiVersion": VERSION, "kind": "MachineConfig", "metadata": {"name": name, "labels": labels}, "spec": spec})
}

/// A cluster with one good MachineConfig and this one, with other names around.
fn cluster(spec: &Value) -> Value {
    let selector = json!({"matchLabels": {"machineconfiguration.openshift.io/role": "worker"}});
    let good = json!({"config": {"ignition": {"version": "3.5.0"}, "systemd": {"units": [{"name": "a.service"}]}}});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": VERSION, "kind": "MachineConfigPool", "metadata": {"name": "worker"}, "spec": {"machineConfigSelector": selector}},
        {"apiVersion": VERSION, "kind": "ControllerConfig", "metadata": {"name": "machine-config-controller"},
         "spec": {"baseOSContainerImage": "registry.example.com/os@sha256:1"}},
        config("00-good", &good), config("99-bad", spec),
    ]})
}

fn files(version: &str, files: &[Value]) -> Value {
    json!({"config": {"ignition": {"version": version}, "storage": {"files": files}}})
}

fn file(contents: Value) -> Value {
    json!({"path": "/etc/a", "contents": contents})
}

fn units(units: &[Value]) -> Value {
    json!({"config": {"ignition": {"version": "3.5.0"}, "systemd": {"units": units}}})
}

#[test]
fn configs() -> Result<()> {
    let source = |source: &str| files("3.5.0", &[file(json!({ "source": source }))]);
    let invalid = format!("parsing Ignition config failed: invalid version. {SUPPORTED}");
    let unknown = format!("parsing Ignition config failed: unknown version. {SUPPORTED}");
    let broken = |path: &str, what: &str| {
        format!(
            "parsing Ignition config spec v3 failed with error: config is not valid\nReport: error at {path}: {what}\n\
             in MachineConfig 99-bad"
        )
    };
    let twice = [file(json!({"source": "data:,x"})), file(json!({"source": "data:,y"}))];
    let cases = [
        (json!({"config": {}}), invalid.clone()),
        (json!({"config": {"ignition": {}}}), invalid.clone()),
        (files("3.5", &[]), invalid.clone()),
        (files("three", &[]), invalid),
        (files("1.0.0", &[]), unknown.clone()),
        (files("2.3.0", &[]), unknown.clone()),
        (files("3.6.0", &[]), unknown.clone()),
        (files("3.5.0-experimental", &[]), unknown),
        (json!({"config": "text"}), broken("$", "an object belongs here")),
        (json!({"config": []}), broken("$", "an object belongs here")),
        (files("3.5.0", &twice), broken("$.storage.files.1", "duplicate entry defined")),
        (units(&vec![json!({"name": "b.service"}); 2]), broken("$.systemd.units.1", "duplicate entry defined")),
        (files("3.5.0", &[json!({"path": "etc/a"})]), broken("$.storage.files.0.path", "path not absolute")),
        (source("data:;base64,!!!"), broken("$.storage.files.0.contents.source", "invalid data character")),
        (source("data:x"), broken("$.storage.files.0.contents.source", "missing media type slash")),
        (source("gopher://x"), broken("$.storage.files.0.contents.source", "invalid url scheme")),
        (
            files("3.5.0", &[file(json!({"source": "data:,x", "compression": "xz"}))]),
            broken("$.storage.files.0.contents.compression", "invalid compression method"),
        ),
        (
            units(&[json!({"name": "b.service", "contents": "[Unit\nA=b\n"})]),
            broken("$.systemd.units.0.contents", "invalid unit content: unable to find end of section"),
        ),
        (json!({"kernelType": "bogus"}), "kernelType=bogus is invalid, in MachineConfig 99-bad".to_owned()),
        (
            json!({"kernelArguments": ["\u{7f}"]}),
            "error converting JSON to YAML: yaml: control characters are not allowed".to_owned(),
        ),
    ];
    for (spec, said) in cases {
        let output = render(cluster(&spec).to_string().as_bytes(), &["-o", "json"])?;
        let said = said.replace('\n', "\\n");
        assert_eq!(String::from_utf8(output.stderr)?, format!("error: pool worker: {said}\n"), "{spec}");
        assert_eq!(output.status.code(), Some(1), "{spec}");
        let printed: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(printed, json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": []}));
    }
    Ok(())
}

#[test]
fn what_is_too_large_or_cannot_be_unpacked() -> Result<()> {
    let large = files("3.5.0", &[file(json!({"source": format!("data:,{}", "x".repeat(10 << 20))}))]);
    let output = render(cluster(&large).to_string().as_bytes(), &[])?;
    let said = String::from_utf8(output.stderr)?;
    assert!(said.starts_with("error: pool worker: rendered MachineConfig rendered-worker-"), "{said}");
    assert!(said.contains(" is too large (10486") && said.contains("max 1572864 bytes"), "{said}");
    // Contents are unpacked on the machine, but where a rule reads them.
    let dropin = |source: &str| {
        let contents = json!({"source": source, "compression": "gzip"});
        files("3.5.0", &[json!({"path": "/etc/crio/crio.conf.d/10-x", "contents": contents})])
    };
    for source in ["data:;base64,AAAA", "data:,x"] {
        let mut all = cluster(&dropin(source));
        // Without an operating system that has no runc nobody asks for it.
        let set = json!({"name": "rhel-10", "osImage": "os", "osExtensionsImage": "x"});
        let status = json!({"availableStreams": [set], "defaultStream": "rhel-10"});
        let object =
            json!({"apiVersion": VERSION, "kind": "OSImageStream", "metadata": {"name": "cluster"}, "status": status});
        all["items"].as_array_mut().context("items")?.push(object);
        let output = render(all.to_string().as_bytes(), &[])?;
        let said = String::from_utf8(output.stderr)?;
        let part = "failed to decode CRI-O drop-in \"/etc/crio/crio.conf.d/10-x\" in MC ";
        assert!(said.contains(part) && said.contains("failed decompressing"), "{said}");
    }
    Ok(())
}

#[test]
fn documents() -> Result<()> {
    let bomb: String =
        (1..10).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","))).collect();
    for (text, part) in [
        (b"a: 1\n---\nb: \0\n".to_vec(), "document 2 (line 2): line 3"),
        (b"kind: X\nmetadata: &a\n  self: *a\n".to_vec(), "document 1 (line 1): line 3"),
        (b"a:\n\tb: 1\n".to_vec(), "tabs disallowed"),
        (format!("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{bomb}").into_bytes(), "document 1 (line 1)"),
        (b"a: \xff\n".to_vec(), "utf-8"),
        (b"{\"kind\": \"List\", \"items\": [1]}".to_vec(), "document 1"),
    ] {
        let output = render(&text, &[])?;
        let said = String::from_utf8(output.stderr)?.to_lowercase();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with("error: ") && said.contains("standard input") && said.contains(part),
            "{part}: {said}"
        );
    }
    Ok(())
}
