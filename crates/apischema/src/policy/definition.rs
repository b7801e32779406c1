//! Policies and bindings, checked and compiled once
//! (messages of k8s.io/kubernetes/pkg/apis/admissionregistration/validation).

use crate::{
    cel::Expression,
    schema::FieldError,
    typing::{CompileError, Scope},
};
use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec,
    Validation,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reasons a validation may give, sorted.
const REASONS: [&str; 4] = ["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];

/// A policy, ready to be evaluated. Shared freely between threads.
#[derive(Debug)]
pub struct Policy {
    pub(super) name: String,
    pub(super) spec: ValidatingAdmissionPolicySpec,
    pub(super) conditions: Vec<Expression>,
    pub(super) variables: Vec<(String, Expression)>,
    pub(super) validations: Vec<Check>,
    pub(super) audit_annotations: Vec<(String, Expression)>,
}

/// A validation of a policy.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) expression: Expression,
    pub(super) message: Option<String>,
    pub(super) message_expression: Option<Expression>,
    pub(super) reason: Option<String>,
}

/// A binding: where a policy applies, with which parameters, and what a violation leads to.
#[derive(Debug)]
pub struct Binding {
    pub(super) name: String,
    pub(super) spec: ValidatingAdmissionPolicyBindingSpec,
}

fn name_of(object: &Value) -> String {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn spec_of<T: DeserializeOwned>(object: &Value) -> Result<T, Vec<FieldError>> {
    let spec = object.get("spec").cloned().unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    serde_json::from_value(spec)
        .map_err(|error| vec![FieldError::invalid("spec", &Value::from(""), &error.to_string())])
}

impl Policy {
    /// Checks and compiles a ValidatingAdmissionPolicy object.
    ///
    /// # Errors
    /// What kube-apiserver answers 422 to, with its paths and messages. `authorizer` is not available to expressions:
    /// one that uses it is refused as using an undeclared name.
    pub fn compile(object: &Value) -> Result<Self, Vec<FieldError>> {
        let mut spec: ValidatingAdmissionPolicySpec = spec_of(object)?;
        let mut errors = Vec::new();
        check_shape(&spec, &mut errors);
        let has_params = spec.param_kind.is_some();
        let plain = || {
            let scope = ["object", "oldObject", "request", "namespaceObject"]
                .into_iter()
                .fold(Scope::default(), Scope::variable);
            if has_params { scope.variable("params") } else { scope }
        };
        let full = || plain().variable("variables");
        let mut compile = |field: String, source: &str, what: &str, scope: &Scope<'_>| {
            if source.trim().is_empty() {
                errors.push(FieldError::required(field, &format!("{what} is not specified")));
                return None;
            }
            let refused = |error: CompileError| {
                errors.push(FieldError::invalid(field, &Value::from(source), &error.worded("")));
            };
            Expression::compile(source, scope).map_err(refused).ok()
        };
        let bool = "must evaluate to bool";
        let mut conditions = Vec::new();
        for (i, condition) in spec.match_conditions.iter().flatten().enumerate() {
            let field = format!("spec.matchConditions[{i}].expression");
            conditions.extend(compile(field, &condition.expression, "expression", &plain().must_be_bool(bool)));
        }
        let mut variables = Vec::new();
        for (i, variable) in spec.variables.iter().flatten().enumerate() {
            let field = format!("spec.variables[{i}].expression");
            let compiled = compile(field, &variable.expression, "expression", &full());
            variables.extend(compiled.map(|compiled| (variable.name.clone(), compiled)));
        }
        let mut validations = Vec::new();
        for (i, validation) in spec.validations.iter().flatten().enumerate() {
            let field = |name: &str| format!("spec.validations[{i}].{name}");
            let scope = full().must_be_bool(bool);
            let expression = compile(field("expression"), &validation.expression, "expression", &scope);
            let message = validation.message_expression.as_deref().filter(|source| !source.is_empty());
            let scope = full().must_be_string("must evaluate to string");
            let message = message.and_then(|s| compile(field("messageExpression"), s, "messageExpression", &scope));
            validations.extend(expression.map(|expression| Check::new(expression, message, validation)));
        }
        let mut audit_annotations = Vec::new();
        for (i, annotation) in spec.audit_annotations.iter().flatten().enumerate() {
            let field = format!("spec.auditAnnotations[{i}].valueExpression");
            let compiled = compile(field, &annotation.value_expression, "valueExpression", &full());
            audit_annotations.extend(compiled.map(|compiled| (annotation.key.clone(), compiled)));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        spec.failure_policy.get_or_insert_with(|| "Fail".into());
        Ok(Self { name: name_of(object), spec, conditions, variables, validations, audit_annotations })
    }

    /// The policy's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a request is refused if the policy cannot be evaluated.
    pub(super) fn fails_closed(&self) -> bool {
        self.spec.failure_policy.as_deref() != Some("Ignore")
    }
}

impl Check {
    fn new(expression: Expression, message_expression: Option<Expression>, validation: &Validation) -> Self {
        let message = validation.message.as_deref().map(str::trim).filter(|message| !message.is_empty());
        Self { expression, message: message.map(str::to_owned), message_expression, reason: validation.reason.clone() }
    }
}

fn check_shape(spec: &ValidatingAdmissionPolicySpec, errors: &mut Vec<FieldError>) {
    let known = ["Fail", "Ignore"];
    if let Some(policy) = spec.failure_policy.as_deref().filter(|policy| !known.contains(policy)) {
        errors.push(FieldError::not_supported("spec.failurePolicy", &Value::from(policy), known));
    }
    if let Some(kind) = &spec.param_kind {
        for (name, value) in [("apiVersion", &kind.api_version), ("kind", &kind.kind)] {
            if value.as_deref().unwrap_or_default().is_empty() {
                errors.push(FieldError::required(format!("spec.paramKind.{name}"), ""));
            }
        }
    }
    match &spec.match_constraints {
        None => errors.push(FieldError::required("spec.matchConstraints", "")),
        Some(constraints) => check_match("spec.matchConstraints", constraints, true, errors),
    }
    let conditions = spec.match_conditions.iter().flatten().map(|condition| condition.name.as_str());
    check_names("spec.matchConditions", "name", conditions, errors);
    let variables = spec.variables.iter().flatten().map(|variable| variable.name.as_str());
    check_names("spec.variables", "name", variables, errors);
    let annotations = spec.audit_annotations.iter().flatten().map(|annotation| annotation.key.as_str());
    check_names("spec.auditAnnotations", "key", annotations, errors);
    let nothing = |list: Option<usize>| list.unwrap_or_default() == 0;
    if nothing(spec.validations.as_ref().map(Vec::len)) && nothing(spec.audit_annotations.as_ref().map(Vec::len)) {
        let detail = "validations or auditAnnotations must contain at least one item";
        errors.push(FieldError::required("spec.validations", detail));
        errors.push(FieldError::required("spec.auditAnnotations", detail));
    }
    for (i, validation) in spec.validations.iter().flatten().enumerate() {
        let field = |name: &str| format!("spec.validations[{i}].{name}");
        if let Some(message) = validation.message.as_deref().filter(|message| !message.is_empty()) {
            let detail = match message.trim() {
                "" => "message must be non-empty if specified",
                text if text.contains('\n') => "message must not contain line breaks",
                _ => "",
            };
            if !detail.is_empty() {
                errors.push(FieldError::invalid(field("message"), &Value::from(message), detail));
            }
        } else if validation.expression.trim().contains('\n') && validation.message.is_none() {
            let detail = "message must be specified if expression contains line breaks";
            errors.push(FieldError::required(field("message"), detail));
        }
        if let Some(reason) = validation.reason.as_deref().filter(|reason| !REASONS.contains(reason)) {
            errors.push(FieldError::not_supported(field("reason"), &Value::from(reason), REASONS));
        }
    }
}

/// Names must be present and unique.
fn check_names<'a>(path: &str, field: &str, names: impl Iterator<Item = &'a str>, errors: &mut Vec<FieldError>) {
    let mut seen = Vec::new();
    for (i, name) in names.enumerate() {
        let field = format!("{path}[{i}].{field}");
        if name.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if seen.contains(&name) {
            errors.push(FieldError::duplicate(field, Some(&Value::from(name))));
        }
        seen.push(name);
    }
}

fn check_match(path: &str, criteria: &MatchResources, need_rules: bool, errors: &mut Vec<FieldError>) {
    let known = ["Equivalent", "Exact"];
    if let Some(policy) = criteria.match_policy.as_deref().filter(|policy| !known.contains(policy)) {
        errors.push(FieldError::not_supported(format!("{path}.matchPolicy"), &Value::from(policy), known));
    }
    let rules = criteria.resource_rules.as_deref().unwrap_or_default();
    if need_rules && rules.is_empty() {
        errors.push(FieldError::required(format!("{path}.resourceRules"), ""));
    }
    let excluded = criteria.exclude_resource_rules.as_deref().unwrap_or_default();
    for (list, rules) in [("resourceRules", rules), ("excludeResourceRules", excluded)] {
        for (i, rule) in rules.iter().enumerate() {
            check_match_rule(&format!("{path}.{list}[{i}]"), rule, errors);
        }
    }
}

fn check_match_rule(path: &str, rule: &NamedRuleWithOperations, errors: &mut Vec<FieldError>) {
    let lists = [
        ("apiGroups", &rule.api_groups),
        ("apiVersions", &rule.api_versions),
        ("resources", &rule.resources),
        ("operations", &rule.operations),
    ];
    for (name, _) in lists.into_iter().filter(|(_, list)| list.as_ref().is_none_or(Vec::is_empty)) {
        errors.push(FieldError::required(format!("{path}.{name}"), ""));
    }
    let known = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    for (i, operation) in rule.operations.iter().flatten().enumerate().filter(|(_, op)| !known.contains(&op.as_str())) {
        let field = format!("{path}.operations[{i}]");
        errors.push(FieldError::not_supported(field, &Value::from(operation.as_str()), known));
    }
    let known = ["*", "Cluster", "Namespaced"];
    if let Some(scope) = rule.scope.as_deref().filter(|scope| !known.contains(scope)) {
        errors.push(FieldError::not_supported(format!("{path}.scope"), &Value::from(scope), known));
    }
}

impl Binding {
    /// Checks a ValidatingAdmissionPolicyBinding object.
    ///
    /// # Errors
    /// What kube-apiserver answers 422 to, with its paths and messages.
    pub fn parse(object: &Value) -> Result<Self, Vec<FieldError>> {
        let spec: ValidatingAdmissionPolicyBindingSpec = spec_of(object)?;
        let mut errors = Vec::new();
        if spec.policy_name.as_deref().unwrap_or_default().is_empty() {
            errors.push(FieldError::required("spec.policyName", ""));
        }
        if let Some(reference) = &spec.param_ref {
            let name = reference.name.as_deref().unwrap_or_default();
            match (name.is_empty(), reference.selector.is_some()) {
                (true, false) => {
                    errors.push(FieldError::required("spec.paramRef", "one of name or selector must be specified"));
                }
                (false, true) => {
                    let detail = "name and selector are mutually exclusive";
                    errors.push(FieldError::forbidden("spec.paramRef.name", detail));
                }
                _ => {}
            }
            let known = ["Allow", "Deny"];
            let field = "spec.paramRef.parameterNotFoundAction";
            match reference.parameter_not_found_action.as_deref() {
                None => errors.push(FieldError::required(field, "")),
                Some(action) if !known.contains(&action) => {
                    errors.push(FieldError::not_supported(field, &Value::from(action), known));
                }
                Some(_) => {}
            }
        }
        if let Some(criteria) = &spec.match_resources {
            check_match("spec.matchResources", criteria, false, &mut errors);
        }
        check_actions(spec.validation_actions.as_deref().unwrap_or_default(), &mut errors);
        if errors.is_empty() { Ok(Self { name: name_of(object), spec }) } else { Err(errors) }
    }

    /// The binding's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The policy it binds.
    #[must_use]
    pub fn policy_name(&self) -> &str {
        self.spec.policy_name.as_deref().unwrap_or_default()
    }

    pub(super) fn has_action(&self, action: &str) -> bool {
        self.spec.validation_actions.iter().flatten().any(|listed| listed == action)
    }
}

fn check_actions(actions: &[String], errors: &mut Vec<FieldError>) {
    let field = "spec.validationActions";
    if actions.is_empty() {
        errors.push(FieldError::required(field, ""));
    }
    let known = ["Audit", "Deny", "Warn"];
    for (i, action) in actions.iter().enumerate() {
        let item = format!("{field}[{i}]");
        if !known.contains(&action.as_str()) {
            errors.push(FieldError::not_supported(item, &Value::from(action.as_str()), known));
        } else if actions[..i].contains(action) {
            errors.push(FieldError::duplicate(item, Some(&Value::from(action.as_str()))));
        }
    }
    if ["Deny", "Warn"].iter().all(|action| actions.iter().any(|listed| listed == action)) {
        let detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)";
        errors.push(FieldError::invalid(field, &Value::from(actions.to_vec()), detail));
    }
}
