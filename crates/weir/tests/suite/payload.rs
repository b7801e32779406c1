//! `weir payload` and `weir get` as a user runs them: what is printed, where, and how it ends.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Output};
use weir_testkit::{Options, Registry};

const WEIR: &str = env!("CARGO_BIN_EXE_weir");
const OTHER_NAME: &str = "machine-config-osimagestream";

fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    // Nothing of the machine's own set-up may leak in.
    for name in ["REGISTRY_AUTH_FILE", "HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs weir; it must succeed and say nothing but data on stdout.
fn weir(folder: &Path, arguments: &[&str]) -> String {
    let output = run(Path::new(WEIR), folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Runs weir; it must fail with this code and say so on stderr alone.
fn refused(folder: &Path, code: i32, arguments: &[&str]) -> String {
    let output = run(Path::new(WEIR), folder, arguments);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(code), String::new()), "{arguments:?}");
    text(&output.stderr)
}

#[test]
fn a_payload_is_built_and_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(weir(at, &["payload", "build", "--distribution", "ocp", "-o", "p"]), "oci:p\n");
    let table = weir(at, &["payload", "inspect", "oci:p"]);
    assert!(table.contains("Stream:       rhel-10 (default)\n") && table.contains("Stream:       rhel-9\n"), "{table}");
    let json: serde_json::Value =
        serde_json::from_str(&weir(at, &["payload", "inspect", "oci:p", "-o", "json"])).unwrap();
    assert_eq!(json["streams"].as_array().unwrap().len(), 2);
    assert_eq!(json["defaultStream"], "rhel-10");
    let version =
        ["payload", "build", "--distribution", "okd", "--version", "5.1.0", "--streams", "centos-11", "-o", "q"];
    weir(at, &version);
    assert!(weir(at, &["payload", "inspect", "oci:q"]).contains("Version:      5.1.0\n"));
}

#[test]
fn payloads_that_no_sample_has_are_made_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let build = |more: &[&str]| weir(at, &[&["payload", "build", "--distribution"][..], more].concat());
    // Two streams where there is one at a time, the second under a tag of its own.
    build(&["okd", "--streams", "centos-10,centos-11=stream-coreos-11", "-o", "two"]);
    let table = weir(at, &["payload", "inspect", "oci:two"]);
    assert!(table.contains("carries 2 streams where the distribution has one: centos-10, centos-11"), "{table}");
    // Streams of which none has the base tag.
    build(&["ocp", "--streams", "rhel-10,rhel-11", "-o", "new"]);
    let table = weir(at, &["payload", "inspect", "oci:new"]);
    assert!(table.contains("Distribution: ocp\n") && table.contains("Stream:       rhel-11\n"), "{table}");
    weir(at, &["up", "--release", "oci:new", "--until", "updated", "--timeout", "60s", "--step-time", "10ms"]);
    // No image says which stream it is.
    build(&["okd", "--unlabelled", "-o", "plain"]);
    let table = weir(at, &["payload", "inspect", "oci:plain"]);
    assert!(table.contains("centos-10 (default)"), "{table}");
}

#[test]
fn what_get_prints_is_an_object_that_others_take() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    weir(at, &["payload", "build", "--distribution", "ocp", "-o", "p"]);
    let printed = weir(at, &["get", "osimagestream", "--release-image", "oci:p", "--output-format", "yaml"]);
    assert!(printed.contains("apiVersion: machineconfiguration.openshift.io/v1\nkind: OSImageStream\n"), "{printed}");
    std::fs::write(at.join("streams.yaml"), printed).unwrap();
    let pool = "{apiVersion: machineconfiguration.openshift.io/v1, kind: MachineConfigPool, metadata: {name: worker}, spec: {}}";
    std::fs::write(at.join("pool.yaml"), pool).unwrap();
    let told = weir(at, &["explain", "stream", "-f", "streams.yaml", "-f", "pool.yaml", "--distribution", "ocp"]);
    assert!(told.contains("rhel-10"), "{told}");
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("file"), "x").unwrap();
    for (code, arguments, part) in [
        (2, &["payload", "build", "--distribution", "fcos", "-o", "p"][..], "use one of ocp, okd"),
        (1, &["payload", "build", "--distribution", "ocp", "--version", "x", "-o", "p"], "not a version"),
        (1, &["payload", "build", "--distribution", "ocp", "-o", "."], "not empty"),
        (1, &["payload", "build", "--distribution", "ocp", "-o", "file/p"], "file"),
        (1, &["payload", "inspect", "oci:none"], "no OCI layout"),
        (1, &["payload", "push", "none", "registry.example.com/a"], "no OCI layout"),
        (1, &["payload", "inspect", "https://a.io/b"], "unknown transport"),
        (2, &["payload"], "Usage"),
    ] {
        let said = refused(at, code, arguments);
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    assert_eq!(std::fs::read_dir(at).unwrap().count(), 1);
}

#[test]
fn a_pushed_payload_is_read_back_with_credentials_and_ca() {
    let options = Options { tls: true, user: Some(("weir".to_owned(), "secret".to_owned())), ..Options::default() };
    let Some(registry) = Registry::start(&options).unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("auth.json"), registry.authfile(None)).unwrap();
    std::fs::write(at.join("wrong.json"), registry.authfile(Some("hunter2"))).unwrap();
    std::fs::write(at.join("ca.crt"), registry.ca()).unwrap();
    weir(at, &["payload", "build", "--distribution", "okd", "-o", "p"]);
    let to = format!("{}/okd/release", registry.host());
    let trusted = ["--authfile", "auth.json", "--trust-bundle", "ca.crt"];
    let release = weir(at, &[&["payload", "push", "oci:p", &to][..], &trusted].concat());
    let release = release.trim_end();
    assert!(release.starts_with(&format!("{to}@sha256:")), "{release}");
    let get = ["get", "default-node-image", "--release-image", release];
    let image = weir(at, &[&get[..], &trusted].concat());
    assert!(image.starts_with(&format!("{to}@sha256:")) && image.ends_with('\n'), "{image}");
    for (with, part) in [
        (&["--trust-bundle", "ca.crt"][..], "asks for credentials"),
        (&["--trust-bundle", "ca.crt", "--authfile", "wrong.json"], "refuses the credentials"),
        (&["--authfile", "auth.json"], "insecure"),
    ] {
        let said = refused(at, 1, &[&["payload", "inspect", release][..], with].concat());
        assert!(said.contains(part) && !said.contains("hunter2"), "{said}");
        assert!(refused(at, 1, &[&get[..], with].concat()).contains("unable to retrieve any OSImageStream"));
    }
}

#[test]
fn by_its_other_name_it_answers_as_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let link = at.join(OTHER_NAME);
    std::os::unix::fs::symlink(WEIR, &link).unwrap();
    weir(at, &["payload", "build", "--distribution", "ocp", "-o", "p"]);
    std::fs::write(at.join("auth.json"), "{}").unwrap();
    let from = ["--authfile", "auth.json", "--release-image", "oci:p"];
    let named = |name| [&["get", "os-image-pullspec", "--osimagestream-name", name][..], &from].concat();
    let object = |more: &[&'static str]| [&["get", "osimagestream"][..], &from, more].concat();
    let cases: Vec<(Vec<&str>, i32, &str)> = vec![
        (vec!["get", "os-image-pullspec"], 1, "Error: required flag(s) \"authfile\", \"osimagestream-name\" not set\n"),
        (vec!["bogus"], 1, "Error: unknown command \"bogus\" for \"machine-config-osimagestream\"\n"),
        (vec!["--x"], 1, "Error: unknown flag: --x\n"),
        (vec!["get", "bogus"], 0, ""),
        (vec!["get"], 0, ""),
        (
            vec!["get", "osimagestream", "--authfile", "a"],
            1,
            "either --imagestream or --release-image must be provided",
        ),
        (object(&["--imagestream", "x"]), 1, "--imagestream and --release-image are mutually exclusive"),
        (object(&["--output-format", "xml"]), 1, "unsupported output format \\\"xml\\\": must be 'json' or 'yaml'"),
        (
            object(&["--output-file", "none/x.json"]),
            1,
            "failed to write output to file \\\"none/x.json\\\": no such file",
        ),
        (
            vec!["get", "osimagestream", "--authfile", "a", "--imagestream", "nope.json"],
            1,
            "open nope.json: no such file or directory",
        ),
        (
            vec!["get", "osimagestream", "--authfile", "nope", "--release-image", "oci:p"],
            1,
            "unable to retrieve any OSImageStream from the configured sources\"\n",
        ),
        (named(""), 1, "empty OSImageStream name"),
        (named("nope"), 1, "missing OSImageStream \\\"nope\\\", expected one of: [rhel-10 rhel-9]: osimagestreams."),
        (named("rhel-9"), 0, ""),
    ];
    for (arguments, code, said) in cases {
        let output = run(&link, at, &arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    let object = text(&run(&link, at, &object(&["--output-format", "yaml"])).stdout);
    assert!(object.starts_with("---\nmetadata:\n") && object.ends_with("  defaultStream: rhel-10\n\n"), "{object}");
}
