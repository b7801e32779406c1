//! An operating system that weir's own build makes is deployed and booted, with the time of each step.
//!
//! A tree of Debian's packages becomes an ostree commit, a container image of it the base of a pool in image mode. `weir up` builds the pool's image
//! on it by a Job with buildah, and pushes it. Then a machine does what a daemon would: ostree-ext's `container image deploy` of base and
//! image, and a boot in a container node.
//!
//! usage: weir-bench-boot PATH-OF-WEIR

mod node;

use anyhow::{Context as _, Result, bail, ensure};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Where the state of the operating system is kept, by ostree's name for it.
const STATEROOT: &str = "weir";
/// Longest that a step of the cluster may take: a build takes a few seconds.
const LONGEST: Duration = Duration::from_mins(5);
const LOOK: Duration = Duration::from_millis(50);
const SHAPE: &str = include_str!("../tree.sh");
/// What the Containerfile's step leaves, and where.
const STEP: (&str, &str) = ("/usr/share/weir-bench", "layered");
/// What the MachineConfig has, and where.
const FILE: (&str, &str) = ("/etc/weir-bench", "rendered");

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let done = match arguments.as_slice() {
        // ostree's commands, in a process of their own: they end it when they fail.
        [_, first, ..] if first == "container" => ostree(arguments),
        [_, weir] => measure(Path::new(weir)),
        _ => Err(anyhow::anyhow!("usage: weir-bench-boot PATH-OF-WEIR")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn ostree(arguments: Vec<String>) -> Result<()> {
    tokio::runtime::Runtime::new()?.block_on(ostree_ext::cli::run_from_iter(arguments))
}

/// A folder that is gone afterwards, with ostree's protection of deployments.
struct Work(PathBuf);

impl Work {
    fn new() -> Result<Self> {
        // Not in memory: a tree has some hundred megabytes.
        let path = PathBuf::from(format!("/var/tmp/weir-bench-boot-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        _ = Command::new("chattr").args(["-R", "-i"]).arg(self.at("sysroot")).stderr(Stdio::null()).status();
        _ = fs::remove_dir_all(&self.0);
    }
}

fn measure(weir: &Path) -> Result<()> {
    let work = Work::new()?;
    step("Debian's packages", || debian(&work.at("tree")))?;
    let commit = step("ostree commit", || commit(&work))?;
    let cluster = step("cluster", || Cluster::start(weir, &work.at("cluster")))?;
    let base = step("base image, pushed", || cluster.push_base(&work, &commit))?;
    let image = step("weir's build, pushed", || cluster.build(&base))?;
    let sysroot = step("system root", || sysroot(&work))?;
    step("deploy of the base", || cluster.deploy(&sysroot, &base))?;
    step("deploy of the image", || cluster.deploy(&sysroot, &image))?;
    let node = step("boot", || node::boot(&sysroot, STATEROOT, &work.0))?;
    for (path, holds) in [STEP, FILE] {
        let found = node.ask(&["cat", path])?;
        ensure!(found == holds, "{path} holds {found:?} instead of {holds:?}");
    }
    let running = node.ask(&["cat", "/proc/cmdline"])?;
    ensure!(running.contains("ostree="), "it was not booted by ostree: {running}");
    println!("the node is {}: {} holds {:?}, {} holds {:?}, by {image}", node.state, STEP.0, STEP.1, FILE.0, FILE.1);
    step("shutdown", || node.power_off())
}

/// Says how long something took.
fn step<T>(name: &str, does: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = Instant::now();
    let done = does().with_context(|| name.to_owned())?;
    println!("{name:<24}{:>7.2} s", begun.elapsed().as_secs_f64());
    Ok(done)
}

/// What a program prints.
fn run<S: AsRef<OsStr>>(command: &mut Command, arguments: impl IntoIterator<Item = S>) -> Result<String> {
    let done = command.args(arguments).stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    if !done.status.success() {
        bail!("{command:?}: {}\n{}", done.status, String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not Unicode", path.display()))
}

/// A tree of this machine's release, from where it gets its own packages.
fn debian(tree: &Path) -> Result<()> {
    let format = "$(CODENAME) $(COMPONENT) $(SITE)";
    let targets = run(&mut Command::new("apt-get"), ["indextargets", "--format", format, "Created-By: Packages"])?;
    let release = fs::read_to_string("/etc/os-release")?;
    let codename =
        release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).context("no VERSION_CODENAME")?;
    let of_release = |line: &&str| line.starts_with(&format!("{codename} main "));
    let site = targets.lines().find(of_release).and_then(|line| line.rsplit(' ').next());
    let site = site.with_context(|| format!("apt has no sources of {codename}"))?;
    let include = "--include=systemd-sysv,dbus";
    run(&mut Command::new("mmdebstrap"), ["--quiet", "--variant=essential", include, codename, text(tree)?, site])?;
    Ok(())
}

/// The tree as an ostree commit.
fn commit(work: &Work) -> Result<String> {
    let (tree, repo) = (work.at("tree"), work.at("repo"));
    run(&mut Command::new("sh"), ["-c", SHAPE, "tree.sh", text(&tree)?])?;
    let repo = format!("--repo={}", text(&repo)?);
    run(&mut Command::new("ostree"), [&repo, "init", "--mode=archive"])?;
    let tree = format!("--tree=dir={}", text(&tree)?);
    let what = ["--branch=weir/os", "--bootable", "--add-metadata-string=version=1"];
    run(Command::new("ostree").args([&repo, "commit", &tree]), what)
}

/// An empty disk, as an installer leaves it.
fn sysroot(work: &Work) -> Result<PathBuf> {
    let sysroot = work.at("sysroot");
    fs::create_dir(&sysroot)?;
    let named = format!("--sysroot={}", text(&sysroot)?);
    run(&mut Command::new("ostree"), ["admin", "init-fs", "--modern", text(&sysroot)?])?;
    run(&mut Command::new("ostree"), ["admin", "os-init", STATEROOT, &named])?;
    let repo = format!("--repo={}", text(&sysroot.join("ostree/repo"))?);
    run(&mut Command::new("ostree"), ["config", &repo, "set", "sysroot.bootloader", "none"])?;
    Ok(sysroot)
}

/// `weir up`, with its registry.
struct Cluster {
    weir: Child,
    folder: PathBuf,
    registry: String,
}

impl Cluster {
    fn start(weir: &Path, folder: &Path) -> Result<Self> {
        let log = fs::File::create(folder.with_extension("log"))?;
        let mut command = Command::new(weir);
        command.args([
            "up",
            "--nodes",
            "master=1,worker=1",
            "--step-time",
            "20ms",
            "--builder",
            "buildah",
            "--data-dir",
        ]);
        let weir = command.arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let weir = weir.with_context(|| format!("{command:?}"))?;
        let mut cluster = Self { weir, folder: folder.to_path_buf(), registry: String::new() };
        let config = folder.join("machineosconfig.yaml");
        let spec = cluster.until("it does not come up", || {
            let text = fs::read_to_string(&config).unwrap_or_default();
            let spec =
                text.lines().find_map(|line| line.trim().strip_prefix("renderedImagePushSpec: ").map(str::to_owned));
            Ok(spec.filter(|_| cluster.kubectl(&["get", "mcp", "worker"]).is_ok()))
        })?;
        cluster.registry = spec.split('/').next().unwrap_or_default().to_owned();
        cluster.kubectl(&["wait", "mcp", "--all", "--for=condition=Updated", "--timeout=60s"])?;
        let certificates = cluster.certificates();
        fs::create_dir(&certificates)?;
        fs::copy(folder.join("registry/tls.crt"), certificates.join("registry.crt"))?;
        Ok(cluster)
    }

    fn certificates(&self) -> PathBuf {
        self.folder.with_extension("certs")
    }

    fn login(&self) -> PathBuf {
        self.folder.join("registry/auth.json")
    }

    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new("kubectl").env("KUBECONFIG", self.folder.join("kubeconfig")), arguments)
    }

    fn apply(&self, manifest: &str) -> Result<()> {
        let file = self.folder.with_extension("yaml");
        fs::write(&file, manifest)?;
        self.kubectl(&["apply", "-f", text(&file)?]).map(drop)
    }

    fn until<T>(&self, or: &str, mut found: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let end = Instant::now() + LONGEST;
        while Instant::now() < end {
            if let Some(found) = found()? {
                return Ok(found);
            }
            sleep(LOOK);
        }
        bail!("{or}; weir said:\n{}", fs::read_to_string(self.folder.with_extension("log")).unwrap_or_default())
    }

    /// The commit as a container image in the registry; its pull spec by digest.
    fn push_base(&self, work: &Work, commit: &str) -> Result<String> {
        let (layout, digest) = (format!("oci:{}", text(&work.at("base"))?), work.at("digest"));
        let repo = format!("--repo={}", text(&work.at("repo"))?);
        let this = std::env::current_exe()?;
        run(Command::new(this).args(["container", "encapsulate", "--compression-fast"]), [&repo, commit, &layout])?;
        let name = format!("{}/os/base", self.registry);
        let (login, certificates) = (self.login(), self.certificates());
        let mut command = Command::new("skopeo");
        command.args(["copy", "--dest-authfile", text(&login)?, "--dest-cert-dir", text(&certificates)?]);
        run(&mut command, ["--digestfile", text(&digest)?, &layout, &format!("docker://{name}:1")])?;
        Ok(format!("{name}@{}", fs::read_to_string(digest)?.trim()))
    }

    /// The image of the workers on that base, built by a Job; its pull spec by digest.
    fn build(&self, base: &str) -> Result<String> {
        let given = fs::read_to_string(self.folder.join("machineosconfig.yaml"))?;
        let secret = given.split("\n---\n").next().unwrap_or_default();
        let (api, registry) = ("machineconfiguration.openshift.io", &self.registry);
        self.apply(&format!(
            "
apiVersion: {api}/v1
kind: MachineConfig
metadata: {{name: 99-worker-bench, labels: {{{api}/role: worker}}}}
spec:
  osImageURL: {base}
  config:
    ignition: {{version: 3.5.0}}
    storage: {{files: [{{path: {}, mode: 420, contents: {{source: 'data:,{}'}}}}]}}
",
            FILE.0, FILE.1
        ))?;
        self.until("the pool is not rendered with the base", || {
            let rendered = self.kubectl(&["get", "mcp", "worker", "-o", "jsonpath={.spec.configuration.name}"])?;
            let found = self.kubectl(&["get", "machineconfig", &rendered, "-o", "jsonpath={.spec.osImageURL}"])?;
            Ok((found == base).then_some(()))
        })?;
        self.apply(&format!(
            "{secret}
---
apiVersion: {api}/v1
kind: MachineOSConfig
metadata: {{name: worker}}
spec:
  machineConfigPool: {{name: worker}}
  imageBuilder: {{imageBuilderType: Job}}
  baseImagePullSecret: {{name: weir-registry}}
  renderedImagePushSecret: {{name: weir-registry}}
  renderedImagePushSpec: {registry}/os/worker:latest
  containerFile: [{{containerfileArch: NoArch, content: \"FROM configs AS final\\nRUN echo {} > {}\\n\"}}]
",
            STEP.1, STEP.0
        ))?;
        self.until("no image is built", || {
            let wrong = "{.status.conditions[?(@.type==\"ImageBuildDegraded\")]}";
            let said = self.kubectl(&["get", "mcp", "worker", "-o", &format!("jsonpath={wrong}")])?;
            ensure!(!said.contains("\"status\":\"True\""), "{said}");
            let image =
                self.kubectl(&["get", "machineosconfig", "worker", "-o", "jsonpath={.status.currentImagePullSpec}"])?;
            let built = self.kubectl(&["get", "nodes", "-o", "jsonpath={.items[*].metadata.annotations.*}"])?;
            Ok(Some(image).filter(|image| !image.is_empty() && built.contains(image.as_str())))
        })
    }

    /// What a node's daemon does with an image.
    fn deploy(&self, sysroot: &Path, image: &str) -> Result<()> {
        let (login, certificates) = (self.login(), self.certificates());
        let from = format!("ostree-unverified-registry:{image}");
        let mut command = Command::new(std::env::current_exe()?);
        command.args([
            "container",
            "image",
            "deploy",
            "--stateroot",
            STATEROOT,
            "--karg",
            "root=LABEL=root",
            "--karg",
            "rw",
        ]);
        command.args(["--sysroot", text(sysroot)?, "--authfile", text(&login)?, "--cert-dir", text(&certificates)?]);
        run(&mut command, ["--imgref", &from]).map(drop)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        _ = self.weir.kill();
        _ = self.weir.wait();
    }
}
