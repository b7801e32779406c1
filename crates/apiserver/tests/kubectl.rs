//! Real kubectl against the server, over TLS on a loopback port.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};
use weir_apiserver::{ApiServer, Listener, Settings};

struct Cluster {
    folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Cluster {
    /// `None` where kubectl is absent.
    fn start() -> Option<Self> {
        if Command::new("kubectl").arg("version").arg("--client").output().is_err() {
            println!("skipped: kubectl is absent");
            return None;
        }
        let server = ApiServer::new(Settings::default()).unwrap();
        let listener = Listener::bind(&server, "127.0.0.1:0".parse().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        listener.write_kubeconfig(&folder.path().join("kubeconfig")).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(listener.serve(std::future::pending()));
        let cluster = Self { folder, _runtime: runtime };
        cluster.apply(&[], &definition());
        Some(cluster)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(arguments)
            .env("KUBECONFIG", self.folder.path().join("kubeconfig"))
            .env("HOME", self.folder.path());
        command
    }

    /// stdout, or stderr of a failure.
    fn run(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        self.run(arguments, "").unwrap_or_else(|error| panic!("kubectl {}: {error}", arguments.join(" ")))
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        self.run(arguments, "").expect_err(&arguments.join(" "))
    }

    #[track_caller]
    fn apply(&self, options: &[&str], object: &Value) -> String {
        let arguments = [&["apply", "-f", "-"], options].concat();
        self.run(&arguments, &object.to_string()).unwrap_or_else(|error| panic!("kubectl apply: {error}"))
    }
}

fn definition() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                    {"name": "Wide", "type": "string", "jsonPath": ".spec.color", "priority": 1}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "description": "What is wanted.", "properties": {
                        "size": {"type": "integer"}, "color": {"type": "string"}}},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}})
}

fn widget(size: u32) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": size, "color": "red"}})
}

#[test]
fn reading() {
    let Some(cluster) = Cluster::start() else { return };
    assert!(cluster.ok(&["version"]).contains("-embedded"));
    assert!(cluster.ok(&["get", "namespaces"]).contains("kube-system"));
    cluster.apply(&[], &widget(3));
    let table = cluster.ok(&["get", "wd"]);
    assert!(table.lines().next().unwrap().contains("SIZE") && !table.contains("WIDE"), "{table}");
    assert!(cluster.ok(&["get", "wd", "-o", "wide"]).contains("red"));
    assert_eq!(cluster.ok(&["get", "widgets.example.com", "w", "-o", "jsonpath={.spec.size}"]), "3");
    assert!(cluster.ok(&["describe", "widget", "w"]).contains("Color:  red"));
    assert!(cluster.ok(&["explain", "widget.spec"]).contains("What is wanted."));
    assert!(cluster.ok(&["explain", "node.spec.taints"]).contains("effect"));
    let resources = cluster.ok(&["api-resources"]);
    assert!(["widgets", "configmaps", "leases", "poddisruptionbudgets"].iter().all(|r| resources.contains(r)));
    assert!(cluster.ok(&["api-versions"]).contains("example.com/v1"));
    assert!(cluster.ok(&["auth", "can-i", "get", "nodes"]).contains("yes"));
    assert!(cluster.fails(&["get", "widget", "none"]).contains("NotFound"));
    assert!(cluster.fails(&["get", "gadgets"]).contains("doesn't have a resource type"));
}

#[test]
fn watching() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.apply(&[], &widget(1));
    let mut watch = cluster.command(&["get", "wd", "-w"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().starts_with("NAME"));
    assert!(lines.next().unwrap().ends_with('1'));
    cluster.ok(&["patch", "wd", "w", "--type=merge", "-p", r#"{"spec":{"size":2}}"#]);
    assert!(lines.next().unwrap().ends_with('2'));
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn writing() {
    let Some(cluster) = Cluster::start() else { return };
    assert!(cluster.apply(&[], &widget(1)).contains("created"));
    assert!(cluster.apply(&[], &widget(1)).contains("unchanged"));
    assert!(cluster.apply(&[], &widget(2)).contains("configured"));
    assert!(cluster.ok(&["label", "wd", "w", "a=b"]).contains("labeled"));
    assert_eq!(cluster.ok(&["get", "wd", "-l", "a=b", "-o", "name"]).trim(), "widget.example.com/w");
    assert!(cluster.ok(&["annotate", "wd", "w", "x=y"]).contains("annotated"));
    cluster.ok(&["patch", "wd", "w", "--subresource=status", "--type=merge", "-p", r#"{"status":{"done":true}}"#]);
    assert_eq!(cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.status.done}"]), "true");
    cluster.ok(&["wait", "wd/w", "--for=jsonpath={.status.done}=true", "--timeout=5s"]);
    let refused = cluster
        .run(
            &["apply", "-f", "-"],
            &json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c"}, "bogus": 1})
            .to_string(),
        )
        .unwrap_err();
    assert!(refused.contains("unknown field \"bogus\""), "{refused}");
    assert!(cluster.ok(&["delete", "wd", "w"]).contains("deleted"));
    assert!(cluster.fails(&["get", "wd", "w"]).contains("NotFound"));
}

#[test]
fn server_side_apply() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.apply(&["--server-side", "--field-manager=alice"], &widget(1));
    let conflict =
        cluster.run(&["apply", "--server-side", "--field-manager=bob", "-f", "-"], &widget(2).to_string()).unwrap_err();
    assert!(conflict.contains("conflict with \"alice\": .spec.size"), "{conflict}");
    cluster.apply(&["--server-side", "--field-manager=bob", "--force-conflicts"], &widget(2));
    let owners = cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.metadata.managedFields[*].manager}"]);
    assert_eq!(owners, "alice bob");
}

#[test]
fn built_in_kinds() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok(&["create", "ns", "openshift-x"]);
    cluster.ok(&["create", "configmap", "c", "-n", "openshift-x", "--from-literal=a=1"]);
    cluster.ok(&["create", "secret", "generic", "s", "--from-literal=a=1"]);
    cluster.ok(&["create", "sa", "robot"]);
    assert_eq!(cluster.ok(&["get", "secret", "s", "-o", "jsonpath={.data.a}"]), "MQ==");
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"node-role.kubernetes.io/worker": ""}}});
    cluster.apply(&[], &node);
    cluster.ok(&["cordon", "n1"]);
    cluster.ok(&["taint", "node", "n1", "a=b:NoSchedule"]);
    let table = cluster.ok(&["get", "nodes"]);
    assert!(table.contains("SchedulingDisabled") && table.contains("worker"), "{table}");
    assert!(cluster.ok(&["describe", "node", "n1"]).contains("a=b:NoSchedule"));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "p"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}});
    cluster.apply(&[], &pod);
    cluster.ok(&["drain", "n1", "--force", "--ignore-daemonsets", "--timeout=10s"]);
    assert!(cluster.fails(&["get", "pod", "p"]).contains("NotFound"));
    cluster.ok(&["uncordon", "n1"]);
    cluster.ok(&["delete", "ns", "openshift-x", "--timeout=10s"]);
}
