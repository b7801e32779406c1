//! Images built with Debian's buildah, pushed to a registry over TLS with a login, and read back.
#![allow(clippy::unwrap_used, reason = "a test")]

use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde_json::json;
use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::mpsc;
use weir_api::MachineConfig;
use weir_controllers::build::{
    Builder as _,
    buildah::Buildah,
    builder::{Inputs, Log, Order},
};
use weir_distro::Profile;
use weir_images::{
    Authfile, Images, PullSpec, Source,
    derive::{Additions, Entry, What},
    payload,
};
use weir_rules::build::{
    base::{Base, BaseReason},
    containerfile::{Laying, Recipe, containerfile},
    extensions::Packages,
};
use weir_testkit::{Options, Registry, buildah::busybox};

const USER: &str = "weir";
const PASSWORD: &str = "hunter2-registry";
/// A key of an entitlement, which no log may show.
const KEY: &str = "MIIEvgIBADANBgkqhkiG9w0BAQEFAASC";
/// What has to happen does within this, on a machine that does a lot beside it.
const SOON: Duration = Duration::from_mins(1);

/// A registry, and a base image in it.
struct Stage {
    registry: Registry,
    images: Images,
    base: String,
    folder: tempfile::TempDir,
    buildah: Buildah,
}

impl Stage {
    /// `None` where there is no buildah, no busybox or no registry.
    async fn new(more: Vec<Entry>) -> Option<Self> {
        let busybox = busybox().unwrap()?;
        let options = Options { tls: true, user: Some((USER.into(), PASSWORD.into())), ..Options::default() };
        let registry = Registry::start(&options).unwrap()?;
        let layout = payload::build(&Profile::all()[0], None, &[]).unwrap();
        let system = layout.images().iter().map(|image| layout.name(image)).find(|name| name.name().contains("coreos"));
        let mut source = Source { layouts: vec![layout], ..Source::default() };
        source.authfile = Authfile::parse(registry.authfile(None).as_bytes()).unwrap();
        source.trust.add_host_bundle(registry.host(), registry.ca().as_bytes()).unwrap();
        let images = Images::new(source);
        let entry = |path: &str, what| Entry { path: path.into(), mode: 0o755, owner: (0, 0), what };
        let mut entries = vec![
            entry("/bin/busybox", What::File(busybox)),
            entry("/bin/sh", What::Link("busybox".into())),
            entry("/tmp", What::Folder),
        ];
        entries.extend(more);
        let to: PullSpec = format!("{}/os/base:1", registry.host()).parse().unwrap();
        let additions = Additions { layers: vec![entries], ..Additions::default() };
        let digest = images.derive(&images, &system.unwrap().to_string(), &additions, &to).await.unwrap();
        let base = format!("{}/os/base@{digest}", registry.host());
        let folder = tempfile::tempdir().unwrap();
        let buildah = Buildah::find(&folder.path().join("builds"), images.clone()).await.unwrap();
        Some(Self { registry, images, base, folder, buildah })
    }

    fn order(&self, user: &str) -> (Order, mpsc::UnboundedReceiver<String>) {
        let (lines, said) = mpsc::unbounded_channel();
        let base = Base { image: self.base.clone(), extensions: None, because: BaseReason::Release };
        let file = serde_json::from_value(json!({"containerfileArch": "NoArch", "content": user})).unwrap();
        let recipe = Recipe {
            pool: "worker",
            rendered: "rendered-worker-1",
            base: &base,
            packages: &Packages::default(),
            certificates: true,
            laying: Laying::Programs,
            files: &[file],
        };
        let order = Order {
            rendered: Arc::new(rendered()),
            containerfile: containerfile(&recipe),
            base: self.base.clone(),
            pull_secret: Some(self.secret(PASSWORD)),
            push_secret: self.secret(PASSWORD),
            push_spec: format!("{}/os/worker:1", self.registry.host()),
            inputs: Inputs { trust_bundle: Some(self.registry.ca().into()), ..Inputs::default() },
            log: Log::to(move |line| _ = lines.send(line.to_owned())),
        };
        (order, said)
    }

    fn secret(&self, password: &str) -> Secret {
        let login = ByteString(self.registry.authfile(Some(password)).into_bytes());
        Secret { data: Some([(".dockerconfigjson".to_owned(), login)].into()), ..Secret::default() }
    }

    async fn read(&self, image: &str, path: &str) -> String {
        let file = self.images.file(image, path, 1 << 20).await.unwrap();
        String::from_utf8(file.unwrap_or_else(|| path.into())).unwrap()
    }

    /// Folders of builds.
    fn left(&self) -> usize {
        fs::read_dir(self.folder.path().join("builds")).unwrap().count()
    }
}

fn rendered() -> MachineConfig {
    let files = json!([{"path": "/etc/rendered", "mode": 0o640, "user": {"id": 7}, "contents": {"source": "data:,by-weir%0A"}}]);
    let units = json!([{"name": "a.service", "enabled": true, "contents": "[Unit]\n"}]);
    let config = json!({"ignition": {"version": "3.5.0"}, "storage": {"files": files}, "systemd": {"units": units}});
    serde_json::from_value(json!({"metadata": {"name": "rendered-worker-1"}, "spec": {"config": config}})).unwrap()
}

/// Command lines of processes that have this in them.
fn processes(mark: &str) -> Vec<String> {
    let all = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = all.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(mark) && !line.contains("suite")).collect()
}

async fn line(said: &mut mpsc::UnboundedReceiver<String>, part: &str) -> String {
    let wait = async {
        loop {
            let line = said.recv().await.unwrap();
            if line.contains(part) {
                return line;
            }
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_steps_make_and_the_configuration_are_in_the_image() {
    let Some(stage) = Stage::new(Vec::new()).await else { return };
    let (mut order, _said) = stage.order(
        "FROM configs AS final\n\
         RUN busybox cat /etc/rendered /etc/pki/entitlement/key.pem > /made && busybox stat -c '%a %u' /etc/rendered >> /made\n\
         COPY --chmod=0700 <<'END' /opt/script\n$x\nEND\n\
         LABEL example=built\n",
    );
    order.inputs.entitlement = [("key.pem".to_owned(), b"entitled\n".to_vec())].into();
    let image = stage.buildah.build(order).await.unwrap();
    assert!(image.starts_with(&format!("{}/os/worker@sha256:", stage.registry.host())), "{image}");
    assert_eq!(stage.read(&image, "/made").await, "by-weir\nentitled\n640 7\n");
    assert_eq!(stage.read(&image, "/opt/script").await, "$x\n");
    assert_eq!(stage.read(&image, "/etc/rendered").await, "by-weir\n");
    assert_eq!(stage.read(&image, "/etc/systemd/system/a.service").await, "[Unit]\n");
    assert!(stage.read(&image, "/etc/machine-config-daemon/currentconfig").await.contains("rendered-worker-1"));
    let anchors = "/etc/pki/ca-trust/source/anchors/openshift-config-user-ca-bundle.crt";
    assert_eq!(stage.read(&image, anchors).await, stage.registry.ca());
    assert_eq!(stage.read(&image, "/etc/pki/entitlement/key.pem").await, "/etc/pki/entitlement/key.pem");
    let labels = stage.images.labels(&image).await.unwrap();
    let label = |key: &str| labels.get(key).map(String::as_str);
    assert_eq!((label("machineconfig"), label("machineconfigpool")), (Some("rendered-worker-1"), Some("worker")));
    assert_eq!((label("baseOSContainerImage"), label("example")), (Some(stage.base.as_str()), Some("built")));
    assert_eq!(stage.left(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fails_is_told_and_nothing_is_left() {
    let Some(stage) = Stage::new(Vec::new()).await else { return };
    let (mut order, mut said) =
        stage.order("FROM configs AS final\nRUN echo before; busybox cat /etc/pki/entitlement/key.pem; exit 7\n");
    order.inputs.entitlement = [("key.pem".to_owned(), format!("{KEY}\n").into())].into();
    let why = stage.buildah.build(order).await.unwrap_err();
    for part in ["building the image: step ", ": RUN echo before; ", "\nbefore\n…\n", "exit status 7"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    line(&mut said, "before").await;
    let (mut order, _said) = stage.order("");
    order.pull_secret = Some(stage.secret("wrong"));
    let why = stage.buildah.build(order).await.unwrap_err();
    assert!(why.starts_with(&format!("pulling the base image {}", stage.base)), "{why}");
    let (mut order, _said) = stage.order("");
    order.push_secret = stage.secret("wrong");
    let why = stage.buildah.build(order).await.unwrap_err();
    assert!(why.starts_with(&format!("pushing to {}/os/worker:1", stage.registry.host())), "{why}");
    assert!(!why.contains(PASSWORD) && !why.contains(KEY), "{why}");
    let (order, mut said) = stage.order("FROM configs AS final\nRUN echo at $((40 + 2)); busybox sleep 7654321\n");
    let build = tokio::spawn(stage.buildah.build(order));
    line(&mut said, "at 42").await;
    assert!(!processes("sleep 7654321").is_empty() && stage.left() == 1);
    build.abort();
    let end = Instant::now() + SOON;
    tokio::time::timeout(SOON, stage.buildah.settled()).await.unwrap();
    while !processes("sleep 7654321").is_empty() {
        assert!(Instant::now() < end, "{:?}", processes("sleep 7654321"));
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.left(), 0);
}

/// A base with programs that do what those of a real one would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn programs_of_the_base_lay_the_configuration_down() {
    let file = |path: &str, text: &str| Entry {
        path: path.into(),
        mode: 0o755,
        owner: (0, 0),
        what: What::File(text.as_bytes().to_vec()),
    };
    let link = |name: &str| Entry {
        path: format!("/bin/{name}"),
        mode: 0o777,
        owner: (0, 0),
        what: What::Link("busybox".into()),
    };
    let mut programs: Vec<Entry> = ["mkdir", "dirname", "gunzip", "rm", "cat", "ash"].map(link).into();
    programs.push(file("/bin/bash", "#!/bin/ash\n# exec -a NAME PROGRAM ARGUMENTS\nset -- $2\nshift 3\nexec \"$@\"\n"));
    programs.push(file("/bin/jq", "#!/bin/ash\nexec cat \"$2\"\n"));
    programs.push(file("/bin/ostree", "#!/bin/ash\necho committed >> /committed\n"));
    programs.push(file("/bin/update-ca-trust", "#!/bin/ash\n"));
    programs.push(file("/usr/lib/tmpfiles.d/usbguard.conf", ""));
    programs.push(file(
        "/usr/lib/dracut/modules.d/30ignition/ignition",
        "#!/bin/ash\n[ \"$container\" = oci ] && cat \"$2\" > /applied\n",
    ));
    let Some(stage) = Stage::new(programs).await else { return };
    let (order, _said) = stage.order("");
    let image = stage.buildah.build(order).await.unwrap();
    assert!(stage.read(&image, "/applied").await.contains("by-weir"));
    assert_eq!(stage.read(&image, "/committed").await, "committed\n".repeat(3));
    assert_eq!(stage.read(&image, "/etc/rendered").await, "/etc/rendered");
}
