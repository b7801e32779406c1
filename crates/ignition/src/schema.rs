//! The Ignition 3 configuration as a table: fields, kinds, list keys, introducing versions, and checks.
//!
//! Decoding, validation, merging and serializing walk this one table, so that they cannot disagree about a field.
//!
//! Source: the configuration specifications 3.0 to 3.5, <https://coreos.github.io/ignition/specs/>; which lists are
//! keyed by what: `config/v3_5/types` of github.com/coreos/ignition.

use crate::check;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// A JSON object of known shape.
pub(crate) struct Object {
    pub(crate) fields: &'static [Field],
    /// What identifies an object in a list.
    pub(crate) key: Key,
    /// Checks of the object itself, beyond its fields.
    pub(crate) check: fn(&Map<String, Value>, &mut check::Findings<'_>),
}

pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) presence: Presence,
    /// Minor version that introduced the field.
    pub(crate) since: u8,
    /// Lists only: repeated entries are kept, and merging appends.
    pub(crate) concat: bool,
    /// Lists only: lists of one object with the same space share their keys.
    pub(crate) space: Option<&'static str>,
    /// Checks of each string of the field.
    pub(crate) check: Option<fn(&str) -> Option<&'static str>>,
}

#[derive(Clone, Copy)]
pub(crate) enum Shape {
    Text,
    Integer,
    Flag,
    Texts,
    Object(&'static Object),
    Objects(&'static Object),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Zero when not given, always written.
    Required,
    /// Absent when not given.
    Optional,
    /// Zero when not given, written unless zero.
    OmitZero,
    /// [`Presence::Required`] in configurations older than this minor version, then optional.
    RequiredBefore(u8),
    /// Objects only: stays when given, even if empty.
    Pointer,
}

#[derive(Clone, Copy)]
pub(crate) enum Key {
    /// Objects that are not in keyed lists.
    None,
    Field(&'static str),
    /// By number, else by label.
    Partition,
}

impl Object {
    pub(crate) fn key_of<'v>(&self, item: &'v Value) -> Cow<'v, str> {
        match self.key {
            Key::None => Cow::Borrowed(""),
            Key::Field(name) => Cow::Borrowed(item[name].as_str().unwrap_or_default()),
            Key::Partition => match (item["number"].as_i64().unwrap_or_default(), item["label"].as_str()) {
                (0, None) => Cow::Borrowed(""),
                (0, Some(label)) => Cow::Owned(format!("label:{label}")),
                (number, _) => Cow::Owned(format!("number:{number}")),
            },
        }
    }
}

pub(crate) const fn field(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, presence: Presence::Optional, since: 0, concat: false, space: None, check: None }
}
pub(crate) const fn text(name: &'static str) -> Field {
    field(name, Shape::Text)
}
pub(crate) const fn integer(name: &'static str) -> Field {
    field(name, Shape::Integer)
}
pub(crate) const fn flag(name: &'static str) -> Field {
    field(name, Shape::Flag)
}
pub(crate) const fn texts(name: &'static str) -> Field {
    field(name, Shape::Texts)
}
pub(crate) const fn object(name: &'static str, of: &'static Object) -> Field {
    field(name, Shape::Object(of))
}
pub(crate) const fn objects(name: &'static str, of: &'static Object) -> Field {
    field(name, Shape::Objects(of))
}

impl Field {
    pub(crate) const fn presence(mut self, presence: Presence) -> Self {
        self.presence = presence;
        self
    }
    pub(crate) const fn required(self) -> Self {
        self.presence(Presence::Required)
    }
    pub(crate) const fn since(mut self, minor: u8) -> Self {
        self.since = minor;
        self
    }
    pub(crate) const fn concat(mut self) -> Self {
        self.concat = true;
        self
    }
    pub(crate) const fn space(mut self, name: &'static str) -> Self {
        self.space = Some(name);
        self
    }
    pub(crate) const fn check(mut self, check: fn(&str) -> Option<&'static str>) -> Self {
        self.check = Some(check);
        self
    }
}

pub(crate) const fn shape(fields: &'static [Field]) -> Object {
    Object { fields, key: Key::None, check: check::nothing }
}
impl Object {
    pub(crate) const fn key(mut self, field: &'static str) -> Self {
        self.key = Key::Field(field);
        self
    }
    const fn partition(mut self) -> Self {
        self.key = Key::Partition;
        self
    }
    pub(crate) const fn checked(mut self, check: fn(&Map<String, Value>, &mut check::Findings<'_>)) -> Self {
        self.check = check;
        self
    }
}

/// The whole configuration.
pub(crate) static CONFIG: Object = shape(&[
    object("ignition", &IGNITION).presence(Presence::Pointer),
    object("kernelArguments", &KERNEL_ARGUMENTS).since(3),
    object("passwd", &PASSWD),
    object("storage", &STORAGE),
    object("systemd", &SYSTEMD),
])
.checked(check::config);

static IGNITION: Object = shape(&[
    object("config", &IGNITION_CONFIG),
    object("proxy", &PROXY).since(1),
    object("security", &SECURITY),
    object("timeouts", &TIMEOUTS),
    text("version").required(),
]);
static IGNITION_CONFIG: Object =
    shape(&[objects("merge", &RESOURCE), object("replace", &RESOURCE)]).checked(check::ignition_config);
static PROXY: Object =
    shape(&[text("httpProxy").check(check::proxy), text("httpsProxy").check(check::proxy), texts("noProxy")]);
static SECURITY: Object = shape(&[object("tls", &TLS)]);
static TLS: Object = shape(&[objects("certificateAuthorities", &RESOURCE)]).checked(check::tls);
static TIMEOUTS: Object = shape(&[integer("httpResponseHeaders"), integer("httpTotal")]);

static RESOURCE: Object = shape(&[
    text("compression"),
    objects("httpHeaders", &HEADER).since(1),
    text("source"),
    object("verification", &VERIFICATION),
])
.key("source")
.checked(check::resource);
static VERIFICATION: Object = shape(&[text("hash")]).checked(check::verification);
/// Identified by address: a header without value deletes when merged.
pub(crate) static HEADER: Object = shape(&[text("name").required(), text("value")]).key("name").checked(check::header);

static KERNEL_ARGUMENTS: Object =
    shape(&[texts("shouldExist").space("argument"), texts("shouldNotExist").space("argument")]);

static PASSWD: Object = shape(&[objects("groups", &GROUP), objects("users", &USER)]);
static GROUP: Object = shape(&[
    integer("gid"),
    text("name").required(),
    text("passwordHash"),
    flag("shouldExist").since(2),
    flag("system"),
])
.key("name");
static USER: Object = shape(&[
    text("gecos"),
    texts("groups"),
    text("homeDir"),
    text("name").required(),
    flag("noCreateHome"),
    flag("noLogInit"),
    flag("noUserGroup"),
    text("passwordHash"),
    text("primaryGroup"),
    texts("sshAuthorizedKeys"),
    text("shell"),
    flag("shouldExist").since(2),
    flag("system"),
    integer("uid"),
])
.key("name");

static STORAGE: Object = shape(&[
    objects("directories", &DIRECTORY).space("node"),
    objects("disks", &DISK),
    objects("files", &FILE).space("node"),
    objects("filesystems", &FILESYSTEM),
    objects("links", &LINK).space("node"),
    objects("luks", &LUKS).since(2),
    objects("raid", &RAID),
])
.checked(check::storage);
static OWNER: Object = shape(&[integer("id"), text("name")]).checked(check::owner);
static DIRECTORY: Object = shape(&[
    object("group", &OWNER),
    flag("overwrite"),
    text("path").required().check(check::path),
    object("user", &OWNER),
    integer("mode"),
])
.key("path")
.checked(check::mode);
static FILE: Object = shape(&[
    object("group", &OWNER),
    flag("overwrite"),
    text("path").required().check(check::path),
    object("user", &OWNER),
    objects("append", &RESOURCE).concat(),
    object("contents", &RESOURCE),
    integer("mode"),
])
.key("path")
.checked(check::file);
static LINK: Object = shape(&[
    object("group", &OWNER),
    flag("overwrite"),
    text("path").required().check(check::path),
    object("user", &OWNER),
    flag("hard"),
    text("target").presence(Presence::RequiredBefore(3)),
])
.key("path");
static DISK: Object = shape(&[text("device").required(), objects("partitions", &PARTITION), flag("wipeTable")])
    .key("device")
    .checked(check::disk);
static PARTITION: Object = shape(&[
    text("guid"),
    text("label"),
    integer("number").presence(Presence::OmitZero),
    flag("resize").since(2),
    flag("shouldExist"),
    integer("sizeMiB"),
    integer("startMiB"),
    text("typeGuid"),
    flag("wipePartitionEntry"),
])
.partition()
.checked(check::partition);
static FILESYSTEM: Object = shape(&[
    text("device").required().check(check::path),
    text("format"),
    text("label"),
    texts("mountOptions").since(1).concat(),
    texts("options").concat(),
    text("path").check(check::path_if_any),
    text("uuid"),
    flag("wipeFilesystem"),
])
.key("device")
.checked(check::filesystem);
static LUKS: Object = shape(&[
    object("cex", &CEX).since(5),
    object("clevis", &CLEVIS),
    text("device"),
    flag("discard").since(4),
    object("keyFile", &RESOURCE),
    text("label"),
    text("name").required(),
    texts("openOptions").since(4),
    texts("options").concat(),
    text("uuid"),
    flag("wipeVolume"),
])
.key("name")
.checked(check::luks);
static CEX: Object = shape(&[flag("enabled")]);
static CLEVIS: Object =
    shape(&[object("custom", &CLEVIS_CUSTOM), objects("tang", &TANG), integer("threshold"), flag("tpm2")]);
static CLEVIS_CUSTOM: Object = shape(&[
    text("config").presence(Presence::RequiredBefore(3)),
    flag("needsNetwork"),
    text("pin").presence(Presence::RequiredBefore(3)),
])
.checked(check::clevis_custom);
static TANG: Object =
    shape(&[text("advertisement").since(4), text("thumbprint"), text("url").presence(Presence::OmitZero)])
        .key("url")
        .checked(check::tang);
static RAID: Object = shape(&[
    texts("devices").check(check::path),
    text("level").presence(Presence::RequiredBefore(3)),
    text("name").required(),
    texts("options").concat(),
    integer("spares"),
])
.key("name")
.checked(check::raid);

static SYSTEMD: Object = shape(&[objects("units", &UNIT)]);
static UNIT: Object =
    shape(&[text("contents"), objects("dropins", &DROPIN), flag("enabled"), flag("mask"), text("name").required()])
        .key("name")
        .checked(check::unit);
static DROPIN: Object = shape(&[text("contents"), text("name").required()]).key("name").checked(check::dropin);
