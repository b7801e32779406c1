//! Admission policies: what they match and what they say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test: a malformed case shall stop it")]

use serde_json::{Value, json};
use std::collections::BTreeMap;
use weir_apischema::policy::{Binding, Operation, ParamSource, Policy, Request, User, Verdict, evaluate};

/// Parameters by kind; cluster-scoped but for ConfigMaps.
#[derive(Default)]
struct Params(Vec<Value>);

impl ParamSource for Params {
    fn namespaced(&self, _: &str, kind: &str) -> Option<bool> {
        (kind != "Unknown").then_some(kind == "ConfigMap")
    }

    fn objects(&self, api_version: &str, kind: &str, namespace: Option<&str>, name: Option<&str>) -> Vec<Value> {
        let same = |object: &&Value| {
            object["apiVersion"] == api_version
                && object["kind"] == kind
                && object["metadata"]["namespace"].as_str() == namespace
                && name.is_none_or(|name| object["metadata"]["name"] == name)
        };
        self.0.iter().filter(same).cloned().collect()
    }
}

/// A policy for everything, with `spec` laid over it.
fn policy(spec: Value) -> Policy {
    let mut object = json!({"metadata": {"name": "p"}, "spec": {
        "matchConstraints": {"resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]}}});
    json_patch::merge(&mut object["spec"], &spec);
    Policy::compile(&object).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn binding(spec: Value) -> Binding {
    let mut object = json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}});
    json_patch::merge(&mut object["spec"], &spec);
    Binding::parse(&object).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn request<'a>(user: &'a User, object: &'a Value) -> Request<'a> {
    Request {
        operation: Operation::Create,
        group: "example.com",
        version: "v1",
        resource: "things",
        subresource: "",
        kind: "Thing",
        namespace: "",
        name: object["metadata"]["name"].as_str().unwrap_or_default(),
        user,
        dry_run: false,
        options: None,
        object: Some(object),
        old_object: None,
        namespace_object: None,
        other_versions: &[],
    }
}

/// What a policy with this spec says about an object, or nothing.
fn said(spec: Value, object: &Value) -> Option<String> {
    let (policy, binding, user) = (policy(spec), binding(json!({})), User::default());
    evaluate([(&policy, vec![&binding])], &request(&user, object), &Params::default())
        .denial
        .map(|denial| denial.message)
}

#[test]
fn expressions_and_messages() {
    let object = json!({"metadata": {"name": "n"}, "spec": {"replicas": 5, "list": ["a", "b"]}});
    let validations = |validation: Value| json!({"validations": [validation]});
    for (spec, message) in [
        (validations(json!({"expression": "object.spec.replicas <= 5"})), None),
        (
            validations(json!({"expression": " object.spec.replicas < 5 "})),
            Some("failed expression: object.spec.replicas < 5"),
        ),
        (validations(json!({"expression": "false", "message": "no"})), Some("no")),
        (
            validations(
                json!({"expression": "false", "message": "no", "messageExpression": "'has ' + string(object.spec.replicas)"}),
            ),
            Some("has 5"),
        ),
        (
            validations(json!({"expression": "false", "message": "no", "messageExpression": "object.spec.none"})),
            Some("no"),
        ),
        (validations(json!({"expression": "false", "message": "no", "messageExpression": "'a\\nb'"})), Some("no")),
        (
            validations(json!({"expression": "object.spec.none == 1"})),
            Some("expression 'object.spec.none == 1' resulted in error: no such key: none"),
        ),
        (json!({"failurePolicy": "Ignore", "validations": [{"expression": "object.spec.none == 1"}]}), None),
        (validations(json!({"expression": "oldObject == null && request.operation == 'CREATE'"})), None),
        (
            validations(json!({"expression": "request.resource.resource == 'things' && request.kind.kind == 'Thing'"})),
            None,
        ),
        (
            validations(
                json!({"expression": "!has(request.userInfo.extra) && !has(request.namespace) && !request.dryRun"}),
            ),
            None,
        ),
        (validations(json!({"expression": "namespaceObject == null"})), None),
        (
            json!({"variables": [{"name": "n", "expression": "object.spec.replicas"}, {"name": "big", "expression": "variables.n > 3"}],
                "validations": [{"expression": "!variables.big", "messageExpression": "string(variables.n) + ' is big'"}]}),
            Some("5 is big"),
        ),
        (
            json!({"variables": [{"name": "bad", "expression": "object.spec.none"}],
                "validations": [{"expression": "object.spec.replicas == 5 || variables.bad == 1"}]}),
            None,
        ),
        (
            json!({"variables": [{"name": "bad", "expression": "object.spec.none"}], "validations": [{"expression": "variables.bad == 1"}]}),
            Some(
                "expression 'variables.bad == 1' resulted in error: composited variable \"bad\" fails to evaluate: no such key: none",
            ),
        ),
        (
            json!({"matchConditions": [{"name": "c", "expression": "object.spec.replicas > 9"}], "validations": [{"expression": "false"}]}),
            None,
        ),
        (
            json!({"matchConditions": [{"name": "c", "expression": "object.spec.none > 9"}], "validations": [{"expression": "true"}]}),
            Some("expression 'object.spec.none > 9' resulted in error: no such key: none"),
        ),
        (
            json!({"matchConditions": [{"name": "c", "expression": "object.spec.none > 9"}, {"name": "d", "expression": "false"}],
                "validations": [{"expression": "false"}]}),
            None,
        ),
    ] {
        assert_eq!(said(spec.clone(), &object).as_deref(), message, "{spec}");
    }
}

#[test]
fn constraints() {
    let (user, object) =
        (User::default(), json!({"apiVersion": "example.com/v1", "metadata": {"name": "n", "labels": {"l": "1"}}}));
    let namespace = json!({"metadata": {"name": "ns", "labels": {"team": "a"}}});
    let base = Request { namespace: "ns", namespace_object: Some(&namespace), ..request(&user, &object) };
    let rule = |overlay: Value| {
        let mut rule = json!({"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["things"]});
        json_patch::merge(&mut rule, &overlay);
        json!({"resourceRules": [rule]})
    };
    let status = Request { subresource: "status", ..base };
    let cluster = Request { namespace: "", namespace_object: None, ..base };
    let delete = Request { operation: Operation::Delete, object: None, old_object: Some(&object), ..base };
    let v2 = Request { version: "v2", other_versions: &["v1"], ..base };
    let lost = Request { namespace_object: None, ..base };
    let mut cases: Vec<(Value, &Request<'_>, bool)> = vec![
        (rule(json!({})), &base, true),
        (rule(json!({})), &status, false),
        (rule(json!({"resources": ["things/status"]})), &status, true),
        (rule(json!({"resources": ["things/status"]})), &base, false),
        (rule(json!({"resources": ["*/*"]})), &status, true),
        (rule(json!({"resources": ["*"]})), &status, false),
        (rule(json!({})), &delete, false),
        (rule(json!({"operations": ["*"]})), &delete, true),
        (rule(json!({"apiGroups": ["*"]})), &base, true),
        (rule(json!({"apiGroups": ["other"]})), &base, false),
        (rule(json!({"scope": "Cluster"})), &base, false),
        (rule(json!({"scope": "Cluster"})), &cluster, true),
        (rule(json!({"scope": "Namespaced"})), &cluster, false),
        (rule(json!({"resourceNames": ["n"]})), &base, true),
        (rule(json!({"resourceNames": ["m"]})), &base, false),
        (rule(json!({})), &v2, true),
    ];
    let with = |extra: Value| {
        let mut constraints = rule(json!({}));
        json_patch::merge(&mut constraints, &extra);
        constraints
    };
    let others = json!({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["things"]});
    cases.extend([
        (with(json!({"matchPolicy": "Exact"})), &v2, false),
        (with(json!({"namespaceSelector": {"matchLabels": {"team": "a"}}})), &base, true),
        (with(json!({"namespaceSelector": {"matchLabels": {"team": "b"}}})), &base, false),
        (with(json!({"namespaceSelector": {"matchLabels": {"team": "b"}}})), &cluster, true),
        (with(json!({"objectSelector": {"matchLabels": {"l": "1"}}})), &base, true),
        (with(json!({"objectSelector": {"matchLabels": {"l": "2"}}})), &base, false),
        (with(json!({"excludeResourceRules": [others]})), &base, false),
    ]);
    let binding = binding(json!({}));
    for (constraints, request, matches) in cases {
        let policy =
            policy(json!({"matchConstraints": constraints, "validations": [{"expression": "false", "message": "no"}]}));
        let verdict = evaluate([(&policy, vec![&binding])], request, &Params::default());
        assert_eq!(verdict.denial.is_some(), matches, "{constraints} {request:?}");
    }
    let constraints = with(json!({"namespaceSelector": {"matchLabels": {"team": "a"}}}));
    let policy = policy(json!({"matchConstraints": constraints, "validations": [{"expression": "true"}]}));
    let denial = evaluate([(&policy, vec![&binding])], &lost, &Params::default()).denial.unwrap();
    assert_eq!(
        denial.cause(),
        "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: namespaces \"ns\" not found"
    );
}

#[test]
fn the_matched_version_is_what_expressions_see() {
    let (user, object) = (User::default(), json!({"apiVersion": "example.com/v2", "metadata": {"name": "n"}}));
    let request = Request { version: "v2", other_versions: &["v1"], ..request(&user, &object) };
    let rules = json!([{"apiGroups": ["*"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["things"]}]);
    let policy = policy(json!({"matchConstraints": {"resourceRules": rules}, "validations": [
        {"expression": "object.apiVersion == 'example.com/v1' && request.kind.version == 'v1' && request.requestKind.version == 'v2'"}]}));
    let verdict = evaluate([(&policy, vec![&binding(json!({}))])], &request, &Params::default());
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn parameters() {
    let config = |namespace: &str, name: &str, limit: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace, "labels": {"use": "limits"}}, "data": {"limit": limit}});
    let params = Params(vec![config("ns", "a", "3"), config("ns", "b", "1"), config("other", "a", "9")]);
    let limits = json!({"paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "validations": [{"expression": "params == null || object.spec.n <= int(params.data.limit)", "messageExpression": "'limit is ' + params.data.limit"}]});
    let (user, object) = (User::default(), json!({"metadata": {"name": "n"}, "spec": {"n": 2}}));
    let namespaced = Request { namespace: "ns", ..request(&user, &object) };
    let cluster = request(&user, &object);
    let unknown =
        json!({"paramKind": {"apiVersion": "v1", "kind": "Unknown"}, "validations": [{"expression": "true"}]});
    let deny = |mut reference: Value| {
        reference["parameterNotFoundAction"] = "Deny".into();
        json!({"paramRef": reference})
    };
    for (spec, request, reference, message) in [
        (&limits, &namespaced, deny(json!({"name": "a"})), None),
        (&limits, &namespaced, deny(json!({"name": "b"})), Some("limit is 1")),
        (&limits, &namespaced, deny(json!({"selector": {"matchLabels": {"use": "limits"}}})), Some("limit is 1")),
        (&limits, &namespaced, deny(json!({"name": "a", "namespace": "other"})), None),
        (&limits, &namespaced, json!({}), None),
        (
            &limits,
            &namespaced,
            deny(json!({"name": "none"})),
            Some("failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"),
        ),
        (&limits, &namespaced, json!({"paramRef": {"name": "none", "parameterNotFoundAction": "Allow"}}), None),
        (
            &limits,
            &cluster,
            deny(json!({"name": "a"})),
            Some(
                "failed to configure binding: cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
            ),
        ),
        (
            &unknown,
            &cluster,
            deny(json!({"name": "a"})),
            Some("failed to configure binding: paramKind kind `v1, Kind=Unknown` not known"),
        ),
    ] {
        let (policy, binding) = (policy(spec.clone()), binding(reference.clone()));
        let verdict = evaluate([(&policy, vec![&binding])], request, &params);
        assert_eq!(verdict.denial.map(|denial| denial.message).as_deref(), message, "{reference}");
    }
}

#[test]
fn actions_and_reasons() {
    let (user, object) = (User::default(), json!({"metadata": {"name": "n"}}));
    let request = request(&user, &object);
    let spec = json!({"validations": [{"expression": "true"}, {"expression": "false", "message": "no", "reason": "Forbidden"}],
        "auditAnnotations": [{"key": "who", "valueExpression": "object.metadata.name"}, {"key": "none", "valueExpression": "null"}]});
    let policy = policy(spec);
    let run = |actions: Value| {
        let binding = binding(json!({"validationActions": actions}));
        evaluate([(&policy, vec![&binding])], &request, &Params::default())
    };
    let denial = run(json!(["Deny"])).denial.unwrap();
    assert_eq!((denial.code(), denial.reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        denial.text(&request),
        "things.example.com \"n\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"
    );
    let lenient = run(json!(["Warn", "Audit"]));
    assert_eq!(lenient.denial, None);
    assert_eq!(lenient.warnings, ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"]);
    assert_eq!(
        lenient.audit_failures.iter().map(|f| (f.expression_index, f.message.as_str())).collect::<Vec<_>>(),
        [(1, "no")]
    );
    assert_eq!(lenient.audit_annotations, BTreeMap::from([("p/who".to_owned(), "n".to_owned())]));
}

#[test]
fn annotations_that_fail_refuse() {
    let (user, object) = (User::default(), json!({"metadata": {"name": "n"}}));
    let warn = binding(json!({"validationActions": ["Warn"]}));
    for (value, message) in [
        ("object.none", "expression 'object.none' resulted in error: no such key: none"),
        (
            "1",
            "valueExpression '1' resulted in unsupported return type: int. Return type must be either string or null.",
        ),
    ] {
        let annotated = policy(json!({"auditAnnotations": [{"key": "k", "valueExpression": value}]}));
        let verdict = evaluate([(&annotated, vec![&warn])], &request(&user, &object), &Params::default());
        assert_eq!(verdict.denial.map(|denial| denial.message).as_deref(), Some(message));
        assert_eq!(verdict.warnings, Vec::<String>::new());
        let ignored =
            policy(json!({"failurePolicy": "Ignore", "auditAnnotations": [{"key": "k", "valueExpression": value}]}));
        assert_eq!(
            evaluate([(&ignored, vec![&warn])], &request(&user, &object), &Params::default()),
            Verdict::default()
        );
    }
}

#[test]
fn admission_configuration_is_exempt() {
    let (user, object) = (User::default(), json!({"metadata": {"name": "n"}}));
    let base = request(&user, &object);
    let request = Request { group: "admissionregistration.k8s.io", kind: "ValidatingAdmissionPolicy", ..base };
    let policy = policy(json!({"validations": [{"expression": "false"}]}));
    assert_eq!(evaluate([(&policy, vec![&binding(json!({}))])], &request, &Params::default()), Verdict::default());
}

/// A guard of objects that belong to nodes: only the daemon of a node may write its object.
#[test]
fn a_guard_by_node_name() {
    let guard = policy(json!({
        "matchConstraints": {"resourceRules": [{"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
            "resources": ["things", "things/status"]}]},
        "matchConditions": [{"name": "daemon", "expression": "request.userInfo.username == 'system:serviceaccount:ns:daemon'"}],
        "validations": [
            {"expression": "has(request.userInfo.extra) && ('authentication.kubernetes.io/node-name' in request.userInfo.extra)", "message": "needs a claim"},
            {"expression": "object.metadata.name == request.userInfo.extra[\"authentication.kubernetes.io/node-name\"][0]",
             "messageExpression": "'updates to ' + string(object.metadata.name) + ' can only be done from the owner\\'s node'"}]}));
    let binding = binding(json!({}));
    let object = json!({"metadata": {"name": "n1"}});
    let daemon = |node: Option<&str>| User {
        username: "system:serviceaccount:ns:daemon".into(),
        extra: node.map(|n| ("authentication.kubernetes.io/node-name".into(), vec![n.into()])).into_iter().collect(),
        ..User::default()
    };
    for (user, message) in [
        (User { username: "admin".into(), ..User::default() }, None),
        (daemon(Some("n1")), None),
        (daemon(Some("n2")), Some("updates to n1 can only be done from the owner's node")),
        (daemon(None), Some("needs a claim")),
    ] {
        let verdict = evaluate([(&guard, vec![&binding])], &request(&user, &object), &Params::default());
        assert_eq!(verdict.denial.map(|denial| denial.message).as_deref(), message, "{user:?}");
    }
}

/// Lists of expressions with quirks that were observed on a cluster: errors instead of messages, and errors that do not
/// matter because the other side of an `||` decides.
#[test]
fn a_selector_policy() {
    let role = "machineconfiguration.openshift.io/role";
    let labels = format!(
        "(has(object.spec.selector.matchLabels) && object.spec.selector.matchLabels['{role}'] in ['worker', 'master'])"
    );
    let expressions = format!(
        "(has(object.spec.selector.matchExpressions) && object.spec.selector.matchExpressions.exists(e, e.key == '{role}' && e.operator == 'In' && 'worker' in e.values))"
    );
    let expression = format!("{labels} || {expressions}");
    let spec = json!({"validations": [{"expression": expression, "message": "no"}]});
    let no_key = |key: &str| format!("expression '{expression}' resulted in error: no such key: {key}");
    let good = json!([{"key": role, "operator": "In", "values": ["worker", "infra"]}]);
    for (selector, message) in [
        (json!({"selector": {"matchLabels": {(role): "worker"}}}), None),
        (json!({"selector": {"matchExpressions": good}}), None),
        (json!({"selector": {"matchLabels": {"other": "x"}, "matchExpressions": good}}), None),
        (json!({"selector": {"matchLabels": {(role): "infra"}, "matchExpressions": good}}), None),
        (json!({"selector": {}}), Some("no".to_owned())),
        (json!({"selector": {"matchLabels": {"other": "x"}}}), Some(no_key(role))),
        (json!({}), Some(no_key("selector"))),
    ] {
        assert_eq!(said(spec.clone(), &json!({"metadata": {"name": "p"}, "spec": selector})), message, "{selector}");
    }
}

#[test]
fn what_a_policy_may_not_say() {
    let texts = |object: Value| {
        let errors = Policy::compile(&object).expect_err("is refused");
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let rules = json!({"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]});
    let with = |extra: Value| {
        let mut object = json!({"spec": {"matchConstraints": rules, "validations": [{"expression": "true"}]}});
        json_patch::merge(&mut object["spec"], &extra);
        object
    };
    for (object, expected) in [
        (
            with(json!({"failurePolicy": "Maybe"})),
            "spec.failurePolicy: Unsupported value: \"Maybe\": supported values: \"Fail\", \"Ignore\"",
        ),
        (with(json!({"matchConstraints": null})), "spec.matchConstraints: Required value"),
        (
            with(json!({"matchConstraints": {"resourceRules": null}})),
            "spec.matchConstraints.resourceRules: Required value",
        ),
        (
            with(json!({"validations": [{"expression": ""}]})),
            "spec.validations[0].expression: Required value: expression is not specified",
        ),
        (
            with(json!({"validations": [{"expression": "'a'"}]})),
            "spec.validations[0].expression: Invalid value: \"'a'\": must evaluate to bool",
        ),
        (
            with(json!({"validations": [{"expression": "true", "reason": "Odd"}]})),
            "spec.validations[0].reason: Unsupported value: \"Odd\": supported values: \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\", \"Unauthorized\"",
        ),
        (
            with(json!({"validations": [{"expression": "params.x == 1"}]})),
            "spec.validations[0].expression: Invalid value: \"params.x == 1\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x == 1\n | ^",
        ),
        (
            with(json!({"validations": [{"expression": "authorizer.path('/x').check('get').allowed()"}]})),
            "spec.validations[0].expression: Invalid value: \"authorizer.path('/x').check('get').allowed()\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'authorizer' (in container '')\n | authorizer.path('/x').check('get').allowed()\n | ^",
        ),
        (
            with(json!({"matchConditions": [{"name": "", "expression": "true"}]})),
            "spec.matchConditions[0].name: Required value",
        ),
    ] {
        assert!(texts(object).iter().any(|text| text.starts_with(expected)), "{expected}");
    }
    let both = json!({"spec": {"policyName": "p", "validationActions": ["Deny", "Warn"], "paramRef": {"name": "x"}}});
    let errors = Binding::parse(&both).unwrap_err();
    assert_eq!(errors[0].to_string(), "spec.paramRef.parameterNotFoundAction: Required value");
    assert!(
        errors[1]
            .to_string()
            .starts_with("spec.validationActions: Invalid value: [\"Deny\",\"Warn\"]: must not contain both")
    );
}
