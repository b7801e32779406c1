//! The steps of a build, as a Containerfile.
//!
//! R-CONTAINERFILE-1 A stage `configs` on the base holds the rendered MachineConfig's files and units. The image of a real
//! operating system has the programs that write them and commit the result; on others an archive of them is unpacked, with the same
//! result on disk.
//! R-CONTAINERFILE-2 Packages of extensions and kernel come from the extensions image, which is mounted during that step
//! only.
//! R-CONTAINERFILE-3 The administrator's certificates are trusted from then on.
//! R-CONTAINERFILE-4 Labels say pool, rendered MachineConfig and base.
//! R-CONTAINERFILE-5 The user's Containerfile follows word for word: the first one for every architecture. It begins with
//! `FROM configs AS final`, or goes on in that stage.
//! R-CONTAINERFILE-6 Whether the base has the programs is known once it has been pulled: the first of them is looked for. When it is
//! missing, the steps before the labels are replaced; packages cannot be installed then, and the build says so.
//!
//! Source: `pkg/controller/build/buildrequest` of github.com/openshift/machine-config-operator.

use super::{
    base::Base,
    extensions::{DEFAULT_KERNEL, Kernel, Packages},
    validation::{Instruction, instructions},
};
use std::fmt::Write as _;
use weir_api::machine_os_config::ContainerFile;

/// Architecture of a Containerfile that is for all of them.
const EVERY: &str = "NoArch";

/// How the rendered MachineConfig gets into the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Laying {
    /// By the programs of the base image.
    Programs,
    /// As an archive that lies beside the Containerfile.
    Files,
}

/// What an image is made of.
#[derive(Clone, Copy, Debug)]
pub struct Recipe<'a> {
    /// The pool.
    pub pool: &'a str,
    /// Name of the rendered MachineConfig.
    pub rendered: &'a str,
    /// What is built on.
    pub base: &'a Base,
    /// What is installed.
    pub packages: &'a Packages,
    /// Whether there are certificates of the administrator.
    pub certificates: bool,
    /// How files and units get there.
    pub laying: Laying,
    /// Containerfiles of the MachineOSConfig.
    pub files: &'a [ContainerFile],
}

/// What the build has beside the Containerfile.
pub mod context {
    /// The rendered MachineConfig as JSON, compressed.
    pub const MACHINE_CONFIG: &str = "machineconfig/machineconfig.json.gz";
    /// Files and units of the rendered MachineConfig, from the root, for [`super::Laying::Files`]: a tar archive.
    pub const ROOT: &str = "root.tar";
    /// Certificates of the administrator.
    pub const CERTIFICATES: &str = "additionaltrustbundle/openshift-config-user-ca-bundle.crt";
}

/// Labels of an image that say what it was built for.
pub mod label {
    /// The rendered MachineConfig.
    pub const RENDERED: &str = "machineconfig";
    /// The pool.
    pub const POOL: &str = "machineconfigpool";
    /// Pull spec of the base image.
    pub const BASE: &str = "baseOSContainerImage";
}

const CURRENT: &str = "/etc/machine-config-daemon/currentconfig";
/// The program that writes files and units. A base that has it has the others too.
pub const IGNITION: &str = "/usr/lib/dracut/modules.d/30ignition/ignition";
/// How the labels begin.
const LABELS: &str = "LABEL machineconfig=";
/// How the packages are reached.
const PACKAGES: &str = "--mount=type=bind,from=";
const REPOSITORY: &str = "/etc/yum.repos.d/coreos-extensions.repo";
const MOUNT: &str = "/tmp/mco-extensions/os-extensions-content";
const COMMIT: &str = "ostree container commit";

/// The user's Containerfile that counts.
#[must_use]
pub fn of_user(files: &[ContainerFile]) -> Option<&str> {
    files.iter().find(|file| file.containerfile_arch == EVERY).map(|file| file.content.as_str())
}

/// The whole Containerfile.
#[must_use]
pub fn containerfile(recipe: &Recipe<'_>) -> String {
    let mut text = match recipe.laying {
        Laying::Programs => by_programs(recipe),
        Laying::Files => by_files(&recipe.base.image),
    };
    let labels = [(label::RENDERED, recipe.rendered), (label::POOL, recipe.pool), (label::BASE, &recipe.base.image)];
    for (key, value) in labels {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "LABEL {key}={value}");
    }
    if let Some(user) = of_user(recipe.files) {
        text.push_str(user);
    }
    text
}

fn by_files(image: &str) -> String {
    format!("FROM {image} AS configs\nADD {} /\n", context::ROOT)
}

/// Why a Containerfile needs the programs of the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeedsPrograms {
    /// It installs packages.
    #[error(
        "the base image has no {IGNITION}, and so none of the programs that install extensions and kernel types: remove those from the pool's MachineConfigs, or build on an image of a real operating system"
    )]
    Packages,
    /// It was not generated here.
    #[error(
        "the base image has no {IGNITION}, and the Containerfile, which needs it, has no line {LABELS:?} up to which it could be replaced"
    )]
    Foreign,
}

/// A Containerfile of [`containerfile`] for a base without programs, whichever base it was made for (R-CONTAINERFILE-6).
///
/// # Errors
/// When it needs them.
pub fn without_programs(text: &str) -> Result<String, NeedsPrograms> {
    let all = instructions(text);
    let labels = all.iter().find(|found| found.line_starts(LABELS)).ok_or(NeedsPrograms::Foreign)?.line;
    let before: Vec<&Instruction> = all.iter().take_while(|found| found.line < labels).collect();
    let from = before.first().filter(|first| first.word == "from");
    let image = from.and_then(|from| from.arguments.split_whitespace().next()).ok_or(NeedsPrograms::Foreign)?;
    if before.iter().any(|found| found.arguments.starts_with(PACKAGES)) {
        return Err(NeedsPrograms::Packages);
    }
    let mut new = by_files(image);
    if before.iter().any(|found| found.arguments.starts_with(context::CERTIFICATES)) {
        new.push_str(&certificates());
    }
    new.extend(text.split_inclusive('\n').skip(labels - 1));
    Ok(new)
}

/// The images that a Containerfile takes something from, as they are written; names of stages are among them.
#[must_use]
pub fn images(text: &str) -> Vec<String> {
    let all = instructions(text);
    let flags = |found: &Instruction| -> Vec<String> {
        let words = found.arguments.split([' ', ',', '\t']);
        words.filter_map(|word| word.trim_start_matches("--").strip_prefix("from=")).map(str::to_owned).collect()
    };
    let image = |found: &Instruction| -> Vec<String> {
        let mut words = found.arguments.split_whitespace().skip_while(|word| word.starts_with("--"));
        words.next().map(str::to_owned).into_iter().collect()
    };
    all.iter().flat_map(|found| if found.word == "from" { image(found) } else { flags(found) }).collect()
}

/// Puts the administrator's certificates where the base looks for them.
fn certificates() -> String {
    let name = context::CERTIFICATES.rsplit('/').next().unwrap_or_default();
    format!("COPY {} /etc/pki/ca-trust/source/anchors/{name}\n", context::CERTIFICATES)
}

fn by_programs(recipe: &Recipe<'_>) -> String {
    let (image, machine_config) = (&recipe.base.image, context::MACHINE_CONFIG);
    let mut text = format!(
        "FROM {image} AS extract\n\
         COPY {machine_config} /tmp/machineconfig.json.gz\n\
         RUN mkdir -p $(dirname {CURRENT}) && gunzip -c /tmp/machineconfig.json.gz > {CURRENT}\n\
         FROM {image} AS configs\n\
         COPY --from=extract {CURRENT} {CURRENT}\n\
         RUN jq .spec.config {CURRENT} > /tmp/config.ign && \
         container=oci bash -c 'exec -a ignition-apply {IGNITION} --ignore-unsupported /tmp/config.ign' && \
         rm /tmp/config.ign && {COMMIT}\n"
    );
    if let Some(extensions) = &recipe.base.extensions {
        text.push_str(&installation(extensions, recipe.packages));
    }
    let _ = writeln!(text, "RUN {} && {COMMIT}", state_folders().join(" && "));
    if recipe.certificates {
        text.push_str(&certificates());
        let _ = writeln!(text, "RUN update-ca-trust && {COMMIT}");
    }
    text
}

/// R-CONTAINERFILE-2; nothing when nothing is to be installed.
fn installation(image: &str, packages: &Packages) -> String {
    let mut steps = vec![format!(
        "printf '[coreos-extensions]\\nname=extensions\\nbaseurl=file://{MOUNT}/usr/share/rpm-ostree/extensions/\\n\
         enabled=1\\ngpgcheck=0\\n' > {REPOSITORY} && chmod 644 {REPOSITORY}"
    )];
    if !packages.extensions.is_empty() {
        steps.push(format!("rpm-ostree install {}", packages.extensions.join(" ")));
    }
    steps.extend(packages.kernel.map(kernel));
    if steps.len() == 1 {
        return String::new();
    }
    steps.push(format!("rm {REPOSITORY}"));
    steps.push(COMMIT.to_owned());
    let mount = format!("{PACKAGES}{image},source=/,target={MOUNT},bind-propagation=rshared,rw,z");
    format!("RUN {mount} {}\n", steps.join(" && "))
}

/// Replaces the kernel that is there, which may be the wanted one already.
fn kernel(wanted: Kernel) -> String {
    let other = match wanted {
        Kernel::Realtime => Kernel::LargePages,
        Kernel::LargePages => Kernel::Realtime,
    };
    let core = |kernel: Kernel| kernel.packages().first().copied().unwrap_or_default();
    let swap = |old: &[&str]| {
        let commands = [format!("remove {}", old.join(" ")), format!("install {}", wanted.packages().join(" "))];
        format!("printf '{}\\nrun\\n' | dnf -y shell", commands.join("\\n"))
    };
    format!(
        "if rpm -q {} >/dev/null; then :; elif rpm -q {} >/dev/null; then {}; elif rpm -q kernel >/dev/null; then {}; \
         else echo 'no known kernel is installed' >&2; exit 1; fi",
        core(wanted),
        core(other),
        swap(other.packages()),
        swap(&DEFAULT_KERNEL),
    )
}

/// Folders of services that are created at boot, instead of as an extension left them.
fn state_folders() -> Vec<String> {
    let folders = ["/var/log/usbguard 0755", "/var/lib/ipsec 0700", "/var/lib/ipsec/nss 0700"];
    let lines: Vec<String> = folders.iter().map(|folder| format!("d {folder} root root - -")).collect();
    vec![
        "rm -f /usr/lib/tmpfiles.d/usbguard.conf".to_owned(),
        format!("printf '{}\\n' > /usr/lib/tmpfiles.d/usbguard_ipsec.conf", lines.join("\\n")),
    ]
}

#[cfg(test)]
mod tests {
    use super::{
        super::{base::BaseReason, identity::tests::file, validation::validate},
        *,
    };

    fn text(laying: Laying, packages: &Packages, files: &[ContainerFile]) -> String {
        let base =
            Base { image: "os@sha256:1".into(), extensions: Some("ext@sha256:2".into()), because: BaseReason::Release };
        let recipe = Recipe {
            pool: "worker",
            rendered: "rendered-worker-1",
            base: &base,
            packages,
            certificates: true,
            laying,
            files,
        };
        let text = containerfile(&recipe);
        validate(&text).unwrap();
        text
    }

    #[test]
    fn what_is_copied_needs_no_program() {
        let mut other = file("FROM other");
        other.containerfile_arch = "ARM64".to_owned();
        let files = [other, file("FROM configs AS final\nRUN a\n")];
        assert_eq!(
            text(Laying::Files, &Packages::default(), &files),
            "FROM os@sha256:1 AS configs\nADD root.tar /\nLABEL machineconfig=rendered-worker-1\nLABEL \
             machineconfigpool=worker\nLABEL baseOSContainerImage=os@sha256:1\nFROM configs AS final\nRUN a\n"
        );
    }

    #[test]
    fn a_base_without_programs_gets_the_same_in_another_way() {
        let files = [file("FROM configs AS final\nLABEL machineconfig=other\nRUN a\n")];
        let programs = text(Laying::Programs, &Packages::default(), &files);
        let made = without_programs(&programs).unwrap();
        let anchors = "COPY additionaltrustbundle/openshift-config-user-ca-bundle.crt \
                       /etc/pki/ca-trust/source/anchors/openshift-config-user-ca-bundle.crt\n";
        assert!(
            made.starts_with(&format!("FROM os@sha256:1 AS configs\nADD root.tar /\n{anchors}LABEL machineconfig=r"))
        );
        assert!(made.ends_with("os@sha256:1\nFROM configs AS final\nLABEL machineconfig=other\nRUN a\n"), "{made}");
        let plain = text(Laying::Files, &Packages::default(), &files);
        assert_eq!(without_programs(&plain).unwrap(), plain);
        let packages = Packages { extensions: vec!["usbguard"], kernel: None };
        let needs = without_programs(&text(Laying::Programs, &packages, &files));
        assert_eq!(needs, Err(NeedsPrograms::Packages));
        for foreign in ["", "FROM a AS configs\nRUN b\n", "LABEL machineconfig=a\nFROM b\n"] {
            assert_eq!(without_programs(foreign), Err(NeedsPrograms::Foreign), "{foreign}");
        }
    }

    #[test]
    fn images_that_something_is_taken_from() {
        let packages = Packages { extensions: vec!["usbguard"], kernel: None };
        let text = text(Laying::Programs, &packages, &[file("FROM --platform=linux/amd64 q.io/a:1 AS x\nRUN b\n")]);
        assert_eq!(images(&text), ["os@sha256:1", "os@sha256:1", "extract", "ext@sha256:2", "q.io/a:1"]);
    }

    #[test]
    fn programs_of_the_base_lay_down_install_and_commit() {
        let plain = text(Laying::Programs, &Packages::default(), &[]);
        assert!(plain.contains("ignition-apply") && !plain.contains("ext@sha256:2"), "{plain}");
        assert!(plain.contains("update-ca-trust"));
        let packages = Packages { extensions: vec!["usbguard"], kernel: Some(Kernel::Realtime) };
        let full = text(Laying::Programs, &packages, &[]);
        for part in
            ["from=ext@sha256:2", "rpm-ostree install usbguard", "install kernel-rt-core", "remove kernel kernel-core"]
        {
            assert!(full.contains(part), "{part}: {full}");
        }
        // Every layer that changes the image is committed.
        let runs = full.lines().filter(|line| line.starts_with("RUN")).skip(1);
        assert!(runs.clone().count() > 2 && runs.into_iter().all(|line| line.ends_with(COMMIT)), "{full}");
    }
}
