//! The definitions of OpenShift's kinds: what they take, what they refuse and in which words, what they fill in and drop.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use serde_json::{Value, json};
use weir_api::crds::{FeatureSet, foreign};
use weir_apischema::schema::Schema;

/// The compiled definition of a kind.
fn schema(kind: &str, set: FeatureSet) -> Schema {
    let all = foreign(set);
    let definition = all.iter().find(|definition| definition["spec"]["names"]["kind"] == kind).unwrap();
    let schema = Schema::compile(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]).unwrap();
    assert!(schema.too_expensive(false).is_empty(), "{kind} in {set}");
    schema
}

/// An object as it is stored, and the fields that are dropped.
fn stored(schema: &Schema, spec: &Value, status: &Value) -> (Value, Vec<String>) {
    let mut object = json!({"metadata": {"name": "cluster"}, "spec": spec});
    if !status.is_null() {
        object["status"] = status.clone();
    }
    let dropped = schema.prune(&mut object);
    schema.default(&mut object).unwrap();
    (object, dropped)
}

fn judged(schema: &Schema, new: &(Value, Vec<String>), old: Option<&Value>) -> String {
    let errors = schema.validate(&new.0, old);
    let dropped = new.1.iter().map(|field| format!("unknown {field}"));
    errors.iter().map(ToString::to_string).chain(dropped).collect::<Vec<_>>().join("\n")
}

/// Judges new objects: a kind, and specs with a part of what is said about each; nothing is said about what is taken.
fn check(kind: &str, set: FeatureSet, cases: &[(Value, &str)]) {
    let schema = schema(kind, set);
    for (spec, expected) in cases {
        let said = judged(&schema, &stored(&schema, spec, &Value::Null), None);
        let right = if expected.is_empty() { said.is_empty() } else { said.contains(expected) };
        assert!(right, "{kind} in {set}: {spec}\nexpected {expected:?}\nsaid {said:?}");
    }
}

/// As [`check`], for statuses beside the same spec.
fn check_status(kind: &str, spec: &Value, cases: &[(Value, &str)]) {
    let schema = schema(kind, FeatureSet::Default);
    let (before, _) = stored(&schema, spec, &Value::Null);
    for (status, expected) in cases {
        let (object, dropped) = stored(&schema, spec, status);
        let mut said: Vec<String> = schema.validate_status(&object, &before).iter().map(ToString::to_string).collect();
        said.extend(dropped.iter().map(|field| format!("unknown {field}")));
        let said = said.join("\n");
        let right = if expected.is_empty() { said.is_empty() } else { said.contains(expected) };
        assert!(right, "{kind}: {status}\nexpected {expected:?}\nsaid {said:?}");
    }
}

/// As [`check`], for changes of a spec.
fn check_change(kind: &str, set: FeatureSet, cases: &[(Value, Value, &str)]) {
    let schema = schema(kind, set);
    for (before, after, expected) in cases {
        let (old, _) = stored(&schema, before, &Value::Null);
        let said = judged(&schema, &stored(&schema, after, &Value::Null), Some(&old));
        let right = if expected.is_empty() { said.is_empty() } else { said.contains(expected) };
        assert!(right, "{kind} in {set}: {before} to {after}\nexpected {expected:?}\nsaid {said:?}");
    }
}

const DEFAULT: FeatureSet = FeatureSet::Default;
const PREVIEW: FeatureSet = FeatureSet::TechPreviewNoUpgrade;

#[test]
fn sources_and_mirrors_are_names() {
    for (kind, field) in [("ImageDigestMirrorSet", "imageDigestMirrors"), ("ImageTagMirrorSet", "imageTagMirrors")] {
        let set = |source: &str, mirrors: &[&str]| json!({field: [{"source": source, "mirrors": mirrors}]});
        let policy = |policy: &str| json!({field: [{"source": "r.example.com", "mirrorSourcePolicy": policy}]});
        let (bad_source, bad_mirror) = (".source: Invalid value", ".mirrors[0]: Invalid value");
        check(
            kind,
            DEFAULT,
            &[
                (set("r.example.com", &["mirror.example.com:5000/a/b-c"]), ""),
                (set("*.example.com", &["localhost/x"]), ""),
                (set("registry", &[]), ""),
                (set("r.example.com:5000/team/image", &["a.example.com", "b.example.com"]), ""),
                (set("r.*.com", &[]), bad_source),
                (set("*.example.com/path", &[]), bad_source),
                (set("r.example.com/image:tag", &[]), bad_source),
                (set("r.example.com/image@sha256:0", &[]), bad_source),
                (set("r.example.com/Upper", &[]), bad_source),
                (set("https://r.example.com", &[]), bad_source),
                (set("r.example.com", &["*.example.com"]), bad_mirror),
                (set("r.example.com", &["m.example.com/a:v1"]), bad_mirror),
                (set("r.example.com", &["a.example.com", "a.example.com"]), "mirrors[1]: Duplicate value"),
                (json!({field: [{"mirrors": ["m.example.com"]}]}), "source: Required value"),
                (policy("NeverContactSource"), ""),
                (policy("AllowContactingSource"), ""),
                (policy("Never"), "Unsupported value: \"Never\""),
                (json!({field: [{"source": "r.example.com", "mirror": "m"}]}), "unknown spec"),
                (json!({}), ""),
            ],
        );
    }
    // The forerunner takes any name, and knows no policy.
    let of_old = |entry: Value| json!({"repositoryDigestMirrors": [entry]});
    check(
        "ImageContentSourcePolicy",
        DEFAULT,
        &[
            (of_old(json!({"source": "r.*.com:x", "mirrors": ["m", "m"]})), ""),
            (of_old(json!({"mirrors": ["m"]})), "source: Required value"),
            (of_old(json!({"source": "r", "mirrorSourcePolicy": "NeverContactSource"})), "unknown spec"),
        ],
    );
}

#[test]
fn registries_of_the_image_configuration() {
    let sources = |sources: Value| json!({ "registrySources": sources });
    let name =
        "each registry must be a valid hostname[:port][/path] or wildcard *.hostname format without tags or digests";
    check(
        "Image",
        DEFAULT,
        &[
            (sources(json!({"insecureRegistries": ["r.example.com:5000", "*.example.com", "localhost/a"]})), ""),
            (sources(json!({"blockedRegistries": ["r.example.com/image:tag"]})), name),
            (sources(json!({"allowedRegistries": ["*.example.com/path"]})), name),
            (sources(json!({"insecureRegistries": [""]})), "insecureRegistries[0]"),
            (sources(json!({"insecureRegistries": ["a".repeat(257)]})), "Too long"),
            (sources(json!({"insecureRegistries": vec!["a"; 1025]})), "Too many"),
            (
                sources(json!({"blockedRegistries": ["a"], "allowedRegistries": ["b"]})),
                "Only one of blockedRegistries or allowedRegistries may be set",
            ),
            (sources(json!({"blockedRegistries": [], "insecureRegistries": ["a"]})), ""),
            (
                sources(json!({"containerRuntimeSearchRegistries": ["r.example.com", "r.example.com"]})),
                "Duplicate value",
            ),
            (sources(json!({"containerRuntimeSearchRegistries": []})), "should have at least 1 items"),
            (json!({"additionalTrustedCA": {}}), "additionalTrustedCA.name: Required value"),
            (json!({"additionalTrustedCA": {"name": ""}}), ""),
            (json!({"allowedRegistriesForImport": [{"domainName": "r.example.com", "insecure": true}]}), ""),
            (
                json!({"allowedRegistriesForImport": [{"domainName": "r.example.com", "insecure": "yes"}]}),
                "Invalid value",
            ),
            (json!({"imageStreamImportMode": "PreserveOriginal"}), ""),
            (json!({"imageStreamImportMode": "All"}), "Unsupported value: \"All\""),
        ],
    );
}

/// A PEM block of this type, in base64: `-----BEGIN …`, some lines, `-----END …`.
fn pem(block: &str, ends: usize) -> String {
    let (begin, end) = (format!("-----BEGIN {block}-----\n"), format!("-----END {block}-----\n"));
    let text = format!("{begin}{}", format!("AAAA\n{end}").repeat(ends));
    base64(text.as_bytes())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u32| char::from(DIGITS[(value & 63) as usize]);
    let of_three = |three: &[u8]| -> String {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or_default());
        let value = at(0) << 16 | at(1) << 8 | at(2);
        (0..4).map(|place| if place > three.len() { '=' } else { digit(value >> (18 - 6 * place)) }).collect()
    };
    bytes.chunks(3).map(of_three).collect()
}

#[test]
fn signature_policies() {
    let key = pem("PUBLIC KEY", 1);
    let by_key = json!({"policyType": "PublicKey", "publicKey": {"keyData": key}});
    let scope = |scope: &str| json!({"scopes": [scope], "policy": {"rootOfTrust": by_key}});
    let trust = |trust: Value| json!({"scopes": ["r.example.com"], "policy": {"rootOfTrust": trust}});
    let identity = |identity: Value| json!({"scopes": ["r.example.com"], "policy": {"rootOfTrust": by_key, "signedIdentity": identity}});
    let exact =
        |name: &str| identity(json!({"matchPolicy": "ExactRepository", "exactRepository": {"repository": name}}));
    let certificates = pem("CERTIFICATE", 1);
    let fulcio = |issuer: &str, email: &str| {
        let subject = json!({"oidcIssuer": issuer, "signedEmail": email});
        trust(json!({"policyType": "FulcioCAWithRekor", "fulcioCAWithRekor": {
            "fulcioCAData": certificates, "rekorKeyData": key, "fulcioSubject": subject,
        }}))
    };
    let pki = |roots: &str, subject: Value| {
        trust(json!({"policyType": "PKI", "pki": {"caRootsData": roots, "pkiCertificateSubject": subject}}))
    };
    let (host, wildcard, part) = (
        "invalid image scope format, scope must contain a fully qualified domain name or 'localhost'",
        "invalid image scope with wildcard, a wildcard can only be at the start of the domain",
        "invalid repository namespace or image specification in the image scope",
    );
    let cases = [
        (scope("r.example.com"), ""),
        (scope("localhost:5000/a"), ""),
        (scope("*.example.com"), ""),
        (scope(&format!("r.example.com/a/b@sha256:{}", "0".repeat(64))), ""),
        (scope("r.example.com/a:v1"), ""),
        (scope("registry/a"), host),
        (scope("r.*.com"), wildcard),
        (scope("*.example.com/a"), wildcard),
        (scope("r.example.com/A"), part),
        (scope("r.example.com/a@sha256:0"), part),
        (scope(&format!("r.example.com/{}", "a".repeat(512))), "Too long"),
        (json!({"scopes": ["a.example.com", "a.example.com"], "policy": {"rootOfTrust": by_key}}), "Duplicate value"),
        (json!({"scopes": ["a.example.com"]}), "spec.policy: Required value"),
        (json!({"policy": {"rootOfTrust": by_key}}), "spec.scopes: Required value"),
        (json!({"scopes": [], "policy": {}}), "rootOfTrust: Required value"),
        (
            trust(json!({"policyType": "PublicKey"})),
            "publicKey is required when policyType is PublicKey, and forbidden otherwise",
        ),
        (
            trust(json!({"policyType": "PKI", "publicKey": {"keyData": key}})),
            "pki is required when policyType is PKI, and forbidden otherwise",
        ),
        (trust(json!({"policyType": "Any"})), "Unsupported value: \"Any\""),
        (
            trust(json!({"policyType": "PublicKey", "publicKey": {"keyData": "AAAA"}})),
            "should be at least 68 chars long",
        ),
        (
            trust(json!({"policyType": "PublicKey", "publicKey": {"keyData": pem("PRIVATE KEY", 2)}})),
            "the keyData must start with base64 encoding of '-----BEGIN PUBLIC KEY-----'.",
        ),
        (
            trust(
                json!({"policyType": "PublicKey", "publicKey": {"keyData": key, "rekorKeyData": pem("CERTIFICATE", 1)}}),
            ),
            "the rekorKeyData must end with base64 encoding of '-----END PUBLIC KEY-----'.",
        ),
        (fulcio("https://issuer.example.com", "a@example.com"), ""),
        (fulcio("issuer", "a@example.com"), "oidcIssuer must be a valid URL"),
        (fulcio("https://issuer.example.com", "nobody"), "invalid email address"),
        (pki(&certificates, json!({"email": "a@example.com"})), ""),
        (pki(&certificates, json!({"hostname": "*.example.com"})), ""),
        (pki(&certificates, json!({"hostname": "Example"})), "hostname must be a valid dns 1123 subdomain name"),
        (pki(&certificates, json!({})), "at least one of email or hostname must be set in pkiCertificateSubject"),
        (
            pki(&pem("CERTIFICATE", 2), json!({"email": "a@example.com"})),
            "contain the same number of '-----BEGIN CERTIFICATE-----' and '-----END CERTIFICATE-----' markers.",
        ),
        (identity(json!({"matchPolicy": "MatchRepository"})), ""),
        (
            identity(json!({"matchPolicy": "ExactRepository"})),
            "exactRepository is required when matchPolicy is ExactRepository, and forbidden otherwise",
        ),
        (
            identity(
                json!({"matchPolicy": "MatchRepository", "remapIdentity": {"prefix": "a.b", "signedPrefix": "c.d"}}),
            ),
            "remapIdentity is required when matchPolicy is RemapIdentity, and forbidden otherwise",
        ),
        (exact("r.example.com/a"), ""),
        (exact("r.example.com/a:v1"), "should not include the tag or digest"),
        (exact("registry/a"), "The repository or prefix must starts with 'localhost' or a valid '.' separated domain."),
    ];
    for kind in ["ClusterImagePolicy", "ImagePolicy"] {
        check(kind, DEFAULT, &cases);
    }
}

#[test]
fn images_of_the_credential_provider() {
    let images = |images: Value| json!({ "matchImages": images });
    let form =
        "invalid matchImages value, must be a valid fully qualified domain name in lowercase with optional wildcard";
    check(
        "CRIOCredentialProviderConfig",
        DEFAULT,
        &[
            (json!({}), ""),
            (images(json!(["r.example.com", "*.example.com:5000/a", "a.*.com"])), ""),
            (images(json!(["*"])), "global wildcard '*' is not allowed"),
            (images(json!(["R.example.com"])), form),
            (images(json!(["r.example.com/A"])), form),
            (images(json!([])), "should have at least 1 items"),
            (images(json!([""])), "matchImages[0]"),
            (images(json!(["a", "a"])), "Duplicate value"),
            (images((0..51).map(|n| json!(format!("r{n}.example.com"))).collect()), "Too many"),
        ],
    );
    let schema = schema("CRIOCredentialProviderConfig", DEFAULT);
    let errors = schema.validate(&json!({"metadata": {"name": "other"}, "spec": {}}), None);
    assert!(errors[0].to_string().contains("is a singleton, .metadata.name must be 'cluster'"), "{errors:?}");
}

#[test]
fn settings_of_nodes_scheduler_proxy_and_domain() {
    let profile = |profile: &str| json!({ "workerLatencyProfile": profile });
    check(
        "Node",
        DEFAULT,
        &[
            (json!({"cgroupMode": "v2"}), ""),
            (json!({"cgroupMode": ""}), ""),
            (json!({"cgroupMode": "v1"}), "Unsupported value: \"v1\": supported values: \"v2\", \"\""),
            (profile("LowUpdateSlowReaction"), ""),
            (profile("Slow"), "Unsupported value: \"Slow\""),
            (json!({"minimumKubeletVersion": "1.30.0"}), "unknown spec.minimumKubeletVersion"),
        ],
    );
    let kubelet = |version: &str| json!({ "minimumKubeletVersion": version });
    check(
        "Node",
        PREVIEW,
        &[
            (kubelet("1.30.0"), ""),
            (kubelet(""), ""),
            (kubelet("1"), "must be in a semver compatible format of x.y.z, or empty"),
            (kubelet("1.30.0-rc.1"), "Too long"),
        ],
    );
    check(
        "Scheduler",
        DEFAULT,
        &[
            (json!({"mastersSchedulable": true, "profile": "NoScoring", "defaultNodeSelector": "a=b"}), ""),
            (json!({"mastersSchedulable": "yes"}), "must be of type boolean"),
            (json!({"profile": "Any"}), "Unsupported value: \"Any\""),
            (json!({"policy": {}}), "policy.name: Required value"),
        ],
    );
    check(
        "Proxy",
        DEFAULT,
        &[
            (
                json!({"httpProxy": "http://p", "noProxy": "a,b", "trustedCA": {"name": ""}, "readinessEndpoints": ["u"]}),
                "",
            ),
            (json!({"trustedCA": {}}), "trustedCA.name: Required value"),
            (json!({"httpsproxy": "x"}), "unknown spec.httpsproxy"),
        ],
    );
    let aws = |role: &str| json!({"platform": {"type": "AWS", "aws": {"privateZoneIAMRole": role}}});
    let (role, european) = ("arn:aws:iam::123456789012:role/x", "arn:aws-eusc:iam::123456789012:role/x");
    check(
        "DNS",
        DEFAULT,
        &[
            (json!({"baseDomain": "example.com", "publicZone": {"id": "z"}, "privateZone": {"tags": {"a": "b"}}}), ""),
            (json!({"platform": {}}), "platform.type: Required value"),
            (json!({"platform": {"type": ""}}), ""),
            (json!({"platform": {"type": "AWS"}}), "aws configuration is required when platform is AWS"),
            (json!({"platform": {"type": "GCP"}}), "allowed values are '' and 'AWS'"),
            (aws(role), ""),
            (aws("role"), "privateZoneIAMRole must be a valid AWS IAM role ARN"),
            (aws(european), "privateZoneIAMRole must be a valid AWS IAM role ARN"),
        ],
    );
    check("DNS", PREVIEW, &[(aws(role), ""), (aws(european), "")]);
}

#[test]
fn settings_of_the_api_server() {
    let with = "kms config is required when encryption type is KMS, and forbidden otherwise";
    let encryption = |encryption: Value| json!({ "encryption": encryption });
    let profile = |profile: &str| json!({"tlsSecurityProfile": {"type": profile}});
    check(
        "APIServer",
        DEFAULT,
        &[
            (profile("Modern"), ""),
            (profile("modern"), "Unsupported value: \"modern\""),
            (json!({"tlsSecurityProfile": {"custom": {"minTLSVersion": "VersionTLS14"}}}), "Unsupported value"),
            (json!({"tlsAdherence": "StrictAllComponents"}), "unknown spec.tlsAdherence"),
            (json!({"audit": {"profile": "All"}}), "Unsupported value: \"All\""),
            (json!({"audit": {"customRules": [{"group": "", "profile": "None"}]}}), "customRules[0].group"),
            (json!({"audit": {"customRules": vec![json!({"group": "a", "profile": "None"}); 2]}}), "Duplicate value"),
            (
                json!({"servingCerts": {"namedCertificates": [{"names": ["a"], "servingCertificate": {"name": "s"}}]}}),
                "",
            ),
            (json!({"servingCerts": {"namedCertificates": [{"servingCertificate": {}}]}}), "name: Required value"),
            (json!({"clientCA": {"name": "a"}, "additionalCORSAllowedOrigins": ["a"]}), ""),
            (encryption(json!({"type": "aesgcm"})), ""),
            (encryption(json!({"type": "KMS"})), "Unsupported value: \"KMS\""),
        ],
    );
    check(
        "APIServer",
        PREVIEW,
        &[
            (json!({"tlsAdherence": "StrictAllComponents"}), ""),
            (json!({"tlsAdherence": "Strict"}), "Unsupported value: \"Strict\""),
            (encryption(json!({"type": "KMS"})), with),
            (encryption(json!({"type": "aescbc", "kms": {"type": "Vault"}})), with),
            (encryption(json!({"type": "KMS", "kms": {"type": "Vault", "vault": {"any": 1}}})), ""),
        ],
    );
    let strict = json!({"tlsAdherence": "StrictAllComponents"});
    check_change("APIServer", PREVIEW, &[(strict, json!({}), "tlsAdherence may not be removed once set")]);
    let schema = schema("APIServer", DEFAULT);
    for spec in [json!({}), json!({"audit": {}})] {
        assert_eq!(stored(&schema, &spec, &Value::Null).0["spec"], json!({"audit": {"profile": "Default"}}));
    }
}

#[test]
fn networks() {
    let nodes = json!({"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists", "tolerationSeconds": 1}]});
    let never = "cannot set networkDiagnostics.sourcePlacement and networkDiagnostics.targetPlacement";
    check(
        "Network",
        DEFAULT,
        &[
            (
                json!({"clusterNetwork": [{"cidr": "10.128.0.0/14", "hostPrefix": 23}], "serviceNetwork": ["172.30.0.0/16"]}),
                "",
            ),
            (json!({"clusterNetwork": [{"hostPrefix": -1}]}), "hostPrefix: Invalid value"),
            (json!({"serviceNodePortRange": "30000-32767"}), ""),
            (json!({"serviceNodePortRange": "30000-65536"}), "serviceNodePortRange: Invalid value"),
            (json!({"externalIP": {"policy": {"allowedCIDRs": ["a"]}, "autoAssignCIDRs": ["b"]}}), ""),
            (json!({"networkDiagnostics": {"mode": "All", "sourcePlacement": nodes, "targetPlacement": nodes}}), ""),
            (json!({"networkDiagnostics": {"mode": "Disabled", "targetPlacement": nodes}}), never),
            (json!({"networkDiagnostics": {"mode": "Some"}}), "Unsupported value: \"Some\""),
            (json!({"networkObservability": {"installationPolicy": "NoAction"}}), "unknown spec.networkObservability"),
        ],
    );
    check(
        "Network",
        PREVIEW,
        &[
            (json!({"networkObservability": {"installationPolicy": "NoAction"}}), ""),
            (json!({"networkObservability": {}}), "installationPolicy: Required value"),
        ],
    );
    let mtu = json!({"mtu": {"network": {"to": 1400, "from": 1500}, "machine": {"to": 1500}}, "networkType": "OVNKubernetes"});
    let whole = json!({
        "clusterNetwork": [{"cidr": "10.128.0.0/14", "hostPrefix": 23}], "clusterNetworkMTU": 1400, "migration": mtu,
        "networkType": "OVNKubernetes", "serviceNetwork": ["172.30.0.0/16"],
    });
    check_status(
        "Network",
        &json!({}),
        &[
            (whole, ""),
            (json!({"migration": {"mtu": {"machine": {"to": -1}}}}), "should be greater than or equal to 0"),
        ],
    );
}

#[test]
fn feature_sets_go_one_way() {
    let set = |name: &str| json!({ "featureSet": name });
    let custom = |gates: Value| json!({"featureSet": "CustomNoUpgrade", "customNoUpgrade": {"enabled": gates}});
    check(
        "FeatureGate",
        DEFAULT,
        &[
            (json!({}), ""),
            (set(""), ""),
            (set("OKD"), ""),
            (set("Nightly"), "Unsupported value: \"Nightly\""),
            (custom(json!(["A", "b.example.com"])), ""),
            (custom(json!(["a b"])), "enabled[0]: Invalid value"),
            (json!({"customNoUpgrade": null}), ""),
        ],
    );
    let preview = "TechPreviewNoUpgrade";
    check_change(
        "FeatureGate",
        DEFAULT,
        &[
            (set(""), set(preview), ""),
            (set(""), set("OKD"), ""),
            (set("OKD"), set(preview), ""),
            (set("OKD"), set(""), "OKD cannot transition to Default"),
            (set(preview), set(""), "TechPreviewNoUpgrade may not be changed"),
            (set("DevPreviewNoUpgrade"), set(preview), "DevPreviewNoUpgrade may not be changed"),
            (set("CustomNoUpgrade"), set(preview), "CustomNoUpgrade may not be changed"),
            (set(preview), json!({}), ".spec.featureSet cannot be removed"),
        ],
    );
    let list = |version: Value, gate: &str| json!({"version": version, "enabled": [{"name": gate}], "disabled": []});
    let lists = |lists: Value| json!({ "featureGates": lists });
    check_status(
        "FeatureGate",
        &json!({}),
        &[
            (lists(json!([list(json!("5.0.0"), "OSStreams"), list(json!("5.0.1"), "OSStreams")])), ""),
            (lists(json!([list(json!("5.0.0"), "A"), list(json!("5.0.0"), "B")])), "Duplicate value"),
            (lists(json!([list(Value::Null, "A")])), "version: Required value"),
            (lists(json!([list(json!("5.0.0"), "a/b")])), "enabled[0].name: Invalid value"),
        ],
    );
}

#[test]
fn what_a_cluster_is_asked_to_run_and_what_it_says() {
    let id = |mut spec: Value| {
        spec["clusterID"] = json!("x");
        spec
    };
    let parts = |set: &str, more: &[&str]| {
        id(json!({"capabilities": {"baselineCapabilitySet": set, "additionalEnabledCapabilities": more}}))
    };
    let update = |update: Value| id(json!({ "desiredUpdate": update }));
    let object = json!({"kind": "Deployment", "group": "apps", "namespace": "n", "name": "d", "unmanaged": true});
    check(
        "ClusterVersion",
        DEFAULT,
        &[
            (json!({"channel": "stable-5.0"}), "clusterID: Required value"),
            (id(json!({"channel": "stable-5.0", "upstream": "https://u.example.com"})), ""),
            (update(json!({"version": "5.0.1", "architecture": "Multi", "force": true})), ""),
            (
                update(json!({"image": "r", "architecture": "Multi", "version": ""})),
                "cannot set both Architecture and Image",
            ),
            (update(json!({"version": "", "architecture": "Multi"})), "Version must be set if Architecture is set"),
            (update(json!({"architecture": "Any"})), "Unsupported value: \"Any\""),
            (
                update(json!({"version": "5.0.1", "acceptRisks": [{"name": "a"}]})),
                "unknown spec.desiredUpdate.acceptRisks",
            ),
            (parts("None", &["marketplace", "OperatorLifecycleManager"]), ""),
            (
                parts("None", &["marketplace"]),
                "the `marketplace` capability requires the `OperatorLifecycleManager` capability",
            ),
            (parts("vCurrent", &["ClusterAPI"]), "Unsupported value: \"ClusterAPI\""),
            (parts("v4.10", &[]), "Unsupported value: \"v4.10\""),
            (id(json!({"overrides": [object]})), ""),
            (id(json!({"overrides": [object, object]})), "Duplicate value"),
        ],
    );
    let store = |url: &str| id(json!({"signatureStores": [{"url": url, "ca": {"name": "c"}}]}));
    check(
        "ClusterVersion",
        PREVIEW,
        &[
            (
                parts("vCurrent", &["ClusterAPI"]),
                "the `ClusterAPI` capability requires the `CompatibilityRequirements` capability",
            ),
            (parts("vCurrent", &["ClusterAPI", "CompatibilityRequirements"]), ""),
            (update(json!({"version": "5.0.1", "acceptRisks": [{"name": "a"}]})), ""),
            (store("https://s.example.com"), ""),
            (store("s"), "url must be a valid absolute URL"),
        ],
    );
    let entry = json!({
        "state": "Partial", "version": "5.0.0", "image": "r", "startedTime": "2026-01-01T00:00:00Z", "completionTime": null,
        "verified": false,
    });
    let status = |history: Value, updates: Value| {
        let desired = json!({"version": "5.0.0", "image": "r", "url": "u", "channels": ["a"]});
        json!({"desired": desired, "history": history, "observedGeneration": 1, "versionHash": "", "availableUpdates": updates})
    };
    let mut without_end = entry.clone();
    without_end.as_object_mut().unwrap().remove("completionTime");
    let mut by_risk = status(json!([entry]), Value::Null);
    by_risk["conditionalUpdates"] =
        json!([{"release": {"version": "5.0.1", "image": "s"}, "risks": [{"any": "thing"}]}]);
    check_status(
        "ClusterVersion",
        &id(json!({})),
        &[
            (status(json!([entry]), Value::Null), ""),
            (status(json!([entry]), json!([{"version": "5.0.1", "image": "s"}])), ""),
            (status(json!([entry]), json!([{"version": "5.0.1"}])), "image: Required value"),
            (status(json!([without_end]), json!([])), "completionTime: Required value"),
            (by_risk, ""),
            (json!({"desired": {"version": "5.0.0", "image": "r"}}), "versionHash: Required value"),
        ],
    );
}

#[test]
fn what_operators_say() {
    let condition = json!({"type": "Available", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let untimed = json!({"type": "Available", "status": "True"});
    check_status(
        "ClusterOperator",
        &json!({}),
        &[
            (json!({"conditions": [condition], "extension": {"master": "any", "deep": {"er": [1]}}}), ""),
            (json!({"extension": null, "versions": [{"name": "operator", "version": "5.0.0"}]}), ""),
            (json!({"conditions": [condition, condition]}), "Duplicate value"),
            (json!({"conditions": [untimed]}), "lastTransitionTime: Required value"),
            (json!({"relatedObjects": [{"group": "", "resource": "namespaces", "name": "n"}]}), ""),
            (json!({"relatedObjects": [{"group": ""}]}), "resource: Required value"),
            (json!({"versions": [{"name": "operator"}]}), "version: Required value"),
        ],
    );
    let schema = schema("ClusterOperator", DEFAULT);
    assert_eq!(stored(&schema, &json!({"any": 1}), &Value::Null).1, ["spec.any"]);
}

/// Particulars of platforms that templates of the machine config operator look at.
fn particulars() -> Vec<(&'static str, &'static str, Value)> {
    let vips = json!({
        "apiServerInternalIP": "192.0.2.1", "apiServerInternalIPs": ["192.0.2.1"], "ingressIP": "192.0.2.2",
        "ingressIPs": ["192.0.2.2"], "loadBalancer": {"type": "UserManaged"}, "machineNetworks": ["192.0.2.0/24"],
        "dnsRecordsType": "External", "nodeDNSIP": "192.0.2.3",
    });
    let dns = json!({"dnsType": "ClusterHosted", "clusterHosted": {"apiLoadBalancerIPs": ["192.0.2.1"]}});
    vec![
        (
            "AWS",
            "aws",
            json!({"region": "r", "cloudLoadBalancerConfig": dns, "serviceEndpoints": [{"name": "s", "url": "u"}]}),
        ),
        ("Azure", "azure", json!({"cloudName": "AzureStackCloud", "armEndpoint": "e", "cloudLoadBalancerConfig": dns})),
        ("BareMetal", "baremetal", vips.clone()),
        ("External", "external", json!({"cloudControllerManager": {"state": "External"}})),
        ("GCP", "gcp", json!({"projectID": "p", "region": "r", "cloudLoadBalancerConfig": dns})),
        ("IBMCloud", "ibmcloud", json!({"location": "l", "providerType": "VPC"})),
        ("Nutanix", "nutanix", vips.clone()),
        ("OpenStack", "openstack", vips.clone()),
        ("oVirt", "ovirt", vips.clone()),
        ("PowerVS", "powervs", json!({"region": "r", "zone": "z"})),
        ("VSphere", "vsphere", vips),
        ("AlibabaCloud", "alibabaCloud", json!({"region": "r"})),
        ("KubeVirt", "kubevirt", json!({"apiServerInternalIP": "192.0.2.1"})),
        ("EquinixMetal", "equinixMetal", json!({"apiServerInternalIP": "192.0.2.1"})),
    ]
}

#[test]
fn everything_that_is_particular_to_a_platform_is_kept() {
    for set in FeatureSet::ALL {
        let schema = schema("Infrastructure", set);
        for (type_, field, value) in particulars() {
            let platform = json!({"type": type_, field: value});
            let spec = json!({"platformSpec": platform, "cloudConfig": {"name": "c", "key": "k"}});
            let status = json!({
                "infrastructureName": "i", "platform": type_, "platformStatus": platform, "etcdDiscoveryDomain": "",
                "controlPlaneTopology": "DualReplica", "infrastructureTopology": "SingleReplica", "cpuPartitioning": "AllNodes",
                "apiServerURL": "https://api", "apiServerInternalURI": "https://api-int",
            });
            let (object, dropped) = stored(&schema, &spec, &status);
            assert_eq!(dropped, [""; 0], "{type_}");
            assert_eq!((&object["spec"], &object["status"]), (&spec, &status));
            assert!(schema.validate(&object, None).is_empty(), "{type_} in {set}");
        }
    }
}

#[test]
fn what_a_cluster_runs_on() {
    let filled = json!({"controlPlaneTopology": "HighlyAvailable", "infrastructureTopology": "HighlyAvailable", "cpuPartitioning": "None"});
    let schema = schema("Infrastructure", DEFAULT);
    assert_eq!(stored(&schema, &json!({}), &json!({})).0["status"], filled);
    check(
        "Infrastructure",
        DEFAULT,
        &[
            (json!({"platformSpec": {"type": "Mainframe"}}), "Unsupported value: \"Mainframe\""),
            (json!({"platformSpec": {"type": "AWS", "aws": {}, "amazon": {}}}), "unknown spec.platformSpec.amazon"),
        ],
    );
    check_status(
        "Infrastructure",
        &json!({}),
        &[
            (json!({"controlPlaneTopology": "Triple"}), "Unsupported value: \"Triple\""),
            (json!({"infrastructureTopology": "External"}), "Unsupported value: \"External\""),
            (json!({"platform": "libvirt"}), "Unsupported value: \"libvirt\""),
            (json!({"cpuPartitioning": "Some"}), "Unsupported value: \"Some\""),
        ],
    );
}

#[test]
fn every_kind_wants_a_spec_but_those_that_take_anything() {
    for set in FeatureSet::ALL {
        for definition in foreign(set) {
            let kind = definition["spec"]["names"]["kind"].as_str().unwrap();
            let errors = schema(kind, set).validate(&json!({"metadata": {"name": "cluster"}}), None);
            let said: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let required = said.iter().any(|said| said == "spec: Required value");
            assert_eq!(required, kind != "ImageStream", "{kind}: {said:?}");
        }
    }
}
