//! The fields of a kubelet's configuration, with their types and the first release that writes them.
//!
//! R-FIELDS-1 A release knows the fields that existed when it was made and drops all others: what it generates contains no later
//! ones.
//! R-FIELDS-2 A field that Go writes only if it is not zero is left out if it is zero. A struct is always written, and so is a
//! duration, which is a struct.
//!
//! Source: `config/v1beta1/types.go` of github.com/kubernetes/kubelet, in the versions that the releases of
//! github.com/openshift/machine-config-operator vendor.

use Kind::{
    Bool, BufferSize, Duration, Float, FlushFrequency, Int32, Int64, List, Map, Pointer, Quantity, Struct, Text, Time,
    Uint32,
};
use weir_distro::ReleaseVersion;

/// The type of a field.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A string.
    Text,
    /// A boolean.
    Bool,
    /// A signed 32-bit integer.
    Int32,
    /// A signed 64-bit integer.
    Int64,
    /// An unsigned 32-bit integer.
    Uint32,
    /// A floating point number.
    Float,
    /// Go's duration text, such as `1m30s`.
    Duration,
    /// A duration as text or as a number of nanoseconds, written the way it was read.
    FlushFrequency,
    /// A point in time (RFC 3339).
    Time,
    /// A quantity, such as `1.5Gi`.
    Quantity,
    /// A quantity that merging ignores.
    BufferSize,
    /// A list.
    List(&'static Kind),
    /// An object with any keys.
    Map(&'static Kind),
    /// An object with these fields.
    Struct(&'static [Field]),
    /// A value for which absent and zero differ.
    Pointer(&'static Kind),
}

/// One field of a struct.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name in JSON.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Also written if it is zero.
    pub always: bool,
    /// First release with the field.
    pub since: ReleaseVersion,
}

/// The oldest release that weir generates for.
pub const V4_16: ReleaseVersion = ReleaseVersion { major: 4, minor: 16 };
/// From this release on, configurations are YAML.
pub const V4_18: ReleaseVersion = ReleaseVersion { major: 4, minor: 18 };
const V4_19: ReleaseVersion = ReleaseVersion { major: 4, minor: 19 };
const V4_20: ReleaseVersion = ReleaseVersion { major: 4, minor: 20 };
/// From this release on, swap must not be configured.
pub const V4_21: ReleaseVersion = ReleaseVersion { major: 4, minor: 21 };
/// From this release on, whether a path for static pods is allowed depends on the pool.
pub const V5_0: ReleaseVersion = ReleaseVersion { major: 5, minor: 0 };

/// The releases in which kubelets' configurations changed, from the oldest that weir generates for.
pub const RELEASES: [ReleaseVersion; 6] = [V4_16, V4_18, V4_19, V4_20, V4_21, V5_0];

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, always: false, since: V4_16 }
}

const fn always(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, always: true, since: V4_16 }
}

impl Field {
    const fn since(self, since: ReleaseVersion) -> Self {
        Self { since, ..self }
    }
}

/// All fields, in the order of Go's type, which is also that of the JSON text.
pub const KUBELET_CONFIGURATION: &[Field] = &[
    field("enableServer", Pointer(&Bool)),
    field("staticPodPath", Text),
    field("podLogsDir", Text).since(V4_18),
    field("syncFrequency", Duration),
    field("fileCheckFrequency", Duration),
    field("httpCheckFrequency", Duration),
    field("staticPodURL", Text),
    field("staticPodURLHeader", Map(&List(&Text))),
    field("address", Text),
    field("port", Int32),
    field("readOnlyPort", Int32),
    field("tlsCertFile", Text),
    field("tlsPrivateKeyFile", Text),
    field("tlsCipherSuites", List(&Text)),
    field("tlsCurvePreferences", List(&Int32)).since(V5_0),
    field("tlsMinVersion", Text),
    field("rotateCertificates", Bool),
    field("serverTLSBootstrap", Bool),
    always("authentication", Struct(KUBELET_AUTHENTICATION)),
    always("authorization", Struct(KUBELET_AUTHORIZATION)),
    field("registryPullQPS", Pointer(&Int32)),
    field("registryBurst", Int32),
    field("imagePullCredentialsVerificationPolicy", Text).since(V4_20),
    field("preloadedImagesVerificationAllowlist", List(&Text)).since(V4_20),
    field("eventRecordQPS", Pointer(&Int32)),
    field("eventBurst", Int32),
    field("enableDebuggingHandlers", Pointer(&Bool)),
    field("enableContentionProfiling", Bool),
    field("healthzPort", Pointer(&Int32)),
    field("healthzBindAddress", Text),
    field("oomScoreAdj", Pointer(&Int32)),
    field("clusterDomain", Text),
    field("clusterDNS", List(&Text)),
    field("streamingConnectionIdleTimeout", Duration),
    field("nodeStatusUpdateFrequency", Duration),
    field("nodeStatusReportFrequency", Duration),
    field("nodeLeaseDurationSeconds", Int32),
    field("imageMinimumGCAge", Duration),
    field("imageMaximumGCAge", Duration),
    field("imageGCHighThresholdPercent", Pointer(&Int32)),
    field("imageGCLowThresholdPercent", Pointer(&Int32)),
    field("volumeStatsAggPeriod", Duration),
    field("kubeletCgroups", Text),
    field("systemCgroups", Text),
    field("cgroupRoot", Text),
    field("cgroupsPerQOS", Pointer(&Bool)),
    field("cgroupDriver", Text),
    field("cpuManagerPolicy", Text),
    field("singleProcessOOMKill", Pointer(&Bool)).since(V4_19),
    field("cpuManagerPolicyOptions", Map(&Text)),
    field("cpuManagerReconcilePeriod", Duration),
    field("memoryManagerPolicy", Text),
    field("topologyManagerPolicy", Text),
    field("topologyManagerScope", Text),
    field("topologyManagerPolicyOptions", Map(&Text)),
    field("qosReserved", Map(&Text)),
    field("runtimeRequestTimeout", Duration),
    field("hairpinMode", Text),
    field("maxPods", Int32),
    field("podCIDR", Text),
    field("podPidsLimit", Pointer(&Int64)),
    field("resolvConf", Pointer(&Text)),
    field("runOnce", Bool),
    field("cpuCFSQuota", Pointer(&Bool)),
    field("cpuCFSQuotaPeriod", Pointer(&Duration)),
    field("nodeStatusMaxImages", Pointer(&Int32)),
    field("maxOpenFiles", Int64),
    field("contentType", Text),
    field("kubeAPIQPS", Pointer(&Int32)),
    field("kubeAPIBurst", Int32),
    field("serializeImagePulls", Pointer(&Bool)),
    field("maxParallelImagePulls", Pointer(&Int32)),
    field("evictionHard", Map(&Text)),
    field("evictionSoft", Map(&Text)),
    field("evictionSoftGracePeriod", Map(&Text)),
    field("evictionPressureTransitionPeriod", Duration),
    field("evictionMaxPodGracePeriod", Int32),
    field("evictionMinimumReclaim", Map(&Text)),
    field("mergeDefaultEvictionSettings", Pointer(&Bool)).since(V4_20),
    field("podsPerCore", Int32),
    field("enableControllerAttachDetach", Pointer(&Bool)),
    field("protectKernelDefaults", Bool),
    field("makeIPTablesUtilChains", Pointer(&Bool)),
    field("iptablesMasqueradeBit", Pointer(&Int32)),
    field("iptablesDropBit", Pointer(&Int32)),
    field("featureGates", Map(&Bool)),
    field("failSwapOn", Pointer(&Bool)),
    field("memorySwap", Struct(MEMORY_SWAP_CONFIGURATION)),
    field("containerLogMaxSize", Text),
    field("containerLogMaxFiles", Pointer(&Int32)),
    field("containerLogMaxWorkers", Pointer(&Int32)).since(V4_18),
    field("containerLogMonitorInterval", Pointer(&Duration)).since(V4_18),
    field("configMapAndSecretChangeDetectionStrategy", Text),
    field("systemReserved", Map(&Text)),
    field("kubeReserved", Map(&Text)),
    field("reservedSystemCPUs", Text),
    field("showHiddenMetricsForVersion", Text),
    field("systemReservedCgroup", Text),
    field("kubeReservedCgroup", Text),
    field("enforceNodeAllocatable", List(&Text)),
    field("allowedUnsafeSysctls", List(&Text)),
    field("volumePluginDir", Text),
    field("providerID", Text),
    field("kernelMemcgNotification", Bool),
    field("logging", Struct(LOGGING_CONFIGURATION)),
    field("enableSystemLogHandler", Pointer(&Bool)),
    field("enableSystemLogQuery", Pointer(&Bool)),
    field("shutdownGracePeriod", Duration),
    field("shutdownGracePeriodCriticalPods", Duration),
    field("shutdownGracePeriodByPodPriority", List(&Struct(SHUTDOWN_GRACE_PERIOD_BY_POD_PRIORITY))),
    field("crashLoopBackOff", Struct(CRASH_LOOP_BACK_OFF_CONFIG)).since(V4_19),
    field("reservedMemory", List(&Struct(MEMORY_RESERVATION))),
    field("enableProfilingHandler", Pointer(&Bool)),
    field("enableDebugFlagsHandler", Pointer(&Bool)),
    field("seccompDefault", Pointer(&Bool)),
    field("memoryThrottlingFactor", Pointer(&Float)),
    field("memoryReservationPolicy", Text).since(V5_0),
    field("registerWithTaints", List(&Struct(TAINT))),
    field("registerNode", Pointer(&Bool)),
    field("tracing", Pointer(&Struct(TRACING_CONFIGURATION))),
    field("localStorageCapacityIsolation", Pointer(&Bool)),
    always("containerRuntimeEndpoint", Text),
    field("imageServiceEndpoint", Text),
    field("failCgroupV1", Pointer(&Bool)).since(V4_18),
    field("userNamespaces", Pointer(&Struct(USER_NAMESPACES))).since(V4_20),
];

const KUBELET_AUTHENTICATION: &[Field] = &[
    always("x509", Struct(KUBELET_X509_AUTHENTICATION)),
    always("webhook", Struct(KUBELET_WEBHOOK_AUTHENTICATION)),
    always("anonymous", Struct(KUBELET_ANONYMOUS_AUTHENTICATION)),
];

const KUBELET_X509_AUTHENTICATION: &[Field] = &[field("clientCAFile", Text)];

const KUBELET_WEBHOOK_AUTHENTICATION: &[Field] = &[field("enabled", Pointer(&Bool)), field("cacheTTL", Duration)];

const KUBELET_ANONYMOUS_AUTHENTICATION: &[Field] = &[field("enabled", Pointer(&Bool))];

const KUBELET_AUTHORIZATION: &[Field] =
    &[field("mode", Text), always("webhook", Struct(KUBELET_WEBHOOK_AUTHORIZATION))];

const KUBELET_WEBHOOK_AUTHORIZATION: &[Field] =
    &[field("cacheAuthorizedTTL", Duration), field("cacheUnauthorizedTTL", Duration)];

const MEMORY_SWAP_CONFIGURATION: &[Field] = &[field("swapBehavior", Text)];

const LOGGING_CONFIGURATION: &[Field] = &[
    field("format", Text),
    always("flushFrequency", FlushFrequency),
    always("verbosity", Uint32),
    field("vmodule", List(&Struct(V_MODULE_ITEM))),
    field("options", Struct(FORMAT_OPTIONS)),
];

const V_MODULE_ITEM: &[Field] = &[always("filePattern", Text), always("verbosity", Uint32)];

const FORMAT_OPTIONS: &[Field] = &[field("text", Struct(OUTPUT_ROUTING)), field("json", Struct(OUTPUT_ROUTING))];

const OUTPUT_ROUTING: &[Field] = &[field("splitStream", Bool), field("infoBufferSize", BufferSize)];

const SHUTDOWN_GRACE_PERIOD_BY_POD_PRIORITY: &[Field] =
    &[always("priority", Int32), always("shutdownGracePeriodSeconds", Int64)];

const CRASH_LOOP_BACK_OFF_CONFIG: &[Field] = &[field("maxContainerRestartPeriod", Pointer(&Duration))];

const MEMORY_RESERVATION: &[Field] = &[always("numaNode", Int32), always("limits", Map(&Quantity))];

const TAINT: &[Field] =
    &[always("key", Text), field("value", Text), always("effect", Text), field("timeAdded", Pointer(&Time))];

const TRACING_CONFIGURATION: &[Field] =
    &[field("endpoint", Pointer(&Text)), field("samplingRatePerMillion", Pointer(&Int32))];

const USER_NAMESPACES: &[Field] = &[field("idsPerPod", Pointer(&Int64))];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// The type's name in Go; a mere alias is replaced by its type.
    fn go(kind: &Kind, types: &Value, found: &str) -> bool {
        let is = |name: &str| found == name || found.ends_with(&format!("({name})"));
        match kind {
            Text => is("string"),
            Bool => is("bool"),
            Int32 => is("int32"),
            Int64 => is("int64"),
            Uint32 => is("uint32"),
            Float => is("float64"),
            Duration => is("v1.Duration"),
            FlushFrequency => is("v1.TimeOrMetaDuration"),
            Time => is("v1.Time"),
            Quantity => is("resource.Quantity"),
            BufferSize => is("resource.QuantityValue"),
            List(inner) => found.strip_prefix("[]").is_some_and(|found| go(inner, types, found)),
            Map(inner) => {
                found.starts_with("map[") && found.split_once(']').is_some_and(|(_, of)| go(inner, types, of))
            }
            Pointer(inner) => found.strip_prefix('*').is_some_and(|found| go(inner, types, found)),
            Struct(fields) => compare(fields, types, found),
        }
    }

    /// Fields in Go's order, with those of embedded structs in their place.
    fn go_fields<'a>(types: &'a Value, name: &str, all: &mut Vec<&'a Value>) {
        for field in types[name].as_array().unwrap() {
            match field["json"].as_str() {
                Some("") if field["type"] != "v1.TypeMeta" => go_fields(types, field["type"].as_str().unwrap(), all),
                Some("") => {}
                _ => all.push(field),
            }
        }
    }

    fn compare(fields: &[Field], types: &Value, name: &str) -> bool {
        let mut expected = Vec::new();
        go_fields(types, name, &mut expected);
        assert_eq!(fields.len(), expected.len(), "{name}");
        for (field, go_field) in fields.iter().zip(expected) {
            assert_eq!(field.name, go_field["json"], "{name}");
            assert_eq!(field.always, go_field.get("omitempty").is_none(), "{name}.{}", field.name);
            assert!(go(&field.kind, types, go_field["type"].as_str().unwrap()), "{name}.{}", field.name);
        }
        true
    }

    #[test]
    fn the_table_is_that_of_the_recorded_types() {
        let types: Value = serde_json::from_str(&weir_recorded::read("generated/go-types.json")).unwrap();
        assert!(compare(KUBELET_CONFIGURATION, &types, "v1beta1.KubeletConfiguration"));
    }

    #[test]
    fn each_release_knows_what_was_there() {
        let count = |minor| {
            let release = ReleaseVersion { major: 4, minor };
            KUBELET_CONFIGURATION.iter().filter(|field| field.since <= release).count()
        };
        let all = KUBELET_CONFIGURATION.len();
        assert_eq!([16, 17, 18, 19, 20, 21].map(count), [all - 12, all - 12, all - 8, all - 6, all - 2, all - 2]);
        assert_eq!(KUBELET_CONFIGURATION.iter().filter(|field| field.since <= V5_0).count(), all);
    }
}
