//! JSON patches, applied one operation at a time within bounds: a `copy` of a value into itself doubles size and depth.

use crate::{bounds::DEEPEST, status::Failure};
use json_patch::PatchOperation;
use serde_json::Value;
use weir_apischema::weight::{LARGEST_DRAFT, Weight};

/// Maximum number of operations in one JSON patch; more could keep the server busy for long (`k8s.io/apiserver`).
pub(super) const MOST_OPERATIONS: usize = 10_000;
/// Bytes that the `copy` operations of one patch may add (`JSONPatchMaxCopyBytes` of `k8s.io/apiserver`).
const LARGEST_COPY: usize = LARGEST_DRAFT;
/// Maximum number of values that the operations of one patch may touch, apart from those they contain: a tenth of a
/// second of work.
const MOST_WORK: usize = 10_000_000;
/// Shifting this many elements of a list takes as long as looking at one value.
const SHIFTED_AT_ONCE: usize = 16;

/// Applies a JSON patch.
pub(crate) fn apply(object: &Value, patch: &json_patch::Patch) -> Result<Value, Failure> {
    let mut patched = object.clone();
    let mut spent = Spent::default();
    for operation in &patch.0 {
        spent.charge(&patched, operation)?;
        json_patch::patch_unsafe(&mut patched, std::slice::from_ref(operation))
            .map_err(|_| Failure::unprocessable_patch())?;
    }
    Ok(patched)
}

/// What the operations have cost so far.
#[derive(Default)]
struct Spent {
    copied: usize,
    work: usize,
}

impl Spent {
    /// Counts an operation before it is applied. An operation that cannot be applied is refused later.
    fn charge(&mut self, object: &Value, operation: &PatchOperation) -> Result<(), Failure> {
        let at = |path: &str| object.pointer(path).map(Weight::of).unwrap_or_default();
        let (brought, shifts) = match operation {
            PatchOperation::Test(_) => return Ok(()),
            PatchOperation::Add(add) => (Weight::of(&add.value), true),
            PatchOperation::Replace(replace) => (Weight::of(&replace.value), false),
            PatchOperation::Remove(_) => (Weight::default(), true),
            PatchOperation::Move(from) => {
                let moved = at(from.from.as_str());
                self.work += moved.values + shifted(object, from.from.as_str());
                (moved, true)
            }
            PatchOperation::Copy(from) => {
                let copied = at(from.from.as_str());
                self.copied += copied.bytes;
                self.work += copied.values;
                (copied, true)
            }
        };
        let path = operation.path();
        if shifts {
            self.work += shifted(object, path.as_str());
        }
        if path.count() + brought.depth > DEEPEST || self.copied > LARGEST_COPY {
            return Err(Failure::unprocessable_patch());
        }
        if self.work > MOST_WORK {
            let message = format!("The operations of the JSON patch touch more than {MOST_WORK} values of the object");
            return Err(Failure::too_large_entity(message));
        }
        Ok(())
    }
}

/// The cost of shifting elements of the list that a path leads into, for an insertion or a removal.
fn shifted(object: &Value, path: &str) -> usize {
    let list = path.rsplit_once('/').filter(|(_, last)| *last != "-").and_then(|(list, _)| object.pointer(list));
    let list = list.and_then(Value::as_array);
    list.map_or(0, |list| list.len() / SHIFTED_AT_ONCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{prelude::*, sample::select};
    use serde_json::json;

    fn patched(object: &Value, operations: &Value) -> Result<Value, Failure> {
        apply(object, &serde_json::from_value(operations.clone()).unwrap())
    }

    #[test]
    fn copies_of_a_value_into_itself_are_bounded() {
        let object = json!({"data": {"a": "x"}});
        let deep = |n: u32| -> Value {
            let path = |k: u32| format!("/data{}", "/d".repeat(2_usize.pow(k)));
            (0..n).map(|k| json!({"op": "copy", "from": "/data", "path": path(k)})).collect()
        };
        assert!(patched(&object, &deep(6)).is_ok());
        assert_eq!(patched(&object, &deep(7)).unwrap_err(), Failure::unprocessable_patch());
        assert_eq!(patched(&object, &deep(14)).unwrap_err(), Failure::unprocessable_patch());
        let wide = |n: usize| -> Value {
            (0..n).map(|k| json!({"op": "copy", "from": "/data", "path": format!("/data/w{k}")})).collect()
        };
        let kept = patched(&object, &wide(16)).unwrap();
        assert!(Weight::of(&kept).bytes < 2 * LARGEST_COPY);
        assert_eq!(patched(&object, &wide(30)).unwrap_err(), Failure::unprocessable_patch());
    }

    #[test]
    fn depth_is_bounded_however_it_is_reached() {
        let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({"a": inner}));
        let object = json!({"deep": nested(100), "list": [[]], "text": "x"});
        let inside = format!("/deep{}", "/a".repeat(99));
        let refused = [
            json!([{"op": "add", "path": inside, "value": nested(100)}]),
            json!([{"op": "replace", "path": inside, "value": nested(100)}]),
            json!([{"op": "copy", "from": "/deep", "path": inside}]),
            json!([{"op": "add", "path": "/other", "value": nested(100)}, {"op": "move", "from": "/other", "path": inside}]),
        ];
        for operations in refused {
            assert_eq!(patched(&object, &operations).unwrap_err(), Failure::unprocessable_patch(), "{operations}");
        }
        let harmless = json!([{"op": "move", "from": "/deep/a", "path": "/deep"}, {"op": "copy", "from": "/text", "path": "/list/0/-"}]);
        assert!(patched(&object, &harmless).is_ok());
    }

    #[test]
    fn the_work_of_a_patch_is_bounded() {
        let object = json!({"list": vec![0; 500_000], "other": {}});
        let back_and_forth = json!([{"op": "move", "from": "/list", "path": "/other/list"},
            {"op": "move", "from": "/other/list", "path": "/list"}]);
        let first = json!({"op": "remove", "path": "/list/0"});
        let repeated = |operations: &Value, n: usize| -> Value {
            (0..n).flat_map(|_| operations.as_array().unwrap().clone()).collect()
        };
        assert!(patched(&object, &repeated(&back_and_forth, 5)).is_ok());
        for many in [repeated(&back_and_forth, 1_000), repeated(&json!([first]), 10_000)] {
            assert_eq!(patched(&object, &many).unwrap_err().code, 413);
        }
    }

    fn any_operation() -> impl Strategy<Value = Value> {
        let path = proptest::collection::vec(select(vec!["a", "b", "0", "-", "l"]), 0..4)
            .prop_map(|steps| steps.iter().map(|step| format!("/{step}")).collect::<String>());
        (select(vec!["add", "remove", "replace", "move", "copy", "copy"]), path.clone(), path, 0..4_usize).prop_map(
            |(op, from, path, value)| {
                let value = [json!({"a": {"b": 1}}), json!([1, 2]), json!("x"), json!({})][value].clone();
                json!({"op": op, "from": from, "path": path, "value": value})
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(11), ..ProptestConfig::default() })]

        /// Within bounds, the result equals the library's, and every result is within bounds.
        #[test]
        fn within_bounds_results_equal_those_of_the_library(operations in proptest::collection::vec(any_operation(), 0..40)) {
            let object = json!({"a": {"b": {"l": [1, {"a": 2}]}}, "l": [[], {}], "b": "text"});
            let operations = Value::from(operations);
            let patch: json_patch::Patch = serde_json::from_value(operations.clone()).unwrap();
            match apply(&object, &patch) {
                Ok(own) => {
                    let mut theirs = object.clone();
                    json_patch::patch(&mut theirs, &patch).unwrap();
                    prop_assert!(Weight::of(&own).depth <= DEEPEST);
                    prop_assert_eq!(own, theirs);
                }
                Err(failure) => prop_assert_eq!(failure, Failure::unprocessable_patch()),
            }
        }
    }
}
