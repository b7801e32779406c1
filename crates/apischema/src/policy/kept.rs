//! Policies that were compiled lately. One is compiled when it is validated and again when it is stored, and all of them whenever one
//! changes.

use super::Policy;
use crate::schema::FieldError;
use parking_lot::Mutex;
use serde_json::Value;
use std::{collections::VecDeque, sync::Arc};

/// How many are kept: more than a cluster's own components bring.
const MOST: usize = 32;
/// The longest that are kept, in bytes of JSON, so that all of them stay within a few MiB. Published ones are a few KiB long.
const LONGEST: usize = 16 << 10;

static KEPT: Mutex<VecDeque<Kept>> = Mutex::new(VecDeque::new());

struct Kept {
    name: Value,
    spec: Value,
    policy: Arc<Policy>,
}

impl Kept {
    fn is_of(&self, object: &Value) -> bool {
        self.name == object["metadata"]["name"] && self.spec == object["spec"]
    }
}

/// A policy of a ValidatingAdmissionPolicy object, compiled unless it was lately.
///
/// # Errors
/// Those of [`Policy::compile`].
pub fn compiled(object: &Value) -> Result<Arc<Policy>, Vec<FieldError>> {
    if let Some(kept) = KEPT.lock().iter().find(|kept| kept.is_of(object)) {
        return Ok(kept.policy.clone());
    }
    // Compiled without holding the lock: an expression may take long.
    let policy = Arc::new(Policy::compile(object)?);
    let (name, spec) = (object["metadata"]["name"].clone(), object["spec"].clone());
    if spec.to_string().len() <= LONGEST {
        let mut kept = KEPT.lock();
        kept.truncate(MOST - 1);
        kept.push_front(Kept { name, spec, policy: policy.clone() });
    }
    Ok(policy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str, expression: &str) -> Value {
        let constraints = json!({"resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"],
        }]});
        let validations = json!([{"expression": expression}]);
        json!({"metadata": {"name": name}, "spec": {"matchConstraints": constraints, "validations": validations}})
    }

    #[test]
    fn a_policy_is_compiled_once_unless_it_changes_or_is_long() {
        let first = compiled(&object("kept", "1 == 1")).unwrap();
        assert!(Arc::ptr_eq(&first, &compiled(&object("kept", "1 == 1")).unwrap()));
        assert!(!Arc::ptr_eq(&first, &compiled(&object("kept", "2 == 2")).unwrap()));
        assert_eq!(compiled(&object("other", "1 == 1")).unwrap().name(), "other");
        for _ in 0..2 {
            compiled(&object("kept", "1 ==")).unwrap_err();
        }
        let long = object("long", &format!("'{}' == ''", "x".repeat(LONGEST - 16)));
        assert!(!Arc::ptr_eq(&compiled(&long).unwrap(), &compiled(&long).unwrap()));
        for number in 0..=MOST {
            compiled(&object(&number.to_string(), "1 == 1")).unwrap();
        }
        assert!(KEPT.lock().len() <= MOST);
    }
}
