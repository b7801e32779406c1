//! What `weir up` says about a release, an address or a folder that cannot be used: one error each, nothing left behind.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use weir_testkit::Program;

fn weir(arguments: &[&str]) -> Result<Output> {
    Command::new(env!("CARGO_BIN_EXE_weir")).args(arguments).output().context("running weir")
}

/// Runs `weir up` and returns its exit code and its one error.
fn refused(arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let mut all = vec!["up", "--until", "updated", "--timeout", "30s"];
    all.extend(arguments);
    let output = weir(&all)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.lines().filter(|line| line.starts_with("error:")).count(), 1, "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "nothing is printed for what did not start");
    Ok((output.status.code(), said))
}

/// A sample payload in a folder.
fn payload(folder: &Path, arguments: &[&str]) -> Result<PathBuf> {
    let layout = folder.join("layout");
    let mut all = vec!["payload", "build", "-o", layout.to_str().context("utf-8")?];
    all.extend(arguments);
    let output = weir(&all)?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(layout)
}

fn reference(layout: &Path) -> String {
    format!("oci:{}", layout.display())
}

fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs/sha256").join(digest.trim_start_matches("sha256:"))
}

fn json_of(path: &Path) -> Result<Value> {
    serde_json::from_slice(&std::fs::read(path)?).with_context(|| format!("reading {}", path.display()))
}

#[test]
fn a_registry_that_is_not_there() -> Result<()> {
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let place = format!("127.0.0.1:{port}");
    let (code, said) = refused(&["--release", &format!("{place}/ocp/release@sha256:{}", "0".repeat(64))])?;
    assert_eq!(code, Some(1));
    assert!(said.contains(&place), "{said}");
    Ok(())
}

#[test]
fn a_folder_that_is_no_layout_and_an_image_that_is_no_release() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (code, said) = refused(&["--release", &reference(&folder.path().join("nothing"))])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("nothing"), "{said}");
    let layout = payload(folder.path(), &["--distribution", "ocp"])?;
    let mut index = json_of(&layout.join("index.json"))?;
    // An operating system image instead of the release image.
    let images = index["manifests"].as_array_mut().context("manifests")?;
    images.remove(0);
    images.truncate(1);
    std::fs::write(layout.join("index.json"), index.to_string())?;
    let (code, said) = refused(&["--release", &reference(&layout)])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("release"), "{said}");
    Ok(())
}

#[test]
fn bytes_that_are_not_what_their_digest_says() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let layout = payload(folder.path(), &["--distribution", "ocp"])?;
    let index = json_of(&layout.join("index.json"))?;
    let digest = index["manifests"][0]["digest"].as_str().context("digest")?.to_owned();
    let config = json_of(&blob(&layout, &digest))?["config"]["digest"].as_str().context("config")?.to_owned();
    let path = blob(&layout, &config);
    let changed = std::fs::read_to_string(&path)?.replacen("5.0.0", "5.0.9", 1);
    std::fs::write(&path, changed)?;
    let (code, said) = refused(&["--release", &reference(&layout)])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("digest") && said.contains(&config), "{said}");
    Ok(())
}

#[test]
fn a_payload_without_a_whole_stream_and_one_with_a_half_beside_a_whole() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let layout = payload(folder.path(), &["--distribution", "ocp", "--streams", "rhel-9"])?;
    break_extensions(&layout, "rhel-9")?;
    let (code, said) = refused(&["--release", &reference(&layout)])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("unable to retrieve any OSImageStream"), "{said}");

    let folder = tempfile::tempdir()?;
    let layout = payload(folder.path(), &["--distribution", "ocp", "--streams", "rhel-9,rhel-10"])?;
    break_extensions(&layout, "rhel-9")?;
    let output = weir(&[
        "up",
        "--until",
        "updated",
        "--timeout",
        "30s",
        "--step-time",
        "10ms",
        "--release",
        &reference(&layout),
    ])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("streams rhel-10; default rhel-10") && said.contains("stream rhel-9 has no extensions image"),
        "{said}"
    );
    Ok(())
}

/// Takes the labels from a stream's extensions image: its digest changes, and with it the list in the release.
fn break_extensions(layout: &Path, stream: &str) -> Result<()> {
    let mut index = json_of(&layout.join("index.json"))?;
    let images = index["manifests"].as_array().context("manifests")?.clone();
    for (at, image) in images.iter().enumerate() {
        let digest = image["digest"].as_str().context("digest")?;
        let mut manifest = json_of(&blob(layout, digest))?;
        let mut config = json_of(&blob(layout, manifest["config"]["digest"].as_str().context("config")?))?;
        let labels = &mut config["config"]["Labels"];
        let is_it = labels["io.openshift.os.streamclass"] == stream && labels["io.openshift.os.extensions"] == "true";
        if !is_it {
            continue;
        }
        *labels = json!({});
        let (new, size) = store(layout, &config)?;
        manifest["config"]["digest"] = json!(new);
        manifest["config"]["size"] = json!(size);
        let (new, size) = store(layout, &manifest)?;
        index["manifests"][at]["digest"] = json!(new);
        index["manifests"][at]["size"] = json!(size);
        std::fs::write(layout.join("index.json"), index.to_string())?;
        return relabel(layout, digest, &new);
    }
    anyhow::bail!("no extensions image of {stream}")
}

fn store(layout: &Path, value: &Value) -> Result<(String, usize)> {
    let bytes = value.to_string().into_bytes();
    let digest = sha256(&bytes)?;
    std::fs::write(blob(layout, &digest), &bytes)?;
    Ok((digest, bytes.len()))
}

fn sha256(bytes: &[u8]) -> Result<String> {
    Ok(weir_images::Digest::of(bytes).to_string())
}

/// Makes the release name another digest: its upper layer is written anew.
fn relabel(layout: &Path, from: &str, to: &str) -> Result<()> {
    let mut index = json_of(&layout.join("index.json"))?;
    let digest = index["manifests"][0]["digest"].as_str().context("digest")?.to_owned();
    let mut manifest = json_of(&blob(layout, &digest))?;
    let layers = manifest["layers"].as_array_mut().context("layers")?;
    for layer in layers.iter_mut() {
        let path = blob(layout, layer["digest"].as_str().context("layer")?);
        let Some(changed) = rewrite(&std::fs::read(path)?, from, to)? else { continue };
        let digest = sha256(&changed)?;
        layer["size"] = json!(changed.len());
        std::fs::write(blob(layout, &digest), &changed)?;
        layer["digest"] = json!(digest);
    }
    let (digest, size) = store(layout, &manifest)?;
    index["manifests"][0]["digest"] = json!(digest);
    index["manifests"][0]["size"] = json!(size);
    std::fs::write(layout.join("index.json"), index.to_string())?;
    Ok(())
}

/// A gzipped layer with the digest replaced in its files; `None` when it is in none.
fn rewrite(layer: &[u8], from: &str, to: &str) -> Result<Option<Vec<u8>>> {
    use std::io::{Read as _, Write as _};
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(layer).read_to_end(&mut text)?;
    // Digests have the same length, so that the archive keeps its shape.
    let hits: Vec<usize> =
        text.windows(from.len()).enumerate().filter(|(_, w)| *w == from.as_bytes()).map(|(at, _)| at).collect();
    if hits.is_empty() {
        return Ok(None);
    }
    for at in hits {
        text[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&text)?;
    Ok(Some(encoder.finish()?))
}

#[test]
fn broken_image_references() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let layout = payload(folder.path(), &["--distribution", "ocp"])?;
    relabel(&layout, "\"ImageStream\"", "\"ImageStre4m\"")?;
    let (code, said) = refused(&["--release", &reference(&layout)])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("image-references"), "{said}");
    Ok(())
}

#[test]
fn a_distribution_that_is_unknown_or_does_not_fit() -> Result<()> {
    let (code, said) = refused(&["--distribution", "fcos"])?;
    assert_eq!(code, Some(2));
    assert!(said.contains("use one of ocp, okd"), "{said}");
    let folder = tempfile::tempdir()?;
    let layout = payload(folder.path(), &["--distribution", "okd"])?;
    let (code, said) = refused(&["--distribution", "ocp", "--release", &reference(&layout)])?;
    assert_eq!(code, Some(1));
    assert!(said.contains("stream-coreos, which belongs to okd"), "{said}");
    Ok(())
}

#[test]
fn a_port_in_use_and_a_folder_that_cannot_be_written() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("data");
    let (code, said) = refused(&["--listen", &address, "--data-dir", dir.to_str().context("utf-8")?])?;
    assert_eq!(code, Some(1));
    assert!(said.contains(&address), "{said}");
    assert!(!dir.exists(), "nothing is left behind");
    let file = folder.path().join("file");
    std::fs::write(&file, "")?;
    let below = file.join("data");
    let (code, said) = refused(&["--data-dir", below.to_str().context("utf-8")?])?;
    assert_eq!(code, Some(1));
    assert!(said.contains(file.to_str().context("utf-8")?), "{said}");
    Ok(())
}

#[test]
fn a_data_directory_that_another_run_uses() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let dir = folder.path().join("data");
    let dir = dir.to_str().context("utf-8")?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    let mut first =
        Program::start(command.args(["up", "--step-time", "10ms", "--nodes", "master=1", "--data-dir", dir]))?;
    let kubeconfig = first.line()?;
    let before = std::fs::read(&kubeconfig)?;
    let (code, said) = refused(&["--data-dir", dir])?;
    assert_eq!(code, Some(1));
    assert!(said.contains(dir) && said.contains("in use") && said.contains("another directory"), "{said}");
    assert_eq!(std::fs::read(&kubeconfig)?, before, "the first run's kubeconfig is as it was");
    assert!(first.interrupt()?.success(), "Ctrl-C is how it is ended");
    Ok(())
}

#[test]
fn a_disk_that_is_full_ends_it_and_nothing_else_is_claimed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("data");
    let directory = data_dir.display().to_string();
    let first = weir(&[
        "up",
        "--data-dir",
        &directory,
        "--nodes",
        "master=1,worker=1",
        "--step-time",
        "10ms",
        "--until",
        "updated",
    ])?;
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    // No file may grow any more, and the system says so instead of ending the process.
    let most = std::fs::metadata(data_dir.join("objects.redb"))?.len() / 1024;
    let script = format!("trap '' XFSZ; ulimit -f {most}; exec \"$0\" \"$@\"");
    let more = ["up", "--data-dir", &directory, "--nodes", "master=1,worker=400", "--step-time", "10ms"];
    let full = Command::new("bash")
        .args(["-c", &script, env!("CARGO_BIN_EXE_weir")])
        .args(more)
        .args(["--until", "updated", "--timeout", "60s"])
        .output()?;
    let said = String::from_utf8_lossy(&full.stderr);
    assert_eq!(full.status.code(), Some(1), "{said}");
    assert!(said.contains("make room on its disk and start again"), "{said}");
    assert!(!said.contains("every pool is updated"), "{said}");
    Ok(())
}

#[test]
fn who_stops_what_waits_is_not_told_that_it_holds() -> Result<()> {
    let run = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        Program::start(command.args(["up", "--nodes", "master=1", "--step-time", "60s"]).args(more))
    };
    let mut waiting = run(&["--until", "updated"])?;
    waiting.line()?;
    let ended = waiting.interrupt()?;
    let said = waiting.rest();
    assert_eq!(ended.code(), Some(1), "{said}");
    assert!(said.contains("stopped before every pool was updated"), "{said}");
    let mut running = run(&[])?;
    running.line()?;
    assert_eq!(running.interrupt()?.code(), Some(0), "{}", running.rest());
    Ok(())
}

#[test]
fn wrong_usage_exits_with_2_and_says_how_it_is_right() -> Result<()> {
    for (arguments, said) in [
        (vec!["--nodes", "worker"], "master=3,worker=3"),
        (vec!["--step-time", "soon"], "50ms"),
        (vec!["--listen", "here"], "--listen"),
        (vec!["--no-such-flag"], "--no-such-flag"),
        (vec!["--relase", "x"], "--release"),
        (vec!["--budget", "1"], "--pods"),
        (vec!["--pods", "2", "--budget", "half"], "20%"),
        (vec!["--until", "done"], "updated"),
        (vec!["--story", "okd-hop", "--until", "updated"], "--story"),
        (vec!["--data-dir"], "--data-dir"),
    ] {
        let mut all = vec!["up"];
        all.extend(&arguments);
        let output = weir(&all)?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(said), "{error}");
    }
    let output = weir(&["up", "--timeout", "1s"])?;
    assert_eq!(output.status.code(), Some(2), "a time-out without --until has nothing to end");
    Ok(())
}

#[test]
fn a_pull_spec_that_is_none_is_refused_before_anything_is_written() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let at = folder.path().join("out");
    let out = at.to_str().context("utf-8")?;
    let no_tag = "\"nope:::\": there is no tag after the last :";
    for (arguments, option, why) in [
        (&["manifests", "--image", "nope:::", "-o", out][..], "--image", no_tag),
        (&["manifests", "--image", "docker://a.io/b", "-o", out], "--image", "without docker://: write \"a.io/b\""),
        (&["manifests", "--image", "a.io/b", "--builder-image", "a.io/B", "-o", out], "--builder-image", "lower case"),
        (&["run", "operator", "--controller-image", "nope:::"], "--controller-image", no_tag),
        (&["run", "all", "--operator-image", ""], "--operator-image", "there is no name"),
        (&["run", "all", "--release", "nope:::"], "--release", no_tag),
        (&["up", "--release", "nope:::", "--data-dir", out], "--release", no_tag),
        (&["update", "--to", "nope:::"], "--to", no_tag),
        (&["plan", "--release", "nope:::", "--from", "none"], "--release", no_tag),
        (&["generate", "--release", "nope:::", "-f", "none"], "--release", no_tag),
        (
            &["explain", "file", "/etc/motd", "--pool", "worker", "--release", "nope:::", "-f", "none"],
            "--release",
            no_tag,
        ),
    ] {
        let output = weir(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty() && said.contains(option) && said.contains(why), "{arguments:?}: {said}");
    }
    assert!(!at.exists());
    Ok(())
}
