//! The examples in the user documentation are valid under our definitions: nothing unknown, nothing refused, each kind once.
#![allow(clippy::unwrap_used, reason = "a test: a malformed example shall stop it")]

use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};
use weir_api::crds::{FeatureSet, own};
use weir_apischema::schema::Schema;

/// Kind and content of every example.
fn examples() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/user/examples");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let read = |path: std::path::PathBuf| {
        let object: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (object["kind"].as_str().unwrap().to_owned(), object)
    };
    files.map(read).collect()
}

#[test]
fn every_example_is_valid() {
    for set in FeatureSet::ALL {
        let mut definitions: BTreeMap<String, Value> = own(set)
            .into_iter()
            .map(|definition| (definition["spec"]["names"]["kind"].as_str().unwrap().to_owned(), definition))
            .collect();
        for (kind, mut object) in examples() {
            let definition =
                definitions.remove(&kind).unwrap_or_else(|| panic!("{kind}: a second example, or no kind"));
            let version = &definition["spec"]["versions"][0];
            let version_name = version["name"].as_str().unwrap();
            assert_eq!(
                object["apiVersion"],
                format!("{}/{version_name}", definition["spec"]["group"].as_str().unwrap())
            );
            let schema = Schema::compile(&version["schema"]["openAPIV3Schema"]).unwrap();
            let unknown = schema.prune(&mut object);
            assert!(unknown.is_empty(), "{kind}: not known: {unknown:?}");
            schema.default(&mut object).unwrap();
            let errors = schema.validate(&object, None);
            assert!(errors.is_empty(), "{kind}: {errors:?}");
        }
        assert!(definitions.is_empty(), "without example: {:?}", definitions.keys());
    }
}
