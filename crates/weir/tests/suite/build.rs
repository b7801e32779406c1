//! `weir build` and `weir build-image` as a user and a pod run them: what is printed, where, how it ends, and what is in the image.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};
use weir_distro::Profile;
use weir_images::{
    Authfile, Images, Source,
    derive::{Additions, Entry, What},
    payload,
};
use weir_testkit::{Kubectl, Options, Program, Registry, buildah::busybox};

const USER: (&str, &str) = ("weir", "hunter2-registry");

/// A registry with a base image, and files that a user has.
struct Stage {
    registry: Registry,
    images: Images,
    base: String,
    folder: tempfile::TempDir,
}

impl Stage {
    /// `None` where something is not installed.
    fn new() -> Option<Self> {
        let busybox = busybox().unwrap()?;
        let user = Some((USER.0.to_owned(), USER.1.to_owned()));
        let registry = Registry::start(&Options { tls: true, user, ..Options::default() }).unwrap()?;
        let layout = payload::build(&Profile::all()[0], None, &[]).unwrap();
        let system = layout.images().iter().map(|image| layout.name(image)).find(|name| name.name().contains("coreos"));
        let mut source = Source { layouts: vec![layout], ..Source::default() };
        source.authfile = Authfile::parse(registry.authfile(None).as_bytes()).unwrap();
        source.trust.add_host_bundle(registry.host(), registry.ca().as_bytes()).unwrap();
        let images = Images::new(source);
        let entry = |path: &str, what| Entry { path: path.into(), mode: 0o755, owner: (0, 0), what };
        let shell = vec![
            entry("/bin/busybox", What::File(busybox)),
            entry("/bin/sh", What::Link("busybox".into())),
            entry("/tmp", What::Folder),
        ];
        let additions = Additions { layers: vec![shell], ..Additions::default() };
        let to = format!("{}/os/base:1", registry.host()).parse().unwrap();
        let pushed = block_on(images.derive(&images, &system.unwrap().to_string(), &additions, &to));
        let base = format!("{}/os/base@{}", registry.host(), pushed.unwrap());
        let stage = Self { registry, images, base, folder: tempfile::tempdir().unwrap() };
        fs::write(stage.at("ca.crt"), stage.registry.ca()).unwrap();
        fs::write(stage.at("auth.json"), stage.registry.authfile(None)).unwrap();
        fs::write(stage.at("rendered.json"), stage.rendered().to_string()).unwrap();
        Some(stage)
    }

    fn at(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn rendered(&self) -> Value {
        let prefix = "machineconfiguration.openshift.io";
        let annotations = json!({
            format!("{prefix}/release-image-version"): "5.0.0", format!("{prefix}/generated-by-controller-version"): "h",
        });
        let files = json!([{"path": "/etc/rendered", "contents": {"source": "data:,by-weir%0A"}}]);
        let config = json!({"ignition": {"version": "3.5.0"}, "storage": {"files": files}});
        let name = format!("rendered-worker-{}", "0".repeat(32));
        json!({
            "apiVersion": format!("{prefix}/v1"), "kind": "MachineConfig",
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"osImageURL": self.base, "config": config},
        })
    }

    /// A file with a MachineOSConfig that has this Containerfile, and its Secret.
    fn os_config(&self, user: &str) -> PathBuf {
        let path = self.at("machineosconfig.json");
        let login = STANDARD.encode(self.registry.authfile(None));
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "push"}, "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": login},
        });
        let config = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineOSConfig", "metadata": {"name": "worker"},
            "spec": {
                "machineConfigPool": {"name": "worker"}, "imageBuilder": {"imageBuilderType": "Job"},
                "renderedImagePushSecret": {"name": "push"},
                "renderedImagePushSpec": format!("{}/os/worker:latest", self.registry.host()),
                "containerFile": [{"containerfileArch": "NoArch", "content": user}],
            },
        });
        fs::write(&path, json!({"apiVersion": "v1", "kind": "List", "items": [secret, config]}).to_string()).unwrap();
        path
    }

    fn build(&self, arguments: &[&str], user: &str) -> Output {
        let config = self.os_config(user);
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["build", "--rendered"]).arg(self.at("rendered.json")).arg("--machineosconfig").arg(config);
        command.arg("--authfile").arg(self.at("auth.json")).arg("--trust-bundle").arg(self.at("ca.crt"));
        command.args(arguments).env("TMPDIR", self.builds()).output().unwrap()
    }

    /// Where builds work.
    fn builds(&self) -> PathBuf {
        let path = self.at("builds");
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn left(&self) -> usize {
        fs::read_dir(self.builds()).unwrap().count()
    }

    fn read(&self, image: &str, path: &str) -> String {
        text(&block_on(self.images.file(image, path, 1 << 20)).unwrap().unwrap())
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const RUNS: &str = "FROM configs AS final\nRUN busybox cat /etc/rendered > /made\n";
const FAILS: &str = "FROM configs AS final\nRUN echo before && exit 7\n";

#[test]
fn a_pools_image_is_built_by_hand() {
    let Some(stage) = Stage::new() else { return };
    let printed = stage.build(&["--print-containerfile"], RUNS);
    assert!(text(&printed.stdout).starts_with(&format!("FROM {} AS extract\n", stage.base)), "{printed:?}");
    let printed = stage.build(&["--print-containerfile", "--builder", "layers"], "LABEL a=b");
    let plain = format!("FROM {} AS configs\nADD root.tar /\nLABEL machineconfig=rendered-worker-", stage.base);
    assert!(text(&printed.stdout).starts_with(&plain) && printed.stderr.is_empty(), "{printed:?}");

    let pushed = stage.build(&["--push", "--builder", "buildah"], RUNS);
    assert!(pushed.status.success(), "{}", text(&pushed.stderr));
    let image = text(&pushed.stdout).trim().to_owned();
    assert!(image.starts_with(&format!("{}/os/worker@sha256:", stage.registry.host())), "{image}");
    assert_eq!(stage.read(&image, "/made"), "by-weir\n");
    assert!(text(&pushed.stderr).contains("RUN busybox cat /etc/rendered"), "{}", text(&pushed.stderr));

    let layers =
        stage.build(&["--push", "--builder", "layers"], "FROM configs AS final\nCOPY <<E /made\nas a file\nE\n");
    assert!(layers.status.success(), "{}", text(&layers.stderr));
    assert_eq!(stage.read(text(&layers.stdout).trim(), "/made"), "as a file\n");
    assert_eq!(stage.left(), 0);
}

#[test]
fn what_cannot_be_built_by_hand_is_told() {
    let Some(stage) = Stage::new() else { return };
    for (arguments, user, says) in [
        (&["--builder", "layers"][..], RUNS, "line 2 of the Containerfile, \"RUN busybox cat"),
        (&["--builder", "buildah"], FAILS, "exit status 7"),
        (&["--rendered", "-", "--machineosconfig", "-"], RUNS, "cannot be used multiple times"),
        (&["--builder", "buildah"], "FROM configs AS final\nINSTALL a\n", "unknown Dockerfile instruction: install"),
    ] {
        let refused = stage.build(arguments, user);
        let said = text(&refused.stderr);
        assert!(!refused.status.success() && refused.stdout.is_empty() && said.contains(says), "{says}: {said}");
        assert!(!said.contains(USER.1), "{said}");
    }
    let tried = stage.build(&["--builder", "layers"], "LABEL a=b\n");
    assert!(tried.status.success() && text(&tried.stderr).contains("--push builds and pushes it"), "{tried:?}");
    assert_eq!(stage.left(), 0);
}

/// Runs what a pod would, without a cluster of its own.
fn pod(stage: &Stage, kubeconfig: &PathBuf, user: &str) -> Output {
    let input = stage.at("input");
    let write = |path: &str, content: &[u8]| {
        let path = input.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    let printed = stage.build(&["--print-containerfile"], user);
    write("containerfile/Containerfile", &printed.stdout);
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(stage.rendered().to_string().as_bytes()).unwrap();
    write("machineconfig/machineconfig.json.gz", STANDARD.encode(packed.finish().unwrap()).as_bytes());
    for login in ["pull/config.json", "push/config.json"] {
        write(login, stage.registry.authfile(None).as_bytes());
    }
    write("trust/openshift-config-user-ca-bundle.crt", stage.registry.ca().as_bytes());
    write("gpg/..data", b"of a kubelet");
    write("gpg/key", b"a key\n");
    fs::write(stage.at("last-words"), "").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.arg("build-image").arg("--input").arg(input).args(["--base", &stage.base]);
    command.arg(format!("--push-spec={}/os/worker:built", stage.registry.host()));
    command.args(["--digest-configmap=digest-1", "--labels=a.io/b=c,d=", "--namespace=default"]);
    command.arg("--termination-log").arg(stage.at("last-words")).env("KUBECONFIG", kubeconfig);
    command.env("TMPDIR", stage.builds()).env("HOME", stage.at("home")).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn a_pod_builds_pushes_and_reports_the_digest() {
    let Some(stage) = Stage::new() else { return };
    let kubeconfig = stage.at("kubeconfig");
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["apiserver", "--listen", "127.0.0.1:0", "--kubeconfig"]).arg(&kubeconfig);
    let mut server = Program::start(&mut command).unwrap();
    server.until("serving").unwrap();
    let Some(kubectl) = Kubectl::new(&kubeconfig) else { return };
    let built =
        pod(&stage, &kubeconfig, "FROM configs AS final\nRUN busybox cat /etc/pki/rpm-gpg/key /etc/rendered > /made\n");
    assert!(built.status.success(), "{}", text(&built.stderr));
    let reported = |kubectl: &Kubectl| kubectl.get(&["configmap", "digest-1", "-n", "default"]).unwrap();
    let map = reported(&kubectl);
    assert_eq!(map["metadata"]["labels"], json!({"a.io/b": "c", "d": ""}));
    let digest = map["data"]["digest"].as_str().unwrap();
    assert_eq!(stage.read(&format!("{}/os/worker@{digest}", stage.registry.host()), "/made"), "a key\nby-weir\n");

    let failed = pod(&stage, &kubeconfig, FAILS);
    let (words, said) = (fs::read_to_string(stage.at("last-words")).unwrap(), text(&failed.stderr));
    assert_eq!(failed.status.code(), Some(1));
    for part in ["building the image: step ", "\nbefore\n", "exit status 7"] {
        assert!(words.contains(part) && said.contains(part), "{part}: {words}\n{said}");
    }
    assert!(!words.contains(USER.1) && words.len() <= 4_096);
    assert_eq!(reported(&kubectl), map);
    assert_eq!(stage.left(), 0);
}
