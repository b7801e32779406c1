//! Validation of objects: values, rules, and what an update may leave as it is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use serde_json::{Value, json};
use weir_apischema::schema::{FieldError, Schema};

fn schema(spec: Value) -> Schema {
    let openapi = json!({"type": "object", "properties": {"spec": spec}});
    Schema::compile(&openapi).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn texts(errors: &[FieldError]) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// What is wrong with a `spec`, on create or when it replaces an old one.
fn wrong(schema: &Schema, new: Value, old: Option<Value>) -> Vec<String> {
    let object = |spec: Value| json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "n"}, "spec": spec});
    texts(&schema.validate(&object(new), old.map(object).as_ref()))
}

#[test]
fn values() {
    for (spec, value, expected) in [
        (json!({"type": "integer"}), json!(1.0), vec![]),
        (
            json!({"type": "integer"}),
            json!(1.5),
            vec![
                "spec: Invalid value: \"number\": spec in body must be of type integer: \"number\"",
                "<nil>: Invalid value: \"\": Checked value must be of type integer (default format) in spec",
            ],
        ),
        (json!({"type": "integer", "format": "int32"}), json!(2_147_483_647), vec![]),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(2_147_483_648_i64),
            vec!["<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in spec"],
        ),
        (
            json!({"type": "integer"}),
            json!(9_223_372_036_854_775_808_u64),
            vec!["<nil>: Invalid value: \"\": Checked value must be of type integer (default format) in spec"],
        ),
        (json!({"type": "number"}), json!(1), vec![]),
        (
            json!({"type": "string"}),
            json!(null),
            vec!["spec: Invalid value: \"null\": spec in body must be of type string: \"null\""],
        ),
        (json!({"type": "string", "nullable": true}), json!(null), vec![]),
        (
            json!({"type": "string", "format": "date-time"}),
            json!(5),
            vec!["spec: Invalid value: \"int64\": spec in body must be of type date-time: \"int64\""],
        ),
        (
            json!({"type": "string", "format": "date-time"}),
            json!("x"),
            vec!["spec: Invalid value: \"x\": spec in body must be of type date-time: \"x\""],
        ),
        (json!({"type": "string", "format": "unknown"}), json!("x"), vec![]),
        (
            json!({"type": "string", "maxLength": 2, "pattern": "^a"}),
            json!("ñññ"),
            vec!["spec: Too long: may not be more than 2 bytes"],
        ),
        (
            json!({"type": "string", "maxLength": 3, "pattern": "^a"}),
            json!("ñññ"),
            vec!["spec: Invalid value: \"ñññ\": spec in body should match '^a'"],
        ),
        (
            json!({"type": "string", "minLength": 2}),
            json!(""),
            vec!["spec: Invalid value: \"\": spec in body should be at least 2 chars long"],
        ),
        (
            json!({"type": "integer", "minimum": 1, "maximum": 3, "exclusiveMaximum": true}),
            json!(3),
            vec!["spec: Invalid value: 3: spec in body should be less than 3"],
        ),
        (
            json!({"type": "integer", "minimum": 1}),
            json!(0),
            vec!["spec: Invalid value: 0: spec in body should be greater than or equal to 1"],
        ),
        (
            json!({"type": "number", "multipleOf": 0.5}),
            json!(0.7),
            vec!["spec: Invalid value: 0.7: spec in body should be a multiple of 0.5"],
        ),
        (
            json!({"type": "string", "enum": ["a", "b"]}),
            json!("c"),
            vec!["spec: Unsupported value: \"c\": supported values: \"a\", \"b\""],
        ),
        (json!({"type": "integer", "enum": [1, 2]}), json!(2.0), vec![]),
        (
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 1}),
            json!([]),
            vec!["spec: Invalid value: 0: spec in body should have at least 1 items"],
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 1}),
            json!(["a", "b"]),
            vec!["spec: Too many: 2: must have at most 1 item"],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 1}),
            json!({"a": 1, "b": 2}),
            vec!["spec: Too many: 2: must have at most 1 item"],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1}),
            json!({}),
            vec!["spec: Invalid value: 0: spec in body should have at least 1 properties"],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"a.b": 1}),
            vec!["spec.a.b: Invalid value: \"integer\": spec.a.b in body must be of type string: \"integer\""],
        ),
        (
            json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}),
            json!({"b": 1}),
            vec![
                "spec.b: Invalid value: \"integer\": spec.b in body must be of type string: \"integer\"",
                "spec.a: Required value",
            ],
        ),
        (json!({"x-kubernetes-int-or-string": true}), json!("5%"), vec![]),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            vec!["spec: Invalid value: \"boolean\": spec in body must be of type integer,string: \"boolean\""],
        ),
        (
            json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}),
            json!(5),
            vec![],
        ),
        (
            json!({"type": "string", "oneOf": [{"pattern": "^a"}, {"pattern": "b$"}]}),
            json!("ab"),
            vec![
                "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
            ],
        ),
        (
            json!({"type": "string", "not": {"enum": ["x"]}}),
            json!("x"),
            vec!["<nil>: Invalid value: \"\": \"spec\" must not validate the schema (not)"],
        ),
        (
            json!({"type": "string", "anyOf": [{"pattern": "^a"}, {"pattern": "^b"}]}),
            json!("c"),
            vec![
                "<nil>: Invalid value: \"\": \"spec\" must validate at least one schema (anyOf)",
                "spec: Invalid value: \"c\": spec in body should match '^a'",
            ],
        ),
        (
            json!({"type": "string", "allOf": [{"minLength": 1}, {"maxLength": 2}]}),
            json!("abc"),
            vec![
                "spec: Too long: may not be more than 2 bytes",
                "<nil>: Invalid value: \"\": \"spec\" must validate all the schemas (allOf)",
            ],
        ),
    ] {
        assert_eq!(wrong(&schema(spec.clone()), value.clone(), None), expected, "{spec} {value}");
    }
}

/// A spec with one rule.
fn ruled(mut spec: Value, rule: Value) -> Schema {
    spec["x-kubernetes-validations"] = json!([rule]);
    schema(spec)
}

#[test]
fn what_rules_see() {
    let spec = json!({"type": "object", "properties": {
        "my-field": {"type": "integer"}, "namespace": {"type": "string"}, "a__b": {"type": "string"},
        "time": {"type": "string", "format": "date-time"}, "day": {"type": "string", "format": "date"}, "span": {"type": "string", "format": "duration"},
        "raw": {"type": "string", "format": "byte"}, "ratio": {"type": "number"}, "count": {"type": "integer"},
        "port": {"x-kubernetes-int-or-string": true}, "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "list": {"type": "array", "items": {"type": "integer"}},
        "template": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}}});
    let value = json!({"my-field": 1, "namespace": "ns", "a__b": "x", "time": "2024-01-02T03:04:05Z", "day": "2024-01-02", "span": "1h",
        "raw": "aGk=", "ratio": 2, "count": 3.0, "port": "80%", "map": {"a.b": "1", "c-d": "2"}, "list": [3, 1, 2],
        "template": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}}, "spec": {"x": 1}}});
    for rule in [
        "self.my__dash__field == 1 && self.__namespace__ == 'ns' && self.a__underscores__b == 'x'",
        "self.time > timestamp('2024-01-01T00:00:00Z') && self.time.getFullYear() == 2024 && self.day == timestamp('2024-01-02T00:00:00Z')",
        "self.span == duration('60m') && self.raw == b'hi' && size(self.raw) == 2",
        "self.ratio / 4.0 == 0.5 && self.count % 2 == 1",
        "type(self.port) == string ? self.port.endsWith('%') : self.port > 0",
        "self.map['a.b'] == '1' && 'c-d' in self.map && self.map.all(k, self.map[k] != '')",
        "self.list.exists_one(x, x == 1) && self.list.map(x, x * 2) == [6, 2, 4] && self.list.max() == 3 && size(self.list.filter(x, x > 1)) == 2",
        "self.template.kind == 'Pod' && self.template.metadata.name == 'p' && !has(self.template.metadata.generateName)",
        "self.?ratio.orValue(0.0) == 2.0 && self.?list[?7].hasValue() == false && optional.of(1).value() == 1",
        "[1, 2].all(x, x > 0) && self.list.sort() == [1, 2, 3]",
    ] {
        let schema = ruled(spec.clone(), json!({"rule": rule}));
        assert_eq!(wrong(&schema, value.clone(), None), Vec::<String>::new(), "{rule}");
    }
}

#[test]
fn whole_resources() {
    let root = |rule: &str| {
        let openapi = json!({"type": "object", "x-kubernetes-validations": [{"rule": rule}], "properties": {"spec": {"type": "string"}}});
        let schema = Schema::compile(&openapi).unwrap_or_else(|errors| panic!("{errors:#?}"));
        texts(&schema.validate(
            &json!({"apiVersion": "g/v1", "kind": "K", "metadata": {"name": "n", "labels": {"a": "b"}}, "spec": "n"}),
            None,
        ))
    };
    assert_eq!(
        root("self.metadata.name == self.spec && self.kind == 'K' && self.apiVersion == 'g/v1'"),
        Vec::<String>::new()
    );
    assert_eq!(
        root("self.metadata.name != self.spec"),
        ["<nil>: Invalid value: failed rule: self.metadata.name != self.spec"]
    );
    let hidden = json!({"type": "object", "x-kubernetes-validations": [{"rule": "has(self.metadata.labels)"}]});
    assert!(texts(&Schema::compile(&hidden).unwrap_err())[0].contains("undefined field 'labels'"));
}

#[test]
fn messages_reasons_and_paths() {
    let spec = json!({"type": "object", "properties": {"a": {"type": "integer"}, "m": {"type": "object", "additionalProperties": {"type": "string"}}}});
    for (rule, expected) in [
        (json!({"rule": "self.a > 1"}), "spec: Invalid value: failed rule: self.a > 1"),
        (json!({"rule": "self.a > 1", "message": " too small "}), "spec: Invalid value: too small"),
        (
            json!({"rule": "self.a > 1", "message": "no", "messageExpression": "string(self.a) + ' is too small'"}),
            "spec: Invalid value: 1 is too small",
        ),
        (
            json!({"rule": "self.a > 1", "message": "no", "messageExpression": "self.m['none']"}),
            "spec: Invalid value: no",
        ),
        (json!({"rule": "self.a > 1", "message": "no", "reason": "FieldValueForbidden"}), "spec: Forbidden: no"),
        (
            json!({"rule": "self.a > 1", "message": "no", "reason": "FieldValueRequired", "fieldPath": ".a"}),
            "spec.a: Required value: no",
        ),
        (json!({"rule": "self.a > 1", "message": "no", "reason": "FieldValueDuplicate"}), "spec: Duplicate value"),
        (json!({"rule": "self.a > 1", "message": "no", "fieldPath": ".m['k']"}), "spec.m[k]: Invalid value: no"),
        (
            json!({"rule": "self.m['none'] == 'x'", "message": "no"}),
            "spec: Invalid value: \"object\": no such key: none evaluating rule: no",
        ),
        (
            json!({"rule": "[1][self.a] == 1"}),
            "spec: Invalid value: \"object\": index out of bounds: 1 evaluating rule: [1][self.a] == 1",
        ),
        (
            json!({"rule": "self.a / (self.a - 1) == 1"}),
            "spec: Invalid value: \"object\": division by zero evaluating rule: self.a / (self.a - 1) == 1",
        ),
    ] {
        let schema = ruled(spec.clone(), rule.clone());
        assert_eq!(wrong(&schema, json!({"a": 1, "m": {"k": "v"}}), None), [expected], "{rule}");
    }
    let either = ruled(json!({"x-kubernetes-int-or-string": true}), json!({"rule": "self > 1"}));
    assert_eq!(
        wrong(&either, json!("x"), None),
        [
            "spec: Invalid value: \"\": 'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self > 1"
        ]
    );
    let scalar = ruled(json!({"type": "string"}), json!({"rule": "self != 'x'", "message": "not x"}));
    assert_eq!(wrong(&scalar, json!("x"), None), ["spec: Invalid value: \"x\": not x"]);
}

#[test]
fn transitions() {
    let immutable = ruled(json!({"type": "string"}), json!({"rule": "self == oldSelf", "message": "is immutable"}));
    assert_eq!(wrong(&immutable, json!("a"), None), Vec::<String>::new());
    assert_eq!(wrong(&immutable, json!("a"), Some(json!("a"))), Vec::<String>::new());
    assert_eq!(wrong(&immutable, json!("b"), Some(json!("a"))), ["spec: Invalid value: \"b\": is immutable"]);
    let once = ruled(
        json!({"type": "string"}),
        json!({"rule": "oldSelf.hasValue() ? self == oldSelf.value() : self == 'start'", "message": "no", "optionalOldSelf": true}),
    );
    assert_eq!(wrong(&once, json!("start"), None), Vec::<String>::new());
    assert_eq!(wrong(&once, json!("other"), None), ["spec: Invalid value: \"other\": no"]);
    assert_eq!(wrong(&once, json!("other"), Some(json!("other"))), Vec::<String>::new());
}

#[test]
fn elements_of_list_maps_have_old_values() {
    let spec = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "size": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "may not shrink"}]}}}});
    let schema = schema(spec);
    let old = json!([{"name": "a", "size": 1}, {"name": "b", "size": 9}]);
    assert_eq!(
        wrong(
            &schema,
            json!([{"name": "b", "size": 9}, {"name": "a", "size": 2}, {"name": "c", "size": 0}]),
            Some(old.clone())
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        wrong(&schema, json!([{"name": "b", "size": 8}]), Some(old)),
        ["spec[0].size: Invalid value: 8: may not shrink"]
    );
}

#[test]
fn order_counts_only_in_atomic_lists() {
    let list = |kind: &str| {
        let mut list = json!({"type": "array", "x-kubernetes-list-type": kind, "items": {"type": "string"}});
        if kind == "map" {
            list = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}}});
        }
        let spec = json!({"type": "object", "properties": {"l": list}});
        ruled(spec, json!({"rule": "self.l == oldSelf.l && self == oldSelf", "message": "changed"}))
    };
    let (ab, ba) = (json!({"l": ["a", "b"]}), json!({"l": ["b", "a"]}));
    assert_eq!(wrong(&list("set"), ab.clone(), Some(ba.clone())), Vec::<String>::new());
    assert_eq!(wrong(&list("atomic"), ab, Some(ba)), ["spec: Invalid value: changed"]);
    let element = |k: &str, v: i64| json!({"k": k, "v": v});
    let (ab, ba) = (json!({"l": [element("a", 1), element("b", 2)]}), json!({"l": [element("b", 2), element("a", 1)]}));
    assert_eq!(wrong(&list("map"), ab.clone(), Some(ba)), Vec::<String>::new());
    let other = json!({"l": [element("b", 2), element("a", 2)]});
    assert_eq!(wrong(&list("map"), ab, Some(other)), ["spec: Invalid value: changed"]);
}

#[test]
fn what_was_wrong_before_may_stay() {
    let spec = json!({"type": "object", "properties": {
        "kind": {"type": "string", "enum": ["a"]}, "n": {"type": "integer", "maximum": 3, "x-kubernetes-validations": [{"rule": "self != 2", "message": "not 2"}]},
        "other": {"type": "string"},
        "list": {"type": "array", "items": {"type": "string", "maxLength": 1}},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "required": ["k"],
            "properties": {"k": {"type": "string"}, "v": {"type": "string", "maxLength": 1}}}}}});
    let schema = schema(spec);
    let old = json!({"kind": "z", "n": 9, "other": "x", "list": ["long"], "map": [{"k": "1", "v": "long"}, {"k": "1", "v": "long"}]});
    let with = |changes: Value| {
        let mut new = old.clone();
        json_patch::merge(&mut new, &changes);
        wrong(&schema, new, Some(old.clone()))
    };
    assert_eq!(with(json!({"other": "y"})), Vec::<String>::new());
    assert_eq!(with(json!({"n": 8}))[0], "spec.n: Invalid value: 8: spec.n in body should be less than or equal to 3");
    assert_eq!(with(json!({"n": 2})), ["spec.n: Invalid value: 2: not 2"]);
    assert_eq!(with(json!({"list": ["long", "a"]}))[0], "spec.list[0]: Too long: may not be more than 1 byte");
    assert_eq!(with(json!({"map": [{"k": "2"}, {"k": "1", "v": "long"}]})), Vec::<String>::new());
    assert_eq!(with(json!({"kind": "y"}))[0], "spec.kind: Unsupported value: \"y\": supported values: \"a\"");
}

/// A quirk of the API server: what a schema does not describe cannot be compared, so that all around it counts as changed.
#[test]
fn what_is_not_described_counts_as_changed() {
    let described =
        json!({"type": "object", "maxProperties": 1, "properties": {"a": {"type": "string"}, "b": {"type": "object"}}});
    let schema = schema(described);
    let plain = json!({"a": "1", "b": {}});
    assert_eq!(wrong(&schema, plain.clone(), Some(plain)), Vec::<String>::new());
    let odd = json!({"a": "1", "b": {"c": 1}});
    assert_eq!(wrong(&schema, odd.clone(), Some(odd)), ["spec: Too many: 2: must have at most 1 item"]);
}

#[test]
fn rules_wait_for_shape() {
    let schema = ruled(
        json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "integer", "maximum": 1}}}),
        json!({"rule": "self.a > 5", "message": "no"}),
    );
    assert_eq!(
        wrong(&schema, json!({}), None),
        [
            "spec.a: Required value",
            "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation"
        ]
    );
    // A value out of bounds has the right shape: its rules are evaluated too.
    assert_eq!(
        wrong(&schema, json!({"a": 2}), None),
        ["spec.a: Invalid value: 2: spec.a in body should be less than or equal to 1", "spec: Invalid value: no"]
    );
}

#[test]
fn status_writes() {
    let openapi = json!({"type": "object", "properties": {
        "spec": {"type": "string", "maxLength": 1},
        "status": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 3}}, "x-kubernetes-validations": [{"rule": "!has(self.n) || self.n != 2", "message": "not 2"}]}}});
    let schema = Schema::compile(&openapi).unwrap();
    let object = |n: i64| json!({"spec": "too long", "status": {"n": n}});
    let wrong = |n| texts(&schema.validate_status(&object(n), &object(1)));
    assert_eq!(wrong(0), Vec::<String>::new());
    assert_eq!(wrong(2), ["status: Invalid value: not 2"]);
    assert_eq!(wrong(9), ["status.n: Invalid value: 9: n in body should be less than or equal to 3"]);
}

#[test]
fn a_schema_serves_many_threads() {
    let schema = ruled(
        json!({"type": "array", "items": {"type": "string"}}),
        json!({"rule": "self.all(x, x.matches('^[a-z]+$'))", "messageExpression": "'odd: ' + self.filter(x, !x.matches('^[a-z]+$')).join(', ')"}),
    );
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let schema = &schema;
            threads.spawn(move || {
                for round in 0..50 {
                    let odd = format!("{thread}-{round}");
                    assert_eq!(wrong(schema, json!(["a", odd]), None), [format!("spec: Invalid value: odd: {odd}")]);
                }
            });
        }
    });
}
