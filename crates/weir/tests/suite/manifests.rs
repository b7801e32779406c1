//! `weir manifests`, with the controllers' table of watches: what each component may do.

use clap::Parser as _;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::LazyLock, time::Duration};
use weir::cli::{
    Arguments, Command,
    run::{Run, What},
};
use weir_api::keys::names::{BUILD_PODS, COMPONENTS, OPERATOR_NAMESPACE};
use weir_controllers::{Cluster, cluster::Watcher};
use weir_rules::operator::install::{Install, Manifest, Operands, REPLICAS, WatchedBy, manifests, operands};

/// A plain installation. The table of watches is the controllers'.
fn install() -> Install<'static> {
    static WATCHED: LazyLock<WatchedBy> = LazyLock::new(|| Cluster::default().watched());
    Install {
        image: "registry.example.com/weir@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        replicas: REPLICAS,
        monitoring: true,
        prune_rendered: None,
        take_over: false,
        adopts_generated: false,
        operator_keeps_controller: false,
        builder_image: None,
        watched: &WATCHED,
    }
}

fn all() -> Vec<Manifest> {
    manifests(&install())
}

fn keeping() -> Vec<Manifest> {
    manifests(&Install { operator_keeps_controller: true, ..install() })
}

#[test]
fn nobody_may_do_anything_to_everything_and_secrets_are_those_of_their_namespace() {
    for manifest in all().into_iter().chain(keeping()) {
        for rule in manifest.object["rules"].as_array().into_iter().flatten() {
            let text = rule.to_string();
            assert!(!text.contains("\"*\""), "{}: {text}", manifest.file);
            if text.contains("secrets") {
                assert_eq!(manifest.object["kind"], "Role");
                let namespace = manifest.object["metadata"]["namespace"].as_str().unwrap();
                let component = manifest.object["metadata"]["name"].as_str().unwrap();
                let verbs = match (component, namespace) {
                    // Logins for the registry inside the cluster, what machines boot with, and copies for builds.
                    ("weir-operator", OPERATOR_NAMESPACE) => json!(["list", "watch", "create", "patch", "delete"]),
                    ("weir-operator", "openshift-machine-api") => json!(["list", "watch", "create", "patch"]),
                    // Logins for registries, which users name.
                    ("weir-builder", OPERATOR_NAMESPACE) => json!(["get", "create", "patch", "delete"]),
                    _ => {
                        let of_place = match namespace {
                            OPERATOR_NAMESPACE => "internal-release-image-registry-auth",
                            "openshift-config-managed" => "etc-pki-entitlement",
                            _ => "pull-secret",
                        };
                        assert_eq!(rule["resourceNames"], json!([of_place]), "{text}");
                        json!(["list", "watch"])
                    }
                };
                assert_eq!(rule["verbs"], verbs);
            }
        }
    }
}

/// What an operator keeps, while images are built.
fn kept(install: &Install<'_>) -> Vec<Value> {
    let Operands { always, for_builds } = operands(install);
    always.into_iter().chain(for_builds).collect()
}

fn is_of_weir(manifest: &Manifest) -> bool {
    manifest.object["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("weir-"))
}

/// Whether one of the operator's rules for this place allows it.
fn may(printed: &[Manifest], namespace: &Value, verb: &str, plural: &str, name: Option<&str>) -> bool {
    let of_place = printed.iter().filter(|m| m.object["metadata"]["namespace"] == *namespace);
    let mut rules = of_place.flat_map(|m| m.object["rules"].as_array().into_iter().flatten());
    let has = |rule: &Value, key: &str, value: &str| {
        rule[key].as_array().is_some_and(|values| values.iter().any(|found| found == value))
    };
    rules.any(|rule| {
        let named = name.map_or(rule["resourceNames"].is_null(), |name| has(rule, "resourceNames", name));
        has(rule, "verbs", verb) && has(rule, "resources", plural) && named
    })
}

#[test]
fn an_operator_that_keeps_the_controller_may_write_exactly_what_it_keeps() {
    let printed = keeping();
    assert!(!printed.iter().any(|manifest| !manifest.file.ends_with("weir-operator") && is_of_weir(manifest)));
    for object in &kept(&install()) {
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        let (namespace, name) = (&object["metadata"]["namespace"], object["metadata"]["name"].as_str());
        assert!(may(&printed, namespace, "create", &plural, None), "{plural}");
        let grants = if plural.ends_with("roles") { &["escalate", "bind"][..] } else { &[] };
        for verb in [&["patch", "delete"][..], grants].concat() {
            assert!(may(&printed, namespace, verb, &plural, name), "{verb} {plural}");
            assert!(!may(&printed, namespace, verb, &plural, None), "{verb} any {plural}");
        }
        let anywhere = [&Value::Null, namespace].map(|place| may(&printed, place, "watch", &plural, None));
        assert!(anywhere.contains(&true), "{plural}");
    }
    for manifest in all() {
        assert!(!manifest.object["rules"].to_string().contains("escalate"), "{}", manifest.file);
    }
}

#[test]
fn roles_let_a_component_see_exactly_what_it_watches() {
    type Seen = BTreeSet<(Option<String>, String, String, Option<String>, String)>;
    let printed = |component: &str, install: &Install<'_>| -> Seen {
        let mut seen = Seen::new();
        let ours = |role: &&Value| role["metadata"]["name"] == component && role["rules"].is_array();
        let objects: Vec<_> = manifests(install).into_iter().map(|manifest| manifest.object).collect();
        for role in objects.iter().chain(&kept(install)).filter(ours) {
            for rule in role["rules"].as_array().unwrap() {
                let texts =
                    |key: &str| -> Vec<String> { serde_json::from_value(rule[key].clone()).unwrap_or_default() };
                let names: Vec<_> = texts("resourceNames").into_iter().map(Some).collect();
                let names = if names.is_empty() { vec![None] } else { names };
                for (group, resource) in
                    texts("apiGroups").iter().flat_map(|g| texts("resources").into_iter().map(move |r| (g.clone(), r)))
                {
                    for verb in texts("verbs").into_iter().filter(|verb| ["list", "watch"].contains(&verb.as_str())) {
                        seen.extend(names.iter().map(|name| {
                            let place = role["metadata"]["namespace"].as_str().map(str::to_owned);
                            (place, group.clone(), resource.clone(), name.clone(), verb.clone())
                        }));
                    }
                }
            }
        }
        seen
    };
    let watched = |watchers: &[&[Watcher]]| -> Seen {
        let watches = Cluster::default().watches;
        let rows = watchers.iter().flat_map(|watchers| watches.of(watchers));
        // The lease that another process has.
        let leases = ["list", "watch"].map(|verb| {
            let (namespace, group) = (Some(OPERATOR_NAMESPACE.to_owned()), "coordination.k8s.io".to_owned());
            (namespace, group, "leases".to_owned(), None, verb.to_owned())
        });
        let seen = rows.flat_map(|row| {
            let (kind, of) = (&row.kind, &row.selection);
            ["list", "watch"].map(|verb| {
                let name = of.name.map(str::to_owned);
                (of.namespace.map(str::to_owned), kind.group.clone(), kind.plural.clone(), name, verb.to_owned())
            })
        });
        seen.chain(leases).collect()
    };
    let keeping = Install {
        operator_keeps_controller: true,
        take_over: true,
        adopts_generated: true,
        prune_rendered: Some(Duration::from_secs(1)),
        ..install()
    };
    let (all, operator) = (Watcher::EVERYBODY, Watcher::OPERATOR);
    let [operator_name, controller, builder] = COMPONENTS;
    // Why a Job gets no pod is looked up, and not watched.
    let looked_up = ("openshift-machine-config-operator", "events", "list");
    let looked_up = (Some(looked_up.0.to_owned()), String::new(), looked_up.1.to_owned(), None, looked_up.2.to_owned());
    let mut seen = watched(&[all, Watcher::BUILDER]);
    seen.insert(looked_up);
    assert_eq!(printed(builder, &install()), seen);
    assert_eq!(printed(builder, &keeping), seen);
    assert_eq!(printed(BUILD_PODS, &install()), Seen::new());
    assert_eq!(printed(controller, &install()), watched(&[all, Watcher::CONTROLLER]));
    assert_eq!(printed(controller, &keeping), watched(&[all, Watcher::CONTROLLER]));
    assert_eq!(printed(operator_name, &install()), watched(&[all, operator]));
    assert_eq!(printed(operator_name, &keeping), watched(&[all, operator, &[Watcher::Operands]]));
}

#[test]
fn the_operator_may_complete_the_controller_config_only_after_taking_over() {
    for take_over in [true, false] {
        let mut printed = manifests(&Install { take_over, ..install() });
        printed.retain(|manifest| manifest.object["metadata"]["name"] == COMPONENTS[0]);
        assert_eq!(may(&printed, &Value::Null, "patch", "controllerconfigs/status", None), take_over);
    }
}

#[test]
fn an_operator_that_keeps_the_controller_makes_the_objects_that_manifests_were_asked_for() {
    let asked = Install {
        replicas: 3,
        monitoring: false,
        prune_rendered: Some(Duration::from_secs(60)),
        take_over: true,
        adopts_generated: true,
        operator_keeps_controller: true,
        builder_image: Some("registry.example.com/buildah:1"),
        ..install()
    };
    let printed = manifests(&asked);
    let deployment = printed.iter().find(|manifest| manifest.file == "deployment-weir-operator").unwrap();
    let arguments = &deployment.object["spec"]["template"]["spec"]["containers"][0]["args"];
    let arguments = arguments.as_array().unwrap().iter().filter_map(Value::as_str);
    let parsed = Arguments::try_parse_from(["weir"].into_iter().chain(arguments)).unwrap();
    let Command::Run(Run { what: What::Operator(told), .. }) = parsed.command else { panic!("{parsed:?}") };
    assert!(told.options.take_over);
    assert_eq!(told.controller.objects(), operands(&asked));
}
