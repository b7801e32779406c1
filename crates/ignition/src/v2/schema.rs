//! The Ignition 2 configuration as a table, from 2.0 to 2.2.
//!
//! Source: `config/v2_0/types` to `config/v2_2/types` of github.com/coreos/ignition, branch `spec2x`.

use super::check;
use crate::{
    check as check_v3,
    schema::{Field, Object, Presence, flag, integer, object, objects, shape, text, texts},
};

/// A field that is never absent: its zero value is not serialized.
const fn plain(field: Field) -> Field {
    field.presence(Presence::OmitZero)
}
const fn word(name: &'static str) -> Field {
    plain(text(name))
}
const fn switch(name: &'static str) -> Field {
    plain(flag(name))
}
const fn number(name: &'static str) -> Field {
    plain(integer(name))
}
const fn pointer(name: &'static str, of: &'static Object) -> Field {
    object(name, of).presence(Presence::Pointer)
}

/// The whole configuration.
pub(super) static CONFIG: Object = shape(&[
    pointer("ignition", &IGNITION),
    object("networkd", &NETWORKD),
    object("passwd", &PASSWD),
    object("storage", &STORAGE),
    object("systemd", &SYSTEMD),
]);

static IGNITION: Object = shape(&[
    object("config", &IGNITION_CONFIG),
    object("security", &SECURITY).since(2),
    object("timeouts", &TIMEOUTS).since(1),
    text("version").required(),
]);
static IGNITION_CONFIG: Object = shape(&[objects("append", &REFERENCE), pointer("replace", &REFERENCE)]);
static REFERENCE: Object = shape(&[word("source"), object("verification", &VERIFICATION)]).checked(check::source);
static SECURITY: Object = shape(&[object("tls", &TLS)]);
static TLS: Object = shape(&[objects("certificateAuthorities", &REFERENCE)]);
static TIMEOUTS: Object = shape(&[integer("httpResponseHeaders"), integer("httpTotal")]);
static VERIFICATION: Object = shape(&[text("hash")]).checked(check::verification);

static NETWORKD: Object = shape(&[objects("units", &NETWORKD_UNIT)]);
static NETWORKD_UNIT: Object =
    shape(&[word("contents"), objects("dropins", &DROPIN).since(2), word("name")]).checked(check::networkd_unit);
static SYSTEMD: Object = shape(&[objects("units", &UNIT)]);
static UNIT: Object = shape(&[
    word("contents"),
    objects("dropins", &DROPIN),
    switch("enable"),
    flag("enabled").since(1),
    switch("mask"),
    word("name"),
])
.checked(check_v3::unit);
static DROPIN: Object = shape(&[word("contents"), word("name")]).checked(check_v3::dropin);

static PASSWD: Object = shape(&[objects("groups", &GROUP), objects("users", &USER)]);
static GROUP: Object = shape(&[integer("gid"), word("name"), word("passwordHash"), switch("system")]);
static USER: Object = shape(&[
    pointer("create", &CREATE_USER),
    word("gecos").since(1),
    texts("groups").since(1),
    word("homeDir").since(1),
    word("name"),
    switch("noCreateHome").since(1),
    switch("noLogInit").since(1),
    switch("noUserGroup").since(1),
    text("passwordHash"),
    word("primaryGroup").since(1),
    texts("sshAuthorizedKeys"),
    word("shell").since(1),
    switch("system").since(1),
    integer("uid").since(1),
])
.checked(check::user);
static CREATE_USER: Object = shape(&[
    word("gecos"),
    texts("groups"),
    word("homeDir"),
    switch("noCreateHome"),
    switch("noLogInit"),
    switch("noUserGroup"),
    word("primaryGroup"),
    word("shell"),
    switch("system"),
    integer("uid"),
]);

static STORAGE: Object = shape(&[
    objects("directories", &DIRECTORY).since(1),
    objects("disks", &DISK),
    objects("files", &FILE),
    objects("filesystems", &FILESYSTEM),
    objects("links", &LINK).since(1),
    objects("raid", &RAID),
]);
static OWNER: Object = shape(&[integer("id"), word("name").since(1)]).checked(check_v3::owner);
static DIRECTORY: Object = shape(&[
    word("filesystem"),
    object("group", &OWNER),
    flag("overwrite").since(2),
    word("path"),
    object("user", &OWNER),
    integer("mode"),
])
.checked(check::directory);
static FILE: Object = shape(&[
    word("filesystem"),
    object("group", &OWNER),
    flag("overwrite").since(2),
    word("path"),
    object("user", &OWNER),
    switch("append").since(2),
    object("contents", &CONTENTS),
    integer("mode"),
])
.checked(check::file);
static CONTENTS: Object =
    shape(&[word("compression"), word("source"), object("verification", &VERIFICATION)]).checked(check::contents);
static LINK: Object = shape(&[
    word("filesystem"),
    object("group", &OWNER),
    flag("overwrite").since(2),
    word("path"),
    object("user", &OWNER),
    switch("hard"),
    word("target"),
])
.checked(check::node);
static DISK: Object =
    shape(&[word("device"), objects("partitions", &PARTITION), switch("wipeTable")]).checked(check::disk);
static PARTITION: Object =
    shape(&[word("guid").since(1), word("label"), number("number"), number("size"), number("start"), word("typeGuid")]);
static FILESYSTEM: Object = shape(&[pointer("mount", &MOUNT), word("name"), text("path")]).checked(check::filesystem);
static MOUNT: Object = shape(&[
    pointer("create", &CREATE),
    word("device"),
    word("format"),
    text("label").since(1),
    texts("options").since(1),
    text("uuid").since(1),
    switch("wipeFilesystem").since(1),
])
.checked(check::mount);
static CREATE: Object = shape(&[switch("force"), texts("options")]);
static RAID: Object =
    shape(&[texts("devices"), word("level"), word("name"), texts("options").since(2), number("spares")])
        .checked(check::raid);
