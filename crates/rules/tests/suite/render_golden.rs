//! Recorded renderings of the reference, compared case by case: names, specs and annotations equal, errors for the same
//! reason.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use weir_api::{ControllerConfig, MachineConfig, MachineConfigPool, os_image_stream::OSImageStreamSet};
use weir_rules::render::{Build, RenderInput, render};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    id: u32,
    pool: MachineConfigPool,
    machine_configs: Vec<MachineConfig>,
    controller_config: ControllerConfig,
    stream: Option<OSImageStreamSet>,
    rendered: Option<Expected>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Expected {
    name: String,
    spec: Value,
    annotations: BTreeMap<String, String>,
}

/// What of an error is the reason: its last line without where it was found in the text.
fn reason(error: &str) -> &str {
    let line = error.lines().find(|l| l.starts_with("error at ")).or(error.lines().next()).unwrap_or_default();
    let line = error.lines().find_map(|l| l.split("error at ").nth(1)).unwrap_or(line);
    line.split_once(": ").filter(|_| line.starts_with('$')).map_or(line, |(_, reason)| reason)
}

#[test]
fn recorded_renderings() {
    let text = weir_recorded::read("render.jsonl");
    // The build that was recorded.
    let build = Build {
        raw: "v0.0.0-was-not-built-properly".to_owned(),
        hash: "was-not-built-properly".to_owned(),
        release: Some("0.0.1-snapshot".to_owned()),
    };
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in text.lines().map(|line| serde_json::from_str::<Case>(line).unwrap()) {
        count += 1;
        let configs: Vec<&MachineConfig> = case.machine_configs.iter().collect();
        let input = RenderInput {
            stream: case.stream.as_ref(),
            build: Some(&build),
            ..RenderInput::new(&case.pool, &configs, &case.controller_config)
        };
        match (render(&input), case.rendered, case.error) {
            (Ok(rendered), Some(expected), _) => {
                let spec = serde_json::to_value(&rendered.config.spec).unwrap();
                if spec != expected.spec {
                    wrong.push(format!("{}: spec\n{spec}\n{}", case.id, expected.spec));
                } else if rendered.name() != expected.name {
                    wrong.push(format!("{}: name {} not {}", case.id, rendered.name(), expected.name));
                } else if rendered.config.metadata.annotations != Some(expected.annotations) {
                    wrong.push(format!("{}: annotations {:?}", case.id, rendered.config.metadata.annotations));
                }
            }
            (Err(error), _, Some(expected)) if error.to_string().contains(reason(&expected)) => {}
            (result, _, expected) => {
                wrong.push(format!("{}: {:?} where {expected:?}", case.id, result.map(|r| r.name().to_owned())));
            }
        }
    }
    println!("{count} cases, {} differ", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 120, "the recording has lost cases: {count}");
}
