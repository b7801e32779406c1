//! A case for every finding that needs a world of its own.

use super::*;
use crate::world::World;
use weir_api::keys::pool::DISTRIBUTION_MISMATCH;

/// What a case gives.
struct Found {
    plan: Plan,
}

impl Found {
    fn of(world: &World, changes: &[Change], facts: &Facts) -> Self {
        Self { plan: super::super::plan(world, changes, facts, now()).unwrap() }
    }

    /// The first finding of this code: what it says, its evidence, and whether it is in the way.
    fn says(&self, code: Code) -> (&str, Vec<&str>, bool) {
        let found = self.plan.findings.iter().find(|finding| finding.code == code);
        let found = found.unwrap_or_else(|| panic!("{code}: {:#?}", self.plan.findings));
        assert!(!found.evidence.is_empty(), "what was looked at: {found:?}");
        (&found.found, found.evidence.iter().map(String::as_str).collect(), found.inhibits())
    }

    fn has(&self, code: Code) -> bool {
        self.plan.findings.iter().any(|finding| finding.code == code)
    }
}

fn with(world: &World, changes: &[Change]) -> Found {
    Found::of(world, changes, &Facts::default())
}

fn applied(kind: &str, mut object: Json) -> Change {
    object["apiVersion"] = json!(format!("{MACHINE_CONFIG_GROUP}/v1"));
    object["kind"] = json!(kind);
    Change::Apply(object)
}

pub(super) fn to_el_10() -> Change {
    Change::Stream { pool: "worker".to_owned(), stream: "rhel-10".to_owned() }
}

fn image(labels: &[(&str, &str)], architectures: &[&str], packages: Option<&[&str]>) -> ImageFacts {
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
    ImageFacts::Read {
        labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        architectures: of(architectures),
        packages: packages.map(of),
    }
}

fn knowing(images: &[(&str, ImageFacts)]) -> Facts {
    let images = images.iter().map(|(name, facts)| ((*name).to_owned(), facts.clone())).collect();
    Facts { images, ..Facts::default() }
}

#[test]
fn a_stream_that_does_not_exist() {
    let found = with(
        &at_rest(),
        &[applied(
            "MachineConfigPool",
            json!({
                "metadata": {"name": "worker"}, "spec": {"osImageStream": {"name": "el-7"}},
            }),
        )],
    );
    let (said, evidence, inhibits) = found.says(Code::StreamGone);
    assert!(said.starts_with("it cannot be rendered: ") && said.contains("\"el-7\" not found"), "{said}");
    assert!(said.ends_with("available are: el-9, rhel-10") && inhibits, "{said}");
    assert_eq!(evidence.len(), 1);
    assert!(found.plan.waves.is_empty(), "nobody goes: {:?}", found.plan.waves);
}

#[test]
fn an_object_from_which_nothing_can_be_generated() {
    let mut world = at_rest();
    world.put(ours("ControllerConfig", json!({"metadata": {"name": "machine-config-controller"}})));
    edit(&mut world.pools, |pool| {
        let name = pool.metadata.name.clone().unwrap();
        pool.metadata.labels.get_or_insert_default().insert("pool".to_owned(), name);
    });
    let object = applied(
        "KubeletConfig",
        json!({
            "metadata": {"name": "odd"},
            "spec": {"machineConfigPoolSelector": {"matchLabels": {"pool": "worker"}}, "kubeletConfig": {"cgroupDriver": "cgroupfs"}},
        }),
    );
    let found = with(&world, &[object]);
    let (said, _, inhibits) = found.says(Code::Generate);
    assert!(said.starts_with("nothing can be generated from KubeletConfig odd: ") && inhibits, "{said}");
}

#[test]
fn mirror_sets_that_disagree_are_named_and_sets_that_give_a_mirror_are_its_origin() {
    let templates = |role: &str| {
        let of = |name: &str, path: &str, text: &str| ours("MachineConfig", config(name, role, &file(path, text)));
        [
            of(&format!("01-{role}-registries"), "/etc/containers/registries.conf", ""),
            of(&format!("01-{role}-policy"), "/etc/containers/policy.json", "{\"default\": []}"),
            of(&format!("01-{role}-storage"), "/etc/containers/storage.conf", ""),
        ]
    };
    let image = object("config.openshift.io", "Image", json!({"metadata": {"name": "cluster"}, "spec": {}}));
    let mut world = open::cluster(templates("worker").into_iter().chain(templates("master")).chain([image]));
    edit(&mut world.pools, |pool| {
        let labels = pool.metadata.labels.get_or_insert_default();
        labels.insert(weir_api::keys::config::BUILT_IN.to_owned(), String::new());
    });
    let completed =
        json!({"type": "TemplateControllerCompleted", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    world.put(ours(
        "ControllerConfig",
        json!({
            "metadata": {"name": "machine-config-controller"}, "spec": {"releaseImage": "r.io/release:1"},
            "status": {"conditions": [completed]},
        }),
    ));
    let set = |kind: &str, list: &str, name: &str, policy: &str| {
        let mirrors = json!([{"source": "a.io", "mirrors": ["b.io"], "mirrorSourcePolicy": policy}]);
        json!({"apiVersion": "config.openshift.io/v1", "kind": kind, "metadata": {"name": name}, "spec": {list: mirrors}})
    };
    let digest = set("ImageDigestMirrorSet", "imageDigestMirrors", "i", "AllowContactingSource");
    let tag = set("ImageTagMirrorSet", "imageTagMirrors", "t", "NeverContactSource");
    let found = with(&world, &[Change::Apply(digest.clone()), Change::Apply(tag)]);
    let (said, evidence, inhibits) = found.says(Code::Generate);
    assert!(
        said.starts_with("nothing can be generated from Image.config.openshift.io cluster: ") && inhibits,
        "{said}"
    );
    assert_eq!(evidence, ["ImageDigestMirrorSet i", "ImageTagMirrorSet t"]);
    let found = with(&world, &[Change::Apply(digest)]);
    let worker = found.plan.pools.iter().find(|pool| pool.pool == "worker").unwrap();
    let of_mirrors = |difference: &&Difference| difference.what == "file /etc/containers/registries.conf";
    let origin = &worker.differences.as_ref().unwrap().iter().find(of_mirrors).unwrap().origin;
    assert_eq!(origin.made_from.as_deref(), Some("ImageDigestMirrorSet i"));
}

#[test]
fn a_node_whose_daemon_refuses_the_change() {
    let mut world = at_rest();
    let mut odd = config("rendered-worker-odd", "worker", &file("/etc/base", "w"));
    odd["spec"]["fips"] = json!(true);
    world.put(ours("MachineConfig", odd));
    edit(&mut world.nodes, |node| {
        if node.metadata.name.as_deref() == Some("b") {
            let marks = node.metadata.annotations.as_mut().unwrap();
            marks.insert(format!("{PREFIX}/currentConfig"), "rendered-worker-odd".to_owned());
        }
    });
    let found = with(&world, &[motd("a")]);
    let (said, evidence, inhibits) = found.says(Code::Irreconcilable);
    assert!(said.starts_with("the node's daemon refuses it: ") && said.to_lowercase().contains("fips"), "{said}");
    assert_eq!((evidence, inhibits), (vec!["b"], true));
}

#[test]
fn nothing_starts_while_the_cluster_halts() {
    let mut world = at_rest();
    edit(&mut world.pools, |pool: &mut MachineConfigPool| {
        let condition = json!({
            "type": DISTRIBUTION_MISMATCH.name(), "status": "True", "reason": "DistributionMismatch", "message": "it is another one",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        });
        pool.status = Some(serde_json::from_value(json!({ "conditions": [condition] })).unwrap());
    });
    let found = with(&world, &[motd("a")]);
    let (said, _, inhibits) = found.says(Code::Halted);
    assert!(said.starts_with("no node starts anywhere: ") && said.contains("it is another one"), "{said}");
    assert!(inhibits && found.plan.waves.is_empty());
}

#[test]
fn images_that_cannot_be_read_or_are_for_other_machines() {
    let new = "r/os@rhel-10";
    let unknown = with(&at_rest(), &[to_el_10()]).plan.unknown;
    assert!(
        unknown.iter().any(|text| text.starts_with("whether the nodes of pool worker can read image r/os@rhel-10"))
    );
    let found = Found::of(&at_rest(), &[to_el_10()], &knowing(&[(new, ImageFacts::Unreadable("no route".to_owned()))]));
    let (said, evidence, inhibits) = found.says(Code::ImageUnreadable);
    assert_eq!((said, inhibits), ("image r/os@rhel-10 cannot be read: no route", true));
    assert!(
        evidence[0].starts_with("MachineConfig rendered-") && evidence[0].ends_with(": osImageURL"),
        "{evidence:?}"
    );
    for (architectures, wanted) in [
        (&["amd64", "arm64"][..], None),
        (&[][..], None),
        (
            &["arm64", "s390x"][..],
            Some("image r/os@rhel-10 is for arm64, s390x, and not for amd64, the architecture of 1 node"),
        ),
    ] {
        let found = Found::of(&at_rest(), &[to_el_10()], &knowing(&[(new, image(&[], architectures, None))]));
        assert_eq!(found.has(Code::ImageArchitecture), wanted.is_some(), "{architectures:?}");
        let says = found.plan.findings.iter().find(|finding| finding.code == Code::ImageArchitecture);
        // Of pool infra, which goes with the workers, and has one node.
        assert_eq!(says.map(|says| (says.found.as_str(), says.inhibits())), wanted.map(|wanted| (wanted, true)));
    }
}

#[test]
fn extensions_that_the_new_os_lacks_has_or_may_have() {
    let mut world = at_rest();
    world.put(ours("MachineConfig", config("99-x", "worker", &json!({"extensions": ["usbguard", "kerberos"]}))));
    let images = |packages: Option<&[&str]>| {
        knowing(&[("r/os@rhel-10", image(&[], &["amd64"], None)), ("r/ext@rhel-10", image(&[], &["amd64"], packages))])
    };
    let of = |packages: Option<&[&str]>| Found::of(&world, &[to_el_10()], &images(packages));
    let all = of(Some(&["usbguard", "krb5-workstation", "libkadm5", "kernel-devel"]));
    assert!(!all.has(Code::Extensions) && !all.has(Code::ExtensionsMissing), "{:?}", all.plan.findings);
    let lacking = of(Some(&["krb5-workstation", "libkadm5"]));
    let (said, evidence, inhibits) = lacking.says(Code::ExtensionsMissing);
    assert_eq!((said, inhibits), ("the extensions of its new OS do not include usbguard", true));
    assert_eq!(evidence, ["image r/ext@rhel-10, /usr/share/rpm-ostree/extensions"]);
    assert!(!lacking.has(Code::Extensions));
    for (packages, why) in [
        (Some(&["usbguard", "libkadm5"][..]), "only some of the packages of kerberos are there by their present names"),
        (None, "the image has no list of packages"),
    ] {
        let found = of(packages);
        assert!(found.says(Code::Extensions).0.ends_with(why), "{:?}", found.plan.findings);
        assert!(!found.has(Code::ExtensionsMissing));
    }
    let unasked = with(&world, &[to_el_10()]);
    assert!(unasked.says(Code::Extensions).0.ends_with("it was not looked for; `weir plan --images` does that"));
    let unreadable = knowing(&[("r/ext@rhel-10", ImageFacts::Unreadable("no route".to_owned()))]);
    let unreadable = Found::of(&world, &[to_el_10()], &unreadable);
    assert!(unreadable.says(Code::Extensions).0.ends_with("the image cannot be read: no route"));
}

#[test]
fn boot_images_that_are_too_old() {
    for (version, wanted) in [("4.12.0", true), ("9.0.0", false)] {
        let mut world = at_rest();
        let status = json!({"observedGeneration": 1, "bootImageSkewEnforcementStatus": {
            "mode": "Manual", "manual": {"mode": "OCPVersion", "ocpVersion": version},
        }});
        let mut object = MachineConfiguration::named("cluster", serde_json::from_value(json!({})).unwrap());
        object.status = Some(serde_json::from_value(status).unwrap());
        world.put(object.into());
        let found = with(&world, &[to_el_10()]);
        assert_eq!(found.has(Code::BootImage), wanted, "{version}: {:?}", found.plan.findings);
        if wanted {
            let (said, evidence, inhibits) = found.says(Code::BootImage);
            assert!(said.starts_with("new machines may not reach its new OS: ") && said.contains(version), "{said}");
            let at = "MachineConfiguration cluster: status.bootImageSkewEnforcementStatus";
            assert_eq!((evidence, inhibits), (vec![at], true));
            assert!(Code::BootImage.may_be_accepted());
        }
    }
}

/// Without a record nobody knows what new machines boot from.
#[test]
fn boot_images_of_an_unknown_age_are_said_to_be_so_and_silence_is_for_those_that_are_new_enough() {
    let automatic = |version: &str, progressing: Option<&str>| {
        let conditions: Vec<Json> = progressing
            .map(|status| json!({"type": "BootImageUpdateProgressing", "status": status, "lastTransitionTime": null, "message": "", "reason": ""}))
            .into_iter()
            .collect();
        json!({"conditions": conditions, "bootImageSkewEnforcementStatus": {"mode": "Automatic", "automatic": {"ocpVersion": version}}})
    };
    let manual = |version: &str| {
        let given = json!({"mode": "OCPVersion", "ocpVersion": version});
        json!({"bootImageSkewEnforcementStatus": {"mode": "Manual", "manual": given}})
    };
    for (status, wanted) in [
        (json!({}), "has no bootImageSkewEnforcementStatus"),
        (
            json!({"bootImageSkewEnforcementStatus": {"mode": "None"}}),
            "in mode None of boot image skew enforcement none is recorded",
        ),
        (
            automatic("4.12.0", None),
            "4.12.0 is recorded, which is too old, and nothing says whether they are being updated",
        ),
        (automatic("4.12.0", Some("True")), "4.12.0 is recorded, which is too old, and they are being updated"),
        (automatic("4.12.0", Some("False")), "finding"),
        (automatic("4.19.0", None), ""),
        (automatic("4.19.0", Some("True")), ""),
        (manual("odd"), "the recorded version \"odd\" cannot be read"),
        (manual(""), "names no version"),
        (manual("4.19.0"), ""),
    ] {
        let mut world = at_rest();
        let mut object = MachineConfiguration::named("cluster", serde_json::from_value(json!({})).unwrap());
        object.status = Some(serde_json::from_value(status.clone()).unwrap());
        world.put(object.into());
        let found = with(&world, &[to_el_10()]);
        let said: Vec<&String> =
            found.plan.unknown.iter().filter(|said| said.starts_with("how old the boot images")).collect();
        match wanted {
            "" | "finding" => assert!(said.is_empty(), "{status}: {said:?}"),
            // Pools `worker` and `infra` change their OS.
            wanted => assert!(said.len() == 2 && said.iter().all(|said| said.contains(wanted)), "{status}: {said:?}"),
        }
        assert_eq!(found.has(Code::BootImage), wanted == "finding", "{status}");
    }
}

/// An image that a MachineConfig brings has no stream by name: only its labels say whether it has runc.
#[test]
fn runc_in_an_image_that_only_its_labels_describe() {
    let crio = file("/etc/crio/crio.conf.d/99-runc", "[crio.runtime]\ndefault_runtime = \"runc\"\n");
    let changes = [
        Change::Apply(config("99-crio", "worker", &crio)),
        Change::Apply(config("99-image", "worker", &json!({"osImageURL": "r/own@1"}))),
    ];
    let found = with(&at_rest(), &changes);
    let (said, evidence, inhibits) = found.says(Code::RuncUnknown);
    assert!(said.ends_with("whether OS image r/own@1 has it is not known") && !inhibits, "{said}");
    assert_eq!(evidence, ["MachineConfig 99-crio: /etc/crio/crio.conf.d/99-runc:2"]);
    let class = weir_api::keys::image::STREAM_CLASS;
    let bootc = weir_api::keys::image::BOOTC;
    for (stream, without) in [("rhel-10", true), ("rhel-9", false)] {
        let facts = image(&[(class, stream), (bootc, "1")], &["amd64"], None);
        let found = Found::of(&at_rest(), &changes, &knowing(&[("r/own@1", facts)]));
        assert_eq!((found.has(Code::Runc), found.has(Code::RuncUnknown)), (without, false), "{stream}");
    }
}

#[test]
fn a_stream_that_the_release_no_longer_carries() {
    let mut world = at_rest();
    let object = std::sync::Arc::make_mut(world.streams.as_mut().unwrap());
    let marks = object.metadata.annotations.get_or_insert_default();
    marks.insert(weir_api::keys::config::RETAINED_STREAMS.to_owned(), "rhel-10".to_owned());
    let found = with(&world, &[to_el_10()]);
    let (said, _, inhibits) = found.says(Code::StreamRetained);
    let wanted = "its stream rhel-10 is no longer carried by the release; it is kept while it is used";
    assert_eq!((said, inhibits), (wanted, false));
}

#[test]
fn a_name_of_a_stream_that_has_no_effect() {
    let set = json!({"name": "el-10", "osImage": "r/os@1", "osExtensionsImage": "r/ext@1"});
    let status = json!({"availableStreams": [set], "defaultStream": "el-10"});
    let mut world = World { profile: Some(weir_distro::Profile::by_name("okd").unwrap()), ..at_rest() };
    world.put(ours("OSImageStream", json!({"metadata": {"name": "cluster"}, "spec": {}, "status": status})));
    let found = with(
        &world,
        &[applied(
            "MachineConfigPool",
            json!({
                "metadata": {"name": "infra"}, "spec": {"osImageStream": {"name": "el-9"}},
            }),
        )],
    );
    let (said, _, inhibits) = found.says(Code::StreamIgnored);
    assert!(said.contains("el-9") && !inhibits, "{said}");
}

/// What users do next is in every finding, and every code says when it applies.
#[test]
fn every_finding_says_what_to_do() {
    let crio = file("/etc/crio/crio.conf.d/99-runc", "[crio.runtime]\ndefault_runtime = \"runc\"\n");
    let changes = [Change::Apply(config("99-crio", "worker", &crio)), to_el_10()];
    let found = with(&at_rest(), &changes);
    assert!(found.plan.findings.iter().all(|finding| !finding.remedy.is_empty() && !finding.found.is_empty()));
    assert!(Code::ALL.iter().all(|code| !code.meaning().is_empty()));
}

#[test]
fn the_page_lists_every_finding() {
    let page = include_str!("../../../../../docs/user/plan.md");
    for code in Code::ALL {
        let weight = match code.weight() {
            "in the way" => "yes",
            "in the way unless accepted" => "unless accepted",
            _ => "note",
        };
        let row = format!("| `{code}` | {weight} | {} |", code.meaning());
        assert!(page.lines().any(|line| line == row), "docs/user/plan.md lacks: {row}");
    }
}

#[test]
fn a_name_that_the_api_refuses_is_refused_in_its_words() {
    let refused = |change: Change| plan(&at_rest(), &[change], &Facts::default(), now()).unwrap_err().to_string();
    let of_name = |name: &str| refused(Change::Apply(config(name, "worker", &json!({"kernelArguments": ["a"]}))));
    let wanted = "MachineConfig.machineconfiguration.openshift.io \"99_X\" is invalid: metadata.name: Invalid value: \"99_X\": a lowercase RFC 1123 \
                  subdomain must consist of ";
    assert!(of_name("99_X").starts_with(wanted), "{}", of_name("99_X"));
    let mut labelled = config("99-x", "worker", &json!({"kernelArguments": ["a"]}));
    labelled["metadata"]["labels"]["a b"] = json!("c");
    let said = refused(Change::Apply(labelled));
    assert!(said.contains("metadata.labels: Invalid value: \"a b\": name part must consist of"), "{said}");
}
