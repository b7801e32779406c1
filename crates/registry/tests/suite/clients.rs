//! Real clients over TLS: our own reader and writer of images, and skopeo.

use crate::place::open;
use anyhow::{Context as _, Result, ensure};
use std::{
    io::ErrorKind,
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use weir_distro::Profile;
use weir_images::{Authfile, Images, Source, Trust, payload};
use weir_registry::{Error, Limits, Listener};

struct Served {
    folder: TempDir,
    address: std::net::SocketAddr,
    _end: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), Error>>,
}

impl Served {
    async fn start(offers: bool) -> Result<Self> {
        Self::of(tempfile::tempdir()?, offers).await
    }

    async fn of(folder: TempDir, offers: bool) -> Result<Self> {
        let registry = open(folder.path(), Limits::default());
        if offers {
            registry.offer(payload::build(profile()?, None, &[])?).await?;
        }
        let listener = Listener::bind(registry)?;
        let address = listener.address();
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(listener.serve(async { _ = ended.await }));
        Ok(Self { folder, address, _end: end, serving })
    }

    async fn restart(self, offers: bool) -> Result<Self> {
        let Self { folder, _end: end, serving, .. } = self;
        drop(end);
        serving.await??;
        Self::of(folder, offers).await
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Our reader, as somebody who was given the two files.
    fn images(&self) -> Result<Images> {
        let mut trust = Trust::default();
        trust.add_bundle("registry", &std::fs::read(self.path("tls.crt"))?)?;
        let authfile = Authfile::parse(&std::fs::read(self.path("auth.json"))?)?;
        Ok(Images::new(Source { trust, authfile, ..Source::default() }))
    }
}

fn profile() -> Result<&'static Profile> {
    Profile::all().first().context("a profile")
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_client_pushes_and_reads_and_a_restart_changes_no_name() -> Result<()> {
    let served = Served::start(false).await?;
    let to = format!("{}/mine/release", served.address).parse()?;
    let layout = payload::build(profile()?, None, &[])?;
    let pushed = payload::push(&served.images()?, &layout, &to).await?;
    assert!(pushed.sent > 0 && payload::push(&served.images()?, &layout, &to).await?.sent == 0);
    let release = served.images()?.release(&pushed.release).await?;
    let os = release.tags.iter().filter_map(|tag| tag.image.clone()).find(|image| image.contains("127.0.0.1"));
    let os = os.context("an image of the release that is here")?;
    let login = |served: &Served| std::fs::read_to_string(served.path("auth.json"));
    let before = (served.address, login(&served)?);
    let served = served.restart(false).await?;
    assert_eq!((served.address, login(&served)?), before);
    assert_eq!(served.images()?.release(&pushed.release).await?, release);
    for labels in served.images()?.labels_of(&[os]).await {
        assert!(!labels?.0.is_empty());
    }
    // Without the login, and without trust in the certificate.
    let mut trust = Trust::default();
    trust.add_bundle("registry", &std::fs::read(served.path("tls.crt"))?)?;
    for source in [Source { trust, ..Source::default() }, Source::default()] {
        let error = Images::new(source).release(&pushed.release).await.unwrap_err().to_string();
        assert!(error.contains("certificate") || error.contains("credentials") || error.contains("log"), "{error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_release_of_a_layout_is_served_as_any_other() -> Result<()> {
    let served = Served::start(true).await?;
    let layout = payload::build(profile()?, None, &[])?;
    for image in layout.images() {
        let spec = layout.name(image);
        let tag = layout.tag(image).context("a tag")?;
        let by_tag = format!("{}/{}:{tag}", served.address, spec.repository);
        let by_digest = format!("{}/{}@{}", served.address, spec.repository, image.digest);
        for labels in served.images()?.labels_of(&[by_tag, by_digest]).await {
            assert!(!labels?.0.is_empty(), "{spec}");
        }
    }
    let release = layout.images().first().context("a release")?;
    let place = format!("{}/{}@{}", served.address, layout.name(release).repository, release.digest);
    assert_eq!(served.images()?.release(&place).await?.version, profile()?.sample.version);
    Ok(())
}

/// What skopeo says; nothing, counted as a skip, where it is not installed.
async fn skopeo(served: &Served, arguments: &[String]) -> Result<Option<Output>> {
    let certificates = served.path("skopeo-certificates");
    std::fs::create_dir_all(&certificates)?;
    std::fs::copy(served.path("tls.crt"), Path::new(&certificates).join("ca.crt"))?;
    let mut command = Command::new("skopeo");
    command.arg("--insecure-policy").args(arguments).env("REGISTRY_AUTH_FILE", served.path("auth.json"));
    let run = tokio::task::spawn_blocking(move || command.output()).await?;
    match run {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            weir_recorded::skip("copies with skopeo", &weir_recorded::Absent::Program("skopeo"));
            Ok(None)
        }
        run => Ok(Some(run?)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_out_and_in_again_and_what_came_in_stays() -> Result<()> {
    let served = Served::start(true).await?;
    let layout = payload::build(profile()?, None, &[])?;
    let image = layout.images().last().context("an image")?;
    let name = layout.name(image);
    let certificates = served.path("skopeo-certificates");
    let there = format!("docker://{}/{}@{}", served.address, name.repository, image.digest);
    let copy = |from: &str, to: &str| {
        let directories = ["--src-cert-dir", "--dest-cert-dir"].map(|option| format!("{option}={certificates}"));
        let [source, destination] = directories;
        vec!["copy".to_owned(), source, destination, from.to_owned(), to.to_owned()]
    };
    let folder = format!("oci:{}:x", served.path("copied"));
    let again = format!("docker://{}/mine/copied:x", served.address);
    let within = format!("docker://{}/mine/within:x", served.address);
    for (from, to) in [(&there, &folder), (&folder, &again), (&there, &within)] {
        let Some(output) = skopeo(&served, &copy(from, to)).await? else { return Ok(()) };
        ensure!(output.status.success(), "{from} to {to}: {}", String::from_utf8_lossy(&output.stderr));
    }
    // What was copied does not depend on the layout it came from.
    let served = served.restart(false).await?;
    for copied in ["copied", "within"] {
        let spec = format!("{}/mine/{copied}@{}", served.address, image.digest);
        for labels in served.images()?.labels_of(&[spec]).await {
            assert!(!labels?.0.is_empty());
        }
    }
    let list = vec![
        "list-tags".to_owned(),
        format!("--cert-dir={certificates}"),
        format!("docker://{}/mine/copied", served.address),
    ];
    let listed = skopeo(&served, &list).await?.context("skopeo")?;
    assert!(String::from_utf8_lossy(&listed.stdout).contains("\"x\""), "{}", String::from_utf8_lossy(&listed.stderr));
    let delete = ["delete".to_owned(), format!("--cert-dir={certificates}"), again];
    let deleted = skopeo(&served, &delete).await?.context("skopeo")?;
    assert!(deleted.status.success(), "{}", String::from_utf8_lossy(&deleted.stderr));
    Ok(())
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_with_the_way_out() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("address"), taken.local_addr()?.to_string())?;
    let error = Listener::bind(open(folder.path(), Limits::default())).unwrap_err();
    assert_eq!(error.class(), weir_api::Class::Transient);
    assert!(error.to_string().contains("another one chosen"), "{error}");
    drop(taken);
    Listener::bind(open(folder.path(), Limits::default()))?;
    Ok(())
}
