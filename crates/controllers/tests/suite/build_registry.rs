//! Builders and what registries say, against registries that fail.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test")]

use bytes::Bytes;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::Client;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};
use weir_api::{MachineConfig, machine_config::MachineConfigSpec};
use weir_apiserver::{ApiServer, Settings};
use weir_controllers::{
    Access, Cluster,
    build::{
        Builder as _, Registries as _,
        builder::{Inputs, Log, Order},
        layers::Layers,
        registry::Registry,
    },
    cluster::Watcher,
};
use weir_distro::Profile;
use weir_images::{Images, Registries, Source, payload};
use weir_testkit::http::{Answer, Request, Server};

const TAG: &str = "worker-1";

/// A registry that has nothing, and answers uploads and manifests with these codes.
async fn registry(upload: u16, manifest: u16) -> Server {
    let answer = move |request: &Request| {
        let text = |code, headers| Answer::Text(code, headers, Bytes::new());
        let location = || vec![("location", "/v2/os/worker/blobs/uploads/1".to_owned())];
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v2/") => text(200, Vec::new()),
            ("POST", _) if upload == 202 => text(202, location()),
            ("POST", _) => text(upload, Vec::new()),
            ("PATCH", _) => text(202, location()),
            ("PUT", path) if path.contains("/manifests/") => {
                text(manifest, vec![("docker-content-digest", format!("sha256:{}", "f".repeat(64)))])
            }
            ("PUT", _) => text(201, Vec::new()),
            _ => text(404, Vec::new()),
        }
    };
    Server::start(answer).await.unwrap()
}

fn secret() -> Secret {
    let data = json!({".dockerconfigjson": ByteString(b"{\"auths\":{}}".to_vec())});
    serde_json::from_value(json!({"metadata": {"name": "push"}, "data": data})).unwrap()
}

/// What comes of a build that is pushed to this registry, and what the registry says of what was reported.
async fn pushed(host: &str) -> Outcome {
    built(host, None).await
}

type Outcome = (Result<String, String>, Option<Result<Option<BTreeMap<String, String>>, String>>);

/// The same on this base instead of one of a sample release.
async fn built(host: &str, base: Option<String>) -> Outcome {
    let layout = payload::build(Profile::by_name("ocp").unwrap(), None, &[]).unwrap();
    let release = Images::new(Source::default()).release_of(&layout).await.unwrap();
    let sample = release.tags.iter().find(|tag| tag.name == "rhel-coreos-10").unwrap().image.clone().unwrap();
    let base = base.unwrap_or(sample);
    let text = format!("[[registry]]\nlocation = \"{host}\"\ninsecure = true\n");
    let registries = Registries::parse(&text).unwrap();
    let images = Images::new(Source { layouts: vec![layout], registries, ..Source::default() });
    let cluster = Cluster::default();
    let access = Access::new(&cluster, images);
    let server = ApiServer::new(Settings::default()).unwrap();
    server.define(weir_api::crds::crds(weir_api::crds::FeatureSet::Default)).unwrap();
    let client = Client::new(server.service(), "default");
    let order = Order {
        rendered: Arc::new(MachineConfig::named("rendered-worker-1", MachineConfigSpec::default())),
        containerfile: format!("FROM {base} AS configs\nADD root.tar /\nLABEL machineconfig=rendered-worker-1\n"),
        base,
        pull_secret: None,
        push_secret: secret(),
        push_spec: format!("{host}/os/worker:{TAG}"),
        inputs: Inputs::default(),
        log: Log::default(),
    };
    let work = async {
        let built = Layers::new(access.clone()).build(order).await;
        let said = match &built {
            Ok(image) => Some(Registry::new(access).labels(image.clone(), secret()).await),
            Err(_) => None,
        };
        (built, said)
    };
    tokio::select! {
        () = cluster.watches.fill(&client, &[Watcher::Configuration, Watcher::Images]) => panic!("the watches ended"),
        done = work => done,
    }
}

#[tokio::test]
async fn a_registry_that_is_full_is_told_in_its_words() {
    for code in [500, 507] {
        let server = registry(code, 201).await;
        let said = pushed(&server.host()).await.0.unwrap_err();
        assert!(said.contains(&code.to_string()) && said.contains(&server.host()), "{said}");
        let posts = server.requests().iter().filter(|request| request.method == "POST").count();
        assert_eq!(posts, 1, "who ordered the build tries again");
    }
    let server = registry(202, 507).await;
    let said = pushed(&server.host()).await.0.unwrap_err();
    assert!(said.contains("507"), "{said}");
}

#[tokio::test]
async fn a_registry_that_answers_another_digest_does_not_have_the_image() {
    let server = registry(202, 201).await;
    let (built, said) = pushed(&server.host()).await;
    let image = built.unwrap();
    assert!(!image.ends_with(&"f".repeat(64)), "the digest is that of what was pushed: {image}");
    assert_eq!(said, Some(Ok(None)), "and the registry is asked for it");
}

#[tokio::test]
async fn no_right_to_push_and_a_base_that_is_gone_are_told() {
    let server = registry(403, 201).await;
    let said = pushed(&server.host()).await.0.unwrap_err();
    assert!(said.contains("pushing to") && said.contains("denies"), "{said}");
    let base = format!("{}/os/base@sha256:{}", server.host(), "0".repeat(64));
    let said = built(&server.host(), Some(base.clone())).await.0.unwrap_err();
    assert!(said.contains(&base) && said.contains("the registry has no such"), "{said}");
}
