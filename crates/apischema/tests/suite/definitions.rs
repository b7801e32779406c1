//! Which schemas of a CustomResourceDefinition are refused, and in which words.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use weir_apischema::schema::Schema;

fn complaints(openapi: &Value) -> Vec<String> {
    Schema::compile(openapi).err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// A root schema whose `spec` is this.
fn spec(schema: Value) -> Value {
    json!({"type": "object", "properties": {"spec": schema}})
}

#[test]
fn structure() {
    for (openapi, expected) in [
        (json!({}), "type: Required value: must not be empty at the root"),
        (
            json!({"type": "array", "items": {"type": "string"}}),
            "type: Invalid value: \"array\": must be object at the root",
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            "additionalProperties: Forbidden: must not be used at the root",
        ),
        (spec(json!({})), "properties[spec].type: Required value: must not be empty for specified object fields"),
        (spec(json!({"type": "array"})), "properties[spec].items: Required value: must be specified"),
        (
            spec(json!({"type": "array", "items": {}})),
            "properties[spec].items.type: Required value: must not be empty for specified array items",
        ),
        (
            spec(json!({"type": "string", "pattern": "["})),
            "properties[spec].pattern: Invalid value: \"[\": must be a valid regular expression, but isn't: error parsing regexp: missing closing ]: `[`",
        ),
        (
            spec(json!({"type": "object", "anyOf": [{"properties": {"a": {"minLength": 1}}}]})),
            "properties[spec].properties[a]: Required value: because it is defined in properties[spec].anyOf[0].properties[a]",
        ),
        (
            spec(json!({"type": "string", "oneOf": [{"type": "string"}]})),
            "properties[spec].oneOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            spec(json!({"type": "string", "not": {"default": "x"}})),
            "properties[spec].not.default: Forbidden: must be undefined to be structural",
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            "properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
        ),
        (
            spec(json!({"x-kubernetes-int-or-string": true, "x-kubernetes-preserve-unknown-fields": true})),
            "properties[spec].x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true",
        ),
        (
            spec(json!({"type": "object", "x-kubernetes-embedded-resource": true})),
            "properties[spec].properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ),
    ] {
        let found = complaints(&openapi);
        assert!(found.iter().any(|text| text == expected), "{expected}\nfound {found:#?}");
    }
}

#[test]
fn parts_that_are_not_supported() {
    let map = |extra: Value| {
        let mut list = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}}}});
        json_patch::merge(&mut list, &extra);
        spec(list)
    };
    assert_eq!(complaints(&map(json!({}))), Vec::<String>::new());
    for (openapi, expected) in [
        (
            spec(json!({"type": "text"})),
            "properties[spec].type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
        ),
        (
            spec(json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true})),
            "properties[spec].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            spec(
                json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
            ),
            "properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            spec(json!({"type": "object", "patternProperties": {}})),
            "properties[spec].patternProperties: Forbidden: patternProperties is not supported",
        ),
        (spec(json!({"type": "string", "$ref": "#/x"})), "properties[spec].$ref: Forbidden: $ref is not supported"),
        (
            spec(json!({"type": "string", "x-kubernetes-list-type": "set"})),
            "properties[spec].type: Invalid value: \"string\": must be array if x-kubernetes-list-type is specified",
        ),
        (
            map(json!({"x-kubernetes-list-map-keys": null})),
            "properties[spec].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ),
        (
            map(json!({"x-kubernetes-list-map-keys": ["x"]})),
            "properties[spec].x-kubernetes-list-map-keys: Invalid value: [\"x\"]: entries must all be names of item properties",
        ),
        (
            map(json!({"items": {"required": null}})),
            "properties[spec].items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
        (
            map(json!({"items": {"nullable": true}})),
            "properties[spec].items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is map",
        ),
        (
            spec(json!({"type": "string", "x-kubernetes-preserve-unknown-fields": false})),
            "properties[spec].x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ),
    ] {
        let found = complaints(&openapi);
        assert!(found.iter().any(|text| text == expected), "{expected}\nfound {found:#?}");
    }
}

#[test]
fn defaults_must_be_valid() {
    for (schema, expected) in [
        (
            json!({"type": "string", "default": "x", "enum": ["a"]}),
            "properties[spec].default: Unsupported value: \"x\": supported values: \"a\"",
        ),
        (
            json!({"type": "string", "default": 1}),
            "properties[spec].default: Invalid value: \"integer\":  in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "object", "default": {"x": 1}, "properties": {"a": {"type": "string"}}}),
            "properties[spec].default: Invalid value: {\"x\":1}: must not have unknown fields",
        ),
        (
            json!({"type": "integer", "default": 0, "x-kubernetes-validations": [{"rule": "self > 0", "message": "must be positive"}]}),
            "properties[spec].default: Invalid value: 0: must be positive",
        ),
        (
            json!({"type": "object", "default": {"a": "xx"}, "properties": {"a": {"type": "string", "maxLength": 1}}}),
            "properties[spec].default.a: Too long: may not be more than 1 byte",
        ),
    ] {
        assert_eq!(complaints(&spec(schema)), [expected]);
    }
}

fn rule(schema: Value, rule: Value) -> Vec<String> {
    let mut schema = schema;
    schema["x-kubernetes-validations"] = json!([rule]);
    complaints(&spec(schema))
}

#[test]
fn rules_that_do_not_compile() {
    let object = json!({"type": "object", "properties": {"n": {"type": "integer"}, "s": {"type": "string"}, "l": {"type": "array", "items": {"type": "string"}}}});
    for (source, located) in [
        ("self.x == 1", "ERROR: <input>:1:5: undefined field 'x'\n | self.x == 1\n | ....^"),
        (
            "self.s.matches('[a')",
            "ERROR: <input>:1:16: invalid matches argument\n | self.s.matches('[a')\n | ...............^",
        ),
        (
            "self.n == other",
            "ERROR: <input>:1:11: undeclared reference to 'other' (in container '')\n | self.n == other\n | ..........^",
        ),
        (
            "self.n == 'a'",
            "ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(int, string)'\n | self.n == 'a'\n | .......^",
        ),
        (
            "self.s + 1 == 'a1'",
            "ERROR: <input>:1:8: found no matching overload for '_+_' applied to '(string, int)'\n | self.s + 1 == 'a1'\n | .......^",
        ),
        (
            "self.n.startsWith('a')",
            "ERROR: <input>:1:18: found no matching overload for 'startsWith' applied to 'int.(string)'\n | self.n.startsWith('a')\n | .................^",
        ),
        (
            "self.l.all(x, x.y == 1)",
            "ERROR: <input>:1:16: type 'string' does not support field selection\n | self.l.all(x, x.y == 1)\n | ...............^",
        ),
        (
            "nothing(self.n)",
            "ERROR: <input>:1:8: undeclared reference to 'nothing' (in container '')\n | nothing(self.n)\n | .......^",
        ),
        ("self.n > 1 &&", "ERROR: <input>:1:14: Syntax error: mismatched input '<EOF>' expecting "),
        (
            "has(self.l) &&\n self.l.y > 1",
            "ERROR: <input>:2:8: type 'list(string)' does not support field selection\n |  self.l.y > 1\n | .......^",
        ),
    ] {
        let found = rule(object.clone(), json!({"rule": source, "message": "m"}));
        let quoted = Value::from(source).to_string().replace('>', "\\u003e").replace('&', "\\u0026");
        let expected = format!(
            "properties[spec].x-kubernetes-validations[0].rule: Invalid value: {{\"Rule\":{quoted},\"Message\":\"m\",\"MessageExpression\":\"\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":null}}: compilation failed: {located}"
        );
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{expected}\nfound {found:#?}");
    }
    let found = rule(object.clone(), json!({"rule": "self.n"}));
    assert!(found[0].ends_with(": cel expression must evaluate to a bool"), "{found:#?}");
    let found = rule(object, json!({"rule": "true", "messageExpression": "self.n"}));
    assert!(found[0].ends_with(": messageExpression must evaluate to a string"), "{found:#?}");
}

#[test]
fn rules_that_are_not_well_formed() {
    let object = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    for (given, expected) in [
        (json!({"rule": " "}), "rule: Required value: rule is not specified"),
        (json!({"rule": "true", "message": " "}), "message: Invalid value: \" \": must be non-empty if specified"),
        (json!({"rule": "true", "message": "a\nb"}), "message: Invalid value: \"a\\nb\": must not contain line breaks"),
        (json!({"rule": "true\n"}), ""),
        (
            json!({"rule": "true &&\ntrue"}),
            "message: Required value: message must be specified if rule contains line breaks",
        ),
        (
            json!({"rule": "true", "reason": "Odd"}),
            "reason: Unsupported value: \"Odd\": supported values: \"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\"",
        ),
        (json!({"rule": "true", "fieldPath": ".b"}), "fieldPath: Invalid value: \".b\": must be a valid path"),
        (json!({"rule": "true", "fieldPath": ".a"}), ""),
        (
            json!({"rule": "true", "optionalOldSelf": true}),
            "optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule",
        ),
    ] {
        let found = rule(object.clone(), given);
        let expected: Vec<_> = (!expected.is_empty())
            .then(|| format!("properties[spec].x-kubernetes-validations[0].{expected}"))
            .into_iter()
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn old_values_of_elements_nobody_can_tell_apart() {
    let list = |kind: &str| {
        spec(
            json!({"type": "array", "x-kubernetes-list-type": kind, "items": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}),
        )
    };
    for kind in ["atomic", "set"] {
        assert_eq!(
            complaints(&list(kind)),
            [
                "properties[spec].items.x-kubernetes-validations[0].rule: Invalid value: \"self == oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within properties[spec]"
            ]
        );
    }
}
