//! The fields of the kinds that are read in protobuf, by their numbers in the `generated.proto` files of `k8s.io/api` and
//! `k8s.io/apimachinery`. What is not listed is refused, unless it is zero.

#[derive(Clone, Copy)]
pub(super) enum Type {
    String,
    Bytes,
    Bool,
    Int,
    /// A bool or number that Go always writes and that JSON leaves out if it is zero.
    Flag,
    Count,
    /// Seconds since 1970, in field 1, as RFC 3339.
    Time,
    /// The same with nanoseconds in field 2, as RFC 3339 with microseconds.
    MicroTime,
    /// A number in field 2 or a string in field 3, by the tag in field 1.
    IntOrString,
    /// A quantity with a unit: a message whose field 1 is the text.
    Quantity,
    /// JSON as it is: a message whose field 1 has its bytes.
    Raw,
    Message(&'static [Field]),
    /// A field that the server sets itself: clients may send it, and are sent it.
    Server(&'static Type),
    /// A field that the server sets itself, of a kind that is never sent.
    Ignored,
}

#[derive(Clone, Copy)]
pub(super) enum Repeat {
    One,
    List,
    /// String keys.
    Map,
}

pub(super) struct Field {
    pub(super) number: u64,
    pub(super) name: &'static str,
    pub(super) repeat: Repeat,
    pub(super) of: Type,
}

const fn one(number: u64, name: &'static str, of: Type) -> Field {
    Field { number, name, repeat: Repeat::One, of }
}

const fn list(number: u64, name: &'static str, of: Type) -> Field {
    Field { number, name, repeat: Repeat::List, of }
}

const fn map(number: u64, name: &'static str, of: Type) -> Field {
    Field { number, name, repeat: Repeat::Map, of }
}

/// Name of a field whose own fields are inlined into its parent in JSON.
pub(super) const INLINE: &str = "";

use Type::{
    Bool, Bytes, Count, Flag, Ignored, Int, IntOrString, Message, MicroTime, Quantity, Raw, Server, String as Text,
    Time,
};

static OWNER: &[Field] = &[
    one(1, "kind", Text),
    one(3, "name", Text),
    one(4, "uid", Text),
    one(5, "apiVersion", Text),
    one(6, "controller", Bool),
    one(7, "blockOwnerDeletion", Bool),
];
static MANAGED: &[Field] = &[
    one(1, "manager", Text),
    one(2, "operation", Text),
    one(3, "apiVersion", Text),
    one(4, "time", Time),
    one(6, "fieldsType", Text),
    one(7, "fieldsV1", Raw),
    one(8, "subresource", Text),
];
static META: &[Field] = &[
    one(1, "name", Text),
    one(2, "generateName", Text),
    one(3, "namespace", Text),
    one(4, "selfLink", Ignored),
    one(5, "uid", Text),
    one(6, "resourceVersion", Text),
    one(7, "generation", Server(&Int)),
    one(8, "creationTimestamp", Server(&Time)),
    one(9, "deletionTimestamp", Server(&Time)),
    one(10, "deletionGracePeriodSeconds", Server(&Int)),
    map(11, "labels", Text),
    map(12, "annotations", Text),
    list(13, "ownerReferences", Message(OWNER)),
    list(14, "finalizers", Text),
    list(17, "managedFields", Server(&Message(MANAGED))),
];
static NAMESPACE: &[Field] = &[one(1, "metadata", Message(META)), one(2, "spec", Ignored), one(3, "status", Ignored)];
static CONFIG_MAP: &[Field] =
    &[one(1, "metadata", Message(META)), map(2, "data", Text), map(3, "binaryData", Bytes), one(4, "immutable", Bool)];
static SECRET: &[Field] = &[
    one(1, "metadata", Message(META)),
    map(2, "data", Bytes),
    one(3, "type", Text),
    map(4, "stringData", Text),
    one(5, "immutable", Bool),
];
static NAME: &[Field] = &[one(1, "name", Text)];
static SERVICE_ACCOUNT: &[Field] = &[
    one(1, "metadata", Message(META)),
    list(2, "secrets", Message(REFERENCE)),
    list(3, "imagePullSecrets", Message(NAME)),
    one(4, "automountServiceAccountToken", Bool),
];
static RESOURCE_ATTRIBUTES: &[Field] = &[
    one(1, "namespace", Text),
    one(2, "verb", Text),
    one(3, "group", Text),
    one(4, "version", Text),
    one(5, "resource", Text),
    one(6, "subresource", Text),
    one(7, "name", Text),
];
static NON_RESOURCE_ATTRIBUTES: &[Field] = &[one(1, "path", Text), one(2, "verb", Text)];
static SELF_REVIEW_SPEC: &[Field] = &[
    one(1, "resourceAttributes", Message(RESOURCE_ATTRIBUTES)),
    one(2, "nonResourceAttributes", Message(NON_RESOURCE_ATTRIBUTES)),
];
static SELF_REVIEW: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(SELF_REVIEW_SPEC)), one(3, "status", Ignored)];
static SELF_RULES_SPEC: &[Field] = &[one(1, "namespace", Text)];
static SELF_RULES: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(SELF_RULES_SPEC)), one(3, "status", Ignored)];
static WHO_AM_I: &[Field] = &[one(1, "metadata", Message(META)), one(2, "status", Ignored)];
static PRECONDITIONS: &[Field] = &[one(1, "uid", Text), one(2, "resourceVersion", Text)];
static DELETE_OPTIONS: &[Field] = &[
    one(1, "gracePeriodSeconds", Int),
    one(2, "preconditions", Message(PRECONDITIONS)),
    one(3, "orphanDependents", Bool),
    one(4, "propagationPolicy", Text),
    list(5, "dryRun", Text),
];
static EVICTION: &[Field] = &[one(1, "metadata", Message(META)), one(2, "deleteOptions", Message(DELETE_OPTIONS))];
static BOUND_OBJECT: &[Field] =
    &[one(1, "kind", Text), one(2, "apiVersion", Text), one(3, "name", Text), one(4, "uid", Text)];
static TOKEN_SPEC: &[Field] =
    &[list(1, "audiences", Text), one(3, "boundObjectRef", Message(BOUND_OBJECT)), one(4, "expirationSeconds", Int)];
static TOKEN_REQUEST: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(TOKEN_SPEC)), one(3, "status", Ignored)];
static ROLE_REF: &[Field] = &[one(1, "apiGroup", Text), one(2, "kind", Text), one(3, "name", Text)];
static SUBJECT: &[Field] =
    &[one(1, "kind", Text), one(2, "apiGroup", Text), one(3, "name", Text), one(4, "namespace", Text)];
static ROLE_BINDING: &[Field] =
    &[one(1, "metadata", Message(META)), list(2, "subjects", Message(SUBJECT)), one(3, "roleRef", Message(ROLE_REF))];
static RULE: &[Field] = &[
    list(1, "verbs", Text),
    list(2, "apiGroups", Text),
    list(3, "resources", Text),
    list(4, "resourceNames", Text),
    list(5, "nonResourceURLs", Text),
];
static ROLE: &[Field] = &[one(1, "metadata", Message(META)), list(2, "rules", Message(RULE))];
static LEASE_SPEC: &[Field] = &[
    one(1, "holderIdentity", Text),
    one(2, "leaseDurationSeconds", Int),
    one(3, "acquireTime", MicroTime),
    one(4, "renewTime", MicroTime),
    one(5, "leaseTransitions", Int),
];
static LEASE: &[Field] = &[one(1, "metadata", Message(META)), one(2, "spec", Message(LEASE_SPEC))];
static REFERENCE: &[Field] = &[
    one(1, "kind", Text),
    one(2, "namespace", Text),
    one(3, "name", Text),
    one(4, "uid", Text),
    one(5, "apiVersion", Text),
    one(6, "resourceVersion", Text),
    one(7, "fieldPath", Text),
];
static EVENT_SOURCE: &[Field] = &[one(1, "component", Text), one(2, "host", Text)];
static EVENT: &[Field] = &[
    one(1, "metadata", Message(META)),
    one(2, "involvedObject", Message(REFERENCE)),
    one(3, "reason", Text),
    one(4, "message", Text),
    one(5, "source", Message(EVENT_SOURCE)),
    one(6, "firstTimestamp", Time),
    one(7, "lastTimestamp", Time),
    one(8, "count", Count),
    one(9, "type", Text),
    one(10, "eventTime", MicroTime),
    one(12, "action", Text),
    one(13, "related", Message(REFERENCE)),
    one(14, "reportingComponent", Text),
    one(15, "reportingInstance", Text),
];
static REQUIREMENT: &[Field] = &[one(1, "key", Text), one(2, "operator", Text), list(3, "values", Text)];
static SELECTOR: &[Field] = &[map(1, "matchLabels", Text), list(2, "matchExpressions", Message(REQUIREMENT))];
static BUDGET_SPEC: &[Field] = &[
    one(1, "minAvailable", IntOrString),
    one(2, "selector", Message(SELECTOR)),
    one(3, "maxUnavailable", IntOrString),
    one(4, "unhealthyPodEvictionPolicy", Text),
];
static BUDGET: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(BUDGET_SPEC)), one(3, "status", Ignored)];
static PRIORITY_CLASS: &[Field] = &[
    one(1, "metadata", Message(META)),
    one(2, "value", Int),
    one(3, "globalDefault", Flag),
    one(4, "description", Text),
    one(5, "preemptionPolicy", Text),
];
static CONTAINER_PORT: &[Field] = &[
    one(1, "name", Text),
    one(2, "hostPort", Count),
    one(3, "containerPort", Int),
    one(4, "protocol", Text),
    one(5, "hostIP", Text),
];
static FIELD_REF: &[Field] = &[one(1, "apiVersion", Text), one(2, "fieldPath", Text)];
static RESOURCE_REF: &[Field] = &[one(1, "containerName", Text), one(2, "resource", Text), one(3, "divisor", Quantity)];
static KEY_REF: &[Field] = &[one(1, INLINE, Message(NAME)), one(2, "key", Text), one(3, "optional", Bool)];
static VARIABLE_SOURCE: &[Field] = &[
    one(1, "fieldRef", Message(FIELD_REF)),
    one(2, "resourceFieldRef", Message(RESOURCE_REF)),
    one(3, "configMapKeyRef", Message(KEY_REF)),
    one(4, "secretKeyRef", Message(KEY_REF)),
];
static VARIABLE: &[Field] =
    &[one(1, "name", Text), one(2, "value", Text), one(3, "valueFrom", Message(VARIABLE_SOURCE))];
static WHOLE_REF: &[Field] = &[one(1, INLINE, Message(NAME)), one(2, "optional", Bool)];
static VARIABLES: &[Field] =
    &[one(1, "prefix", Text), one(2, "configMapRef", Message(WHOLE_REF)), one(3, "secretRef", Message(WHOLE_REF))];
static MOUNT: &[Field] = &[
    one(1, "name", Text),
    one(2, "readOnly", Flag),
    one(3, "mountPath", Text),
    one(4, "subPath", Text),
    one(5, "mountPropagation", Text),
    one(6, "subPathExpr", Text),
    one(7, "recursiveReadOnly", Text),
];
static CLAIM: &[Field] = &[one(1, "name", Text), one(2, "request", Text)];
static RESOURCES: &[Field] =
    &[map(1, "limits", Quantity), map(2, "requests", Quantity), list(3, "claims", Message(CLAIM))];
static CAPABILITIES: &[Field] = &[list(1, "add", Text), list(2, "drop", Text)];
static PROFILE: &[Field] = &[one(1, "type", Text), one(2, "localhostProfile", Text)];
static SELINUX: &[Field] = &[one(1, "user", Text), one(2, "role", Text), one(3, "type", Text), one(4, "level", Text)];
static CONTAINER_SECURITY: &[Field] = &[
    one(1, "capabilities", Message(CAPABILITIES)),
    one(2, "privileged", Bool),
    one(3, "seLinuxOptions", Message(SELINUX)),
    one(4, "runAsUser", Int),
    one(5, "runAsNonRoot", Bool),
    one(6, "readOnlyRootFilesystem", Bool),
    one(7, "allowPrivilegeEscalation", Bool),
    one(8, "runAsGroup", Int),
    one(9, "procMount", Text),
    one(11, "seccompProfile", Message(PROFILE)),
    one(12, "appArmorProfile", Message(PROFILE)),
];
static EXEC: &[Field] = &[list(1, "command", Text)];
static HEADER: &[Field] = &[one(1, "name", Text), one(2, "value", Text)];
static HTTP_GET: &[Field] = &[
    one(1, "path", Text),
    one(2, "port", IntOrString),
    one(3, "host", Text),
    one(4, "scheme", Text),
    list(5, "httpHeaders", Message(HEADER)),
];
static SOCKET: &[Field] = &[one(1, "port", IntOrString), one(2, "host", Text)];
static GRPC: &[Field] = &[one(1, "port", Int), one(2, "service", Text)];
static HANDLER: &[Field] = &[
    one(1, "exec", Message(EXEC)),
    one(2, "httpGet", Message(HTTP_GET)),
    one(3, "tcpSocket", Message(SOCKET)),
    one(4, "grpc", Message(GRPC)),
];
static PROBE: &[Field] = &[
    one(1, INLINE, Message(HANDLER)),
    one(2, "initialDelaySeconds", Count),
    one(3, "timeoutSeconds", Count),
    one(4, "periodSeconds", Count),
    one(5, "successThreshold", Count),
    one(6, "failureThreshold", Count),
    one(7, "terminationGracePeriodSeconds", Int),
];
static LIFECYCLE: &[Field] = &[one(1, "postStart", Message(HANDLER)), one(2, "preStop", Message(HANDLER))];
static CONTAINER: &[Field] = &[
    one(1, "name", Text),
    one(2, "image", Text),
    list(3, "command", Text),
    list(4, "args", Text),
    one(5, "workingDir", Text),
    list(6, "ports", Message(CONTAINER_PORT)),
    list(7, "env", Message(VARIABLE)),
    one(8, "resources", Message(RESOURCES)),
    list(9, "volumeMounts", Message(MOUNT)),
    one(10, "livenessProbe", Message(PROBE)),
    one(11, "readinessProbe", Message(PROBE)),
    one(12, "lifecycle", Message(LIFECYCLE)),
    one(13, "terminationMessagePath", Text),
    one(14, "imagePullPolicy", Text),
    one(15, "securityContext", Message(CONTAINER_SECURITY)),
    one(16, "stdin", Flag),
    one(17, "stdinOnce", Flag),
    one(18, "tty", Flag),
    list(19, "envFrom", Message(VARIABLES)),
    one(20, "terminationMessagePolicy", Text),
    one(22, "startupProbe", Message(PROBE)),
    one(24, "restartPolicy", Text),
];
static HOST_PATH: &[Field] = &[one(1, "path", Text), one(2, "type", Text)];
static EMPTY_DIR: &[Field] = &[one(1, "medium", Text), one(2, "sizeLimit", Quantity)];
static KEY_TO_PATH: &[Field] = &[one(1, "key", Text), one(2, "path", Text), one(3, "mode", Int)];
static SECRET_VOLUME: &[Field] = &[
    one(1, "secretName", Text),
    list(2, "items", Message(KEY_TO_PATH)),
    one(3, "defaultMode", Int),
    one(4, "optional", Bool),
];
static MAP_VOLUME: &[Field] = &[
    one(1, INLINE, Message(NAME)),
    list(2, "items", Message(KEY_TO_PATH)),
    one(3, "defaultMode", Int),
    one(4, "optional", Bool),
];
static PROJECTED_KEYS: &[Field] =
    &[one(1, INLINE, Message(NAME)), list(2, "items", Message(KEY_TO_PATH)), one(4, "optional", Bool)];
static DOWNWARD_FILE: &[Field] = &[
    one(1, "path", Text),
    one(2, "fieldRef", Message(FIELD_REF)),
    one(3, "resourceFieldRef", Message(RESOURCE_REF)),
    one(4, "mode", Int),
];
static DOWNWARD: &[Field] = &[list(1, "items", Message(DOWNWARD_FILE)), one(2, "defaultMode", Int)];
static PROJECTED_TOKEN: &[Field] = &[one(1, "audience", Text), one(2, "expirationSeconds", Int), one(3, "path", Text)];
static PROJECTION: &[Field] = &[
    one(1, "secret", Message(PROJECTED_KEYS)),
    one(2, "downwardAPI", Message(DOWNWARD)),
    one(3, "configMap", Message(PROJECTED_KEYS)),
    one(4, "serviceAccountToken", Message(PROJECTED_TOKEN)),
];
static PROJECTED: &[Field] = &[list(1, "sources", Message(PROJECTION)), one(2, "defaultMode", Int)];
static CLAIMED: &[Field] = &[one(1, "claimName", Text), one(2, "readOnly", Flag)];
static VOLUME_SOURCE: &[Field] = &[
    one(1, "hostPath", Message(HOST_PATH)),
    one(2, "emptyDir", Message(EMPTY_DIR)),
    one(6, "secret", Message(SECRET_VOLUME)),
    one(10, "persistentVolumeClaim", Message(CLAIMED)),
    one(16, "downwardAPI", Message(DOWNWARD)),
    one(19, "configMap", Message(MAP_VOLUME)),
    one(26, "projected", Message(PROJECTED)),
];
static VOLUME: &[Field] = &[one(1, "name", Text), one(2, INLINE, Message(VOLUME_SOURCE))];
static TOLERATION: &[Field] = &[
    one(1, "key", Text),
    one(2, "operator", Text),
    one(3, "value", Text),
    one(4, "effect", Text),
    one(5, "tolerationSeconds", Int),
];
static SYSCTL: &[Field] = &[one(1, "name", Text), one(2, "value", Text)];
static POD_SECURITY: &[Field] = &[
    one(1, "seLinuxOptions", Message(SELINUX)),
    one(2, "runAsUser", Int),
    one(3, "runAsNonRoot", Bool),
    list(4, "supplementalGroups", Int),
    one(5, "fsGroup", Int),
    one(6, "runAsGroup", Int),
    list(7, "sysctls", Message(SYSCTL)),
    one(9, "fsGroupChangePolicy", Text),
    one(10, "seccompProfile", Message(PROFILE)),
    one(11, "appArmorProfile", Message(PROFILE)),
    one(12, "supplementalGroupsPolicy", Text),
];
static TERM: &[Field] =
    &[list(1, "matchExpressions", Message(REQUIREMENT)), list(2, "matchFields", Message(REQUIREMENT))];
static TERMS: &[Field] = &[list(1, "nodeSelectorTerms", Message(TERM))];
static PREFERENCE: &[Field] = &[one(1, "weight", Int), one(2, "preference", Message(TERM))];
static NODE_AFFINITY: &[Field] = &[
    one(1, "requiredDuringSchedulingIgnoredDuringExecution", Message(TERMS)),
    list(2, "preferredDuringSchedulingIgnoredDuringExecution", Message(PREFERENCE)),
];
static AFFINITY: &[Field] = &[one(1, "nodeAffinity", Message(NODE_AFFINITY))];
static POD_SPEC: &[Field] = &[
    list(1, "volumes", Message(VOLUME)),
    list(2, "containers", Message(CONTAINER)),
    one(3, "restartPolicy", Text),
    one(4, "terminationGracePeriodSeconds", Int),
    one(5, "activeDeadlineSeconds", Int),
    one(6, "dnsPolicy", Text),
    map(7, "nodeSelector", Text),
    one(8, "serviceAccountName", Text),
    one(9, "serviceAccount", Text),
    one(10, "nodeName", Text),
    one(11, "hostNetwork", Flag),
    one(12, "hostPID", Flag),
    one(13, "hostIPC", Flag),
    one(14, "securityContext", Message(POD_SECURITY)),
    list(15, "imagePullSecrets", Message(NAME)),
    one(16, "hostname", Text),
    one(17, "subdomain", Text),
    one(18, "affinity", Message(AFFINITY)),
    one(19, "schedulerName", Text),
    list(20, "initContainers", Message(CONTAINER)),
    one(21, "automountServiceAccountToken", Bool),
    list(22, "tolerations", Message(TOLERATION)),
    one(24, "priorityClassName", Text),
    one(25, "priority", Int),
    one(27, "shareProcessNamespace", Bool),
    one(29, "runtimeClassName", Text),
    one(30, "enableServiceLinks", Bool),
    one(31, "preemptionPolicy", Text),
    map(32, "overhead", Quantity),
    one(37, "hostUsers", Bool),
];
static POD: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(POD_SPEC)), one(3, "status", Ignored)];
static TEMPLATE: &[Field] = &[one(1, "metadata", Message(META)), one(2, "spec", Message(POD_SPEC))];
static DEPLOYMENT_SPEC: &[Field] = &[
    one(1, "replicas", Int),
    one(2, "selector", Message(SELECTOR)),
    one(3, "template", Message(TEMPLATE)),
    one(5, "minReadySeconds", Count),
    one(6, "revisionHistoryLimit", Int),
    one(7, "paused", Flag),
    one(9, "progressDeadlineSeconds", Int),
];
static DEPLOYMENT: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(DEPLOYMENT_SPEC)), one(3, "status", Ignored)];
static SERVICE_PORT: &[Field] = &[
    one(1, "name", Text),
    one(2, "protocol", Text),
    one(3, "port", Int),
    one(4, "targetPort", IntOrString),
    one(5, "nodePort", Count),
];
static SERVICE_SPEC: &[Field] = &[
    list(1, "ports", Message(SERVICE_PORT)),
    map(2, "selector", Text),
    one(3, "clusterIP", Text),
    one(4, "type", Text),
    one(7, "sessionAffinity", Text),
    one(10, "externalName", Text),
];
static SERVICE: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(SERVICE_SPEC)), one(3, "status", Ignored)];

static TAINT: &[Field] =
    &[one(1, "key", Text), one(2, "value", Text), one(3, "effect", Text), one(4, "timeAdded", Time)];
static NODE_SPEC: &[Field] = &[
    one(1, "podCIDR", Text),
    one(2, "externalID", Text),
    one(3, "providerID", Text),
    one(4, "unschedulable", Flag),
    list(5, "taints", Message(TAINT)),
    list(7, "podCIDRs", Text),
];
static NODE_CONDITION: &[Field] = &[
    one(1, "type", Text),
    one(2, "status", Text),
    one(3, "lastHeartbeatTime", Time),
    one(4, "lastTransitionTime", Time),
    one(5, "reason", Text),
    one(6, "message", Text),
];
static ADDRESS: &[Field] = &[one(1, "type", Text), one(2, "address", Text)];
static ENDPOINT: &[Field] = &[one(1, "Port", Int)];
static ENDPOINTS: &[Field] = &[one(1, "kubeletEndpoint", Message(ENDPOINT))];
static SWAP: &[Field] = &[one(1, "capacity", Int)];
static NODE_INFO: &[Field] = &[
    one(1, "machineID", Text),
    one(2, "systemUUID", Text),
    one(3, "bootID", Text),
    one(4, "kernelVersion", Text),
    one(5, "osImage", Text),
    one(6, "containerRuntimeVersion", Text),
    one(7, "kubeletVersion", Text),
    one(8, "kubeProxyVersion", Text),
    one(9, "operatingSystem", Text),
    one(10, "architecture", Text),
    one(11, "swap", Message(SWAP)),
];
static NODE_IMAGE: &[Field] = &[list(1, "names", Text), one(2, "sizeBytes", Count)];
static ATTACHED: &[Field] = &[one(1, "name", Text), one(2, "devicePath", Text)];
static HANDLER_FEATURES: &[Field] = &[one(1, "recursiveReadOnlyMounts", Bool), one(2, "userNamespaces", Bool)];
static RUNTIME_HANDLER: &[Field] = &[one(1, "name", Text), one(2, "features", Message(HANDLER_FEATURES))];
static NODE_FEATURES: &[Field] = &[one(1, "supplementalGroupsPolicy", Bool)];
static NODE_STATUS: &[Field] = &[
    map(1, "capacity", Quantity),
    map(2, "allocatable", Quantity),
    one(3, "phase", Text),
    list(4, "conditions", Message(NODE_CONDITION)),
    list(5, "addresses", Message(ADDRESS)),
    one(6, "daemonEndpoints", Message(ENDPOINTS)),
    one(7, "nodeInfo", Message(NODE_INFO)),
    list(8, "images", Message(NODE_IMAGE)),
    list(9, "volumesInUse", Text),
    list(10, "volumesAttached", Message(ATTACHED)),
    list(12, "runtimeHandlers", Message(RUNTIME_HANDLER)),
    one(13, "features", Message(NODE_FEATURES)),
];
static NODE: &[Field] =
    &[one(1, "metadata", Message(META)), one(2, "spec", Message(NODE_SPEC)), one(3, "status", Message(NODE_STATUS))];
static CSI_LIMIT: &[Field] = &[one(1, "count", Int)];
static CSI_NODE_DRIVER: &[Field] = &[
    one(1, "name", Text),
    one(2, "nodeID", Text),
    list(3, "topologyKeys", Text),
    one(4, "allocatable", Message(CSI_LIMIT)),
];
static CSI_NODE_SPEC: &[Field] = &[list(1, "drivers", Message(CSI_NODE_DRIVER))];
static CSI_NODE: &[Field] = &[one(1, "metadata", Message(META)), one(2, "spec", Message(CSI_NODE_SPEC))];

static CAUSE: &[Field] = &[one(1, "reason", Text), one(2, "message", Text), one(3, "field", Text)];
static DETAILS: &[Field] = &[
    one(1, "name", Text),
    one(2, "group", Text),
    one(3, "kind", Text),
    list(4, "causes", Message(CAUSE)),
    one(5, "retryAfterSeconds", Int),
    one(6, "uid", Text),
];
static STATUS: &[Field] = &[
    one(2, "status", Text),
    one(3, "message", Text),
    one(4, "reason", Text),
    one(5, "details", Message(DETAILS)),
    one(6, "code", Int),
];

/// The fields of a kind, if it can be read.
pub(super) fn message(kind: &str) -> Option<&'static [Field]> {
    Some(match kind {
        "Namespace" => NAMESPACE,
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "ServiceAccount" => SERVICE_ACCOUNT,
        "SelfSubjectAccessReview" => SELF_REVIEW,
        "SelfSubjectRulesReview" => SELF_RULES,
        "SelfSubjectReview" => WHO_AM_I,
        "DeleteOptions" => DELETE_OPTIONS,
        "Eviction" => EVICTION,
        "TokenRequest" => TOKEN_REQUEST,
        "RoleBinding" | "ClusterRoleBinding" => ROLE_BINDING,
        "Role" | "ClusterRole" => ROLE,
        "Lease" => LEASE,
        "Event" => EVENT,
        "PodDisruptionBudget" => BUDGET,
        "PriorityClass" => PRIORITY_CLASS,
        "Deployment" => DEPLOYMENT,
        "Service" => SERVICE,
        "Pod" => POD,
        "Node" => NODE,
        "CSINode" => CSI_NODE,
        "Status" => STATUS,
        _ => return None,
    })
}
