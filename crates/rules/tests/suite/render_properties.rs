//! What holds of every rendering.
#![allow(clippy::unwrap_used, reason = "a test: what the generator makes is as it should be")]

use proptest::{prelude::*, sample::subsequence};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use weir_api::{ControllerConfig, MachineConfig, MachineConfigPool};
use weir_ignition::Config;
use weir_rules::render::{GivenBy, RenderInput, Rendered, render};

fn files() -> impl Strategy<Value = Value> {
    let kind = prop_oneof![4 => Just("files"), 1 => Just("directories"), 1 => Just("links")];
    let content = prop_oneof![Just("data:,1"), Just("data:,2"), Just("data:,3")];
    let compression = prop::option::of(prop_oneof![Just("gzip"), Just("")]);
    let node = (kind, content, compression, prop::option::of(0..3_i64));
    subsequence(vec!["/a", "/b", "/c", "/d"], 0..=4).prop_flat_map(move |paths| {
        prop::collection::vec(node.clone(), paths.len()).prop_map(move |nodes| {
            let mut storage = json!({});
            for (path, (kind, source, compression, mode)) in paths.iter().zip(nodes) {
                let mut one = json!({ "path": path });
                match kind {
                    "files" => one["contents"] = json!({ "source": source, "compression": compression }),
                    "links" => one["target"] = json!("/t"),
                    _ => {}
                }
                if kind != "links" {
                    one["mode"] = json!(mode);
                }
                let list = &mut storage[kind];
                *list = list.as_array().cloned().unwrap_or_default().into_iter().chain([one]).collect();
            }
            storage
        })
    })
}

fn units() -> impl Strategy<Value = Value> {
    let unit =
        (prop::option::of(0..3_u8), prop::option::of(any::<bool>()), subsequence(vec!["1.conf", "2.conf"], 0..=2));
    subsequence(vec!["a.service", "b.timer"], 0..=2).prop_flat_map(move |names| {
        prop::collection::vec(unit.clone(), names.len()).prop_map(move |units| {
            let both = names.iter().zip(units).map(|(name, (contents, enabled, dropins))| {
                let dropins: Vec<Value> = dropins.iter().map(|d| json!({ "name": d, "contents": "[A]" })).collect();
                json!({ "name": name, "contents": contents.map(|c| format!("[U{c}]")), "enabled": enabled, "dropins": dropins })
            });
            both.collect::<Value>()
        })
    })
}

fn spec() -> impl Strategy<Value = Value> {
    let words = |of: Vec<&'static str>| subsequence(of.clone(), 0..=of.len());
    let ignition =
        (files(), units(), words(vec!["k1", "k2"]), words(vec!["x", "y"])).prop_map(|(storage, units, keys, exist)| {
            json!({
                "ignition": { "version": "3.5.0" }, "storage": storage, "systemd": { "units": units },
                "passwd": { "users": [{ "name": "core", "sshAuthorizedKeys": keys }] },
                "kernelArguments": { "shouldExist": exist },
            })
        });
    let kernel = prop::option::of(prop_oneof![Just("default"), Just("realtime")]);
    let image = prop::option::weighted(0.2, prop_oneof![Just(""), Just("image-1"), Just("image-2")]);
    let rest = (words(vec!["a", "b", "b c"]), words(vec!["usbguard", "ipsec"]), kernel, image, any::<bool>());
    (prop::option::weighted(0.8, ignition), rest).prop_map(|(config, (arguments, extensions, kernel, image, fips))| {
        json!({
            "config": config, "kernelArguments": arguments, "extensions": extensions, "kernelType": kernel,
            "osImageURL": image, "fips": fips,
        })
    })
}

fn configs() -> impl Strategy<Value = Vec<MachineConfig>> {
    let role = prop_oneof![Just("worker"), Just("infra")];
    let one = (role, any::<bool>(), spec());
    prop::collection::btree_map("[0-9]{2}-[a-c]", one, 1..6).prop_map(|named| {
        let configs = named.into_iter().map(|(name, (role, generated, spec))| {
            let annotations = json!({ "machineconfiguration.openshift.io/generated-by-controller-version": if generated { "h" } else { "" } });
            let labels = json!({ "machineconfiguration.openshift.io/role": role });
            let metadata = json!({ "name": name, "labels": labels, "annotations": annotations });
            serde_json::from_value(json!({ "metadata": metadata, "spec": spec })).unwrap()
        });
        configs.collect()
    })
}

fn rendered(configs: &[MachineConfig]) -> Rendered {
    let pool: MachineConfigPool = serde_json::from_value(json!({ "metadata": { "name": "infra" } })).unwrap();
    let mut controller = ControllerConfig::default();
    controller.spec.base_os_container_image = "base".to_owned();
    let configs: Vec<&MachineConfig> = configs.iter().collect();
    render(&RenderInput::new(&pool, &configs, &controller)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_order_of_input_does_not_matter(configs in configs().prop_flat_map(|c| (Just(c.clone()), Just(c).prop_shuffle()))) {
        prop_assert_eq!(rendered(&configs.0), rendered(&configs.1));
    }

    #[test]
    fn the_name_changes_exactly_with_the_spec((one, other) in (configs(), spec()).prop_flat_map(|(one, spec)| {
        let mut other = one.clone();
        let changed = other.len() - 1;
        other[changed].spec = serde_json::from_value(spec).unwrap();
        (Just(one), Just(other))
    })) {
        let (one, other) = (rendered(&one), rendered(&other));
        prop_assert_eq!(one.name() == other.name(), one.config.spec == other.config.spec);
    }

    #[test]
    fn everything_has_a_provenance_that_is_true(configs in configs()) {
        let rendered = rendered(&configs);
        let spec = &rendered.config.spec;
        let merged = Config::read(spec.config.as_ref().unwrap()).unwrap();
        let counted = |name: &str, list: &Option<Vec<String>>| {
            (0..list.as_ref().unwrap().len()).map(|i| format!("{name}[{i}]")).collect::<Vec<_>>()
        };
        let mut expected: BTreeSet<String> = merged.elements().into_iter().map(|e| e.address).collect();
        expected.extend(counted("kernelArguments", &spec.kernel_arguments));
        expected.extend(counted("extensions", &spec.extensions));
        expected.extend(["osImageURL", "baseOSExtensionsContainerImage", "kernelType", "fips"].map(str::to_owned));
        let found: BTreeSet<String> = rendered.provenance.addresses().map(str::to_owned).collect();
        prop_assert_eq!(&found, &expected);
        let own: BTreeMap<&str, Config> = configs.iter().filter_map(|c| {
            Some((c.metadata.name.as_deref()?, Config::read(c.spec.config.as_ref()?).unwrap()))
        }).collect();
        for address in &found {
            let trace = rendered.provenance.trace(address).unwrap();
            for contribution in &trace.contributions {
                if let Some(config) = own.get(contribution.config.as_str()).filter(|_| expected.contains(address) && address.contains("storage")) {
                    prop_assert!(config.elements().iter().any(|e| e.address == *address), "{} {}", address, contribution.config);
                }
            }
        }
        for file in merged.files() {
            let path = file["path"].as_str().unwrap();
            let trace = rendered.provenance.trace(&weir_ignition::file_address(path)).unwrap();
            let GivenBy::MachineConfig(from) = &trace.from else { panic!("{path} from {}", trace.from) };
            let source = own[from.as_str()].files().find(|f| f["path"] == path).map(|f| f["contents"]["source"].clone());
            prop_assert_eq!(source.as_ref(), Some(&file["contents"]["source"]));
            prop_assert!(!trace.shadowed.contains(from));
        }
    }
}
