//! What a running node does to get from one configuration to another, and whether it is drained for it.
//!
//! R-ACTIONS-1 Another OS image, and other kernel arguments, extensions, kernel type or FIPS mode, take a reboot. Lists count as
//! written: another order is a difference.
//! R-ACTIONS-2 A node that runs an image that was built for it, or is to run one, compares these images instead of those of the
//! configurations. An image that is not built yet is another one.
//! R-ACTIONS-3 For a file that differs, the policy of its path counts, or of the folder nearest to it. Without a policy it takes a
//! reboot. Files count as written: another encoding of the same contents is a difference.
//! R-ACTIONS-4 For a unit that differs, or a drop-in of it, the policy of exactly that unit counts. Without one it takes a reboot.
//! R-ACTIONS-5 Where users differ, the policy of SSH keys counts.
//! R-ACTIONS-6 If anything takes a reboot, that is all there is. No action counts only where there is no other. The others are done in
//! the order of the paths and then the units, however often each is asked for.
//! R-ACTIONS-7 A node is drained for a reboot and where a policy says so. A change of registries.conf drains it unless images that can
//! be pulled now can still be pulled afterwards (R-REGISTRIES-5), or that cannot be told.
//!
//! Source: `calculatePostConfigChangeNodeDisruptionAction` in `pkg/daemon/update.go` and `pkg/daemon/drain.go` of
//! github.com/openshift/machine-config-operator. The order of paths is ours: theirs is that of a map.

use crate::runtime::registries_conf::{REGISTRIES_CONF, keeps_serving};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, fmt};
use weir_api::{
    MachineConfig,
    machine_configuration::{FilePolicy, NodeDisruptionPolicy, PolicyAction},
};
use weir_ignition::{Config, ReadError, contents};

/// One thing that a node does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Nothing beyond writing what differs.
    Nothing,
    /// It is drained, before anything is written.
    Drain,
    /// It reloads this systemd unit.
    Reload(String),
    /// It restarts this systemd unit.
    Restart(String),
    /// It makes systemd read its units again.
    DaemonReload,
    /// It makes the container runtime read registries.conf again.
    ReloadRegistries,
    /// It reboots.
    Reboot,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Differs {
    /// A field of the MachineConfig.
    Field(&'static str),
    /// The image that was built for the node.
    Image,
    /// The file at this path.
    File(String),
    /// This systemd unit, or a drop-in of it.
    Unit(String),
    /// Users.
    Users,
}

/// Why something that differs has the actions it has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Because {
    /// It always takes a reboot.
    Always,
    /// The node disruption policy of this path, unit or `sshkey`.
    Policy(String),
    /// There is no node disruption policy for it.
    NoPolicy,
}

/// Something that differs, and what that takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What.
    pub what: Differs,
    /// Why it takes that.
    pub because: Because,
    /// What it takes; empty if its policy lists no action.
    pub actions: Vec<Action>,
}

/// What a node does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// In order; empty if nothing differs but the order of lists.
    pub actions: Vec<Action>,
    /// Whether it is drained and cordoned meanwhile.
    pub drains: bool,
    /// Everything that differs, with what each takes by itself.
    pub causes: Vec<Cause>,
}

/// What a node runs or is to run.
#[derive(Clone, Copy, Debug)]
pub struct Runs<'a> {
    /// The rendered MachineConfig.
    pub config: &'a MachineConfig,
    /// The image that was built for it.
    pub image: Built<'a>,
}

/// An image that was built for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Built<'a> {
    /// None: the node runs the image that its MachineConfig names.
    No,
    /// This one.
    Image(&'a str),
    /// One that is not there yet.
    Later,
}

/// Why the actions are not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("MachineConfig {config}: {error}")]
pub struct UnknownActions {
    /// The configuration that cannot be read.
    pub config: String,
    /// Why.
    pub error: ReadError,
}

/// What a node does to get from one to the other, under these policies (see [`crate::render::node_disruption::in_force`]).
///
/// # Errors
/// When the Ignition config of either cannot be read.
pub fn effect(from: Runs<'_>, to: Runs<'_>, policies: &NodeDisruptionPolicy) -> Result<Effect, UnknownActions> {
    let (before, after) = (ignition(from.config)?, ignition(to.config)?);
    let mut causes = always(from, to);
    causes.extend(files(&before, &after, policies.files.as_deref().unwrap_or_default()));
    for unit in names(&before, &after, "systemd", "units", "name") {
        let policy = policies.units.iter().flatten().find(|policy| policy.name == unit);
        let found = policy.map(|policy| (policy.name.clone(), policy.actions.as_slice()));
        causes.push(cause(Differs::Unit(unit), found));
    }
    if before.section("passwd") != after.section("passwd") {
        let found = policies.sshkey.as_ref().map(|policy| ("sshkey".to_owned(), policy.actions.as_slice()));
        causes.push(cause(Differs::Users, found));
    }
    let all: Vec<Action> = causes.iter().flat_map(|cause| cause.actions.iter().cloned()).collect();
    let actions = if causes.is_empty() { vec![Action::Nothing] } else { in_sum(all) };
    let drains = actions.iter().any(|action| match action {
        Action::Reboot | Action::Drain => true,
        Action::ReloadRegistries => !keeps_registries(&before, &after),
        _ => false,
    });
    Ok(Effect { actions, drains, causes })
}

impl Effect {
    /// Whether the node reboots.
    #[must_use]
    pub fn reboots(&self) -> bool {
        self.actions.contains(&Action::Reboot)
    }

    /// Whether anything on the node is interrupted: it is drained, or a unit is reloaded or restarted.
    #[must_use]
    pub fn disrupts(&self) -> bool {
        self.drains || self.actions.iter().any(|action| *action != Action::Nothing)
    }

    /// The causes of the strongest action: of a reboot, only those that take one.
    pub fn decisive(&self) -> impl Iterator<Item = &Cause> {
        let reboots = self.reboots();
        self.causes.iter().filter(move |cause| !reboots || cause.actions.contains(&Action::Reboot))
    }
}

fn ignition(config: &MachineConfig) -> Result<Config, UnknownActions> {
    let Some(raw) = config.spec.config.as_ref().filter(|raw| !raw.is_null()) else { return Ok(Config::empty()) };
    let name = || config.metadata.name.clone().unwrap_or_default();
    Config::read(raw).map_err(|error| UnknownActions { config: name(), error })
}

/// R-ACTIONS-1, R-ACTIONS-2.
fn always(from: Runs<'_>, to: Runs<'_>) -> Vec<Cause> {
    let (old, new) = (&from.config.spec, &to.config.spec);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let list = |value: &Option<Vec<String>>| value.clone().unwrap_or_default();
    let kernel = |value: &Option<String>| value.clone().filter(|kernel| KERNELS.contains(&kernel.as_str()));
    let image = match (from.image, to.image) {
        (Built::No, Built::No) => (text(&old.os_image_url) != text(&new.os_image_url)).then_some(OS_IMAGE),
        (before, after) => (before != after || after == Built::Later).then_some(Differs::Image),
    };
    let differs = [
        (list(&old.kernel_arguments) != list(&new.kernel_arguments)).then_some(Differs::Field("kernelArguments")),
        (kernel(&old.kernel_type) != kernel(&new.kernel_type)).then_some(Differs::Field("kernelType")),
        (list(&old.extensions) != list(&new.extensions)).then_some(Differs::Field("extensions")),
        (old.fips.unwrap_or_default() != new.fips.unwrap_or_default()).then_some(Differs::Field("fips")),
    ];
    let reboot = |what| Cause { what, because: Because::Always, actions: vec![Action::Reboot] };
    image.into_iter().chain(differs.into_iter().flatten()).map(reboot).collect()
}

const OS_IMAGE: Differs = Differs::Field("osImageURL");
/// Kernel types other than the default; what is not known counts as the default.
const KERNELS: [&str; 2] = ["realtime", "64k-pages"];

/// R-ACTIONS-3.
fn files(before: &Config, after: &Config, policies: &[FilePolicy]) -> Vec<Cause> {
    let of = |path: String| {
        let covers = |policy: &&FilePolicy| covers(&policy.path, &path);
        let longest = policies.iter().filter(covers).rev().max_by_key(|policy| policy.path.len());
        let found = longest.map(|policy| (policy.path.clone(), policy.actions.as_slice()));
        cause(Differs::File(path), found)
    };
    names(before, after, "storage", "files", "path").into_iter().map(of).collect()
}

fn covers(policy: &str, path: &str) -> bool {
    let folder = policy.trim_end_matches('/');
    let below = path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    policy == path || (below && !folder.is_empty())
}

/// The keys of the entries of a list that differ, sorted.
fn names(before: &Config, after: &Config, section: &str, list: &str, key: &str) -> Vec<String> {
    fn by<'c>(config: &'c Config, section: &str, list: &str, key: &str) -> BTreeMap<&'c str, &'c Map<String, Value>> {
        let entries = config.list(section, list);
        entries.filter_map(|entry| Some((entry.get(key)?.as_str()?, entry))).collect()
    }
    let (old, new) = (by(before, section, list, key), by(after, section, list, key));
    let mut all: Vec<&str> = old.keys().chain(new.keys()).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().filter(|name| old.get(name) != new.get(name)).map(str::to_owned).collect()
}

fn cause(what: Differs, found: Option<(String, &[PolicyAction])>) -> Cause {
    match found {
        None => Cause { what, because: Because::NoPolicy, actions: vec![Action::Reboot] },
        Some((name, actions)) => {
            Cause { what, because: Because::Policy(name), actions: actions.iter().map(action).collect() }
        }
    }
}

/// An action that is not known reboots: that does everything any other could.
fn action(policy: &PolicyAction) -> Action {
    let unit = |of: &Option<weir_api::machine_configuration::ServiceAction>| {
        of.as_ref().map(|action| action.service_name.clone()).unwrap_or_default()
    };
    match policy.type_.as_str() {
        "None" => Action::Nothing,
        "Drain" => Action::Drain,
        "Reload" => Action::Reload(unit(&policy.reload)),
        "Restart" => Action::Restart(unit(&policy.restart)),
        "DaemonReload" => Action::DaemonReload,
        "Special" => Action::ReloadRegistries,
        _ => Action::Reboot,
    }
}

/// R-ACTIONS-6.
fn in_sum(mut all: Vec<Action>) -> Vec<Action> {
    if all.contains(&Action::Reboot) {
        return vec![Action::Reboot];
    }
    if all.iter().any(|action| *action != Action::Nothing) {
        all.retain(|action| *action != Action::Nothing);
    } else {
        all.truncate(1);
    }
    all
}

fn keeps_registries(before: &Config, after: &Config) -> bool {
    let text = |config: &Config| {
        let file = config.files().find(|file| file.get("path").is_some_and(|path| path == REGISTRIES_CONF));
        let Some(held) = file.and_then(|file| file.get("contents")).and_then(Value::as_object) else {
            return Some(String::new());
        };
        String::from_utf8(contents::decode(held).ok()?).ok()
    };
    let both = text(before).zip(text(after));
    both.is_some_and(|(before, after)| keeps_serving(&before, &after).unwrap_or_default())
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing is interrupted"),
            Self::Drain => f.write_str("drain"),
            Self::Reload(unit) => write!(f, "reload {unit}"),
            Self::Restart(unit) => write!(f, "restart {unit}"),
            Self::DaemonReload => f.write_str("systemd reads its units again"),
            Self::ReloadRegistries => f.write_str("reload crio.service"),
            Self::Reboot => f.write_str("reboot"),
        }
    }
}

impl Action {
    /// The name of the action in the API of node disruption policies.
    #[must_use]
    pub fn type_(&self) -> &'static str {
        match self {
            Self::Nothing => "None",
            Self::Drain => "Drain",
            Self::Reload(_) => "Reload",
            Self::Restart(_) => "Restart",
            Self::DaemonReload => "DaemonReload",
            Self::ReloadRegistries => "Special",
            Self::Reboot => "Reboot",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drain = (self.drains && !self.actions.contains(&Action::Drain)).then_some(Action::Drain);
        let mut steps: Vec<String> = Vec::new();
        for action in drain.iter().chain(&self.actions) {
            let step = action.to_string();
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        if steps.is_empty() {
            steps.push(Action::Nothing.to_string());
        }
        f.write_str(&steps.join(", "))
    }
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name),
            Self::Image => f.write_str("the image that is built for the node"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Unit(name) => write!(f, "unit {name}"),
            Self::Users => f.write_str("users"),
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("that always takes a reboot"),
            Self::Policy(name) => write!(f, "the node disruption policy of {name} says so"),
            Self::NoPolicy => f.write_str("no node disruption policy covers it"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} differs, and {}", self.what, self.because)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::node_disruption::in_force;
    use serde_json::json;

    fn config(spec: Value) -> MachineConfig {
        serde_json::from_value(json!({"metadata": {"name": "r"}, "spec": spec})).unwrap()
    }

    /// With files and units, each of the contents given.
    fn with(files: &[(&str, &str)], units: &[(&str, &str)]) -> Value {
        let file = |(path, text): &(&str, &str)| {
            let encoded: String = text.bytes().map(|b| format!("%{b:02x}")).collect();
            json!({"path": path, "contents": {"source": format!("data:,{encoded}")}})
        };
        let unit = |(name, text): &(&str, &str)| json!({"name": name, "contents": text});
        json!({"config": {
            "ignition": {"version": "3.5.0"},
            "storage": {"files": files.iter().map(file).collect::<Vec<_>>()},
            "systemd": {"units": units.iter().map(unit).collect::<Vec<_>>()},
        }})
    }

    fn of(before: Value, after: Value, user: Value) -> Effect {
        let (before, after) = (config(before), config(after));
        let user: NodeDisruptionPolicy = serde_json::from_value(user).unwrap();
        let runs = |config| Runs { config, image: Built::No };
        effect(runs(&before), runs(&after), &in_force(Some(&user))).unwrap()
    }

    fn said(before: Value, after: Value, user: Value) -> String {
        of(before, after, user).to_string()
    }

    #[test]
    fn what_always_takes_a_reboot() {
        for (before, after) in [
            (json!({"osImageURL": "a"}), json!({"osImageURL": "b"})),
            (json!({"kernelArguments": ["a", "b"]}), json!({"kernelArguments": ["b", "a"]})),
            (json!({}), json!({"kernelType": "realtime"})),
            (json!({"extensions": ["usbguard"]}), json!({"extensions": []})),
            (json!({}), json!({"fips": true})),
        ] {
            let effect = of(before, after, json!({}));
            assert_eq!((effect.to_string().as_str(), effect.causes.len()), ("drain, reboot", 1));
            assert_eq!(effect.causes[0].because, Because::Always);
        }
        for (before, after) in [
            (json!({}), json!({"kernelType": "default", "kernelArguments": [], "fips": false, "osImageURL": ""})),
            (json!({}), json!({})),
        ] {
            let effect = of(before, after, json!({}));
            assert_eq!((effect.actions.as_slice(), effect.disrupts()), (&[Action::Nothing][..], false));
        }
    }

    #[test]
    fn policies_decide_about_files_units_and_keys() {
        let none = json!([{"type": "None"}]);
        let restart = json!([{"type": "Restart", "restart": {"serviceName": "chronyd.service"}}]);
        let user = json!({
            "files": [
                {"path": "/etc/quiet", "actions": none},
                {"path": "/etc/quiet/loud", "actions": [{"type": "Drain"}, {"type": "DaemonReload"}]},
                {"path": "/etc/chrony.conf", "actions": restart},
                {"path": "/", "actions": none},
                {"path": "/etc/odd", "actions": [{"type": "Fly"}]},
            ],
            "units": [{"name": "a.service", "actions": restart}],
        });
        let one = |path: &str| said(with(&[], &[]), with(&[(path, "x")], &[]), user.clone());
        for (path, wanted) in [
            ("/etc/quiet", "nothing is interrupted"),
            ("/etc/quiet/a/b", "nothing is interrupted"),
            ("/etc/quieter", "drain, reboot"),
            ("/etc/quiet/loud/a", "drain, systemd reads its units again"),
            ("/etc/chrony.conf", "restart chronyd.service"),
            ("/etc/other", "drain, reboot"),
            ("/etc/odd", "drain, reboot"),
            ("/var/lib/kubelet/config.json", "nothing is interrupted"),
            ("/etc/containers/policy.json", "reload crio.service"),
        ] {
            assert_eq!(one(path), wanted, "{path}");
        }
        let unit = |name: &str| said(with(&[], &[]), with(&[], &[(name, "x")]), user.clone());
        assert_eq!(
            (unit("a.service").as_str(), unit("b.service").as_str()),
            ("restart chronyd.service", "drain, reboot")
        );
        let both = |files: &[(&str, &str)]| said(with(&[], &[]), with(files, &[]), user.clone());
        assert_eq!(both(&[("/etc/quiet", "x"), ("/etc/chrony.conf", "x")]), "restart chronyd.service");
        assert_eq!(both(&[("/etc/quiet", "x"), ("/etc/other", "x")]), "drain, reboot");
        let keys = |keys: &[&str]| json!({"config": {"ignition": {"version": "3.5.0"}, "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": keys}]}}});
        assert_eq!(said(keys(&["a"]), keys(&["a", "b"]), json!({})), "nothing is interrupted");
        let effect = of(with(&[], &[]), with(&[("/etc/other", "x")], &[]), json!({}));
        assert_eq!(effect.causes[0].to_string(), "file /etc/other differs, and no node disruption policy covers it");
    }

    #[test]
    fn another_order_of_files_is_nothing_to_do() {
        let files = [("/etc/a", "1"), ("/etc/b", "2")];
        let turned = [("/etc/b", "2"), ("/etc/a", "1")];
        let effect = of(with(&files, &[]), with(&turned, &[]), json!({}));
        assert!(effect.causes.is_empty() && !effect.disrupts());
    }

    #[test]
    fn registries_drain_only_where_images_would_be_lost() {
        let mirror = |places: &str, more: &str| {
            format!("[[registry]]\nlocation = 'a.io'\nmirror-by-digest-only = true\n{more}{places}")
        };
        let (one, two) = (
            mirror("[[registry.mirror]]\nlocation = 'm.io'\n", ""),
            mirror("[[registry.mirror]]\nlocation = 'm.io'\n[[registry.mirror]]\nlocation = 'n.io'\n", ""),
        );
        let path = "/etc/containers/registries.conf";
        let drains = |before: &str, after: &str| {
            of(with(&[(path, before)], &[]), with(&[(path, after)], &[]), json!({})).to_string()
        };
        assert_eq!(drains(&one, &two), "reload crio.service");
        assert_eq!(drains(&two, &one), "drain, reload crio.service");
        // Of a new entry every mirror has to say itself that it is for digests.
        assert_eq!(drains("", &one), "drain, reload crio.service");
        assert_eq!(drains(&one, "no = [toml"), "drain, reload crio.service");
    }

    #[test]
    fn images_that_were_built_count_instead_of_those_of_the_configurations() {
        let (old, new) = (config(json!({"osImageURL": "a"})), config(json!({"osImageURL": "b"})));
        let of = |before, after| {
            let from = Runs { config: &old, image: before };
            effect(from, Runs { config: &new, image: after }, &in_force(None)).unwrap().reboots()
        };
        assert!(!of(Built::Image("i"), Built::Image("i")));
        assert!(of(Built::Image("i"), Built::Image("j")) && of(Built::Image("i"), Built::No));
        assert!(of(Built::Image("i"), Built::Later) && of(Built::No, Built::Image("i")));
    }
}
