use super::*;
use crate::images::{Images, Source};
use std::collections::BTreeMap;

fn images(layout: &Layout) -> Images {
    Images::new(Source { layouts: vec![layout.clone()], offline: true, ..Source::default() })
}

#[tokio::test]
async fn a_payload_is_discovered_from_memory_and_from_a_folder() {
    for profile in Profile::all() {
        let memory = build(profile, None, &[]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        memory.write(folder.path()).unwrap();
        let from_memory = images(&memory).release_of(&memory).await.unwrap();
        let reference = format!("oci:{}", folder.path().display());
        let stored = Layout::open(folder.path()).unwrap();
        let from_folder = images(&stored).release(&reference).await.unwrap();
        assert_eq!(from_memory, from_folder);
        assert_eq!(images(&stored).release(&from_memory.image).await.unwrap(), from_folder);
        assert_eq!(from_folder.version, profile.sample.version);
        assert!(from_folder.image.starts_with(&format!("{}/release@sha256:", profile.sample.repository)));
        assert!((180..=220).contains(&from_folder.tags.len()), "{}", from_folder.tags.len());
        assert!(from_folder.tags.is_sorted_by_key(|tag| tag.name.clone()));
        let all: Vec<String> = from_folder.tags.iter().filter_map(|tag| tag.image.clone()).collect();
        let labels = images(&stored).labels_of(&all).await;
        assert!(labels.iter().all(Result::is_ok));
        for stream in &profile.sample.streams {
            for (tag, key) in [(stream.os_tag.clone(), label::BOOTC), (stream.extensions_tag(), label::EXTENSIONS)] {
                let at = from_folder.tags.iter().position(|t| t.name == tag).unwrap();
                let (labels, _) = labels[at].as_ref().unwrap();
                assert_eq!(labels.get(label::STREAM_CLASS), Some(&stream.name));
                assert!(labels.contains_key(key) && labels.contains_key(OCI_VERSION), "{labels:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_payload_carries_templates_where_real_ones_do() {
    let folder = tempfile::tempdir().unwrap();
    build(Profile::by_name("okd").unwrap(), None, &[]).unwrap().write(folder.path()).unwrap();
    let layout = Layout::open(folder.path()).unwrap();
    let images = images(&layout);
    let release = images.release_of(&layout).await.unwrap();
    let operator = release.image_of(OPERATOR).unwrap();
    let found = images.folder(operator, TEMPLATES, 1 << 20).await.unwrap().unwrap();
    let expected: BTreeMap<String, Vec<u8>> =
        templates().into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
    assert_eq!(found.files, expected);
    assert_eq!(images.folder(operator, "/etc/other", 1 << 20).await.unwrap(), None);
    assert!(images.folder(operator, TEMPLATES, 1000).await.is_err());
    let names = images.listing(operator, TEMPLATES).await.unwrap().unwrap();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected.into_keys().collect::<Vec<_>>());
    assert_eq!(images.listing(operator, "/etc/other").await.unwrap(), None);
    assert_eq!(images.architectures(operator).await.unwrap().into_iter().collect::<Vec<_>>(), ["amd64"]);
}

fn content(layout: &Layout) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    layout.write(folder.path()).unwrap();
    let blobs = folder.path().join("blobs/sha256");
    let mut files: Vec<_> = std::fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push(folder.path().join("index.json"));
    let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    files.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

#[test]
fn the_same_arguments_give_the_same_bytes_and_others_give_others() {
    let profile = Profile::by_name("ocp").unwrap();
    let one = content(&build(profile, Some("4.21.0"), &[]).unwrap());
    assert_eq!(one, content(&build(profile, Some("4.21.0"), &[]).unwrap()));
    let next = content(&build(profile, Some("4.21.1"), &[]).unwrap());
    assert!(next.keys().all(|name| name == "index.json" || !one.contains_key(name)), "every image differs");
    let size: usize = one.values().map(Vec::len).sum();
    assert!(size < 100 << 10, "{size}");
}

#[tokio::test]
async fn versions_and_streams_are_as_asked_for() {
    let profile = Profile::by_name("ocp").unwrap();
    let layout = build(profile, Some("5.0.0+build.1"), &["rhel-11".to_owned()]).unwrap();
    let release = images(&layout).release_of(&layout).await.unwrap();
    assert_eq!(release.version, "5.0.0+build.1");
    let os: Vec<&str> =
        release.tags.iter().map(|tag| tag.name.as_str()).filter(|name| name.starts_with("rhel")).collect();
    assert_eq!(os, ["rhel-coreos-11", "rhel-coreos-11-extensions"]);
}

#[test]
fn what_cannot_be_made_is_refused() {
    let (ocp, okd) = (Profile::by_name("ocp").unwrap(), Profile::by_name("okd").unwrap());
    let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    for (profile, version, streams, part) in [
        (ocp, "latest", "rhel-9", "is not a version"),
        (ocp, "4.21.0 x", "rhel-9", "letters"),
        (ocp, "4.21.0", "RHEL 9", "RHEL 9"),
        (ocp, "4.21.0", "rhel-9,", "\"\""),
        (ocp, "4.21.0", "rhel-9,rhel-9", "both be tag rhel-coreos"),
        (okd, "4.21.0", "centos-10,centos-11", "both be tag stream-coreos"),
    ] {
        let error = build(profile, Some(version), &names(streams)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn what_is_in_no_layout_is_not_looked_for_elsewhere() {
    let layout = build(Profile::by_name("ocp").unwrap(), None, &[]).unwrap();
    let none = format!("registry.example.com/a@{}", crate::Digest::of(b"x"));
    for image in [none.as_str(), "registry.example.com/ocp/release:4.21.0"] {
        let error = images(&layout).labels(image).await.unwrap_err();
        assert!(error.to_string().contains("no layout that was given holds it"), "{error}");
    }
    let release = images(&layout).release_of(&layout).await.unwrap();
    let component = release.tags[0].image.clone().unwrap();
    let error = images(&layout).release(&component).await.unwrap_err().to_string();
    assert!(error.contains("no release payload") && error.contains(&component), "{error}");
}

/// `oc adm release info` reads the topmost layer, and nothing below it.
#[test]
fn what_describes_a_release_is_in_its_topmost_layer() {
    let folder = tempfile::tempdir().unwrap();
    build(Profile::by_name("ocp").unwrap(), None, &[]).unwrap().write(folder.path()).unwrap();
    let read = |digest: &str| std::fs::read(folder.path().join("blobs").join(digest.replace(':', "/"))).unwrap();
    let json = |bytes: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&bytes).unwrap();
    let index = json(std::fs::read(folder.path().join("index.json")).unwrap());
    let manifest = json(read(index["manifests"][0]["digest"].as_str().unwrap()));
    assert_eq!(json(read(manifest["config"]["digest"].as_str().unwrap()))["created"], image::EPOCH);
    let top = manifest["layers"].as_array().unwrap().last().unwrap()["digest"].as_str().unwrap();
    let unzipped = flate2::read::GzDecoder::new(std::io::Cursor::new(read(top)));
    let mut archive = tar::Archive::new(unzipped);
    let names: Vec<String> =
        archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    assert_eq!(names, ["release-manifests/image-references", "release-manifests/release-metadata"]);
}
