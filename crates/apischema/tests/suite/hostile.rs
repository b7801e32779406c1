//! Schemas, values and expressions that nobody would write: nothing may panic, overflow a stack, fill the memory or take
//! forever.
#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::{prelude::*, sample::select, test_runner::FileFailurePersistence};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use weir_apischema::{
    policy::Policy,
    schema::{Reason, Schema},
};

/// No single compilation or validation of the cases below takes longer, by far, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn any_value() -> impl Strategy<Value = Value> {
    let name = select(vec!["a", "b", "k", "metadata", "kind", "namespace", "x-y", "a.b", ""]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        select(vec!["1h", "2024-01-01T00:00:00Z", "aGk=", "10.0.0.1", "https://x/", "1Gi"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

/// A rule for values of a type; now and then one that is for another, or for none.
fn any_rule(kind: &'static str) -> impl Strategy<Value = Value> {
    let fitting = match kind {
        "string" => vec![
            "size(self) > 2",
            "self.matches('^[a-z]+$')",
            "self != oldSelf",
            "isURL(self)",
            "quantity(self).isInteger()",
        ],
        "integer" => vec!["self > 1", "self / 0 == 1", "self >= oldSelf", "self * 9223372036854775807 > 0"],
        "array" => {
            vec!["size(self) < 2", "self.all(x, self.exists_one(y, x == y))", "self[1] == self[0]", "self == oldSelf"]
        }
        "map" => vec![
            "self.all(k, self[k] == self['a'])",
            "'a' in self",
            "self.exists(k, v, self[k] != v)",
            "size(self) == 1",
        ],
        _ => vec!["has(self.a)", "self.?b.hasValue()", "self == oldSelf", "!has(self.k) || self.k == self.k"],
    };
    let odd =
        vec!["self.", "(((", "nothing(self)", "oldSelf.hasValue()", "self[0] == self['x']", "1", "self.a.b.k < 3"];
    let source = prop_oneof![12 => select(fitting), 1 => select(odd)];
    (source, any::<bool>(), prop::bool::weighted(0.1)).prop_map(|(rule, message, optional)| {
        let mut rule = json!({"rule": rule});
        if message {
            rule["messageExpression"] = "'got ' + string(size(string(1)))".into();
        }
        if optional {
            rule["optionalOldSelf"] = true.into();
        }
        rule
    })
}

/// Adds a rule to some nodes, and to a few a keyword that may not belong there.
fn decorated(node: impl Strategy<Value = Value>, kind: &'static str) -> impl Strategy<Value = Value> {
    let wild = prop_oneof![
        select(vec!["minLength", "maxItems", "minProperties", "maximum", "multipleOf"])
            .prop_flat_map(|name| (Just(name.to_owned()), (-3_i64..9).prop_map(Value::from))),
        select(vec![
            "uniqueItems",
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-int-or-string",
            "x-kubernetes-embedded-resource"
        ])
        .prop_flat_map(|name| (Just(name.to_owned()), Just(Value::Bool(true)))),
        select(vec!["set", "map", "odd"]).prop_map(|list| ("x-kubernetes-list-type".to_owned(), list.into())),
        select(vec!["[", "(?i)x|y", "a{1000}"]).prop_map(|pattern| ("pattern".to_owned(), pattern.into())),
        prop::collection::vec(any_value(), 1..3).prop_map(|values| ("enum".to_owned(), values.into())),
        any_value().prop_map(|value| ("default".to_owned(), value)),
        select(vec!["null", "text", "array"]).prop_map(|kind| ("type".to_owned(), kind.into())),
        Just(("oneOf".to_owned(), json!([{"minLength": 1}, {"required": ["a"]}]))),
    ];
    let some_wild = prop::option::weighted(0.06, wild);
    let nullable = prop::bool::weighted(0.1);
    (node, prop::option::weighted(0.3, any_rule(kind)), some_wild, nullable).prop_map(
        |(mut node, rule, wild, nullable)| {
            if let Some(rule) = rule {
                node["x-kubernetes-validations"] = json!([rule]);
            }
            if nullable {
                node["nullable"] = true.into();
            }
            if let Some((name, value)) = wild {
                node[name] = value;
            }
            node
        },
    )
}

/// Schemas that mostly are in order.
fn any_schema() -> impl Strategy<Value = Value> {
    let text =
        (select(vec!["date-time", "byte", "uri", "duration", "odd", "ipv4"]), 0..4_u8).prop_map(|(format, place)| {
            match place {
                0 => json!({"type": "string", "format": format}),
                1 => json!({"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^[a-z]*$"}),
                2 => json!({"type": "string", "enum": ["1h", "x"], "default": "x"}),
                _ => json!({"type": "string"}),
            }
        });
    let integer = (-3_i64..3, 1_i64..9)
        .prop_map(|(min, max)| json!({"type": "integer", "minimum": min, "maximum": max, "format": "int32"}));
    let other = select(vec![
        json!({"type": "boolean"}),
        json!({"type": "number", "multipleOf": 0.5, "exclusiveMinimum": true, "minimum": 0}),
        json!({"x-kubernetes-int-or-string": true}),
        json!({"x-kubernetes-preserve-unknown-fields": true}),
        json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-embedded-resource": true}),
        json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}),
        json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object", "required": ["k"],
            "properties": {"k": {"type": "string"}, "a": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]}}}}),
    ]);
    let leaf = prop_oneof![decorated(text, "string"), decorated(integer, "integer"), other];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let list = (inner.clone(), 0..3_i64)
            .prop_map(|(items, max)| json!({"type": "array", "items": items, "maxItems": max}));
        let map = inner.clone().prop_map(|values| json!({"type": "object", "additionalProperties": values}));
        let object = (inner.clone(), inner.clone(), inner, any::<bool>()).prop_map(|(a, b, k, required)| {
            let required = if required { json!(["a"]) } else { json!([]) };
            json!({"type": "object", "required": required, "properties": {"a": a, "b": b, "k": k}})
        });
        prop_oneof![decorated(list, "array"), decorated(map, "map"), decorated(object, "object")]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None::<Box<FileFailurePersistence>>.map(|p| p as _), ..ProptestConfig::default() })]

    #[test]
    fn any_schema_on_any_object(spec in any_schema(), new in any_value(), old in any_value()) {
        let started = Instant::now();
        let openapi = json!({"type": "object", "properties": {"spec": spec}});
        if let Ok(schema) = Schema::compile(&openapi) {
            let _ = schema.too_expensive(false);
            let mut objects = [json!({"spec": new}), json!({"spec": old})];
            for object in &mut objects {
                schema.prune(object);
                prop_assert_eq!(schema.prune(object), Vec::<String>::new(), "pruning twice removes more");
                schema.default(object).unwrap();
                let once = object.clone();
                schema.default(object).unwrap();
                prop_assert_eq!(&once, object, "defaulting twice changes more");
            }
            let [new, old] = &objects;
            let _ = schema.validate(new, None);
            let _ = schema.validate(new, Some(old));
            // What has the right shape may be stored again. Only embedded resources are always judged, and what a schema
            // does not describe, and rules that compare or cannot be evaluated.
            let text = openapi.to_string();
            let judged = ["oldSelf", "embedded-resource", "preserve-unknown", "int-or-string"].iter().any(|word| text.contains(word));
            if !judged && schema.validate(old, None).iter().all(|error| error.reason != Reason::TypeInvalid) {
                for error in schema.validate(old, Some(old)) {
                    let unevaluated = error.message.contains("evaluating rule") || error.message.contains("no such overload");
                    prop_assert!(unevaluated, "{}", error);
                }
            }
        }
        prop_assert!(started.elapsed() < PATIENCE);
    }

    #[test]
    fn any_expression(source in "[a-z0-9.()\\[\\]{}'\"?:,!&|<>=+*/% \\n-]{0,60}|\\PC{0,30}") {
        let spec = json!({"matchConstraints": {"resourceRules": []}, "validations": [{"expression": source}]});
        let _ = Policy::compile(&json!({"metadata": {"name": "p"}, "spec": spec}));
    }
}

/// Compiles an expression where the stack is no larger than that of a server's worker thread.
fn compile(source: String) -> Result<Schema, String> {
    let openapi = json!({"type": "object", "properties": {"spec": {"type": "integer", "x-kubernetes-validations": [{"rule": source, "message": "no"}]}}});
    let thread = std::thread::Builder::new().stack_size(2 << 20);
    let compiled = thread.spawn(move || {
        let schema = Schema::compile(&openapi).map_err(|errors| errors[0].message.clone())?;
        let _ = (schema.validate(&json!({"spec": 1}), None), schema.too_expensive(false));
        Ok(schema)
    });
    compiled.unwrap().join().unwrap()
}

#[test]
fn nested_expressions_do_not_overflow() {
    let around = |open: &str, close: &str, n: usize| format!("{}self == 1{}", open.repeat(n), close.repeat(n));
    let chain = |link: &str, n: usize| format!("self{} == 1", link.repeat(n));
    for source in [
        around("(", ")", 40),
        around("(", ")", 5_000),
        around("!(", ")", 40),
        around("[", "]", 3_000),
        around("{1:", "}", 3_000),
        around("(true ? ", " : false)", 30),
        around("(true ? ", " : false)", 900),
        around("[1].all(x, ", ")", 35),
        around("[[1]].map(x, x)[0].exists(y, ", ")", 20),
        around("[1].map(x, ", ")", 16),
        chain("+1", 150),
        chain(".a", 90),
        chain(".a", 500),
        "!".repeat(8_000) + "true",
        "-".repeat(8_000) + "1 == 1",
        chain("+1", 7_000),
        chain(".a", 7_000),
        chain("[0]", 5_000),
        vec!["self == 1"; 1_000].join(" || "),
        vec!["self == 1"; 90].join(" && "),
        "a".repeat(100_000),
        "'".repeat(9_000),
    ] {
        let started = Instant::now();
        let shown: String = source.chars().take(12).collect();
        let accepted = compile(source).is_ok();
        println!("{shown}: {} in {:?}", if accepted { "accepted" } else { "refused" }, started.elapsed());
        assert!(started.elapsed() < PATIENCE, "{shown}");
    }
}

#[test]
fn loops_within_loops_end() {
    let list = json!({"type": "array", "items": {"type": "integer"}});
    for rule in [
        "self.l.all(a, self.l.all(b, self.l.all(c, a + b + c >= 0)))",
        "self.l.all(a, self.l.map(x, x).all(b, self.l.all(c, a + b + c >= 0)))",
        "self.l.all(a, self.l.map(b, b).all(c, a in self.l))",
    ] {
        let spec = json!({"type": "object", "properties": {"l": list}, "x-kubernetes-validations": [{"rule": rule}, {"rule": "false"}]});
        let schema = Schema::compile(&json!({"type": "object", "properties": {"spec": spec}})).unwrap();
        let object = |n: i64| json!({"spec": {"l": (0..n).collect::<Vec<_>>()}});
        let started = Instant::now();
        let errors = schema.validate(&object(2_000), None);
        assert_eq!(errors.len(), 1, "rules after an endless one are not evaluated");
        let expected = format!(
            "'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: {rule}"
        );
        assert!(errors[0].message.ends_with(&expected), "{}", errors[0]);
        assert!(started.elapsed() < PATIENCE, "{rule} took {:?}", started.elapsed());
    }
    let spec = json!({"type": "object", "properties": {"l": list}, "x-kubernetes-validations": [{"rule": "self.l.all(a, self.l.exists_one(b, a == b))"}]});
    let schema = Schema::compile(&json!({"type": "object", "properties": {"spec": spec}})).unwrap();
    assert_eq!(schema.validate(&json!({"spec": {"l": (0..300).collect::<Vec<_>>()}}), None), []);
}

#[test]
fn patterns_and_matches_end() {
    let started = Instant::now();
    let slow = "(a|b)*a(a|b){900}c";
    let text = "ab".repeat(500_000);
    let string = |rules: Value, pattern: Value| json!({"type": "object", "properties": {"s": {"type": "string", "x-kubernetes-validations": rules, "pattern": pattern}}});
    let by_pattern = Schema::compile(&string(json!([]), slow.into())).unwrap();
    let errors = by_pattern.validate(&json!({"s": text}), None);
    assert!(errors[0].message.contains("is too long to be matched against"), "{}", errors[0]);
    let many = json!({"type": "array", "items": {"type": "string", "pattern": slow}});
    let by_many = Schema::compile(&json!({"type": "object", "properties": {"l": many}})).unwrap();
    let pieces: Vec<&str> = text.as_bytes().chunks(1_000).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
    assert!(!by_many.validate(&json!({"l": pieces}), None).is_empty());
    for rule in [format!("self.matches('{slow}')"), "self.matches(self)".to_owned()] {
        let schema = Schema::compile(&string(json!([{"rule": rule}]), ".*".into())).unwrap();
        let shown = schema.validate(&json!({"s": text}), None)[0].message.clone();
        assert!(shown.contains("cost limit exceeded"), "{rule}: {shown}");
    }
    // A pattern of as many parts on a text that is no longer than what it is for.
    let name =
        Schema::compile(&string(json!([{"rule": "self.matches('^[a-z]{1,253}$')"}]), "^[a-z]{1,253}$".into())).unwrap();
    assert_eq!(name.validate(&json!({"s": "n".repeat(253)}), None), []);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
}
