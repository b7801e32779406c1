//! The image that the Containerfile makes: the program, linked statically, without anything else.
//!
//! The program is linked from what is compiled for the tests, as `cargo xtask image` links that of a release.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::SystemTime,
};
use weir_recorded::{Absent, skip};

const WHAT: &str = "a test of the image that runs weir";
/// Bytes of a program in which it says how it is loaded (elf(5)).
const HEADERS: usize = 4_096;

/// The library of this name that was compiled last.
fn library(folder: &Path, name: &str) -> PathBuf {
    let is_it = |path: &PathBuf| {
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        file.starts_with(&format!("lib{name}-")) && file.ends_with(".rlib")
    };
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(is_it);
    let modified =
        |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    all.max_by_key(modified).unwrap()
}

/// Links the program statically.
fn link(to: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiled = Path::new(env!("CARGO_BIN_EXE_weir")).parent().unwrap().join("deps");
    let mut rustc = Command::new("rustc");
    rustc.current_dir(root).args([
        "src/main.rs",
        "--edition",
        "2024",
        "--crate-name",
        "weir_static",
        "--crate-type",
        "bin",
    ]);
    rustc.args(["-C", "target-feature=+crt-static", "-C", "strip=symbols", "-o"]).arg(to);
    rustc.arg("-L").arg(format!("dependency={}", compiled.display()));
    for name in ["weir", "tikv_jemallocator"] {
        rustc.arg("--extern").arg(format!("{name}={}", library(&compiled, name).display()));
    }
    let linked = rustc.output().unwrap();
    assert!(linked.status.success(), "{}", String::from_utf8_lossy(&linked.stderr));
}

/// buildah with a storage of its own.
struct Storage(tempfile::TempDir);

impl Storage {
    fn buildah(&self, arguments: &[&str]) -> Output {
        let mut buildah = Command::new("buildah");
        buildah.args(["--storage-driver", "vfs", "--root"]).arg(self.0.path().join("root"));
        buildah.arg("--runroot").arg(self.0.path().join("run")).args(arguments);
        buildah.env("BUILDAH_ISOLATION", "chroot").output().unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let done = self.buildah(arguments);
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn the_image_has_the_program_alone_and_that_is_enough() {
    for program in ["buildah", "rustc"] {
        if Command::new(program).arg("--version").output().is_err() {
            return skip(WHAT, &Absent::Program(program));
        }
    }
    let is_mounting = Command::new("unshare").args(["--mount", "true"]).output();
    if !is_mounting.is_ok_and(|done| done.status.success()) {
        return skip(WHAT, &Absent::Mounts);
    }
    let storage = Storage(tempfile::tempdir().unwrap());
    let context = storage.0.path().join("context");
    fs::create_dir(&context).unwrap();
    link(&context.join("weir"));
    let program = fs::read(context.join("weir")).unwrap();
    assert!(!program[..HEADERS].windows(8).any(|part| part == b"ld-linux"), "it needs a loader");
    fs::write(context.join("ca-certificates.crt"), "").unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Containerfile");
    storage.done(&["bud", "--tag", "weir:test", "--file", file.to_str().unwrap(), context.to_str().unwrap()]);
    let container = storage.done(&["from", "--pull-never", "weir:test"]);
    let run = |arguments: &[&str]| storage.buildah(&[&["run", &container, "--", "weir"], arguments].concat());
    let version = String::from_utf8(run(&["--version"]).stdout).unwrap();
    assert!(version.starts_with("weir 0.") && version.contains("(commit "), "{version}");
    // Names are resolved without the libraries that do so elsewhere.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let asks = |host: &str| {
        let done = run(&["payload", "inspect", &format!("{host}/release:1")]);
        assert_eq!(done.status.code(), Some(1), "{done:?}");
        String::from_utf8(done.stderr).unwrap()
    };
    let known = asks(&format!("localhost:{closed}"));
    assert!(known.contains("refused"), "{known}");
    let unknown = asks("no-such-host.invalid");
    assert!(!unknown.contains("refused") && unknown.contains("no-such-host.invalid"), "{unknown}");
    // A whole cluster, with nothing but the program.
    let up = ["up", "--until", "updated", "--timeout", "60s", "--step-time", "10ms", "--data-dir", "/cluster"];
    let up = run(&up);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
}
