//! What must not be rolled out although it can be rendered.
//!
//! R-GUARD-1 An operating system without runc is not rolled out to a pool whose machines are configured to use runc.
//! R-GUARD-2 The operating system is known from the stream; if a MachineConfig overrides the OS image, from the labels of
//! that image.
//! R-GUARD-3 CRI-O's drop-ins are read in name order; the last one that names a runtime wins.
//! R-GUARD-4 What blocks a rollout is reported with its evidence and its remedy.
//!
//! Source: `DetectRuncInMachineConfig` in `pkg/controller/common/helpers.go` and `pkg/controller/render` of
//! github.com/openshift/machine-config-operator; `crio.conf.d(5)`.

use crate::{
    render::{GivenBy, Rendered, name_of},
    stream::catalog::classify::classify,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use weir_api::MachineConfig;
use weir_distro::Profile;
use weir_ignition::{contents, file_address};

/// Where CRI-O's drop-ins are.
const CRIO_DROPINS: &str = "/etc/crio/crio.conf.d/";
/// The runtime that not every operating system has.
const RUNC: &str = "runc";

/// A reason not to roll out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inhibitor {
    /// Its reason, for machines.
    pub id: &'static str,
    /// The whole explanation in a sentence, including the remedy.
    pub message: String,
    /// The evidence, and where it is.
    pub evidence: Vec<Evidence>,
    /// What a user can do about it.
    pub remedy: String,
}

/// Evidence in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The object: `MachineConfig 99-worker-crio`.
    pub object: GivenBy,
    /// Path of the file in it.
    pub path: String,
    /// Line of the file, from 1.
    pub line: Option<usize>,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.path)?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// Why it is unknown whether a pool's configuration may be rolled out. The messages are the reference's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {cause}", match overridden {
    true => format!("pool {pool}: failed to check runc in generated MachineConfig"),
    false => format!("failed to check runc in generated MachineConfig for pool {pool}"),
})]
pub struct GuardError {
    /// The pool.
    pub pool: String,
    /// Whether a MachineConfig overrides the base OS image.
    pub overridden: bool,
    /// Where the drop-in comes from.
    pub from: GivenBy,
    /// What cannot be read.
    pub cause: Box<UnreadableDropin>,
}

/// Why the runtime in a configuration is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableDropin {
    /// The contents of a drop-in are not in the configuration, or malformed.
    #[error("failed to decode CRI-O drop-in {path:?} in MC {config:?}: {error}")]
    Contents {
        /// The rendered MachineConfig.
        config: String,
        /// Path of the drop-in.
        path: String,
        /// What is wrong.
        error: contents::ContentsError,
    },
    /// A drop-in is not TOML, or its runtime is not a string.
    #[error("failed to parse TOML from CRI-O drop-in {path:?} in MC {config:?}: {why}")]
    Toml {
        /// The rendered MachineConfig.
        config: String,
        /// Path of the drop-in.
        path: String,
        /// What is wrong.
        why: String,
    },
}

/// What is known about operating systems without runc.
#[derive(Clone, Copy, Debug)]
pub struct WithoutRunc<'a> {
    /// Their streams.
    pub streams: &'a BTreeSet<String>,
    /// Their common names.
    pub title: &'a str,
}

impl<'a> WithoutRunc<'a> {
    /// What a distribution knows about them.
    #[must_use]
    pub fn of(profile: &'a Profile) -> Self {
        Self { streams: &profile.streams.without_runc, title: &profile.streams.without_runc_title }
    }
}

/// Whether a pool's configuration may be rolled out with regard to runc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuncGuard {
    /// It may.
    Clear,
    /// It must not.
    Inhibited(Inhibitor),
    /// The labels of the OS image decide: see [`RuncGuard::with_labels`].
    AskImage {
        /// The OS image.
        image: String,
        /// What blocks the rollout if the image has no runc.
        inhibitor: Inhibitor,
    },
}

/// Decides about runc (R-GUARD-1). `stream`: name of the pool's stream, if it has one.
///
/// # Errors
/// When a drop-in cannot be read.
pub fn runc_guard(
    pool: &str,
    rendered: &Rendered,
    stream: Option<&str>,
    without: WithoutRunc<'_>,
) -> Result<RuncGuard, GuardError> {
    let image = rendered.config.spec.os_image_url.as_deref().unwrap_or_default();
    let concerned = match (rendered.overridden, stream) {
        (true, _) => !image.is_empty(),
        (false, stream) => stream.is_some_and(|stream| without.streams.contains(stream)),
    };
    if !concerned {
        return Ok(RuncGuard::Clear);
    }
    let overridden = rendered.overridden;
    let found = runc_in(&rendered.config).map_err(|cause| {
        let from = given_by(rendered, cause.path());
        GuardError { pool: pool.to_owned(), overridden, from, cause: Box::new(cause) }
    })?;
    let Some(found) = found else { return Ok(RuncGuard::Clear) };
    let inhibitor = inhibitor(pool, rendered, &found, without.title);
    Ok(match overridden {
        true => RuncGuard::AskImage { image: image.to_owned(), inhibitor },
        false => RuncGuard::Inhibited(inhibitor),
    })
}

/// As [`runc_guard`], for a distribution; while that is not known, what any distribution blocks is blocked.
///
/// # Errors
/// As there.
pub fn runc_guard_of(
    pool: &str,
    rendered: &Rendered,
    stream: Option<&str>,
    distribution: Option<&Profile>,
) -> Result<RuncGuard, GuardError> {
    for without in counting(distribution) {
        let decided = runc_guard(pool, rendered, stream, without)?;
        if decided != RuncGuard::Clear {
            return Ok(decided);
        }
    }
    Ok(RuncGuard::Clear)
}

fn counting(distribution: Option<&Profile>) -> impl Iterator<Item = WithoutRunc<'static>> {
    Profile::all()
        .iter()
        .filter(move |profile| distribution.is_none_or(|known| known.name == profile.name))
        .map(WithoutRunc::of)
}

impl RuncGuard {
    /// As [`Self::with_labels`], for a distribution; while that is not known, what any distribution blocks is blocked.
    #[must_use]
    pub fn with_labels_of(self, labels: &BTreeMap<String, String>, distribution: Option<&Profile>) -> Self {
        let mut last = self.clone();
        for without in counting(distribution) {
            last = self.clone().with_labels(labels, without);
            if matches!(last, Self::Inhibited(_)) {
                break;
            }
        }
        last
    }

    /// Decides once the labels of the OS image are known (R-GUARD-2).
    #[must_use]
    pub fn with_labels(self, labels: &BTreeMap<String, String>, without: WithoutRunc<'_>) -> Self {
        match self {
            Self::AskImage { inhibitor, .. } => match classify(labels) {
                Ok((_, stream)) if without.streams.contains(&stream) => Self::Inhibited(inhibitor),
                _ => Self::Clear,
            },
            decided => decided,
        }
    }
}

impl UnreadableDropin {
    fn path(&self) -> &str {
        match self {
            Self::Contents { path, .. } | Self::Toml { path, .. } => path,
        }
    }
}

fn given_by(rendered: &Rendered, path: &str) -> GivenBy {
    rendered.provenance.trace(&file_address(path)).map_or(GivenBy::Default, |trace| trace.from)
}

fn inhibitor(pool: &str, rendered: &Rendered, found: &Setting, title: &str) -> Inhibitor {
    let remedy = "migrate to crun by removing any ContainerRuntimeConfig that sets defaultRuntime to runc, and removing \
                  any MachineConfig that sets default_runtime = \"runc\" in CRI-O configuration under \
                  /etc/crio/crio.conf.d/";
    Inhibitor {
        id: "RuncUnavailable",
        message: format!(
            "MachineConfigPool {pool} targets a {title} OS image where runc is not available. To unblock, {remedy}"
        ),
        evidence: vec![Evidence {
            object: given_by(rendered, &found.path),
            path: found.path.clone(),
            line: Some(found.line),
        }],
        remedy: remedy.to_owned(),
    }
}

/// Where the effective runtime is set.
struct Setting {
    runtime: String,
    path: String,
    line: usize,
}

/// Where a rendered configuration tells CRI-O to use runc, if it does (R-GUARD-3). Other problems with it do not
/// matter here.
fn runc_in(config: &MachineConfig) -> Result<Option<Setting>, UnreadableDropin> {
    let name = || name_of(&config.metadata).to_owned();
    let files = config.spec.config.as_ref().and_then(|c| c.pointer("/storage/files")).and_then(Value::as_array);
    let mut dropins = BTreeMap::new();
    for file in files.into_iter().flatten() {
        let path = file.get("path").and_then(Value::as_str).unwrap_or_default();
        if path.starts_with(CRIO_DROPINS) {
            dropins.insert(path, file.get("contents").and_then(Value::as_object));
        }
    }
    let mut in_force = None;
    for (path, contents) in dropins {
        let Some(contents) = contents else { continue };
        let owned = || (name(), path.to_owned());
        let bytes = contents::decode(contents).map_err(|error| {
            let (config, path) = owned();
            UnreadableDropin::Contents { config, path, error }
        })?;
        let setting = default_runtime(path, &bytes).map_err(|why| {
            let (config, path) = owned();
            UnreadableDropin::Toml { config, path, why }
        })?;
        in_force = setting.or(in_force);
    }
    Ok(in_force.filter(|setting| setting.runtime == RUNC))
}

/// `crio.runtime.default_runtime` in a drop-in; none when absent or empty.
fn default_runtime(path: &str, bytes: &[u8]) -> Result<Option<Setting>, String> {
    let text = std::str::from_utf8(bytes).map_err(|e| e.to_string())?;
    let table = DeTable::parse(text).map_err(|e| e.message().to_owned())?;
    let mut value = None;
    let mut table = Some(table.get_ref());
    for key in ["crio", "runtime", "default_runtime"] {
        value = table.and_then(|t| entry(t, key));
        table = match value.map(Spanned::get_ref) {
            Some(DeValue::Table(inner)) if key != "default_runtime" => Some(inner),
            Some(DeValue::String(_)) if key == "default_runtime" => None,
            None => None,
            Some(_) => {
                return Err(format!("{key} is no {}", if key == "default_runtime" { "string" } else { "table" }));
            }
        };
    }
    let runtime = value.and_then(|v| Some((v.get_ref().as_str()?, v.span().start)));
    Ok(runtime.filter(|(runtime, _)| !runtime.is_empty()).map(|(runtime, at)| Setting {
        runtime: runtime.to_owned(),
        path: path.to_owned(),
        line: text[..at].matches('\n').count() + 1,
    }))
}

/// The value of a key, case-insensitive when none matches exactly.
fn entry<'t, 's>(table: &'t DeTable<'s>, key: &str) -> Option<&'t Spanned<DeValue<'s>>> {
    let of = |matches: &dyn Fn(&str) -> bool| table.iter().find(|(k, _)| matches(k.get_ref())).map(|(_, value)| value);
    of(&|k| k == key).or_else(|| of(&|k| k.eq_ignore_ascii_case(key)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{RenderInput, render};
    use serde_json::json;
    use weir_api::{ControllerConfig, MachineConfigPool, os_image_stream::OSImageStreamSet};

    fn rendered(files: Value, os_image: &str) -> Rendered {
        let pool: MachineConfigPool = serde_json::from_value(json!({ "metadata": { "name": "worker" } })).unwrap();
        let spec = json!({
            "osImageURL": os_image,
            "config": { "ignition": { "version": "3.5.0" }, "storage": { "files": files } },
        });
        let config: MachineConfig =
            serde_json::from_value(json!({ "metadata": { "name": "99-crio", "labels": {} }, "spec": spec })).unwrap();
        let (configs, controller) = ([&config], ControllerConfig::default());
        let stream = OSImageStreamSet { os_image: "base".to_owned(), ..OSImageStreamSet::default() };
        render(&RenderInput { stream: Some(&stream), ..RenderInput::new(&pool, &configs, &controller) }).unwrap()
    }

    fn dropin(name: &str, contents: &str) -> Value {
        let encoded: String = contents.bytes().map(|b| format!("%{b:02x}")).collect();
        json!({ "path": format!("/etc/crio/crio.conf.d/{name}"), "contents": { "source": format!("data:,{encoded}") } })
    }

    fn streams() -> BTreeSet<String> {
        ["el-10".to_owned()].into()
    }

    fn guard(rendered: &Rendered, stream: Option<&str>) -> Result<RuncGuard, GuardError> {
        runc_guard("worker", rendered, stream, WithoutRunc { streams: &streams(), title: "EL 10" })
    }

    #[test]
    fn what_names_the_runtime() {
        let runc = "[crio.runtime]\n# why\ndefault_runtime = \"runc\"\n";
        for (files, line) in [
            (json!([dropin("a", runc)]), Some(3)),
            (json!([dropin("a", "crio.runtime.default_runtime = 'runc'")]), Some(1)),
            (json!([dropin("a", "[Crio.Runtime]\nDEFAULT_runtime = 'runc'")]), Some(2)),
            (json!([dropin("b", runc), dropin("a", "[crio.runtime]\ndefault_runtime = 'crun'")]), Some(3)),
            (json!([dropin("a", runc), dropin("b", "[crio.runtime]\ndefault_runtime = 'crun'")]), None),
            (json!([dropin("a", runc), dropin("b", "[crio.runtime]\ndefault_runtime = ''")]), Some(3)),
            (json!([dropin("sub/a", runc)]), Some(3)),
            (json!([dropin("a", ""), { "path": "/etc/crio/crio.conf", "contents": { "source": "data:,%00" } }]), None),
            (json!([{ "path": "/etc/crio/crio.conf.d/a", "mode": 420 }]), None),
        ] {
            let found = match guard(&rendered(files.clone(), ""), Some("el-10")).unwrap() {
                RuncGuard::Inhibited(inhibitor) => inhibitor.evidence[0].line,
                RuncGuard::Clear => None,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, line, "{files}");
        }
    }

    #[test]
    fn the_stream_or_the_image_decides() {
        let files = json!([dropin("a", "[crio.runtime]\ndefault_runtime = 'runc'")]);
        let plain = rendered(files.clone(), "");
        assert_eq!(guard(&plain, None).unwrap(), RuncGuard::Clear);
        assert_eq!(guard(&plain, Some("el-9")).unwrap(), RuncGuard::Clear);
        let RuncGuard::Inhibited(inhibitor) = guard(&plain, Some("el-10")).unwrap() else { panic!() };
        assert_eq!(inhibitor.evidence[0].to_string(), "MachineConfig 99-crio: /etc/crio/crio.conf.d/a:2");
        assert_eq!(
            inhibitor.message,
            "MachineConfigPool worker targets a EL 10 OS image where runc is not available. To unblock, migrate to crun \
             by removing any ContainerRuntimeConfig that sets defaultRuntime to runc, and removing any MachineConfig \
             that sets default_runtime = \"runc\" in CRI-O configuration under /etc/crio/crio.conf.d/"
        );
        let labels = |class: &str, bootc: &str| {
            let pairs = [("io.openshift.os.streamclass", class), ("containers.bootc", bootc)];
            pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        };
        let own = rendered(files, "own-image");
        for (labels, inhibited) in [
            (labels("el-10", "1"), true),
            (labels("el-10", "TRUE"), true),
            (labels("el-9", "1"), false),
            (labels("el-10", "0"), false),
            (BTreeMap::new(), false),
        ] {
            let asked = guard(&own, None).unwrap();
            assert!(matches!(&asked, RuncGuard::AskImage { image, .. } if image == "own-image"));
            let decided = asked.with_labels(&labels, WithoutRunc { streams: &streams(), title: "EL 10" });
            assert_eq!(matches!(decided, RuncGuard::Inhibited(_)), inhibited, "{labels:?}");
        }
    }

    #[test]
    fn unreadable_drop_ins() {
        let gzip =
            json!([{ "path": "/etc/crio/crio.conf.d/a", "contents": { "source": "data:,x", "compression": "gzip" } }]);
        let remote = json!([{ "path": "/etc/crio/crio.conf.d/a", "contents": { "source": "http://x/y" } }]);
        let nothing = json!([{ "path": "/etc/crio/crio.conf.d/a", "contents": { "source": "" } }]);
        for (files, text) in [
            (
                json!([dropin("a", "a = 1\na = 2")]),
                "failed to parse TOML from CRI-O drop-in \"/etc/crio/crio.conf.d/a\"",
            ),
            (json!([dropin("a", "[crio.runtime]\ndefault_runtime = 1")]), "failed to parse TOML"),
            (json!([dropin("a", "crio = 1")]), "failed to parse TOML"),
            (
                json!([{ "path": "/etc/crio/crio.conf.d/a", "contents": { "source": "data:,%ff" } }]),
                "failed to parse TOML",
            ),
            (remote, "failed to decode CRI-O drop-in \"/etc/crio/crio.conf.d/a\" in MC \"rendered-worker-"),
            (gzip, "failed to decode CRI-O drop-in"),
            (nothing, "failed to decode CRI-O drop-in"),
        ] {
            let error = guard(&rendered(files, ""), Some("el-10")).unwrap_err();
            assert_eq!(error.from.config(), Some("99-crio"));
            let error = error.to_string();
            let context = "failed to check runc in generated MachineConfig for pool worker: ";
            assert!(error.strip_prefix(context).is_some_and(|e| e.starts_with(text)), "{error}");
        }
    }
}
