//! The reference's metrics that alerts and dashboards use (R-FIGURES-4).

use super::Figure;
use crate::{
    rollout::{drain, membership::assign},
    view::{NodeView, PoolView},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use std::collections::BTreeMap;
use weir_api::{ControllerConfig, MachineConfigNode, MachineConfigPool, MachineConfiguration, condition::TRUE};

/// Topology of a single-node control plane.
const SINGLE_REPLICA: &str = "SingleReplica";
/// Platform whose boot images are not a cloud resource.
const BARE_METAL: &str = "BareMetal";
/// Mode in which the age of boot images does not matter.
const NONE: &str = "None";

/// When controllers last completed a step, by controller, step and object.
pub type Steps = BTreeMap<(&'static str, String, String), Timestamp>;

/// The inputs.
#[derive(Clone, Copy, Debug)]
pub struct ReferenceView<'a> {
    /// All pools.
    pub pools: &'a [&'a MachineConfigPool],
    /// All nodes.
    pub nodes: &'a [&'a Node],
    /// All MachineConfigNodes.
    pub reports: &'a [&'a MachineConfigNode],
    /// The ControllerConfig.
    pub controller_config: Option<&'a ControllerConfig>,
    /// The MachineConfiguration.
    pub configuration: Option<&'a MachineConfiguration>,
    /// When controllers last completed a step.
    pub steps: &'a Steps,
}

pub(super) fn figures(view: &ReferenceView<'_>, now: Timestamp) -> [Figure; 5] {
    let nodes: Vec<NodeView<'_>> = view.nodes.iter().map(|node| NodeView::new(node)).collect();
    let pools: Vec<PoolView<'_>> = view.pools.iter().map(|pool| PoolView::new(pool)).collect();
    let membership = assign(&pools, &nodes);
    let overlapping = nodes.iter().zip(&membership.assignments).filter(|(_, assigned)| assigned.is_overlap());
    let primary = nodes.iter().zip(&membership.assignments).filter_map(|(n, a)| Some((n.name, a.primary()?))).collect();
    [
        Figure {
            name: "mcc_boot_image_skew_enforcement_none",
            help: "1 when nobody cares how old boot images are, where they could be kept up to date",
            values: [(Vec::new(), i64::from(nobody_cares(view)))].into(),
        },
        Figure {
            name: "mcc_drain_err",
            help: "1 for nodes whose drain takes more than an hour",
            values: nodes.iter().filter(|node| drain::is_failing(node, now)).map(|node| of_node(node.name)).collect(),
        },
        Figure {
            name: "mcc_pool_alert",
            help: "1 for nodes that pool master and a custom pool both claim",
            values: overlapping.map(|(node, _)| of_node(node.name)).collect(),
        },
        Figure {
            name: "mcc_sub_controller_state",
            help: "When a controller last did a step for an object, in seconds since 1970",
            values: view
                .steps
                .iter()
                .map(|((controller, state, object), at)| {
                    let labels = vec![
                        ("object", object.clone()),
                        ("state", state.clone()),
                        ("subcontroller", (*controller).to_owned()),
                    ];
                    (labels, at.as_second())
                })
                .collect(),
        },
        states(view.reports, &primary),
    ]
}

fn of_node(name: &str) -> (Vec<(&'static str, String)>, i64) {
    (vec![("node", name.to_owned())], 1)
}

fn nobody_cares(view: &ReferenceView<'_>) -> bool {
    let status = view.configuration.and_then(|object| object.status.as_ref());
    let mode = status.and_then(|status| Some(status.boot_image_skew_enforcement_status.as_ref()?.mode.as_str()));
    let Some(config) = view.controller_config.filter(|_| mode == Some(NONE)) else { return false };
    let platform = config.spec.infra.as_ref().and_then(|infra| infra.pointer("/status/platformStatus/type")?.as_str());
    config.spec.control_plane_topology().is_some_and(|topology| topology != SINGLE_REPLICA)
        && platform != Some(BARE_METAL)
}

/// The state of each node: the condition of its MachineConfigNode that became true last.
fn states(reports: &[&MachineConfigNode], primary: &BTreeMap<&str, &str>) -> Figure {
    let state = |report: &&MachineConfigNode| {
        let name = report.metadata.name.as_deref()?;
        let conditions = report.status.as_ref()?.conditions.as_deref()?.iter();
        let conditions = conditions.filter(|condition| condition.status == TRUE);
        let latest = conditions.filter_map(|one| Some((one.last_transition_time.as_ref()?.0, one)));
        let (since, latest) = latest.max_by_key(|(since, _)| *since)?;
        let labels = vec![
            ("node", name.to_owned()),
            ("pool", (*primary.get(name)?).to_owned()),
            ("reason", latest.reason.clone()),
            ("state", latest.type_.clone()),
        ];
        Some((labels, since.as_second()))
    };
    Figure {
        name: "mco_state",
        help: "What each node is at, and since when, in seconds since 1970",
        values: reports.iter().filter_map(state).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read<T: serde::de::DeserializeOwned>(object: Value) -> T {
        serde_json::from_value(object).unwrap()
    }

    fn pool(name: &str) -> MachineConfigPool {
        let selector = json!({"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}});
        read(json!({"metadata": {"name": name}, "spec": {"nodeSelector": selector}}))
    }

    fn node(name: &str, roles: &[&str], drain_started: Option<&str>) -> Node {
        let labels: BTreeMap<_, _> = roles.iter().map(|r| (format!("node-role.kubernetes.io/{r}"), "")).collect();
        let mut annotations = json!({"machineconfiguration.openshift.io/desiredDrain": "drain-x"});
        if let Some(started) = drain_started {
            annotations[weir_api::keys::drain::DRAIN_STARTED] = json!(started);
        }
        read(json!({"metadata": {"name": name, "labels": labels, "annotations": annotations}}))
    }

    fn values(all: &[Figure], name: &str) -> Vec<(String, i64)> {
        let figure = all.iter().find(|figure| figure.name == name).unwrap();
        let text =
            |labels: &[(&'static str, String)]| labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
        figure.values.iter().map(|(labels, value)| (text(labels).join(","), *value)).collect()
    }

    #[test]
    fn nodes_are_named_where_alerts_need_it() {
        let pools = [pool("master"), pool("worker"), pool("infra")];
        let nodes = [
            node("m", &["master", "infra"], None),
            node("slow", &["worker"], Some("2026-01-01T00:00:00Z")),
            node("fresh", &["worker"], Some("2026-01-01T00:30:00Z")),
        ];
        let condition = |type_: &str, status: &str, reason: &str, since: &str| json!({"type": type_, "status": status, "reason": reason, "message": "", "lastTransitionTime": since});
        let report = |name: &str| -> MachineConfigNode {
            read(
                json!({"metadata": {"name": name}, "spec": {"node": {"name": name}, "pool": {"name": "worker"}, "configVersion": {"desired": "x"}}, "status": {
                    "configVersion": {"desired": "x"},
                    "conditions": [
                        condition("Updated", "False", "U", "1970-01-01T00:01:40Z"),
                        condition("Cordoned", "True", "C", "1970-01-01T00:01:00Z"),
                        condition("Drained", "True", "D", "1970-01-01T00:01:30Z"),
                    ],
                }}),
            )
        };
        let reports = [report("slow"), report("gone")];
        let at: Timestamp = "1970-01-01T00:00:07Z".parse().unwrap();
        let step = |object: &str| (("machine-config-controller-drain", "drain".to_owned(), object.to_owned()), at);
        let configuration: MachineConfiguration =
            read(json!({"spec": {}, "status": {"bootImageSkewEnforcementStatus": {"mode": "None"}}}));
        let skew = |infra: Value| {
            let mut config = ControllerConfig::default();
            config.spec.infra = Some(infra);
            let all = figures(
                &ReferenceView {
                    pools: &pools.iter().collect::<Vec<_>>(),
                    nodes: &nodes.iter().collect::<Vec<_>>(),
                    reports: &reports.iter().collect::<Vec<_>>(),
                    controller_config: Some(&config),
                    configuration: Some(&configuration),
                    steps: &[step("slow")].into(),
                },
                "2026-01-01T01:00:01Z".parse().unwrap(),
            );
            (values(&all, "mcc_boot_image_skew_enforcement_none")[0].1, all)
        };
        let aws = json!({"status": {"controlPlaneTopology": "HighlyAvailable", "platformStatus": {"type": "AWS"}}});
        let (none, all) = skew(aws);
        assert_eq!(none, 1);
        assert_eq!(values(&all, "mcc_drain_err"), [("node=slow".to_owned(), 1)]);
        assert_eq!(values(&all, "mcc_pool_alert"), [("node=m".to_owned(), 1)]);
        assert_eq!(values(&all, "mco_state"), [("node=slow,pool=worker,reason=D,state=Drained".to_owned(), 90)]);
        let step = "object=slow,state=drain,subcontroller=machine-config-controller-drain";
        assert_eq!(values(&all, "mcc_sub_controller_state"), [(step.to_owned(), 7)]);
        let one = json!({"status": {"controlPlaneTopology": "SingleReplica", "platformStatus": {"type": "AWS"}}});
        let metal =
            json!({"status": {"controlPlaneTopology": "HighlyAvailable", "platformStatus": {"type": "BareMetal"}}});
        assert_eq!((skew(one).0, skew(metal).0, skew(json!({})).0), (0, 0, 0));
    }
}
