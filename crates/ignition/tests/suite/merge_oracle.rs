//! Merging against two independent ways to do it: a naive one below, and where python3 and the oracle are beside the
//! workspace, that one.
#![allow(clippy::unwrap_used, reason = "a test: what the generator makes is as it should be")]

use serde_json::{Map, Value, json};
use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};
use weir_ignition::Config;

const MERGES: usize = 10_000;
/// Another sequence of configurations: set `WEIR_SEED`.
const SEED: u64 = 20_260_821;

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A few of these, each once, in any order.
    fn some<'t>(&mut self, of: &[&'t str]) -> Vec<&'t str> {
        let mut left = of.to_vec();
        let count = self.below(of.len() + 1);
        (0..count).map(|_| left.remove(self.below(left.len()))).collect()
    }

    /// An object in which each optional field is given or not.
    fn object(&mut self, required: Value, optional: Value) -> Value {
        let mut fields = required.as_object().unwrap().clone();
        for (name, values) in optional.as_object().unwrap() {
            let values = values.as_array().unwrap();
            if self.once_in(2) {
                fields.insert(name.clone(), values[self.below(values.len())].clone());
            }
        }
        Value::Object(fields)
    }

    fn texts(&mut self, of: &[&str]) -> Value {
        json!(self.some(of))
    }

    fn resource(&mut self) -> Value {
        let source = ["data:,1", "data:,2", "http://x", ""][self.below(4)];
        let mut resource = self.object(
            json!({ "source": source }),
            json!({ "compression": ["gzip", ""], "verification": [{ "hash": format!("sha256-{}", "a".repeat(64)) }, {}] }),
        );
        if resource["source"] == "http://x" {
            resource["httpHeaders"] = self
                .some(&["A", "a", "B"])
                .into_iter()
                .map(|n| self.object(json!({ "name": n }), json!({ "value": ["1", "2"] })))
                .collect();
        }
        resource
    }

    fn nodes(&mut self, storage: &mut Map<String, Value>) {
        for path in self.some(&["/a", "/b", "/c", "/d", "/e", "/f"]) {
            let owner = json!([{ "id": 0 }, { "name": "core" }, {}]);
            let mut node = self.object(json!({ "path": path }), json!({ "user": owner, "group": owner }));
            let list = match self.below(6) {
                0 => {
                    node = self.object(node, json!({ "mode": [0, 493], "overwrite": [true, false] }));
                    "directories"
                }
                1 => {
                    node = self.object(node, json!({ "hard": [false], "overwrite": [true, false] }));
                    node["target"] = json!("/t");
                    "links"
                }
                _ => {
                    node = self.object(node, json!({ "mode": [0, 420] }));
                    if self.once_in(3) {
                        node["append"] = (0..self.below(3)).map(|_| self.resource()).collect();
                    }
                    match self.below(4) {
                        0 => node["overwrite"] = json!(false),
                        1 => node["contents"] = json!({}),
                        _ => {
                            node["contents"] = self.resource();
                            node = self.object(node, json!({ "overwrite": [true, false] }));
                        }
                    }
                    "files"
                }
            };
            storage.entry(list).or_insert(json!([])).as_array_mut().unwrap().push(node);
        }
    }

    fn storage(&mut self) -> Value {
        let mut storage = Map::new();
        self.nodes(&mut storage);
        let list = |items: Vec<Value>| Value::Array(items);
        let disks = self.some(&["/dev/a", "/dev/b"]);
        storage.insert(
            "disks".into(),
            list(
                disks
                    .into_iter()
                    .map(|device| {
                        let partitions: Vec<Value> = self
                            .some(&["1", "2", "x", "y"])
                            .into_iter()
                            .map(|p| match p.parse::<u8>() {
                                Ok(number) => self.object(
                                    json!({ "number": number }),
                                    json!({ "label": [format!("l{p}")], "sizeMiB": [0], "resize": [true] }),
                                ),
                                Err(_) => self.object(
                                    json!({ "label": p }),
                                    json!({ "number": [0], "guid": [""], "startMiB": [0] }),
                                ),
                            })
                            .collect();
                        self.object(
                            json!({ "device": device, "partitions": partitions }),
                            json!({ "wipeTable": [true, false] }),
                        )
                    })
                    .collect(),
            ),
        );
        let filesystems = self.some(&["/dev/a", "/dev/b"]);
        storage.insert(
            "filesystems".into(),
            list(
                filesystems
                    .into_iter()
                    .map(|device| {
                        let options = (self.texts(&["o", "p"]), self.texts(&["q"]));
                        self.object(
                json!({ "device": device, "format": "ext4", "options": options.0, "mountOptions": options.1 }),
                json!({ "label": ["", "l"], "path": ["", "/m"], "wipeFilesystem": [true, false] }),
            )
                    })
                    .collect(),
            ),
        );
        let raid = self.some(&["r1", "r2"]);
        storage.insert(
            "raid".into(),
            list(
                raid.into_iter()
                    .map(|name| {
                        let devices: Vec<&str> =
                            ["/dev/z"].into_iter().chain(self.some(&["/dev/x", "/dev/y"])).collect();
                        let options = self.texts(&["o", "p"]);
                        self.object(
                            json!({ "name": name, "level": "1", "devices": devices, "options": options }),
                            json!({ "spares": [0, 1] }),
                        )
                    })
                    .collect(),
            ),
        );
        let luks = self.some(&["l1", "l2"]);
        storage.insert("luks".into(), list(luks.into_iter().map(|name| {
            let tang: Vec<Value> = self.some(&["http://a", "http://b"]).into_iter().map(|url| {
                self.object(json!({ "url": url, "thumbprint": "t" }), json!({ "advertisement": ["{}", ""] }))
            }).collect();
            let (options, open) = (self.texts(&["o", "p"]), self.texts(&["q", "r"]));
            let clevis = self.object(json!({ "tang": tang }), json!({ "tpm2": [true, false], "threshold": [0, 1] }));
            self.object(
                json!({ "name": name, "device": "/dev/l", "options": options, "openOptions": open, "clevis": clevis }),
                json!({ "discard": [true, false], "keyFile": [{ "source": "data:,k" }, {}], "cex": [{ "enabled": false }, {}] }),
            )
        }).collect()));
        Value::Object(storage)
    }

    fn config(&mut self) -> Value {
        let arguments = self.some(&["a", "b", "c", "d"]);
        let (exist, not): (Vec<&str>, Vec<&str>) = arguments.into_iter().partition(|_| self.once_in(2));
        let users: Vec<Value> = self
            .some(&["core", "x"])
            .into_iter()
            .map(|name| {
                let (keys, groups) = (self.texts(&["k1", "k2", "k3"]), self.texts(&["wheel", "adm"]));
                self.object(
                    json!({ "name": name, "sshAuthorizedKeys": keys, "groups": groups }),
                    json!({ "uid": [0, 5], "passwordHash": ["", "h"], "system": [true, false] }),
                )
            })
            .collect();
        let groups: Vec<Value> = self
            .some(&["g1", "g2"])
            .into_iter()
            .map(|name| self.object(json!({ "name": name }), json!({ "gid": [0, 1], "shouldExist": [true, false] })))
            .collect();
        let units: Vec<Value> = self
            .some(&["a.service", "b.timer", "c.mount"])
            .into_iter()
            .map(|name| {
                let dropins: Vec<Value> = self
                    .some(&["1.conf", "2.conf"])
                    .into_iter()
                    .map(|name| self.object(json!({ "name": name }), json!({ "contents": ["", "[A]\n"] })))
                    .collect();
                self.object(
                    json!({ "name": name, "dropins": dropins }),
                    json!({ "contents": ["", "[Unit]\n"], "enabled": [true, false], "mask": [true, false] }),
                )
            })
            .collect();
        let references: Vec<Value> =
            self.some(&["http://m", "data:,m"]).into_iter().map(|source| json!({ "source": source })).collect();
        let no_proxy = self.texts(&["x", "y"]);
        let proxy = self
            .object(json!({ "noProxy": no_proxy }), json!({ "httpProxy": ["http://p"], "httpsProxy": ["https://p"] }));
        let timeouts = self.object(json!({}), json!({ "httpTotal": [0, 30], "httpResponseHeaders": [1] }));
        json!({
            "ignition": {
                "version": "3.5.0", "config": { "merge": references, "replace": {} }, "proxy": proxy, "timeouts": timeouts,
                "security": { "tls": { "certificateAuthorities": references } },
            },
            "kernelArguments": { "shouldExist": exist, "shouldNotExist": not },
            "passwd": { "users": users, "groups": groups },
            "storage": self.storage(),
            "systemd": { "units": units },
        })
    }
}

fn merged(configs: &[Value]) -> Value {
    let mut configs = configs.iter().map(|c| Config::read(c).unwrap());
    let first = configs.next().unwrap();
    let mut merged = configs.fold(first, Config::overlay);
    merged.default_overwrite();
    merged.into_value()
}

fn inputs(random: &mut Random) -> Vec<Value> {
    (0..2 + random.below(2)).map(|_| random.config()).collect()
}

/// Lists that are joined, with everything kept.
const JOINED: [&str; 3] = ["append", "options", "mountOptions"];
/// Lists that share their keys, by the object they are in.
const SHARED: [&[&str]; 2] = [&["files", "directories", "links"], &["shouldExist", "shouldNotExist"]];

/// The key of an entry, by trial: a string is its own.
fn key(list: &str, item: &Value) -> String {
    let field = match list {
        "files" | "directories" | "links" => "path",
        "disks" | "filesystems" => "device",
        "merge" | "certificateAuthorities" => "source",
        "tang" => "url",
        "partitions" if item["number"].as_u64().unwrap_or_default() != 0 => "number",
        "partitions" => "label",
        _ => "name",
    };
    item.as_str().map_or_else(|| format!("{field} {}", item[field]), str::to_owned)
}

/// Merging as the rules say it, without tables: what an object holds tells what it is.
fn naive(parent: &Value, child: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (parent, child) else { return child.clone() };
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut out = Map::new();
    for name in names {
        let value = match (old.get(name), new.get(name)) {
            (Some(Value::Array(o)), n) => {
                let none = Vec::new();
                let n = n.and_then(Value::as_array).unwrap_or(&none);
                let siblings = SHARED.iter().find(|group| group.contains(&name.as_str())).copied().unwrap_or_default();
                let taken: BTreeSet<String> = siblings
                    .iter()
                    .filter(|s| *s != name)
                    .flat_map(|s| new.get(*s).and_then(Value::as_array).into_iter().flatten().map(|i| key(s, i)))
                    .collect();
                Value::Array(if JOINED.contains(&name.as_str()) {
                    [o.clone(), n.clone()].concat()
                } else {
                    lists(name, o, n, &taken)
                })
            }
            (Some(o), Some(n)) => naive(o, n),
            (o, n) => n.or(o).unwrap().clone(),
        };
        out.insert(name.clone(), value);
    }
    Value::Object(out)
}

fn lists(name: &str, old: &[Value], new: &[Value], taken: &BTreeSet<String>) -> Vec<Value> {
    let mut out = Vec::new();
    for o in old {
        match new.iter().find(|n| key(name, n) == key(name, o)) {
            Some(n) if name == "httpHeaders" && n.get("value").is_none() => {}
            Some(n) => out.push(naive(o, n)),
            None if taken.contains(&key(name, o)) => {}
            None => out.push(o.clone()),
        }
    }
    out.extend(new.iter().filter(|n| !old.iter().any(|o| key(name, o) == key(name, n))).cloned());
    out
}

fn naive_all(configs: &[Value]) -> Value {
    let each_file = |config: &mut Value, change: &dyn Fn(&mut Value)| {
        config["storage"].get_mut("files").and_then(Value::as_array_mut).into_iter().flatten().for_each(change);
    };
    let mut out = configs[0].clone();
    for child in &configs[1..] {
        let mut child = child.clone();
        each_file(&mut child, &|file| {
            if file["contents"]["compression"].is_null() {
                file["contents"]["compression"] = json!("");
            }
        });
        out = naive(&out, &child);
        each_file(&mut out, &|file| {
            if file["contents"]["compression"] == "" {
                file["contents"].as_object_mut().unwrap().remove("compression");
            }
        });
    }
    each_file(&mut out, &|file| {
        if file["overwrite"].is_null() {
            file["overwrite"] = json!(true);
        }
    });
    tidy(&mut out, false);
    out
}

/// Removes what is not written. `kept`: an entry of a list, which stays.
fn tidy(value: &mut Value, kept: bool) -> bool {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null() && tidy(v, false));
            if map.get("number") == Some(&json!(0)) {
                map.remove("number");
            }
            kept || !map.is_empty()
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| _ = tidy(item, true));
            !items.is_empty()
        }
        _ => true,
    }
}

const WHAT: &str = "merges compared with the oracle";

/// Answers of the oracle to one line of configurations each; `None` where it cannot run.
fn oracle(cases: &[Vec<Value>]) -> Option<impl FnMut() -> Value + use<>> {
    let folder = weir_recorded::reference(WHAT, "spike/oracle")?;
    const PROGRAM: &str = "import sys, json\nfrom mergeref import merge_all\nfor line in sys.stdin:\n    \
                           print(json.dumps(merge_all(json.loads(line))))";
    let started = Command::new("python3")
        .args(["-c", PROGRAM])
        .env("PYTHONPATH", &folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut python) = started else {
        weir_recorded::skip(WHAT, &weir_recorded::Absent::Program("python3"));
        return None;
    };
    let lines: Vec<String> = cases.iter().map(|c| Value::from(c.clone()).to_string()).collect();
    let mut stdin = python.stdin.take().unwrap();
    std::thread::spawn(move || lines.iter().try_for_each(|line| writeln!(stdin, "{line}")).unwrap());
    let mut answers = BufReader::new(python.stdout.take().unwrap()).lines();
    Some(move || serde_json::from_str(&answers.next().unwrap().unwrap()).unwrap())
}

#[test]
fn as_others_merge() {
    let seed = std::env::var("WEIR_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(SEED);
    println!("seed {seed}, {MERGES} merges");
    let mut random = Random(seed);
    let cases: Vec<Vec<Value>> = (0..MERGES).map(|_| inputs(&mut random)).collect();
    let mut oracle = oracle(&cases);
    for configs in cases {
        let merged = merged(&configs);
        assert_eq!(merged, naive_all(&configs), "{}", Value::from(configs));
        if let Some(answer) = &mut oracle {
            assert_eq!(merged, answer(), "{}", Value::from(configs));
        }
    }
}
