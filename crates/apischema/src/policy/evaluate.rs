//! What policies say about a request (k8s.io/apiserver/pkg/admission/plugin/policy/validating).

use super::{
    definition::{Binding, Check, Policy},
    matching,
    params::{self, ParamSource},
    request::Request,
};
use crate::{
    cel::{Bindings, Bound, Expression, Meter, Output},
    schema::message_of,
};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap};

/// Longest value of an audit annotation, in bytes; the rest is cut off.
const MAX_ANNOTATION: usize = 10 << 10;

/// The result of all policies together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The first reason to refuse the request, if there is one.
    pub denial: Option<Denial>,
    /// Texts for `Warning` headers.
    pub warnings: Vec<String>,
    /// Failures that are only to be recorded.
    pub audit_failures: Vec<AuditFailure>,
    /// Audit annotations, `<policy>/<key>` to value.
    pub audit_annotations: BTreeMap<String, String>,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The policy that refuses.
    pub policy: String,
    /// The binding that brought it in; `None` when the policy itself is at fault.
    pub binding: Option<String>,
    /// What it says.
    pub message: String,
    /// Reason of the answer: `Invalid` unless the validation gives another.
    pub reason: String,
}

impl Denial {
    /// The text of the answer's cause.
    #[must_use]
    pub fn cause(&self) -> String {
        let policy = &self.policy;
        let with = self.binding.as_ref().map(|binding| format!(" with binding '{binding}'")).unwrap_or_default();
        format!("ValidatingAdmissionPolicy '{policy}'{with} denied request: {}", self.message)
    }

    /// The text of the answer.
    #[must_use]
    pub fn text(&self, request: &Request<'_>) -> String {
        format!("{} \"{}\" is forbidden: {}", request.group_resource(), request.name, self.cause())
    }

    /// The HTTP status code of the answer.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self.reason.as_str() {
            "Forbidden" => 403,
            "Unauthorized" => 401,
            "RequestEntityTooLarge" => 413,
            _ => 422,
        }
    }
}

/// A failure of a validation whose binding asks for `Audit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFailure {
    /// The policy.
    pub policy: String,
    /// The binding.
    pub binding: String,
    /// Position of the validation in the policy.
    pub expression_index: usize,
    /// What it says.
    pub message: String,
}

/// Evaluates policies, each with the bindings that name it, on a request. Objects that configure admission are exempt.
#[must_use]
pub fn evaluate<'p>(
    policies: impl IntoIterator<Item = (&'p Policy, Vec<&'p Binding>)>,
    request: &Request<'_>,
    source: &dyn ParamSource,
) -> Verdict {
    let mut verdict = Verdict::default();
    let configures = [
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
    ];
    if request.group == "admissionregistration.k8s.io" && configures.contains(&request.kind) {
        return verdict;
    }
    for (policy, bindings) in policies {
        match matching::matched_version(policy.spec.match_constraints.as_ref(), request) {
            Ok(None) => {}
            Ok(Some(version)) => {
                let view = View::new(request, version);
                for binding in bindings {
                    bound(policy, binding, &view, source, &mut verdict);
                }
            }
            Err(error) => verdict.deny_misconfigured(policy, None, &error),
        }
    }
    verdict
}

/// The request in the version that a policy asks for.
struct View<'a> {
    request: &'a Request<'a>,
    described: Value,
    object: Option<Cow<'a, Value>>,
    old_object: Option<Cow<'a, Value>>,
}

impl<'a> View<'a> {
    fn new(request: &'a Request<'a>, version: &str) -> Self {
        let in_version = |object: &'a Value| {
            if version == request.version {
                return Cow::Borrowed(object);
            }
            let mut object = object.clone();
            if let Some(api_version) = object.get_mut("apiVersion") {
                let group = if request.group.is_empty() { String::new() } else { format!("{}/", request.group) };
                *api_version = Value::from(format!("{group}{version}"));
            }
            Cow::Owned(object)
        };
        Self {
            request,
            described: request.describe(version),
            object: request.object.map(in_version),
            old_object: request.old_object.map(in_version),
        }
    }

    fn bindings<'v>(&'v self, params: Option<&'v Value>, namespace: bool) -> Bindings<'v> {
        let namespace = self.request.namespace_object.filter(|_| namespace && !self.request.is_namespace());
        Bindings::metered(&Meter::default())
            .with_plain("object", self.object.as_deref())
            .with_plain("oldObject", self.old_object.as_deref())
            .with_plain("request", Some(&self.described))
            .with_plain("params", params)
            .with_plain("namespaceObject", namespace)
    }
}

/// A validation that did not hold, or could not be evaluated.
struct Failure {
    index: usize,
    message: String,
    reason: Option<String>,
    /// The request is refused whatever the binding says. This applies to audit annotations that cannot be evaluated.
    refuses: bool,
}

fn bound(policy: &Policy, binding: &Binding, view: &View<'_>, source: &dyn ParamSource, verdict: &mut Verdict) {
    match matching::matched_version(binding.spec.match_resources.as_ref(), view.request) {
        Ok(None) => return,
        Ok(Some(_)) => {}
        Err(error) => return verdict.deny_misconfigured(policy, Some(binding), &error),
    }
    let params =
        params::collect(policy.spec.param_kind.as_ref(), binding.spec.param_ref.as_ref(), view.request, source);
    let params = match params {
        Ok(params) => params,
        Err(error) => return verdict.deny_misconfigured(policy, Some(binding), &error),
    };
    for params in &params {
        for failure in validate(policy, view, params.as_ref(), verdict) {
            verdict.record(policy, binding, failure);
        }
    }
}

fn validate(policy: &Policy, view: &View<'_>, params: Option<&Value>, verdict: &mut Verdict) -> Vec<Failure> {
    let failed =
        |index, message, refuses| policy.fails_closed().then_some(Failure { index, message, reason: None, refuses });
    let unevaluated = |index, message| failed(index, message, false);
    match conditions_hold(policy, &view.bindings(params, false)) {
        Ok(true) => {}
        Ok(false) => return Vec::new(),
        Err(message) => return unevaluated(0, message).into_iter().collect(),
    }
    let mut evaluation = Evaluation { policy, bindings: view.bindings(params, true), variables: BTreeMap::new() };
    let mut failures = Vec::new();
    for (index, check) in policy.validations.iter().enumerate() {
        match evaluation.run(&check.expression) {
            Ok(Output::Bool(true)) => {}
            Ok(_) => {
                let message = evaluation.message(check);
                failures.push(Failure { index, message, reason: check.reason.clone(), refuses: false });
            }
            Err(message) => failures.extend(unevaluated(index, message)),
        }
    }
    for (key, expression) in &policy.audit_annotations {
        match evaluation.run(expression) {
            Ok(Output::String(text)) if !text.trim().is_empty() => {
                verdict.annotate(format!("{}/{key}", policy.name), text.trim());
            }
            Ok(Output::String(_) | Output::Null) => {}
            Ok(other) => {
                let kind = match other {
                    Output::Bool(_) => "bool".to_owned(),
                    Output::Other(kind) => kind,
                    Output::String(_) | Output::Null => String::new(),
                };
                let source = expression.source();
                let message = format!(
                    "valueExpression '{source}' resulted in unsupported return type: {kind}. Return type must be either string or null."
                );
                failures.extend(failed(0, message, true));
            }
            Err(message) => failures.extend(failed(0, message, true)),
        }
    }
    failures
}

/// Whether a policy's match conditions hold for the request. A single false one decides, even if others cannot be
/// evaluated.
fn conditions_hold(policy: &Policy, bindings: &Bindings<'_>) -> Result<bool, String> {
    let mut errors = Vec::new();
    for condition in &policy.conditions {
        match condition.evaluate(bindings) {
            Ok(Output::Bool(false)) => return Ok(false),
            Ok(_) => {}
            Err(error) => errors.push(in_expression(condition, &error.text)),
        }
    }
    match errors.as_slice() {
        [] => Ok(true),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

fn in_expression(expression: &Expression, error: &str) -> String {
    format!("expression '{}' resulted in error: {error}", expression.source())
}

/// The evaluation of one policy with one set of parameters: variables are evaluated when first used, and once.
struct Evaluation<'p, 'v> {
    policy: &'p Policy,
    bindings: Bindings<'v>,
    variables: BTreeMap<String, Result<Bound<'v>, String>>,
}

impl Evaluation<'_, '_> {
    fn run(&mut self, expression: &Expression) -> Result<Output, String> {
        let failed = self.prepare(expression);
        expression.evaluate(&self.bindings).map_err(|error| in_expression(expression, &failed.unwrap_or(error.text)))
    }

    /// Binds the variables that an expression reads. If one of them failed, the expression fails with its error.
    fn prepare(&mut self, expression: &Expression) -> Option<String> {
        let mut failed = None;
        for name in expression.fields_of("variables") {
            self.variable(&name);
            if let Some(Err(error)) = self.variables.get(&name) {
                failed = failed.or_else(|| Some(format!("composited variable \"{name}\" fails to evaluate: {error}")));
            }
        }
        let known =
            self.variables.iter().filter_map(|(name, value)| Some((name.clone(), value.as_ref().ok()?.clone())));
        let variables = Bound::map(known.collect::<Vec<_>>());
        self.bindings.set("variables", variables);
        failed
    }

    fn variable(&mut self, name: &str) {
        if self.variables.contains_key(name) {
            return;
        }
        let Some((_, expression)) = self.policy.variables.iter().find(|(known, _)| known == name) else { return };
        // A variable that reads itself, directly or indirectly, does not find itself.
        self.variables.insert(name.to_owned(), Err(format!("no such key: {name}")));
        let failed = self.prepare(expression);
        let value = expression.evaluate_value(&self.bindings).map_err(|error| failed.unwrap_or(error.text));
        self.variables.insert(name.to_owned(), value);
    }

    fn message(&mut self, check: &Check) -> String {
        let computed = check.message_expression.as_ref().and_then(|expression| {
            self.prepare(expression);
            message_of(expression.evaluate(&self.bindings))
        });
        let fixed = || check.message.clone();
        computed.or_else(fixed).unwrap_or_else(|| format!("failed expression: {}", check.expression.source().trim()))
    }
}

impl Verdict {
    fn record(&mut self, policy: &Policy, binding: &Binding, failure: Failure) {
        let (policy, message) = (policy.name.clone(), failure.message);
        if binding.has_action("Warn") && !failure.refuses {
            let binding = &binding.name;
            let text = format!(
                "Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{binding}': {message}"
            );
            self.warnings.push(text);
        }
        if binding.has_action("Audit") && !failure.refuses {
            let (policy, message) = (policy.clone(), message.clone());
            let failure =
                AuditFailure { policy, binding: binding.name.clone(), expression_index: failure.index, message };
            self.audit_failures.push(failure);
        }
        if binding.has_action("Deny") || failure.refuses {
            let reason = failure.reason.unwrap_or_else(|| "Invalid".into());
            self.denial.get_or_insert(Denial { policy, binding: Some(binding.name.clone()), message, reason });
        }
    }

    fn deny_misconfigured(&mut self, policy: &Policy, binding: Option<&Binding>, error: &str) {
        if !policy.fails_closed() {
            return;
        }
        let what = if binding.is_some() { "binding" } else { "policy" };
        self.denial.get_or_insert(Denial {
            policy: policy.name.clone(),
            binding: binding.map(|binding| binding.name.clone()),
            message: format!("failed to configure {what}: {error}"),
            reason: "Invalid".into(),
        });
    }

    /// If several parameters give different values for one key, all are listed.
    fn annotate(&mut self, key: String, value: &str) {
        let mut end = value.len().min(MAX_ANNOTATION);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        let value = &value[..end];
        let listed = self.audit_annotations.entry(key).or_default();
        if listed.split(", ").all(|known| known != value) {
            if !listed.is_empty() {
                listed.push_str(", ");
            }
            listed.push_str(value);
        }
    }
}
