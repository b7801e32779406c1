//! A payload pushed into a real registry, and a cluster that runs it.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use weir_testkit::{Kubectl, Options, Program, Registry};

/// A registry with TLS and a user, and what is needed to talk to it.
struct Place {
    registry: Registry,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Result<Option<Self>> {
        let user = Some(("weir".to_owned(), "secret".to_owned()));
        let Some(registry) = Registry::start(&Options { tls: true, user, ..Options::default() })? else {
            return Ok(None);
        };
        let place = Self { registry, folder: tempfile::tempdir()? };
        std::fs::write(place.authfile(), place.registry.authfile(None))?;
        std::fs::write(place.path("wrong.json"), place.registry.authfile(Some("wrong")))?;
        let insecure = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", place.registry.host());
        std::fs::write(place.config(), insecure)?;
        Ok(Some(place))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn authfile(&self) -> PathBuf {
        self.path("auth.json")
    }

    fn config(&self) -> PathBuf {
        self.path("registries.conf")
    }

    /// Builds a payload, pushes it, and returns its pull spec there.
    fn pushed(&self, distribution: &str, version: &str) -> Result<String> {
        let layout = self.path(&format!("{distribution}-{version}"));
        let built =
            weir(&["payload", "build", "--distribution", distribution, "--version", version, "-o"], &[&layout])?;
        assert!(built.status.success(), "{}", text(&built.stderr));
        let to = format!("{}/{distribution}/release", self.registry.host());
        let layout = layout.to_str().context("utf-8")?;
        let pushed = weir(
            &["payload", "push", layout, &to, "--authfile"],
            &[&self.authfile(), Path::new("--registry-config"), &self.config()],
        )?;
        assert!(pushed.status.success(), "{}", text(&pushed.stderr));
        Ok(text(&pushed.stdout).trim().to_owned())
    }
}

fn weir(arguments: &[&str], files: &[&Path]) -> Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).args(files).output().context("running weir")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_payload_from_a_registry_with_tls_and_a_user_becomes_a_cluster() -> Result<()> {
    let Some(place) = Place::new()? else { return Ok(()) };
    let release = place.pushed("ocp", "5.0.3")?;
    assert!(release.contains("@sha256:"), "{release}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["up", "--step-time", "20ms", "--nodes", "master=1,worker=2", "--release", &release]);
    command.arg("--authfile").arg(place.authfile()).arg("--registry-config").arg(place.config());
    let mut program = Program::start(&mut command)?;
    let kubeconfig = PathBuf::from(program.line()?);
    program.until("every pool is updated")?;
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return Ok(()) };
    let stream = kubectl.get(&["osimagestream", "cluster"])?;
    let annotations = &stream["metadata"]["annotations"];
    assert_eq!(annotations["machineconfiguration.openshift.io/release-payload-image"], json!(release));
    let sets = stream["status"]["availableStreams"].as_array().context("streams")?;
    let from_here = |set: &Value| set["osImage"].as_str().is_some_and(|image| image.starts_with(place.registry.host()));
    assert_eq!(sets.len(), 2);
    assert!(sets.iter().all(from_here), "{sets:?}");
    let version = kubectl.get(&["clusterversion", "version"])?;
    assert_eq!(version["status"]["desired"]["version"], "5.0.3");
    Ok(())
}

#[test]
fn what_a_registry_refuses_is_one_error_that_says_what_to_do() -> Result<()> {
    let Some(place) = Place::new()? else { return Ok(()) };
    let release = place.pushed("okd", "5.0.3-okd-scos.0")?;
    let start = |files: &[&Path]| weir(&["up", "--until", "updated", "--timeout", "30s", "--release", &release], files);
    let (authfile, config, wrong) = (place.authfile(), place.config(), place.path("wrong.json"));
    let (with_auth, with_config) = (Path::new("--authfile"), Path::new("--registry-config"));
    let host = place.registry.host();
    for (files, said) in [
        (vec![with_auth, authfile.as_path()], "insecure"),
        (vec![with_config, config.as_path()], "authfile"),
        (vec![with_auth, wrong.as_path(), with_config, config.as_path()], "credentials"),
    ] {
        let output = start(&files)?;
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert_eq!(error.lines().filter(|line| line.starts_with("error:")).count(), 1, "{error}");
        assert!(error.contains(host) && error.contains(said), "{said}: {error}");
        assert_eq!(text(&output.stdout), "");
    }
    Ok(())
}

#[test]
fn told_more_it_says_of_every_image_how_it_was_reached_and_what_became_of_it() -> Result<()> {
    let Some(place) = Place::new()? else { return Ok(()) };
    let release = place.pushed("ocp", "5.0.3")?;
    let (host, dead) = (place.registry.host(), std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?);
    let config = place.path("mirrors.conf");
    let mirrors = format!(
        "[[registry]]\nlocation = \"{host}\"\ninsecure = true\n[[registry]]\nprefix = \"source.example.com\"\nlocation = \
         \"source.example.com\"\n[[registry.mirror]]\nlocation = \"{dead}\"\n[[registry.mirror]]\nlocation = \
         \"{host}\"\ninsecure = true\n"
    );
    std::fs::write(&config, mirrors)?;
    let image = release.replace(host, "source.example.com");
    let files = [&place.authfile(), Path::new("--registry-config"), &config];
    let output = weir(&["-v", "get", "osimagestream", "--release-image", &image, "--authfile"], &files)?;
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let line = |part: &str| said.lines().find(|line| line.contains(part)).with_context(|| format!("{part}: {said}"));
    let of_release = line("release 5.0.3")?;
    let reached =
        format!("read from mirror {host}/ocp/release, logged in with the authfile's entry {host}; before that {dead}");
    assert!(of_release.contains(&reached) && of_release.contains("refused"), "{of_release}");
    let of_os = line("rhel-coreos-10 (")?;
    for part in [
        "read from its source",
        "labels that count: io.openshift.os.streamclass=rhel-10 containers.bootc=1;",
        "is the OS image of stream rhel-10",
    ] {
        assert!(of_os.contains(part), "{part}: {of_os}");
    }
    assert!(!said.contains("secret"), "{said}");
    Ok(())
}

#[test]
fn processes_that_share_a_cache_lose_nothing_of_each_other() -> Result<()> {
    let Some(place) = Place::new()? else { return Ok(()) };
    let releases = ["5.0.1", "5.0.2", "5.0.3"]
        .map(|version| place.pushed("ocp", version))
        .into_iter()
        .collect::<Result<Vec<_>>>()?;
    let cache = place.path("cache");
    let get = |release: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["get", "default-node-image", "--release-image", release, "--image-cache"]).arg(&cache);
        command.arg("--authfile").arg(place.authfile()).arg("--registry-config").arg(place.config());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command
    };
    let running = releases.iter().map(|release| get(release).spawn()).collect::<Result<Vec<_>, _>>()?;
    let first = running.into_iter().map(|child| child.wait_with_output()).collect::<Result<Vec<_>, _>>()?;
    let commands: Vec<Command> = releases.iter().map(|release| get(release)).collect();
    let Place { registry, folder } = place;
    drop(registry);
    for (mut command, first) in commands.into_iter().zip(first) {
        let again = command.output()?;
        assert!(again.status.success(), "{}", text(&again.stderr));
        assert_eq!(text(&again.stdout), text(&first.stdout));
    }
    drop(folder);
    Ok(())
}

#[test]
fn a_cluster_has_a_registry_whose_images_keep_their_names_and_does_without_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (data, layout) = (folder.path().join("cluster"), folder.path().join("layout"));
    let registry = data.join("registry");
    let up = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["up", "--step-time", "20ms", "--nodes", "master=1,worker=1", "--data-dir"]).arg(&data);
        let mut program = Program::start(&mut command)?;
        program.line()?;
        anyhow::Ok(program)
    };
    let with_access = |arguments: &[&str]| {
        let (authfile, certificate) = (registry.join("auth.json"), registry.join("tls.crt"));
        let files = [Path::new("--authfile"), &authfile, Path::new("--trust-bundle"), &certificate];
        let output = weir(&[&["payload"], arguments].concat(), &files)?;
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        anyhow::Ok(text(&output.stdout).trim().to_owned())
    };
    let mut program = up()?;
    program.until("registry for images: 127.0.0.1:")?;
    program.until("every pool is updated")?;
    let address = std::fs::read_to_string(registry.join("address"))?.trim().to_owned();
    let layout = layout.to_str().context("utf-8")?;
    assert!(weir(&["payload", "build", "--distribution", "okd", "-o", layout], &[])?.status.success());
    let pushed = with_access(&["push", layout, &format!("{address}/mine/release")])?;
    assert!(program.interrupt()?.success());
    let mut program = up()?;
    program.until(&format!("registry for images: {address}"))?;
    assert!(with_access(&["inspect", &pushed])?.contains("centos-10"));
    assert!(program.interrupt()?.success());
    // Somebody else has the port: all but the registry is as before.
    let _taken = std::net::TcpListener::bind(&address)?;
    let mut program = up()?;
    program.until("this cluster has no registry for images")?;
    program.until("every pool is updated")?;
    assert!(program.interrupt()?.success());
    Ok(())
}
