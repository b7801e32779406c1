//! Which configurations are accepted, what is said of the others, and what older versions become.

#![allow(clippy::unwrap_used, reason = "a test: unreadable input shall stop it")]

use serde_json::{Value, json};
use weir_ignition::{Config, ConvertError, ParseError, Parsed, ReadError};

fn with_version(version: &str, mut sections: Value) -> Value {
    sections["ignition"]["version"] = json!(version);
    sections
}

/// The first thing wrong with a configuration of a version; empty when nothing is.
fn wrong(version: &str, sections: Value) -> String {
    match Parsed::parse(&with_version(version, sections)) {
        Ok(parsed) => parsed.validate().err().map(|e| e.to_string()).unwrap_or_default(),
        Err(ParseError::V3(report) | ParseError::V2(report)) => {
            let first = &report.entries[0];
            format!("{}: {}", first.path, first.message)
        }
        Err(other) => other.to_string(),
    }
}

fn read(version: &str, sections: Value) -> Value {
    Config::read(&with_version(version, sections)).unwrap().into_value()
}

#[test]
fn versions() {
    let error = |raw: Value| Parsed::parse(&raw).err();
    for raw in [json!({}), json!(null), json!({ "ignition": {} }), json!({ "ignition": { "version": "3.5" } })] {
        assert_eq!(error(raw), Some(ParseError::InvalidVersion));
    }
    for version in ["2.3.0", "1.0.0", "3.6.0", "3.5.1", "3.5.0-experimental", "2.2.0-dev", "4.0.0"] {
        assert_eq!(error(with_version(version, json!({}))), Some(ParseError::UnknownVersion), "{version}");
    }
    for version in ["2.0.0", "2.1.0", "2.2.0", "3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.4.0", "3.5.0"] {
        assert_eq!(read(version, json!({})), with_version("3.5.0", json!({})), "{version}");
    }
    for raw in [json!("x"), json!([]), json!({ "ignition": 1 }), json!({ "ignition": { "version": 3 } })] {
        assert!(matches!(error(raw), Some(ParseError::V3(_))));
    }
}

#[test]
fn json_is_read_as_go_reads_it() {
    let file = |file: Value| json!({ "storage": { "files": [file] } });
    let odd = json!({ "Storage": { "FILES": [{ "Path": "/a", "mode": null, "contents": {}, "unknown": 1 }] }, "x": 0 });
    assert_eq!(read("3.5.0", odd), with_version("3.5.0", file(json!({ "path": "/a" }))));
    for mode in [json!(420.0), json!("0644"), json!(true), json!([])] {
        assert!(wrong("3.5.0", file(json!({ "path": "/a", "mode": mode }))).starts_with("$.storage.files.0.mode: "));
    }
    assert_eq!(
        wrong("3.5.0", json!({ "storage": { "files": {} } })),
        "$.storage.files: an object where a list belongs"
    );
}

#[test]
fn what_is_wrong_in_3_5() {
    let files = |file: Value| json!({ "storage": { "files": [file] } });
    let unit = |contents: &str| json!({ "systemd": { "units": [{ "name": "a.service", "contents": contents }] } });
    let source = |source: &str| files(json!({ "path": "/a", "contents": { "source": source } }));
    let disk =
        |partitions: Value| json!({ "storage": { "disks": [{ "device": "/dev/a", "partitions": partitions }] } });
    let luks = |luks: Value| json!({ "storage": { "luks": [luks] } });
    let long = "x".repeat(2100);
    let cases = [
        (files(json!({ "path": "/a/../b" })), "$.storage.files.0.path: path is not fully simplified"),
        (files(json!({ "path": "a" })), "$.storage.files.0.path: path not absolute"),
        (files(json!({})), "$.storage.files.0.path: path not specified"),
        (files(json!({ "path": "/a", "mode": 4096 })), "$.storage.files.0.mode: illegal file mode"),
        (files(json!({ "path": "/a", "mode": 932 })), "invalid mode 01644 for /a, cannot exceed 0777"),
        (
            files(json!({ "path": "/a", "overwrite": true })),
            "$.storage.files.0.overwrite: overwrite must be false if source is unspecified",
        ),
        (
            files(json!({ "path": "/a", "user": { "id": 0, "name": "x" } })),
            "$.storage.files.0.user: cannot set both id and name",
        ),
        (
            json!({ "storage": { "files": [{ "path": "/a" }], "links": [{ "path": "/a", "target": "/b" }] } }),
            "$.storage.links.0: duplicate entry defined",
        ),
        (
            json!({ "storage": { "files": [{ "path": "/l/x" }], "links": [{ "path": "/l", "target": "/b" }] } }),
            "$.storage.files.0: file path includes link in config",
        ),
        (
            json!({ "storage": { "directories": [{ "path": "/d" }], "links": [{ "path": "/l", "target": "../d", "hard": true }] } }),
            "$.storage.links.0: hard link target is a directory",
        ),
        (json!({ "storage": { "links": [{ "path": "/l" }] } }), "$.storage.links.0.target: link target is required"),
        (
            json!({ "passwd": { "users": [{ "name": "core", "sshAuthorizedKeys": ["k", "k"] }] } }),
            "$.passwd.users.0.sshAuthorizedKeys.1: duplicate entry defined",
        ),
        (
            json!({ "kernelArguments": { "shouldExist": ["a"], "shouldNotExist": ["a"] } }),
            "$.kernelArguments.shouldNotExist.0: duplicate entry defined",
        ),
        (json!({ "ignition": { "config": { "merge": [{}] } } }), "$.ignition.config.merge.0: source is required"),
        (
            json!({ "ignition": { "proxy": { "httpProxy": "ftp://x" } } }),
            "$.ignition.proxy.httpProxy: proxies must be http(s)",
        ),
        (source("ftp://x"), "$.storage.files.0.contents.source: invalid url scheme"),
        (source("x"), "$.storage.files.0.contents.source: invalid url scheme"),
        (source("http://[::1]a"), "$.storage.files.0.contents.source: unable to parse url"),
        (source("http://x/%zz"), "$.storage.files.0.contents.source: unable to parse url"),
        (source("data:;base64,aG\nk="), "$.storage.files.0.contents.source: unable to parse url"),
        (source("http://x:port/"), "$.storage.files.0.contents.source: unable to parse url"),
        (source("s3://b/k?versionId="), "$.storage.files.0.contents.source: invalid S3 object VersionId"),
        (source("arn:aws:s3:::bucket"), "$.storage.files.0.contents.source: invalid S3 ARN format"),
        (source("data:,a b"), "$.storage.files.0.contents.source: invalid data character"),
        (source("data:,é"), "$.storage.files.0.contents.source: invalid data character"),
        (source("data:;base64,aGk"), "$.storage.files.0.contents.source: illegal base64 data"),
        (source("data:,a%zz"), "$.storage.files.0.contents.source: rfc2396: invalid char 0x25 in unescape sequence"),
        (source("data:,a%2%41"), "$.storage.files.0.contents.source: rfc2396: invalid char 0x25 in unescape sequence"),
        (source("data:,a%g"), "$.storage.files.0.contents.source: rfc2396: invalid char 0x25 in unescape sequence"),
        (source("data:,a%41%2"), "$.storage.files.0.contents.source: rfc2396: unexpected end of unescape sequence"),
        (source("data:,a%"), "$.storage.files.0.contents.source: rfc2396: unexpected end of unescape sequence"),
        (source("data:;base64,a=Gk"), "$.storage.files.0.contents.source: illegal base64 data"),
        (source("data:nothing"), "$.storage.files.0.contents.source: missing media type slash"),
        (source("DATA:,x"), "$.storage.files.0.contents.source: missing data prefix"),
        (
            files(json!({ "path": "/a", "contents": { "source": "data:,", "compression": "xz" } })),
            "$.storage.files.0.contents.compression: invalid compression method",
        ),
        (
            files(json!({ "path": "/a", "contents": { "verification": { "hash": "x" } } })),
            "$.storage.files.0.contents.verification.hash: source must be specified if verification is specified",
        ),
        (
            files(json!({ "path": "/a", "contents": { "source": "data:,", "verification": { "hash": "md5-x" } } })),
            "$.storage.files.0.contents.verification.hash: unrecognized hash function",
        ),
        (
            files(json!({ "path": "/a", "contents": { "source": "data:,", "httpHeaders": [{ "name": "A" }] } })),
            "$.storage.files.0.contents.httpHeaders: cannot use HTTP headers with this source scheme",
        ),
        (
            json!({ "systemd": { "units": [{ "name": "a.Service" }] } }),
            "$.systemd.units.0.name: invalid systemd unit extension",
        ),
        (
            json!({ "systemd": { "units": [{ "name": "a.path", "dropins": [{ "name": "x" }] }] } }),
            "$.systemd.units.0.dropins.0.name: invalid systemd drop-in extension",
        ),
        (unit("[Unit"), "$.systemd.units.0.contents: invalid unit content: unable to find end of section"),
        (
            unit("[Unit] x\n"),
            "$.systemd.units.0.contents: invalid unit content: found garbage after section name : \"x\"",
        ),
        (
            unit("[Unit]\nx\n"),
            "$.systemd.units.0.contents: invalid unit content: unexpected newline encountered while parsing option name",
        ),
        (unit("[Unit]\nx"), "$.systemd.units.0.contents: invalid unit content: EOF"),
        (
            unit(&format!("[Unit]\nx={long}\n")),
            "$.systemd.units.0.contents: invalid unit content: line too long (max 2048 bytes)",
        ),
        (
            unit(&format!("[Unit]\n#{long}\n")),
            "$.systemd.units.0.contents: invalid unit content: line too long (max 2048 bytes)",
        ),
        (disk(json!([{ "number": 1 }, { "number": 1 }])), "$.storage.disks.0.partitions.1: partition numbers collide"),
        (
            disk(json!([{ "number": 1, "startMiB": 1, "sizeMiB": 9 }, { "number": 2, "startMiB": 5, "sizeMiB": 1 }])),
            "$.storage.disks.0.partitions.1: partitions overlap",
        ),
        (
            disk(json!([{ "number": 1, "label": "a" }, { "number": 2, "label": "a" }])),
            "$.storage.disks.0.partitions.1: cannot use the same partition label twice",
        ),
        (disk(json!([{}])), "$.storage.disks.0.partitions.0: a partition number >= 1 or a label must be specified"),
        (
            disk(json!([{ "label": "a:b" }])),
            "$.storage.disks.0.partitions.0.label: partition label will be truncated to text before the colon",
        ),
        (
            disk(json!([{ "number": 1, "guid": "x" }])),
            "$.storage.disks.0.partitions.0.guid: doesn't match the form \"01234567-89AB-CDEF-EDCB-A98765432101\"",
        ),
        (
            json!({ "storage": { "filesystems": [{ "device": "/dev/a", "label": "x" }] } }),
            "$.storage.filesystems.0.format: format cannot be empty when path, label, uuid, wipeFilesystem, options, or mountOptions is specified",
        ),
        (
            json!({ "storage": { "filesystems": [{ "device": "/dev/a", "format": "vfat", "label": "twelve chars" }] } }),
            "$.storage.filesystems.0.label: filesystem labels cannot be longer than 11 characters when using vfat",
        ),
        (
            json!({ "storage": { "raid": [{ "name": "r", "level": "linear", "spares": 1, "devices": ["/a"] }] } }),
            "$.storage.raid.0.level: spares unsupported for linear and raid0 arrays",
        ),
        (
            json!({ "storage": { "raid": [{ "name": "r", "level": "1" }] } }),
            "$.storage.raid.0.devices: raid devices required",
        ),
        (
            json!({ "storage": { "raid": [{ "name": "r", "level": "1", "devices": ["a"] }] } }),
            "$.storage.raid.0.devices.0: path not absolute",
        ),
        (luks(json!({ "name": "a/b", "device": "/d" })), "$.storage.luks.0.name: device names cannot contain slashes"),
        (luks(json!({ "name": "a" })), "$.storage.luks.0.device: disk device is required"),
        (
            luks(json!({ "name": "a", "device": "/d", "cex": { "enabled": true }, "clevis": { "tpm2": true } })),
            "$.storage.luks.0.cex: cannot use cex with clevis",
        ),
        (
            luks(json!({ "name": "a", "device": "/d", "clevis": { "custom": { "pin": "tang" } } })),
            "$.storage.luks.0.clevis.custom.config: missing required custom clevis config",
        ),
        (
            luks(
                json!({ "name": "a", "device": "/d", "clevis": { "tang": [{ "url": "ftp://x", "thumbprint": "t" }] } }),
            ),
            "$.storage.luks.0.clevis.tang.0.url: invalid url scheme",
        ),
        (
            json!({ "storage": { "files": [{ "path": "/etc/systemd/system/a.service.d/b.conf" }] }, "systemd": { "units": [{ "name": "a.service", "dropins": [{ "name": "b.conf", "contents": "[A]" }] }] } }),
            "$.storage.files.0.path: path conflicts with systemd unit or dropin",
        ),
    ];
    for (sections, expected) in cases {
        assert_eq!(wrong("3.5.0", sections.clone()), expected, "{sections}");
    }
}

#[test]
fn what_is_fine_in_3_5() {
    let source = |source: &str| json!({ "storage": { "files": [{ "path": "/a", "contents": { "source": source } }] } });
    let unit = |contents: &str| json!({ "systemd": { "units": [{ "name": "a.service", "contents": contents }] } });
    let short = "x".repeat(2000);
    for sections in [
        source(""),
        source("data:,a%20b"),
        source("data:text/plain;charset=utf-8;base64,aGk="),
        source("data:;base64,aGl="),
        source("data:x-my/type,x"),
        source("data:text/plain;a=\"b;c\",x"),
        source("HTTP://x/y?z#f"),
        source("http://u:p@[fe80::1]:80/"),
        source("gs://b/k"),
        source("tftp://x"),
        source("s3://b/k?versionId=1"),
        source("arn:aws:s3:::bucket/key"),
        unit(""),
        unit("foo"),
        unit("# c \\\n still\n[A]\n;c\n b = c \\\n d\n\n[B]\n"),
        unit(&format!("[A]\nx={short}\n")),
    ] {
        assert_eq!(wrong("3.5.0", sections.clone()), "", "{sections}");
    }
}

#[test]
fn what_a_version_did_not_have() {
    let luks = json!({ "storage": { "luks": [{ "name": "l", "device": "/d", "discard": true, "clevis": {
        "tang": [{ "url": "http://a", "thumbprint": "t", "advertisement": "{}" }],
    } }] } });
    let out = read("3.4.0", luks.clone());
    assert_eq!(out["storage"]["luks"][0]["clevis"]["tang"][0], json!({ "url": "http://a", "thumbprint": "t" }));
    assert_eq!(out["storage"]["luks"][0]["discard"], true);
    assert_eq!(read("3.2.0", luks.clone())["storage"]["luks"][0].get("discard"), None);
    assert_eq!(read("3.1.0", luks).get("storage"), None);
    let arguments = json!({ "kernelArguments": { "shouldExist": ["a"] } });
    assert_eq!(read("3.2.0", arguments).get("kernelArguments"), None);
    let gs = json!({ "storage": { "files": [{ "path": "/a", "contents": { "source": "gs://b/k" } }] } });
    assert_eq!(wrong("3.1.0", gs.clone()), "$.storage.files.0.contents.source: invalid url scheme");
    assert_eq!(wrong("3.2.0", gs), "");
    let hash = json!({ "storage": { "files": [{ "path": "/a", "contents": {
        "source": "data:,", "verification": { "hash": format!("sha256-{}", "a".repeat(64)) },
    } }] } });
    assert_eq!(
        wrong("3.0.0", hash.clone()),
        "$.storage.files.0.contents.verification.hash: unrecognized hash function"
    );
    assert_eq!(wrong("3.1.0", hash), "");
    let link = json!({ "storage": { "links": [{ "path": "/l", "target": "" }] } });
    assert_eq!(
        wrong("3.2.0", link),
        "invalid ignition V3 config found: error at $.storage.links.0.target: link target is required\n"
    );
    let merge = json!({ "ignition": { "config": { "merge": [{ "source": "http://x", "compression": "gzip" }] } } });
    assert_eq!(read("3.0.0", merge.clone())["ignition"]["config"]["merge"], json!([{ "source": "http://x" }]));
    assert_eq!(read("3.1.0", merge)["ignition"]["config"]["merge"][0]["compression"], "gzip");
}

#[test]
fn version_2_becomes_version_3() {
    let file = |path: &str, more: Value| {
        let mut file = json!({ "filesystem": "root", "path": path });
        file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        file
    };
    let sections = json!({
        "storage": {
            "files": [
                file("/a", json!({ "contents": { "source": "data:,1" } })),
                file("//b/./c", json!({ "contents": { "source": "data:,b", "compression": "" }, "mode": 420, "overwrite": false })),
                file("/a", json!({ "contents": { "source": "data:,2", "compression": "gzip" }, "user": { "id": 1 }, "group": { "name": "" } })),
                file("/d", json!({ "append": true, "contents": { "source": "data:,d" } })),
                file("/e", json!({})),
            ],
            "directories": [file("/dir", json!({ "mode": 493 }))],
            "links": [file("/l", json!({ "target": "/t", "hard": false }))],
            "disks": [{ "device": "/dev/a", "wipeTable": false }],
            "raid": [{ "name": "r", "level": "1", "devices": ["/dev/b"], "spares": 0 }],
            "filesystems": [{ "name": "root", "path": "/sysroot" }],
        },
        "systemd": { "units": [
            { "name": "a.service", "enable": true, "dropins": [{ "name": "1.conf", "contents": "[A]" }, { "name": "2.conf", "contents": "[A]" }] },
            { "name": "b.service", "enable": true, "enabled": false, "mask": true },
            { "name": "a.service", "contents": "[B]", "dropins": [{ "name": "2.conf", "contents": "[B]" }] },
        ] },
        "passwd": { "users": [
            { "name": "core", "sshAuthorizedKeys": ["a", "b"], "shell": "/bin/x" },
            { "name": "core", "sshAuthorizedKeys": ["b", "c"], "create": { "uid": 4 } },
        ], "groups": [{ "name": "g", "system": false }] },
        "ignition": { "config": { "append": [{ "source": "http://x" }] }, "timeouts": { "httpTotal": 0 } },
    });
    let expected = json!({
        "storage": {
            "files": [
                { "path": "/e", "overwrite": true, "contents": { "source": "" } },
                { "path": "/d", "overwrite": false, "append": [{ "source": "data:,d" }] },
                { "path": "/a", "overwrite": true, "contents": { "source": "data:,2", "compression": "gzip" }, "user": { "id": 1 } },
                { "path": "/b/c", "overwrite": false, "contents": { "source": "data:,b" }, "mode": 420 },
            ],
            "directories": [{ "path": "/dir", "mode": 493 }],
            "links": [{ "path": "/l", "target": "/t" }],
            "disks": [{ "device": "/dev/a" }],
            "raid": [{ "name": "r", "level": "1", "devices": ["/dev/b"] }],
        },
        "systemd": { "units": [
            { "name": "a.service", "contents": "[B]", "dropins": [{ "name": "2.conf", "contents": "[B]" }, { "name": "1.conf", "contents": "[A]" }] },
            { "name": "b.service", "enabled": false, "mask": true },
        ] },
        "passwd": { "users": [{ "name": "core", "sshAuthorizedKeys": ["b", "c", "a"] }], "groups": [{ "name": "g" }] },
        "ignition": { "version": "3.5.0", "config": { "merge": [{ "source": "http://x" }] }, "timeouts": { "httpTotal": 0 } },
    });
    assert_eq!(read("2.2.0", sections), expected);
    let old = json!({ "storage": { "files": [file("/a", json!({ "contents": { "source": "DATA:,x" } }))] } });
    let filled = json!({ "path": "/a", "mode": 0, "overwrite": true, "contents": { "source": "data:,x" }, "user": { "id": 0 }, "group": { "id": 0 } });
    assert_eq!(read("2.0.0", old)["storage"]["files"], json!([filled]));
    let newer = json!({ "storage": { "files": [file("/a", json!({ "contents": { "source": "data:,x" } }))] } });
    assert_eq!(read("2.1.0", newer)["storage"]["files"][0]["mode"], 0);
}

#[test]
fn what_version_3_cannot_say() {
    let node = |path: &str| json!({ "filesystem": "root", "path": path });
    let translation = |sections: Value| match Config::read(&with_version("2.2.0", sections)) {
        Err(ReadError::Convert(ConvertError::Translation(why))) => why,
        other => format!("{other:?}"),
    };
    for (sections, why) in [
        (
            json!({ "networkd": { "units": [{ "name": "a.network" }] } }),
            "config includes deprecated networkd section - use Files instead",
        ),
        (
            json!({ "storage": { "filesystems": [{ "name": "var", "path": "/var" }] } }),
            "Config defined filesystem \"var\" but no mapping was defined.Please specify a path to be used as the filesystem mountpoint.",
        ),
        (
            json!({ "storage": { "files": [node("/lib/x")], "links": [node("/l")] } }),
            "File: /lib/x uses link defined in config \"/l\". Please use a link not defined in Storage:Links",
        ),
        (
            json!({ "storage": { "files": [node("/l")], "directories": [node("/l")] } }),
            "Config has conflicting inodes: \"File: /l\" and \"Directory: /l\".  All files, directories and links must specify a unique `path`.",
        ),
    ] {
        assert_eq!(translation(sections), why);
    }
    let partitions = json!({ "storage": { "disks": [{ "device": "/dev/a", "partitions": [{ "number": 1 }] }] } });
    assert!(translation(partitions).starts_with("Invalid input config:\n"));
    let users = json!({ "passwd": { "users": [{ "name": "x" }, { "name": "core" }] } });
    assert_eq!(
        Config::read(&with_version("2.2.0", users)).unwrap_err().to_string(),
        "unexpected user with name: x. Only core user is supported"
    );
    let invalid = json!({ "storage": { "files": [{ "path": "/a" }] } });
    assert_eq!(
        Config::read(&with_version("2.2.0", invalid)).unwrap_err().to_string(),
        "failed to parse Ignition config: parsing Ignition spec v2 failed with error: config is not valid\nReport: \
         error at $.storage.files.0.filesystem: no filesystem specified\n"
    );
    let sticky = json!({ "storage": { "files": [{ "filesystem": "root", "path": "/a", "mode": 932 }] } });
    assert_eq!(wrong("2.2.0", sticky), "invalid mode 01644 for /a, cannot exceed 0777");
}
