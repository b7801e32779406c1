//! What the recorded tree of templates gives for each pool.

use std::{collections::BTreeMap, sync::Mutex};
use weir_api::{APIServer, ControllerConfig, MachineConfigPool};
use weir_rules::{
    generated::base::Templates,
    template::{TemplateInput, TlsSettings, Tree, of_role},
};

/// No logins: generators read no file that has them.
const NO_LOGINS: &str = "{}";

/// What was evaluated, by what it was evaluated from: most cases have the same.
static EVALUATED: Mutex<BTreeMap<String, Templates>> = Mutex::new(BTreeMap::new());

/// What the templates give for each pool.
pub fn templates(
    overlay: Option<&BTreeMap<String, Option<String>>>,
    controller_config: &ControllerConfig,
    api_server: Option<&APIServer>,
    pools: &[MachineConfigPool],
) -> Templates {
    let names: Vec<_> = pools.iter().map(|pool| &pool.metadata.name).collect();
    let key = serde_json::to_string(&(overlay, controller_config, api_server, names)).unwrap();
    let known = EVALUATED.lock().unwrap().get(&key).cloned();
    known.unwrap_or_else(|| {
        let made = evaluate(overlay, controller_config, api_server, pools);
        EVALUATED.lock().unwrap().insert(key, made.clone());
        made
    })
}

fn evaluate(
    overlay: Option<&BTreeMap<String, Option<String>>>,
    controller_config: &ControllerConfig,
    api_server: Option<&APIServer>,
    pools: &[MachineConfigPool],
) -> Templates {
    let main = weir_recorded::read("generated/tree-main.json");
    let mut files: BTreeMap<String, Option<String>> = serde_json::from_str(&main).unwrap();
    files.extend(overlay.into_iter().flatten().map(|(path, text)| (path.clone(), text.clone())));
    let mut tree = Tree::default();
    for (path, text) in files {
        if let Some(text) = text {
            tree.add_file(&path, text.as_bytes()).unwrap();
        }
    }
    let tls = TlsSettings::of(api_server.and_then(|server| server.spec.tls_security_profile.as_ref()));
    let input = TemplateInput { controller_config, pull_secret: Some(NO_LOGINS), tls: &tls, build: "", release: None };
    let of = |pool: &MachineConfigPool| {
        let name = pool.metadata.name.clone().unwrap();
        let configs = of_role(&tree, &input, &name).map_err(|error| error.to_string());
        (name, configs)
    };
    pools.iter().map(of).collect()
}
