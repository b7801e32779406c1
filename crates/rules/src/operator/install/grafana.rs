//! A board for Grafana.
//!
//! R-BOARD-1 The board answers from top to bottom: how far are the pools, which stream does each run, what holds nodes up, what goes
//! wrong, and does weir itself work.
//! R-BOARD-2 Operator, controller and their standbys may each export a series: panels count it once, as alerts do.
//! R-BOARD-3 The board comes as a ConfigMap with the label by which Grafana's Helm chart finds boards. Data source and pools are chosen on
//! the board.
//!
//! Sources: "Dashboard JSON model" of the Grafana documentation; "Sidecar for dashboards" in `charts/grafana/README.md` of
//! github.com/grafana/helm-charts.

use super::metadata;
use serde_json::{Value, json};

/// Name of the ConfigMap.
const NAME: &str = "grafana-dashboard-weir";
/// Its key with the board.
const KEY: &str = "weir.json";
/// The label by which Grafana's Helm chart finds boards.
const LABEL: &str = "grafana_dashboard";
/// Version of the JSON model: that of Grafana 10.
const SCHEMA: u32 = 38;
/// A board is so many columns wide.
const WIDTH: usize = 24;
/// Panels next to each other.
const COLUMNS: usize = 2;
/// A panel is so many rows high.
const HEIGHT: usize = 8;

/// How a panel shows its series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// The present values, as numbers.
    Now,
    /// A row for each series.
    Rows,
    /// Values over time.
    Time,
}

impl Shows {
    fn kind(self) -> &'static str {
        match self {
            Self::Now => "stat",
            Self::Rows => "table",
            Self::Time => "timeseries",
        }
    }
}

/// One panel.
#[derive(Clone, Copy, Debug)]
struct Panel {
    title: &'static str,
    shows: Shows,
    /// Expressions in PromQL, each with the name of its series.
    series: &'static [(&'static str, &'static str)],
}

/// The panels, from top to bottom (R-BOARD-1).
const PANELS: [Panel; 12] = [
    Panel {
        title: "Nodes that run their pool's configuration",
        shows: Shows::Time,
        series: &[
            ("max by (pool) (mco_updated_machine_count{pool=~\"$pool\"})", "{{pool}} updated"),
            ("max by (pool) (mco_machine_count{pool=~\"$pool\"})", "{{pool}} all"),
        ],
    },
    Panel {
        title: "What nodes are at, and what they wait for",
        shows: Shows::Time,
        series: &[(
            "sum by (state, reason) (max by (pool, state, reason) (weir_pool_nodes{pool=~\"$pool\"}))",
            "{{state}} {{reason}}",
        )],
    },
    Panel {
        title: "Stream of each pool",
        shows: Shows::Rows,
        series: &[("max by (pool, stream) (weir_pool_stream_info{pool=~\"$pool\"})", "")],
    },
    Panel {
        title: "Available streams",
        shows: Shows::Rows,
        series: &[("max by (stream, default, retained, os_image) (weir_os_image_stream_info)", "")],
    },
    Panel {
        title: "Unavailable nodes",
        shows: Shows::Time,
        series: &[("max by (pool) (mco_unavailable_machine_count{pool=~\"$pool\"})", "{{pool}}")],
    },
    Panel {
        title: "Degraded nodes",
        shows: Shows::Time,
        series: &[("max by (pool) (mco_degraded_machine_count{pool=~\"$pool\"})", "{{pool}}")],
    },
    Panel {
        title: "Drains that are blocked, and nodes slower than forecast",
        shows: Shows::Time,
        series: &[
            ("max by (pool) (weir_drains_blocked{pool=~\"$pool\"})", "{{pool}} blocked"),
            ("max by (pool) (weir_slow_nodes{pool=~\"$pool\"})", "{{pool}} slow"),
        ],
    },
    Panel {
        title: "Conditions that need attention",
        shows: Shows::Rows,
        series: &[("max by (pool, condition, reason) (weir_pool_condition{pool=~\"$pool\"})", "")],
    },
    Panel {
        title: "Image builds",
        shows: Shows::Time,
        series: &[("max by (pool, state) (ocl_build_state{pool=~\"$pool\"})", "{{pool}} {{state}}")],
    },
    Panel {
        title: "Second reboots for one change",
        shows: Shows::Now,
        series: &[("max by (pool) (increase(weir_reboots_again_total{pool=~\"$pool\"}[$__range]))", "{{pool}}")],
    },
    Panel {
        title: "Leases with a leader",
        shows: Shows::Now,
        series: &[("max by (lease) (weir_leader)", "{{lease}}")],
    },
    Panel {
        title: "Passes of controllers: nine of ten take less, and failures",
        shows: Shows::Time,
        series: &[
            (
                "histogram_quantile(0.9, sum by (le, controller) (rate(weir_reconcile_duration_seconds_bucket[$__rate_interval])))",
                "{{controller}}",
            ),
            ("sum by (controller) (rate(weir_reconcile_errors_total[$__rate_interval]))", "{{controller}} fails"),
        ],
    },
];

/// The ConfigMap with the board.
#[must_use]
pub fn config_map() -> Value {
    let mut metadata = metadata(NAME);
    metadata["labels"][LABEL] = "1".into();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: format!("{:#}\n", board())}})
}

/// The expressions of the board, with its variables.
pub fn expressions() -> impl Iterator<Item = &'static str> {
    PANELS.iter().flat_map(|panel| panel.series.iter().map(|(expression, _)| *expression))
}

fn board() -> Value {
    let variable = |name: &str, kind: &str, query: &str| json!({"name": name, "type": kind, "query": query});
    let mut pools = variable("pool", "query", "label_values(mco_machine_count, pool)");
    pools["datasource"] = source();
    (pools["multi"], pools["includeAll"], pools["allValue"]) = (true.into(), true.into(), ".*".into());
    pools["current"] = json!({"text": "All", "value": "$__all"});
    // Pools come and go: asked for again whenever the time range changes.
    pools["refresh"] = 2.into();
    let panels: Vec<Value> = PANELS.iter().enumerate().map(|(at, panel)| panel.value(at)).collect();
    json!({
        "uid": "weir", "title": "weir", "tags": ["weir"], "schemaVersion": SCHEMA, "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [variable("datasource", "datasource", "prometheus"), pools]},
        "panels": panels,
    })
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

impl Panel {
    fn value(&self, at: usize) -> Value {
        let now = self.shows != Shows::Time;
        let targets = self.series.iter().zip('A'..).map(|((expression, legend), id)| {
            let format = if self.shows == Shows::Rows { "table" } else { "time_series" };
            json!({"refId": id.to_string(), "expr": expression, "legendFormat": legend, "instant": now, "range": !now, "format": format})
        });
        json!({
            "id": at + 1, "title": self.title, "type": self.shows.kind(), "datasource": source(),
            "gridPos": {"x": at % COLUMNS * (WIDTH / COLUMNS), "y": at / COLUMNS * HEIGHT, "w": WIDTH / COLUMNS, "h": HEIGHT},
            "targets": targets.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_board_is_one_key_of_a_config_map_that_grafana_finds() {
        let map = config_map();
        assert_eq!(map["metadata"]["labels"][LABEL], "1");
        let board: Value = serde_json::from_str(map["data"][KEY].as_str().unwrap()).unwrap();
        let panels = board["panels"].as_array().unwrap();
        assert_eq!(panels.len(), PANELS.len());
        let (mut ids, mut places) = (Vec::new(), Vec::new());
        for panel in panels {
            ids.push(panel["id"].as_u64().unwrap());
            places.push((panel["gridPos"]["y"].as_u64().unwrap(), panel["gridPos"]["x"].as_u64().unwrap()));
        }
        assert!(ids.is_sorted_by(|a, b| a < b) && places.is_sorted_by(|a, b| a < b), "{ids:?} {places:?}");
    }
}
