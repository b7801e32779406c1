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
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Option<Self> {
        if Command::new("kubectl").arg("version").arg("--client").output().is_err() {
            weir_recorded::skip("a test of the API server with kubectl", &weir_recorded::Absent::Program("kubectl"));
            return None;
        }
        let server = ApiServer::new(settings).unwrap();
        server.define([definition()]).unwrap();
        let listener = Listener::bind(&server, "127.0.0.1:0".parse().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        listener.write_kubeconfig(&folder.path().join("kubeconfig")).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(listener.serve(std::future::pending()));
        Some(Self { folder, _runtime: runtime })
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
    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[arguments, &["-o", "json"]].concat())).unwrap()
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
            "versions": [{"name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}},
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
fn server_side_apply_takes_over_from_the_client_side() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.apply(&[], &widget(1));
    assert!(cluster.apply(&["--server-side"], &widget(2)).contains("serverside-applied"));
    assert_eq!(cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.spec.size}"]), "2");
    let owners = cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.metadata.managedFields[*].manager}"]);
    assert!(!owners.contains("client-side"), "{owners}");
    // A field that is no longer applied goes, as it would on either side.
    let mut less = widget(2);
    less["spec"].as_object_mut().unwrap().remove("color");
    cluster.apply(&["--server-side"], &less);
    assert_eq!(cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.spec.color}"]), "");
    // And back again.
    assert!(cluster.apply(&[], &widget(3)).contains("configured"));
    assert_eq!(cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.spec.size}"]), "3");
}

#[test]
fn changing_in_other_ways() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.apply(&[], &widget(1));
    // A difference is exit code 1, so this is no failure.
    let diff = cluster.command(&["diff", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().and_then(
        |mut child| {
            child.stdin.take().map(|mut input| input.write_all(widget(2).to_string().as_bytes())).transpose()?;
            child.wait_with_output()
        },
    );
    let diff = String::from_utf8(diff.unwrap().stdout).unwrap();
    assert!(diff.contains("-  size: 1") && diff.contains("+  size: 2"), "{diff}");
    let mut edit = cluster.command(&["edit", "wd", "w"]);
    edit.env("EDITOR", "sed -i s/color:.red/color:\\ blue/");
    let edited = edit.output().unwrap();
    assert!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    assert_eq!(cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.spec.color}"]), "blue");
    let mut current: Value = serde_json::from_str(&cluster.ok(&["get", "wd", "w", "-o", "json"])).unwrap();
    current["spec"]["size"] = 7.into();
    cluster.run(&["replace", "-f", "-"], &current.to_string()).unwrap();
    let stale = cluster.run(&["replace", "-f", "-"], &current.to_string()).unwrap_err();
    assert!(stale.contains("the object has been modified"), "{stale}");
    cluster.ok(&["patch", "wd", "w", "--type=json", "-p", r#"[{"op":"replace","path":"/spec/size","value":8}]"#]);
    assert_eq!(cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.spec.size}"]), "8");
    let mut other = widget(9);
    other["metadata"]["name"] = "other".into();
    assert!(cluster.apply(&["--dry-run=server"], &other).contains("created (server dry run)"));
    assert!(cluster.fails(&["get", "wd", "other"]).contains("NotFound"));
}

#[test]
fn deleting() {
    let Some(cluster) = Cluster::start() else { return };
    let mut held = widget(1);
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.apply(&[], &held);
    cluster.ok(&["delete", "wd", "w", "--wait=false"]);
    assert!(!cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.metadata.deletionTimestamp}"]).is_empty());
    let waiting =
        cluster.command(&["wait", "wd/w", "--for=delete", "--timeout=20s"]).stdout(Stdio::null()).spawn().unwrap();
    cluster.ok(&["patch", "wd", "w", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
    assert!(waiting.wait_with_output().unwrap().status.success());
    for n in 0..3 {
        cluster.ok(&["create", "configmap", &format!("c{n}")]);
    }
    // The fourth is the one that every namespace has, and has again.
    assert_eq!(cluster.ok(&["delete", "configmap", "--all"]).lines().count(), 4);
    assert_eq!(cluster.ok(&["get", "configmap", "-o", "name"]).trim(), "configmap/kube-root-ca.crt");
    cluster.ok(&["delete", "crd", "widgets.example.com"]);
    cluster.fails(&["get", "wd"]);
}

#[test]
fn draining_waits_for_a_budget() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.apply(&[], &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}));
    let pod = |name: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "p"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}})
    };
    let ready = r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;
    cluster.apply(&[], &pod("p"));
    cluster.ok(&["patch", "pod", "p", "--subresource=status", "-p", ready]);
    cluster.ok(&["create", "pdb", "b", "--selector=app=p", "--min-available=1"]);
    assert!(cluster.ok(&["get", "pdb"]).contains("ALLOWED DISRUPTIONS"));
    let refused = cluster.fails(&["drain", "n1", "--force", "--timeout=2s"]);
    assert!(refused.contains("disruption budget"), "{refused}");
    cluster.ok(&["delete", "pdb", "b"]);
    cluster.ok(&["drain", "n1", "--force", "--timeout=20s"]);
}

#[test]
fn built_in_kinds() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok(&["create", "ns", "openshift-x"]);
    cluster.ok(&["create", "configmap", "c", "-n", "openshift-x", "--from-literal=a=1"]);
    cluster.ok(&["create", "secret", "generic", "s", "--from-literal=a=1"]);
    cluster.ok(&["create", "sa", "robot"]);
    assert_eq!(cluster.ok(&["create", "token", "robot"]).split('.').count(), 3);
    cluster.ok(&["create", "deployment", "d", "--image=i", "--port=80"]);
    cluster.ok(&["create", "role", "reader", "--verb=get", "--resource=pods"]);
    cluster.ok(&["create", "rolebinding", "reader", "--role=reader", "--serviceaccount=default:robot"]);
    let robot = "--as=system:serviceaccount:default:robot";
    assert!(cluster.ok(&["auth", "can-i", "get", "pods", robot]).contains("yes"));
    assert!(cluster.run(&["auth", "can-i", "delete", "pods", robot], "").is_err());
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

#[test]
fn scaling() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.apply(&[], &widget(1));
    assert!(cluster.ok(&["scale", "wd/w", "--replicas=4"]).contains("scaled"));
    assert_eq!(cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.spec.size} {.metadata.generation}"]), "4 2");
    let refused = cluster.fails(&["scale", "wd/w", "--replicas=5", "--current-replicas=3"]);
    assert!(refused.contains("Expected replicas to be 3, was 4"), "{refused}");
    cluster.ok(&["scale", "wd/w", "--replicas=5", "--current-replicas=4"]);
    assert_eq!(cluster.ok(&["get", "wd", "w", "-o", "jsonpath={.spec.size}"]), "5");
    cluster.ok(&["create", "deployment", "d", "--image=i"]);
    cluster.ok(&["scale", "deployment", "d", "--replicas=3"]);
    assert!(cluster.ok(&["get", "deployment", "d"]).contains("0/3"));
    let shown = cluster.ok(&["get", "deployment", "d", "--subresource=scale", "-o", "json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["kind"], &shown["spec"], &shown["status"]["selector"]),
        (&json!("Scale"), &json!({"replicas": 3}), &json!("app=d"))
    );
}

#[test]
fn asking() {
    let Some(cluster) = Cluster::start() else { return };
    let rules = cluster.ok(&["auth", "can-i", "--list"]);
    assert!(rules.contains("*.*") && rules.contains("[*]"), "{rules}");
    cluster.ok(&["create", "sa", "robot"]);
    cluster.ok(&["create", "role", "reader", "--verb=get", "--resource=configmaps"]);
    cluster.ok(&["create", "rolebinding", "reader", "--role=reader", "--serviceaccount=default:robot"]);
    let rules = cluster.ok(&["auth", "can-i", "--list", "--as=system:serviceaccount:default:robot"]);
    assert!(rules.contains("configmaps") && !rules.contains("*.*"), "{rules}");
    let unknown = json!({"apiVersion": "example.com/v1", "kind": "Wodget", "metadata": {"name": "w"}}).to_string();
    let refused = cluster.run(&["apply", "-f", "-"], &unknown).unwrap_err();
    assert!(refused.contains("no matches for kind \"Wodget\" in version \"example.com/v1\""), "{refused}");
}

#[test]
fn looking_around() {
    let Some(cluster) = Cluster::start() else { return };
    assert!(cluster.ok(&["cluster-info"]).contains("control plane"));
    assert!(cluster.ok(&["config", "view"]).contains("name: weir"));
    assert!(cluster.ok(&["auth", "whoami"]).contains("system:admin"));
    let paths: Value = serde_json::from_str(&cluster.ok(&["get", "--raw", "/"])).unwrap();
    for path in ["/api/v1", "/apis/example.com/v1", "/apis/apps", "/openapi/v3", "/version"] {
        assert!(paths["paths"].as_array().unwrap().iter().any(|p| p == path), "{path} of {paths}");
    }
    assert!(cluster.ok(&["get", "--raw", "/readyz?verbose"]).contains("[+]ping ok"));
    assert!(cluster.ok(&["explain", "widget.spec", "--recursive"]).contains("color\t<string>"));
    let everywhere = cluster.ok(&["get", "-A", "sa,cm"]);
    assert!(everywhere.contains("kube-system") && everywhere.contains("configmap/kube-root-ca.crt"), "{everywhere}");
    assert_eq!(cluster.ok(&["get", "ns", "--chunk-size=1", "-o", "name"]).lines().count(), 4);
    cluster.ok(&["create", "service", "clusterip", "s", "--tcp=80:8080"]);
    let services = cluster.ok(&["get", "svc", "-o", "wide"]);
    assert!(services.contains("CLUSTER-IP") && services.contains("80/TCP") && services.contains("app=s"), "{services}");
    let service: Value = serde_json::from_str(&cluster.ok(&["get", "svc", "s", "-o", "json"])).unwrap();
    assert_eq!(service["spec"]["ports"][0].get("nodePort"), None, "{service}");
    assert!(cluster.fails(&["top", "nodes"]).contains("Metrics API not available"));
    let classes = cluster.ok(&["get", "priorityclasses"]);
    assert!(classes.contains("system-node-critical") && classes.contains("2000001000"), "{classes}");
    assert!(cluster.fails(&["create", "pc", "system-mine", "--value=1"]).contains("reserved for system use only"));
    assert!(cluster.fails(&["create", "pc", "mine", "--value=2000000000"]).contains("maximum allowed value"));
    assert!(cluster.ok(&["get", "clusterroles", "-o", "name"]).contains("clusterrole.rbac.authorization.k8s.io/view"));
    for namespace in ["default", "kube-system"] {
        assert!(cluster.fails(&["delete", "ns", namespace]).contains("this namespace may not be deleted"));
    }
}

#[test]
fn what_needs_a_kubelet_is_refused() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok(&["run", "waiting", "--image=i"]);
    let refused = cluster.fails(&["logs", "waiting"]);
    assert!(refused.contains("pod waiting does not have a host assigned"), "{refused}");
    cluster.apply(&[], &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}});
    cluster.apply(&[], &pod);
    cluster.ok(&["patch", "pod", "p", "--subresource=status", "-p", r#"{"status":{"phase":"Running"}}"#]);
    let folder = cluster.folder.path().join("copy").display().to_string();
    for (arguments, what) in [
        (&["logs", "p"][..], "log"),
        (&["exec", "p", "--", "true"], "exec"),
        (&["cp", "p:/x", &folder], "exec"),
        (&["attach", "p"], "attach"),
        (&["port-forward", "p", ":80"], "portforward"),
        (&["debug", "p", "--image=i"], "ephemeralcontainers"),
    ] {
        let refused = cluster.fails(arguments);
        let expected = format!("this server has no kubelet to ask for {what}");
        assert!(refused.contains(&expected), "kubectl {}: {refused}", arguments.join(" "));
    }
    assert!(cluster.fails(&["logs", "none"]).contains("NotFound"));
    // The pod that debugs a node is a pod as others.
    assert!(cluster.ok(&["debug", "node/n1", "--image=i"]).contains("node-debugger-n1"));
    assert!(
        cluster.ok(&["get", "pods", "-o", "wide", "--field-selector=spec.nodeName=n1"]).contains("node-debugger-n1")
    );
}

#[test]
fn what_users_try_first() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.ok(&["create", "deployment", "d", "--image=i", "--replicas=2"]);
    let stored: Value = serde_json::from_str(&cluster.ok(&["get", "deployment", "d", "-o", "json"])).unwrap();
    assert_eq!((stored["spec"].get("paused"), stored["spec"].get("minReadySeconds")), (None, None), "{stored}");
    let status = cluster.ok(&["rollout", "status", "deployment", "d", "--watch=false"]);
    assert!(status.contains("Waiting for deployment"), "{status}");
    cluster.ok(&["rollout", "restart", "deployment", "d"]);
    cluster.ok(&["set", "image", "deployment/d", "i=i:2"]);
    cluster.apply(&[], &widget(1));
    cluster.ok(&["label", "wd", "w", "a=b"]);
    assert!(cluster.fails(&["label", "wd", "w", "a=c"]).contains("--overwrite is false"));
    cluster.ok(&["label", "wd", "w", "a=c", "--overwrite"]);
    assert!(cluster.run(&["replace", "--force", "-f", "-"], &widget(5).to_string()).unwrap().contains("replaced"));
    assert!(cluster.ok(&["get", "wd", "w", "--subresource=status"]).contains('5'));
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"set": "s"}}});
    let set = json!({"apiVersion": "v1", "kind": "List", "items": [map("a"), map("b")]});
    cluster.apply(&[], &set);
    let pruned = cluster.apply(&["--prune", "-l", "set=s", "--prune-allowlist=core/v1/ConfigMap"], &map("a"));
    assert!(pruned.contains("configmap/b pruned"), "{pruned}");
    for (cascade, child_stays) in [("orphan", true), ("foreground", false)] {
        cluster.ok(&["create", "configmap", "owner"]);
        let uid = cluster.ok(&["get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}"]);
        let mut child = map("child");
        child["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid, "blockOwnerDeletion": true}]);
        cluster.apply(&[], &child);
        cluster.ok(&["delete", "configmap", "owner", &format!("--cascade={cascade}"), "--timeout=10s"]);
        assert_eq!(cluster.run(&["get", "configmap", "child"], "").is_ok(), child_stays, "{cascade}");
    }
    let kustomization = "configMapGenerator: [{name: made, literals: [a=b]}]\n";
    std::fs::write(cluster.folder.path().join("kustomization.yaml"), kustomization).unwrap();
    let folder = cluster.folder.path().display().to_string();
    assert!(cluster.ok(&["apply", "-k", &folder]).contains("configmap/made-"));
    assert!(cluster.ok(&["events"]).is_empty());
}

fn node(name: &str, ready: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "status": {"conditions": [{"type": "Ready", "status": ready}]}})
}

#[test]
fn events_of_both_groups_say_what_they_are_about() {
    let Some(cluster) = Cluster::start() else { return };
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"}, "reason": "Done", "type": "Normal",
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"}, "message": "it is done", "count": 3,
        "source": {"component": "a", "host": "h"}, "firstTimestamp": "2026-01-02T03:04:05Z", "lastTimestamp": "2026-01-02T03:04:05Z"});
    cluster.apply(&[], &event);
    for group in ["events", "events.events.k8s.io"] {
        let table = cluster.ok(&["get", group]);
        assert!(table.starts_with("LAST SEEN") && !table.contains("<unknown>"), "{table}");
        assert!(table.contains("pod/p") && table.contains("it is done"), "{table}");
        let wide = cluster.ok(&["get", group, "-o", "wide"]);
        assert!(wide.contains("a, h") && wide.contains("3       e"), "{wide}");
    }
}

#[test]
fn every_kind_is_explained() {
    let Some(cluster) = Cluster::start() else { return };
    let index: Value = serde_json::from_str(&cluster.ok(&["get", "--raw", "/openapi/v3"])).unwrap();
    let mut explained = Vec::new();
    for path in index["paths"].as_object().unwrap().values() {
        let document = cluster.ok(&["get", "--raw", path["serverRelativeURL"].as_str().unwrap()]);
        let document: Value = serde_json::from_str(&document).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let kinds =
            schemas.values().filter_map(|s| Some((s["x-kubernetes-group-version-kind"][0]["kind"].as_str()?, s)));
        explained.extend(kinds.filter(|(_, s)| s.get("properties").is_some()).map(|(kind, _)| kind.to_owned()));
    }
    let kinds = cluster.ok(&["api-resources", "--no-headers"]);
    for kind in kinds.lines().filter_map(|line| line.split_whitespace().last()) {
        assert!(explained.iter().any(|other| other == kind), "{kind}");
    }
    for kind in ["tokenreviews.spec", "selfsubjectaccessreviews", "csinodes.spec.drivers", "csidrivers", "events.note"]
    {
        let version = if kind == "events.note" { "--api-version=events.k8s.io/v1" } else { "--recursive" };
        assert!(cluster.ok(&["explain", kind, version]).contains("DESCRIPTION"), "{kind}");
    }
}

#[test]
fn older_clients_read_the_older_descriptions() {
    let Some(cluster) = Cluster::start() else { return };
    // In protobuf.
    let old = |what: &str| cluster.ok(&["explain", what, "--output=plaintext-openapiv2"]);
    assert!(old("widget.spec").contains("What is wanted."));
    assert!(old("node.spec.taints").contains("effect\t<string> -required-"), "{}", old("node.spec.taints"));
    assert!(old("pod.spec.containers.ports").contains("<[]Object>"));
    let document: Value = serde_json::from_str(&cluster.ok(&["get", "--raw", "/openapi/v2"])).unwrap();
    let volumes = &document["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"];
    assert_eq!(
        (&volumes["x-kubernetes-patch-strategy"], &volumes["x-kubernetes-patch-merge-key"]),
        (&json!("merge,retainKeys"), &json!("name"))
    );
    assert!(!document.to_string().contains("#/components/"));
    // kubectl makes its patches with it: what is no longer applied goes, what others added stays.
    let set = |env: Value| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {
            "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i", "env": env}]}}}})
    };
    cluster.apply(&[], &set(json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])));
    cluster.ok(&["set", "env", "deployment/d", "OTHER=3"]);
    cluster.apply(&[], &set(json!([{"name": "A", "value": "4"}])));
    let env =
        "jsonpath={.spec.template.spec.containers[0].env[*].name} {.spec.template.spec.containers[0].env[0].value}";
    assert_eq!(cluster.ok(&["get", "deployment", "d", "-o", env]), "A OTHER 4");
}

#[test]
fn what_is_filled_in_is_what_a_cluster_fills_in() {
    let Some(cluster) = Cluster::start() else { return };
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"app": "p"}}, "spec": {
        "hostNetwork": true, "volumes": [{"name": "v"}], "containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}],
            "resources": {"limits": {"cpu": "1"}}, "readinessProbe": {"grpc": {"port": 1}}}]}});
    cluster.apply(&[], &pod);
    let stored = cluster.json(&["get", "pod", "p"]);
    let spec = &stored["spec"];
    let container = &spec["containers"][0];
    assert_eq!(
        json!([
            spec["enableServiceLinks"],
            spec["serviceAccountName"],
            spec["serviceAccount"],
            spec["volumes"],
            container["ports"],
            container["resources"],
            container["readinessProbe"]["grpc"]["service"],
            stored["metadata"]["generation"]
        ]),
        json!([true, "default", "default", [{"name": "v", "emptyDir": {}}],
            [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}], {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, "", 1])
    );
    cluster.ok(&["label", "pod", "p", "a=b"]);
    cluster.ok(&["set", "image", "pod/p", "c=i:2"]);
    assert_eq!(cluster.json(&["get", "pod", "p"])["metadata"]["generation"], 2);
    cluster.ok(&["create", "pdb", "b", "--selector=app=p", "--min-available=1"]);
    let status = cluster.json(&["get", "pdb", "b"])["status"].clone();
    for count in ["currentHealthy", "disruptionsAllowed"] {
        assert_eq!(status[count], 0, "{status}");
    }
    assert_eq!((&status["observedGeneration"], &status["desiredHealthy"]), (&json!(1), &json!(1)), "{status}");
    cluster.ok(&["create", "service", "clusterip", "s", "--clusterip=None"]);
    assert!(cluster.ok(&["get", "svc", "--field-selector=spec.clusterIP=None", "-o", "name"]).contains("service/s"));
    assert_eq!(cluster.ok(&["get", "svc", "--field-selector=spec.clusterIP!=None", "-o", "name"]), "");
    let driver = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "d"}, "spec": {}});
    cluster.apply(&[], &driver);
    let table = cluster.ok(&["get", "csidrivers"]);
    assert!(table.contains("ATTACHREQUIRED") && table.contains("Persistent"), "{table}");
    let node = json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": "n"},
        "spec": {"drivers": [{"name": "d", "nodeID": "n"}]}});
    cluster.apply(&[], &node);
    assert!(cluster.ok(&["get", "csinodes"]).lines().nth(1).unwrap().starts_with("n      1"));
}

#[test]
fn what_is_refused_is_refused_in_the_words_of_a_cluster() {
    let Some(cluster) = Cluster::start() else { return };
    let raw = |query: &str| cluster.fails(&["get", "--raw", &format!("/api/v1/configmaps?{query}")]);
    for (query, said) in [
        ("labelSelector=t%3D%3D%3D", "unable to parse requirement: found '=', expected: identifier"),
        ("continue=bogus", "invalid continue token: continue key is not valid: illegal base64 data at input byte 4"),
        ("continue=bad", "continue key is not valid: invalid character 'm' looking for beginning of value"),
        ("continue=e30", "continue key is not valid: server does not recognize this encoded version \"\""),
        (
            "resourceVersion=999999&resourceVersionMatch=NotOlderThan",
            "Timeout: Too large resource version: 999999, current:",
        ),
    ] {
        let refused = raw(query);
        assert!(refused.contains(said), "{query}: {refused}");
    }
    cluster.apply(&[], &widget(1));
    cluster.ok(&["patch", "wd", "w", "--type=merge", "--field-manager=m", "-p", r#"{"spec":{"size":2}}"#]);
    let conflict = cluster.run(&["apply", "--server-side", "--field-manager=a", "-f", "-"], &widget(3).to_string());
    let conflict = conflict.unwrap_err();
    assert!(conflict.contains("conflict with \"m\" using example.com/v1: .spec.size"), "{conflict}");
    // What the server was prepared with is nobody's to defend.
    let mut other = definition();
    other["spec"]["versions"][0]["additionalPrinterColumns"] = json!([]);
    assert!(cluster.apply(&["--server-side"], &other).contains("serverside-applied"));
}

#[test]
fn nodes_and_pods_live_as_where_kubelets_are() {
    let Some(cluster) = Cluster::with(Settings { kubelets: true, ..Settings::default() }) else { return };
    for (name, ready) in [("up", "True"), ("down", "Unknown")] {
        cluster.apply(&[], &node(name, ready));
    }
    let taints = |name: &str| {
        let node = cluster.json(&["get", "node", name]);
        let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
        let text = |taint: &Value| {
            format!("{}:{}", taint["key"], taint["effect"]).replace('"', "").replace("node.kubernetes.io/", "")
        };
        taints.iter().map(text).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((taints("up").as_str(), taints("down").as_str()), ("", "unreachable:NoSchedule unreachable:NoExecute"));
    cluster.ok(&["taint", "node", "up", "a=b:NoSchedule"]);
    cluster.ok(&["cordon", "up"]);
    assert_eq!(taints("up"), "a:NoSchedule unschedulable:NoSchedule");
    cluster.ok(&["uncordon", "up"]);
    let full = r#"{"status":{"conditions":[{"type":"DiskPressure","status":"True"}]}}"#;
    cluster.ok(&["patch", "node", "up", "--subresource=status", "-p", full]);
    assert_eq!(taints("up"), "a:NoSchedule disk-pressure:NoSchedule");
    let pod = |name: &str, node: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}})
    };
    cluster.apply(&[], &pod("p", "up"));
    cluster.apply(&[], &pod("q", "down"));
    cluster.ok(&["delete", "pod", "p", "q", "--wait=false"]);
    let ending = cluster.json(&["get", "pod", "p"])["metadata"].clone();
    assert_eq!((&ending["deletionGracePeriodSeconds"], &ending["generation"]), (&json!(30), &json!(2)), "{ending}");
    assert!(cluster.ok(&["get", "pod", "p"]).contains("Terminating"));
    // Whoever plays the kubelet reports until it says that the pod has ended.
    cluster.ok(&["patch", "pod", "p", "--subresource=status", "-p", r#"{"status":{"phase":"Running"}}"#]);
    cluster.ok(&["delete", "pod", "p", "--grace-period=0", "--force"]);
    for gone in ["p", "q"] {
        assert!(cluster.fails(&["get", "pod", gone]).contains("NotFound"), "{gone}");
    }
    cluster.apply(&[], &pod("e", "up"));
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "e"}});
    let path = "/api/v1/namespaces/default/pods/e/eviction";
    let answer = cluster.run(&["create", "--raw", path, "-f", "-"], &eviction.to_string()).unwrap();
    assert!(answer.contains(r#""status":"Success""#) && answer.contains(r#""code":201"#), "{answer}");
    assert!(cluster.ok(&["get", "pod", "e"]).contains("Terminating"));
}

#[test]
fn what_waits_for_a_pod_is_told_that_nothing_runs() {
    let Some(cluster) = Cluster::start() else { return };
    cluster.apply(&[], &node("n", "True"));
    let pod = |annotations: Value, namespace: &str| {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "d", "namespace": namespace, "annotations": annotations},
            "spec": {"nodeName": "n", "priorityClassName": "openshift-user-critical", "containers": [{"name": "c", "image": "i"}]}})
        .to_string()
    };
    let debug = pod(json!({"debug.openshift.io/source-resource": "/v1, Resource=nodes/n"}), "default");
    let refused = cluster.run(&["create", "-f", "-"], &debug).unwrap_err();
    assert!(refused.contains("nothing runs pods here: oc debug waits for"), "{refused}");
    cluster.ok(&["create", "ns", "gather"]);
    cluster.ok(&["annotate", "ns", "gather", "oc.openshift.io/command=oc adm must-gather"]);
    let refused = cluster.run(&["create", "-f", "-"], &pod(json!({}), "gather")).unwrap_err();
    assert!(refused.contains("nothing runs pods here: oc adm must-gather waits for"), "{refused}");
    let refused = cluster.fails(&["get", "--raw", "/api/v1/nodes/n/proxy/logs/journal"]);
    assert!(refused.contains("node n is stored and does not run"), "{refused}");
    assert!(cluster.fails(&["get", "--raw", "/api/v1/nodes/none/proxy/logs/"]).contains("not found"));
    for absent in [
        "/apis/route.openshift.io/v1/routes",
        "/.well-known/oauth-authorization-server",
        "/apis/project.openshift.io/v1",
    ] {
        assert!(cluster.fails(&["get", "--raw", absent]).contains("NotFound"), "{absent}");
    }
}
