//! Whatever is read, nothing panics, and what is accepted means what it says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use futures::StreamExt as _;
use proptest::prelude::*;
use weir_images::digest::ByteStream;
use weir_images::layers::{Layers, file};
use weir_images::manifest::Manifest;
use weir_images::pull_spec::{Location, digest_of};
use weir_images::release::{ImageReferences, Strictness};
use weir_images::{Authfile, Digest, Fault, PullSpec, Registries};

struct One(Digest, Bytes);

impl Layers for One {
    fn count(&self) -> usize {
        1
    }

    fn identity(&self, _: usize) -> (&Digest, u64) {
        (&self.0, self.1.len() as u64)
    }

    async fn open(&self, _: usize) -> Result<ByteStream, Fault> {
        let bytes = self.1.clone();
        Ok(futures::stream::once(async { Ok(bytes) }).boxed())
    }
}

/// Reads a file out of a single layer with these bytes.
fn read(layer: Vec<u8>) -> Result<Option<Vec<u8>>, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let layer = One(Digest::of(&layer), layer.into());
    runtime.block_on(file(&layer, "/a/b", 1000))
}

/// A good archive, to be spoiled.
fn archive() -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in [("a/c", "x"), ("a/b", "found"), ("a/.wh.d", "")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

/// Text that is nearly what a parser wants: its own alphabet.
fn nearly(alphabet: &'static str) -> impl Strategy<Value = String> {
    let characters: Vec<char> = alphabet.chars().collect();
    prop::collection::vec(prop::sample::select(characters), 0..80).prop_map(|all| all.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_pull_spec_reads_back_as_itself(text in prop_oneof![nearly("aZ09.-_:/@[]"), ".*", "[a-z.:]{1,9}/[a-z0-9._-]{1,9}(:[a-z0-9]{1,5})?"]) {
        if let Ok(spec) = text.parse::<PullSpec>() {
            prop_assert_eq!(spec.to_string().parse::<PullSpec>().unwrap(), spec.clone());
            prop_assert_eq!(digest_of(&spec.to_string()), spec.digest().cloned());
        }
        let _ = text.parse::<Location>();
        let _ = text.parse::<Digest>();
    }

    #[test]
    fn places_are_never_empty_and_end_at_the_source(
        prefix in "(\\*\\.)?[ab]\\.io(/[ab])?", mirror in "[cd]\\.io(/[cd])?", image in "[ab]\\.[ab]\\.io/[ab]/[ab]",
    ) {
        let text = format!("[[registry]]\nprefix = {prefix:?}\nlocation = \"e.io\"\n[[registry.mirror]]\nlocation = {mirror:?}\n");
        if let Ok(registries) = Registries::parse(&text) {
            let spec: PullSpec = image.parse().unwrap();
            let places: Vec<_> = registries.places(&spec).into_iter().collect::<Result<_, _>>().unwrap();
            prop_assert!(!places.is_empty() && places.len() <= 2);
            prop_assert!(places.iter().all(|place| place.spec.version == spec.version));
        }
    }

    #[test]
    fn text_of_any_kind(text in prop_oneof![nearly("{}[]\":,ab0 \n=*.-"), ".*"]) {
        let _ = Registries::parse(&text);
        let _ = Authfile::parse(text.as_bytes());
        let _ = Manifest::parse(text.as_bytes());
        let _ = ImageReferences::parse(text.as_bytes(), Strictness::Lenient);
    }

    #[test]
    fn bytes_of_any_kind(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Authfile::parse(&bytes);
        let _ = ImageReferences::parse(&bytes, Strictness::Typed);
        let _ = read(bytes.clone());
        let _ = read([&[0x1f, 0x8b, 8, 0][..], &bytes].concat());
        let _ = read([&[0x28, 0xb5, 0x2f, 0xfd][..], &bytes].concat());
    }

    #[test]
    fn a_spoiled_layer_is_an_error_or_reads_as_something(at in 0_usize..3000, with in any::<u8>(), cut in 0_usize..3000) {
        let mut spoiled = archive();
        let end = spoiled.len().saturating_sub(cut);
        spoiled.truncate(end);
        if let Some(byte) = spoiled.get_mut(at) {
            *byte = with;
        }
        let plain = read(spoiled.clone());
        prop_assert_eq!(read(gzipped(&spoiled)).is_ok(), plain.is_ok());
        if let Ok(Some(content)) = plain {
            prop_assert!(content.len() <= 1000);
        }
    }

    #[test]
    fn a_spoiled_document_is_an_error_or_reads_as_something(
        which in 0_usize..DOCUMENTS.len(), changes in prop::collection::vec((any::<usize>(), any::<u8>(), 0_usize..4), 1..6),
    ) {
        let mut spoiled = DOCUMENTS[which].as_bytes().to_vec();
        for (at, with, how) in changes {
            let at = at % spoiled.len().max(1);
            match how {
                0 if !spoiled.is_empty() => spoiled[at] = with,
                1 => spoiled.insert(at.min(spoiled.len()), with),
                2 => spoiled.truncate(at),
                // What stands twice: keys, brackets, tables.
                _ => spoiled.extend_from_within(at.min(spoiled.len())..),
            }
        }
        let _ = Authfile::parse(&spoiled);
        let _ = ImageReferences::parse(&spoiled, Strictness::Typed);
        let _ = ImageReferences::parse(&spoiled, Strictness::Lenient);
        let _ = Manifest::parse(&spoiled);
        let text = String::from_utf8_lossy(&spoiled);
        if let Ok(registries) = Registries::parse(&text) {
            let spec: PullSpec = "a.io/b/c:1".parse().unwrap();
            let _ = registries.places(&spec);
        }
    }
}

/// Good documents of every kind, to be spoiled.
const DOCUMENTS: [&str; 4] = [
    r#"{"auths":{"a.io":{"auth":"dTpw"},"b.io/x":{"username":"u","password":"p"},"c.io":{"identitytoken":"t"}}}"#,
    r#"{"kind":"ImageStream","apiVersion":"image.openshift.io/v1","metadata":{"name":"5.0.0"},"spec":{"tags":[{"name":"os","annotations":{"a":"b"},"from":{"kind":"DockerImage","name":"q.io/os@sha256:1"}}]}}"#,
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":2},"layers":[]}"#,
    "[[registry]]\nprefix = \"*.a.io\"\nblocked = true\n[[registry]]\nlocation = \"a.io\"\n[[registry.mirror]]\nlocation = \"m.io/x\"\npull-from-mirror = \"tag-only\"\n",
];
