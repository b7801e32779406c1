//! Against Debian's `docker-registry`: pushing a payload, discovering it, and everything that can be refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;
use weir_api::Class;
use weir_distro::Profile;
use weir_images::derive::{Additions, Entry, What};
use weir_images::payload::{Pushed, build, push};
use weir_images::{Authfile, Fault, Images, Layout, Patience, PullSpec, Registries, Source, Trust};
use weir_testkit::{Options, Registry};

const PATIENCE: Patience =
    Patience { pause: Duration::from_millis(1), retry: Duration::ZERO, total: Duration::from_secs(20) };

fn user() -> Option<(String, String)> {
    Some(("weir".to_owned(), "secret".to_owned()))
}

fn trusting(registry: &Registry) -> Source {
    let mut trust = Trust::default();
    trust.add_host_bundle(registry.host(), registry.ca().as_bytes()).unwrap();
    let authfile = Authfile::parse(registry.authfile(None).as_bytes()).unwrap();
    Source { trust, authfile, patience: PATIENCE, ..Source::default() }
}

fn sample() -> Layout {
    build(Profile::by_name("ocp").unwrap(), None, &[]).unwrap()
}

async fn pushed(registry: &Registry, source: Source) -> Pushed {
    let to = format!("{}/ocp/release", registry.host()).parse().unwrap();
    push(&Images::new(source), &sample(), &to).await.unwrap()
}

#[tokio::test]
async fn a_pushed_payload_is_discovered_where_it_is_now() {
    let Some(registry) = Registry::start(&Options { tls: true, user: user(), ..Options::default() }).unwrap() else {
        return;
    };
    let first = pushed(&registry, trusting(&registry)).await;
    assert_eq!((first.images, first.present), (7, 0), "{first:?}");
    let again = pushed(&registry, trusting(&registry)).await;
    assert_eq!((&again.release, again.sent), (&first.release, 0));

    let images = Images::new(trusting(&registry));
    let release = images.release(&first.release).await.unwrap();
    assert_eq!(release.image, first.release);
    assert_eq!(images.release(&first.tagged).await.unwrap(), release);
    let layout = sample();
    let original = Images::new(Source::default()).release_of(&layout).await.unwrap();
    assert_eq!(release.version, original.version);
    for (tag, before) in release.tags.iter().zip(&original.tags) {
        let (image, before) = (tag.image.as_deref().unwrap(), before.image.as_deref().unwrap());
        assert!(image.starts_with(&format!("{}/ocp/release@", registry.host())));
        assert_eq!(image.split_once('@').unwrap().1, before.split_once('@').unwrap().1);
    }
    let all: Vec<String> = release.tags.iter().filter_map(|tag| tag.image.clone()).collect();
    assert!(images.labels_of(&all).await.iter().all(Result::is_ok));
}

/// An image made by us on one that a registry of others holds: their server judges it, and our reader, which knows nothing of how it
/// was made, finds what was put on top and what was below.
#[tokio::test]
async fn an_image_with_layers_on_top_is_taken_and_read_back() {
    let Some(registry) = Registry::start(&Options { tls: true, user: user(), ..Options::default() }).unwrap() else {
        return;
    };
    let first = pushed(&registry, trusting(&registry)).await;
    let images = Images::new(trusting(&registry));
    let release = images.release(&first.release).await.unwrap();
    let base = release.tags.iter().find(|tag| tag.name == "rhel-coreos-10").unwrap().image.clone().unwrap();
    let entry = |path: &str, text: &str| Entry {
        path: path.to_owned(),
        mode: 0o644,
        owner: (0, 0),
        what: What::File(text.as_bytes().to_vec()),
    };
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let additions = Additions {
        layers: vec![vec![entry("/etc/a", "1"), entry("/etc/b", "1")], vec![entry("/etc/b", "2")]],
        labels: [label("machineconfigpool", "worker")].into(),
        variables: [label("A", "1")].into(),
    };
    let to: PullSpec = format!("{}/os/worker:worker-1", registry.host()).parse().unwrap();
    let digest = images.derive(&images, &base, &additions, &to).await.unwrap();
    assert_eq!(images.derive(&images, &base, &additions, &to).await.unwrap(), digest);
    let image = to.by_digest(digest).to_string();
    for (path, content) in [("/etc/a", "1"), ("/etc/b", "2")] {
        assert_eq!(images.file(&image, path, 9).await.unwrap().unwrap(), content.as_bytes());
    }
    let os_release = images.file(&image, "/usr/lib/os-release", 9 << 10).await.unwrap();
    assert_eq!(os_release, images.file(&base, "/usr/lib/os-release", 9 << 10).await.unwrap());
    let (labels, before) = (images.labels(&image).await.unwrap(), images.labels(&base).await.unwrap());
    assert_eq!(labels["machineconfigpool"], "worker");
    assert!(before.iter().all(|(key, value)| labels.get(key) == Some(value)));
    assert!(images.exists(&image).await.unwrap());
    let gone = image.replace(&image[image.len() - 8..], "00000000");
    assert!(!images.exists(&gone).await.unwrap());
    let nobody = Images::new(Source { authfile: Authfile::default(), ..trusting(&registry) });
    assert!(nobody.exists(&image).await.is_err());
    let refused = nobody.derive(&images, &base, &additions, &to).await.unwrap_err();
    assert!(matches!(refused.fault(), Some(Fault::Unauthorized { given: false })), "{refused}");
    let refused = nobody.remove(&image).await.unwrap_err();
    assert!(matches!(refused.fault(), Some(Fault::Unauthorized { given: false })), "{refused}");
    assert!(images.remove(&image).await.unwrap());
    assert!(!images.exists(&image).await.unwrap() && !images.exists(&to.to_string()).await.unwrap());
    assert!(!images.remove(&image).await.unwrap());
    assert!(images.exists(&base).await.unwrap());
}

#[tokio::test]
async fn credentials_decide() {
    let Some(registry) = Registry::start(&Options { tls: true, user: user(), ..Options::default() }).unwrap() else {
        return;
    };
    let image = pushed(&registry, trusting(&registry)).await.release;
    let anonymous = Source { authfile: Authfile::default(), ..trusting(&registry) };
    let error = Images::new(anonymous).release(&image).await.unwrap_err();
    assert_eq!(error.fault(), Some(&Fault::Unauthorized { given: false }));
    assert!(error.to_string().contains(&image) && error.to_string().contains("log in"), "{error}");

    let wrong = Authfile::parse(registry.authfile(Some("hunter2")).as_bytes()).unwrap();
    let error = Images::new(Source { authfile: wrong, ..trusting(&registry) }).release(&image).await.unwrap_err();
    assert_eq!((error.fault(), error.class()), (Some(&Fault::Unauthorized { given: true }), Class::Permanent));
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_unknown_ca_is_refused_unless_the_host_is_insecure() {
    let Some(registry) = Registry::start(&Options { tls: true, user: user(), ..Options::default() }).unwrap() else {
        return;
    };
    let image = pushed(&registry, trusting(&registry)).await.release;
    let untrusting = Source { trust: Trust::default(), ..trusting(&registry) };
    let error = Images::new(untrusting.clone()).release(&image).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Tls { .. })), "{error:?}");
    assert!(error.to_string().contains(&format!("name {} insecure", registry.host())), "{error}");
    let insecure = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.host());
    let insecure = Source { registries: Registries::parse(&insecure).unwrap(), ..untrusting.clone() };
    Images::new(insecure).release(&image).await.unwrap();
    let mut elsewhere = Trust::default();
    elsewhere.add_host_bundle("registry.example.com", registry.ca().as_bytes()).unwrap();
    let error = Images::new(Source { trust: elsewhere, ..untrusting.clone() }).release(&image).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Tls { .. })), "the CA of another host: {error:?}");
    let mut trust = Trust::default();
    trust.add_bundle("test", registry.ca().as_bytes()).unwrap();
    Images::new(Source { trust, ..untrusting }).release(&image).await.unwrap();
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let clients = weir_testkit::Authority::new("clients").unwrap();
    let options = Options { tls: true, client_ca: Some(clients.pem().to_owned()), ..Options::default() };
    let Some(registry) = Registry::start(&options).unwrap() else { return };
    let mut source = trusting(&registry);
    let nobody = format!("{}/ocp/release:none", registry.host());
    let error = Images::new(source.clone()).labels(&nobody).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Tls { .. } | Fault::Unreachable { .. })), "{error:?}");
    assert!(!error.to_string().contains("trust bundle"), "it is not the registry that is not believed: {error}");
    // Named insecure, it is asked without TLS as well, and refuses that; both is said, and nothing that is done already.
    let text = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.host());
    let insecure = Source { registries: Registries::parse(&text).unwrap(), ..source.clone() };
    let text = Images::new(insecure).labels(&nobody).await.unwrap_err().to_string();
    // The refusal comes after the handshake: who writes before it is read finds a closed connection instead.
    let why = text.contains("ertificate") || text.contains("connection");
    assert!(text.contains("asked with TLS: ") && why, "{text}");
    assert!(text.contains("; asked without: the registry answers 400"), "{text}");
    assert!(!text.contains("insecure") && !text.contains("trust bundle"), "{text}");
    let own = clients.client("weir").unwrap();
    source.trust.set_identity(Some(registry.host()), own.certificate.as_bytes(), own.key.as_bytes()).unwrap();
    let error = Images::new(source.clone()).labels(&nobody).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::NotFound { .. })), "{error:?}");
    pushed(&registry, source).await;
}

#[tokio::test]
async fn without_tls_only_an_insecure_host_is_asked() {
    let Some(registry) = Registry::start(&Options::default()).unwrap() else { return };
    let insecure = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.host());
    let plain = Source { patience: PATIENCE, ..Source::default() };
    let source = Source { registries: Registries::parse(&insecure).unwrap(), ..plain.clone() };
    let image = pushed(&registry, source.clone()).await.release;
    Images::new(source).release(&image).await.unwrap();
    let error = Images::new(plain).release(&image).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Tls { .. })), "{error:?}");
}

#[tokio::test]
async fn changed_content_is_noticed() {
    let Some(registry) = Registry::start(&Options { tls: true, ..Options::default() }).unwrap() else { return };
    let image = pushed(&registry, trusting(&registry)).await.release;
    let images = Images::new(trusting(&registry));
    let digest = image.rsplit_once(':').unwrap().1;
    let manifest = std::fs::read(registry.blob(digest)).unwrap();
    let parsed: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let layer = parsed["layers"].as_array().unwrap().last().unwrap()["digest"].as_str().unwrap();
    let path = registry.blob(layer.rsplit_once(':').unwrap().1);
    let good = std::fs::read(&path).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bad).unwrap();
    let error = images.release(&image).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Digest { .. })), "{error:?}");
    assert!(error.to_string().contains("digest mismatch"), "{error}");
    std::fs::write(&path, &good).unwrap();
    images.release(&image).await.unwrap();
}

#[tokio::test]
async fn mirrors_are_asked_in_order_and_a_blocked_source_never() {
    let Some(registry) = Registry::start(&Options { tls: true, user: user(), ..Options::default() }).unwrap() else {
        return;
    };
    let digest = pushed(&registry, trusting(&registry)).await.release.rsplit_once('@').unwrap().1.to_owned();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        "[[registry]]\nlocation = \"source.example.com/rel\"\nblocked = true\n[[registry.mirror]]\nlocation = \
         \"{nobody}/a\"\n[[registry.mirror]]\nlocation = \"{}/ocp\"\npull-from-mirror = \"digest-only\"\n",
        registry.host()
    );
    let images = Images::new(Source { registries: Registries::parse(&text).unwrap(), ..trusting(&registry) });
    let image = format!("source.example.com/rel/release@{digest}");
    assert_eq!(images.release(&image).await.unwrap().image, image);
    let error = images.labels("source.example.com/rel/release:4.21.0").await.unwrap_err();
    assert_eq!(error.class(), Class::Transient, "the mirror may come back");
    assert_eq!(error.fault(), Some(&Fault::Blocked { prefix: "source.example.com/rel".to_owned() }));
    assert!(error.to_string().contains(&nobody.to_string()), "{error}");
}

#[tokio::test]
async fn what_is_no_release_and_what_is_not_there() {
    let Some(registry) = Registry::start(&Options { tls: true, ..Options::default() }).unwrap() else { return };
    let image = pushed(&registry, trusting(&registry)).await.release;
    let images = Images::new(trusting(&registry));
    let component = images.release(&image).await.unwrap().tags[0].image.clone().unwrap();
    let error = images.release(&component).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::NotRelease { .. })), "{error:?}");
    let error = images.release(&format!("{}/ocp/none:1", registry.host())).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::NotFound { .. })), "{error:?}");
    assert_eq!(error.class(), Class::Permanent);
}

#[tokio::test]
async fn nobody_there() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let images = Images::new(Source { patience: PATIENCE, ..Source::default() });
    let error = images.release(&format!("{nobody}/a:1")).await.unwrap_err();
    assert!(matches!(error.fault(), Some(Fault::Unreachable { .. })), "{error:?}");
    assert_eq!(error.class(), Class::Transient);
    assert!(error.to_string().contains("refused") && error.to_string().contains(&nobody.to_string()), "{error}");
}
