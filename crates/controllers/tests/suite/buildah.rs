//! Images built with Debian's buildah, pushed to a registry over TLS with a login, and read back: by root and by others, through a proxy,
//! with a client certificate, and under a policy for signatures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test")]

use bytes::Bytes;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use parking_lot::Mutex;
use serde_json::json;
use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
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
    Authfile, Images, Proxy, PullSpec, Registries, Source,
    derive::{Additions, Entry, What},
    payload,
};
use weir_recorded::{Absent, skip};
use weir_rules::build::{
    self,
    base::BaseReason,
    containerfile::{Laying, Recipe, containerfile},
    extensions::Packages,
};
use weir_testkit::{
    Authority, Options, Registry,
    buildah::busybox,
    http::{Answer, Request, Server},
};

const USER: &str = "weir";
const PASSWORD: &str = "hunter2-registry";
/// A key of an entitlement, which no log may show.
const KEY: &str = "MIIEvgIBADANBgkqhkiG9w0BAQEFAASC";
/// A registry that is reached through a proxy alone.
const ELSEWHERE: &str = "registry.example.com";
/// A step that shows whose a file of the configuration is.
const SHOWS_OWNER: &str = "FROM configs AS final\nRUN busybox stat -c '%a %u' /etc/rendered > /made\n";
/// What has to happen does within this, on a machine that does a lot beside it.
const SOON: Duration = Duration::from_mins(1);

/// What is built on, and with which login.
struct Base {
    /// Host of the registry.
    host: String,
    ca: String,
    image: String,
}

/// A registry, and a base image in it.
struct Stage {
    registry: Registry,
    images: Images,
    base: Base,
    folder: tempfile::TempDir,
    buildah: Buildah,
}

fn options() -> Options {
    Options { tls: true, user: Some((USER.into(), PASSWORD.into())), ..Options::default() }
}

impl Stage {
    /// `None` where there is no buildah, no busybox or no registry.
    async fn new(more: Vec<Entry>) -> Option<Self> {
        Self::with(&options(), more, |_, _| {}).await
    }

    /// The same with other settings of the registry and of who reads it.
    async fn with(options: &Options, more: Vec<Entry>, change: impl FnOnce(&Registry, &mut Source)) -> Option<Self> {
        let busybox = busybox().unwrap()?;
        let registry = Registry::start(options).unwrap()?;
        let layout = payload::build(&Profile::all()[0], None, &[]).unwrap();
        let system = layout.images().iter().map(|image| layout.name(image)).find(|name| name.name().contains("coreos"));
        let mut source = Source { layouts: vec![layout], ..Source::default() };
        source.authfile = Authfile::parse(registry.authfile(None).as_bytes()).unwrap();
        source.trust.add_host_bundle(registry.host(), registry.ca().as_bytes()).unwrap();
        change(&registry, &mut source);
        let images = Images::new(source);
        let entry = |path: &str, what| Entry { path: path.into(), mode: 0o755, owner: (0, 0), what };
        let mut entries = vec![
            entry("/bin/busybox", What::File(busybox)),
            entry("/bin/sh", What::Link("busybox".into())),
            entry("/tmp", What::Folder),
        ];
        entries.extend(more);
        let host = if options.tls { registry.host().to_owned() } else { ELSEWHERE.to_owned() };
        let to: PullSpec = format!("{host}/os/base:1").parse().unwrap();
        let additions = Additions { layers: vec![entries], ..Additions::default() };
        let digest = images.derive(&images, &system.unwrap().to_string(), &additions, &to).await.unwrap();
        let base = Base { image: format!("{host}/os/base@{digest}"), ca: registry.ca().to_owned(), host };
        let folder = tempfile::tempdir().unwrap();
        let buildah = Buildah::find(&folder.path().join("builds"), images.clone()).await.unwrap();
        Some(Self { registry, images, base, folder, buildah })
    }

    fn order(&self, user: &str) -> (Order, mpsc::UnboundedReceiver<String>) {
        self.base.order(user)
    }

    fn secret(&self, password: &str) -> Secret {
        self.base.secret(password)
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

impl Base {
    fn order(&self, user: &str) -> (Order, mpsc::UnboundedReceiver<String>) {
        let (lines, said) = mpsc::unbounded_channel();
        let base = build::base::Base { image: self.image.clone(), extensions: None, because: BaseReason::Release };
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
            base: self.image.clone(),
            pull_secret: Some(self.secret(PASSWORD)),
            push_secret: self.secret(PASSWORD),
            push_spec: format!("{}/os/worker:1", self.host),
            inputs: Inputs { trust_bundle: Some(self.ca.clone().into()), ..Inputs::default() },
            log: Log::to(move |line| _ = lines.send(line.to_owned())),
        };
        (order, said)
    }

    fn secret(&self, password: &str) -> Secret {
        let login = json!({"auths": {&self.host: {"username": USER, "password": password}}}).to_string();
        Secret { data: Some([(".dockerconfigjson".to_owned(), ByteString(login.into()))].into()), ..Secret::default() }
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
    assert_eq!((label("baseOSContainerImage"), label("example")), (Some(stage.base.image.as_str()), Some("built")));
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
    assert!(why.starts_with(&format!("pulling the base image {}", stage.base.image)), "{why}");
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

/// The registry knows by whom it is asked, for pulling and for pushing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_certificate_is_presented() {
    let authority = Authority::new("clients").unwrap();
    let options = Options { client_ca: Some(authority.pem().to_owned()), ..options() };
    let client = authority.client("weir").unwrap();
    let presents = |registry: &Registry, source: &mut Source| {
        let (chain, key) = (client.certificate.as_bytes(), client.key.as_bytes());
        source.trust.set_identity(Some(registry.host()), chain, key).unwrap();
    };
    let Some(stage) = Stage::with(&options, Vec::new(), presents).await else { return };
    let image = stage.buildah.build(stage.order(SHOWS_OWNER).0).await.unwrap();
    assert_eq!(stage.read(&image, "/made").await, "640 7\n");
    let mut source = stage.images.source().clone();
    source.trust = Default::default();
    source.trust.add_host_bundle(stage.registry.host(), stage.registry.ca().as_bytes()).unwrap();
    let without = stage.buildah.reading(Images::new(source));
    let why = without.build(stage.order(SHOWS_OWNER).0).await.unwrap_err();
    assert!(why.starts_with("pulling the base image") && why.contains("certificate"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clusters_proxy_is_used() {
    let options = Options { tls: false, ..options() };
    let (asked, to) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None::<String>)));
    let proxy = {
        let (asked, upstream) = (asked.clone(), to.clone());
        Server::start(move |request: &Request| {
            asked.fetch_add(1, Ordering::Relaxed);
            match (request.method.as_str(), upstream.lock().clone()) {
                // The registry has no TLS: there is nothing to tunnel to.
                ("CONNECT", _) | (_, None) => Answer::Text(502, Vec::new(), Bytes::new()),
                (_, Some(host)) => Answer::Forward(host),
            }
        })
    };
    let proxy = proxy.await.unwrap();
    let through = |registry: &Registry, source: &mut Source| {
        *to.lock() = Some(registry.host().to_owned());
        source.proxy = Proxy::new(&proxy.host(), &proxy.host(), "").unwrap();
        let login = json!({"auths": {ELSEWHERE: {"username": USER, "password": PASSWORD}}}).to_string();
        source.authfile = Authfile::parse(login.as_bytes()).unwrap();
        let text = format!("[[registry]]\nlocation = \"{ELSEWHERE}\"\ninsecure = true\n");
        source.registries = Registries::parse(&text).unwrap();
    };
    let Some(stage) = Stage::with(&options, Vec::new(), through).await else { return };
    let before = asked.load(Ordering::Relaxed);
    let image = stage.buildah.build(stage.order(SHOWS_OWNER).0).await.unwrap();
    assert!(image.starts_with(ELSEWHERE) && asked.load(Ordering::Relaxed) > before, "{image}");
    assert_eq!(stage.read(&image, "/made").await, "640 7\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_rejects_the_base_fails_the_build_in_its_words() {
    let Some(stage) = Stage::new(Vec::new()).await else { return };
    let policy = |registries: serde_json::Value| {
        json!({"default": [{"type": "reject"}], "transports": {"docker": registries}}).to_string().into_bytes()
    };
    let (mut order, _said) = stage.order(SHOWS_OWNER);
    order.inputs.policy = Some(policy(json!({})));
    let why = stage.buildah.build(order).await.unwrap_err();
    assert!(why.starts_with("pulling the base image") && why.contains("rejected by policy"), "{why}");
    let (mut order, _said) = stage.order(SHOWS_OWNER);
    let host = stage.registry.host();
    order.inputs.policy = Some(policy(json!({host: [{"type": "insecureAcceptAnything"}]})));
    let image = stage.buildah.build(order).await.unwrap();
    assert_eq!(stage.read(&image, "/made").await, "640 7\n");
}

/// How a process that builds as somebody else is told what to build on.
const BASE: &str = "WEIR_TEST_BASE";
/// Begins the line with its result.
const RESULT: &str = "result: ";
/// A user that has no ids but its own.
const NOBODY: &str = "65534";
/// One without a name, where nobody gives it one.
const NAMELESS: &str = "65533";
/// Root without the right to mount.
const NO_MOUNTS: [&str; 2] = ["--bounding-set=-sys_admin", "--inh-caps=-sys_admin"];

/// What is in place for a process that builds as somebody else, while it runs: shell commands, and the folder that they need.
struct Prepared {
    folder: tempfile::TempDir,
    commands: String,
}

impl Prepared {
    /// Nothing but this very program, where everybody may run it. `None` where this process may not change who it is.
    fn new() -> Option<Self> {
        if !Command::new("unshare").args(["--mount", "setpriv", "true"]).status().is_ok_and(|done| done.success()) {
            skip("a test that builds as another user", &Absent::Mounts);
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let (program, here) = (env::current_exe().unwrap(), folder.path().join("suite"));
        fs::write(&here, "").unwrap();
        let commands = format!("mount --bind {} {}", program.display(), here.display());
        Some(Self { folder, commands })
    }

    /// And a user `build` with subordinate ids, and what lets it use them. `None` without the programs for that.
    fn with_ids() -> Option<Self> {
        let mut prepared = Self::new()?;
        let folder = prepared.folder.path();
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let users: String =
            users.lines().filter(|line| !line.starts_with("build:")).map(|line| format!("{line}\n")).collect();
        fs::write(folder.join("passwd"), format!("{users}build:x:{NAMELESS}:{NAMELESS}::/:/bin/sh\n")).unwrap();
        fs::write(folder.join("ranges"), "build:200000:65536\n").unwrap();
        for (program, right) in [("newuidmap", "cap_setuid+ep"), ("newgidmap", "cap_setgid+ep")] {
            let here = folder.join(program);
            // What it may do follows from its capability alone, not from whose it is.
            let copied = fs::copy(Path::new("/usr/bin").join(program), &here)
                .and_then(|_| fs::set_permissions(&here, fs::Permissions::from_mode(0o755)));
            let Ok(given) = copied.and_then(|()| Command::new("setcap").arg(right).arg(&here).status()) else {
                let missing = if here.exists() { "setcap" } else { "newuidmap" };
                skip("a test that builds with subordinate ids", &Absent::Program(missing));
                return None;
            };
            assert!(given.success(), "setcap {right}: {given}");
        }
        for (file, over) in [("passwd", "/etc/passwd"), ("ranges", "/etc/subuid"), ("ranges", "/etc/subgid")] {
            prepared.commands += &format!(" && mount --bind {} {over}", folder.join(file).display());
        }
        prepared.commands += &format!(" && export PATH={}:$PATH", folder.display());
        Some(prepared)
    }
}

impl Stage {
    /// Builds in a process that runs like this: the image, or why there is none.
    fn elsewhere(&self, prepared: &Prepared, how: &[String]) -> Result<String, String> {
        let script = format!("{} && exec setpriv \"$@\"", prepared.commands);
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &script, "sh"]).args(how).arg(prepared.folder.path().join("suite"));
        command.args(["--exact", "--nocapture", "buildah::it_is_built_by_others_than_root_or_said_what_they_lack"]);
        let Base { host, ca, image } = &self.base;
        let said = command.env(BASE, json!([host, ca, image]).to_string()).output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let result = text.split_once(RESULT).and_then(|(_, rest)| rest.lines().next());
        let result = result.unwrap_or_else(|| panic!("{how:?}: {text}{}", String::from_utf8_lossy(&said.stderr)));
        serde_json::from_str(result).unwrap()
    }
}

/// The other process.
async fn build_here(base: &str) {
    let [host, ca, image]: [String; 3] = serde_json::from_str(base).unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut source = Source::default();
    source.trust.add_host_bundle(&host, ca.as_bytes()).unwrap();
    let base = Base { host, ca, image };
    let built = match Buildah::find(&folder.path().join("builds"), Images::new(source)).await {
        Ok(buildah) => buildah.build(base.order(SHOWS_OWNER).0).await,
        Err(why) => Err(why.to_string()),
    };
    println!("\n{RESULT}{}", serde_json::to_string(&built).unwrap());
}

/// Not root, root without the right to mount, and whoever has no ids but its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_built_by_others_than_root_or_said_what_they_lack() {
    if let Ok(base) = env::var(BASE) {
        return build_here(&base).await;
    }
    let Some(stage) = Stage::new(Vec::new()).await else { return };
    let Some(prepared) = Prepared::new() else { return };
    let by = |id: &str| [format!("--reuid={id}"), format!("--regid={id}"), "--clear-groups".to_owned()];
    let no_mounts = NO_MOUNTS.map(str::to_owned);
    let why = stage.elsewhere(&prepared, &by(NAMELESS)).unwrap_err();
    assert!(why.contains("without root, for which it needs a user that /etc/passwd names"), "{why}");
    let why = stage.elsewhere(&prepared, &by(NOBODY)).unwrap_err();
    assert!(why.contains("has no ids but its own") && why.contains("setcap cap_setuid+ep"), "{why}");
    if !fs::read_to_string("/etc/passwd").unwrap().lines().any(|line| line.starts_with("build:")) {
        let why = stage.elsewhere(&prepared, &no_mounts).unwrap_err();
        assert!(why.contains("CAP_SYS_ADMIN") && why.contains("there is no user build"), "{why}");
    }
    let Some(prepared) = Prepared::with_ids() else { return };
    for how in [&by(NAMELESS)[..], &no_mounts[..]] {
        let image = stage.elsewhere(&prepared, how).unwrap();
        assert!(image.starts_with(stage.registry.host()), "{how:?}: {image}");
        assert_eq!(stage.read(&image, "/made").await, "640 7\n", "{how:?}");
    }
}
