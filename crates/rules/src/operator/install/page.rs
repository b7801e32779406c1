//! The objects that run the page in a cluster.
//!
//! R-INSTALL-6 The page may list and watch what it shows, list what plans are made from, and ask the API server whose a token is and what
//! its user may do. It may write nothing, and read no Secret.
//! R-INSTALL-7 On OpenShift it is reached by a Route with OpenShift's login in front of it: the proxy listens with TLS, asks users to log in, and passes
//! their tokens on to the page, which is reached by the proxy alone. The console has a link to it.
//!
//! Source of R-INSTALL-7: README of github.com/openshift/oauth-proxy ("Using this proxy with OpenShift").

use super::{
    Manifest, Watched,
    access::{RBAC, Rights},
    metadata,
};
use serde_json::{Value, json};
use weir_api::{
    keys::{
        names::{CLUSTER_OPERATOR, OPERATOR_NAMESPACE},
        node::MASTER,
    },
    kind::{CONFIG_GROUP, MACHINE_CONFIG_GROUP, OPERATOR_GROUP},
};

/// Name of its objects.
pub const NAME: &str = "weir-dashboard";
/// Where it listens, and where the proxy does.
const PORT: u16 = 8080;
const PROXY_PORT: u16 = 8443;
/// The proxy of OpenShift, by the ImageStream that releases bring.
const PROXY: &str = "image-registry.openshift-image-registry.svc:5000/openshift/oauth-proxy:v4.4";
/// Secret with the proxy's certificate, which OpenShift makes, and the one with the key of its cookies.
const TLS: &str = "weir-dashboard-tls";

/// What is read for a plan, beside what is watched: group and plurals.
const FOR_PLANS: [(&str, &[&str]); 5] = [
    (MACHINE_CONFIG_GROUP, &["containerruntimeconfigs", "internalreleaseimages", "kubeletconfigs"]),
    (
        CONFIG_GROUP,
        &[
            "apiservers",
            "clusterimagepolicies",
            "criocredentialproviderconfigs",
            "imagedigestmirrorsets",
            "imagepolicies",
            "images",
            "imagetagmirrorsets",
            "nodes",
        ],
    ),
    (OPERATOR_GROUP, &["imagecontentsourcepolicies"]),
    ("", &["pods"]),
    ("policy", &["poddisruptionbudgets"]),
];

/// All of them, in the order in which they can be applied. `watched` is what it watches; `route` brings what is only on OpenShift.
#[must_use]
pub fn manifests(image: &str, watched: &[Watched], route: bool) -> Vec<Manifest> {
    let mut rights = Rights::default();
    rights.see(watched);
    for (group, plurals) in FOR_PLANS {
        rights.add(None, group, plurals, &["list"]);
    }
    rights.named(None, CONFIG_GROUP, &["clusteroperators"], Some(CLUSTER_OPERATOR), &["get"]);
    rights.add(None, "authentication.k8s.io", &["tokenreviews"], &["create"]);
    rights.add(None, "authorization.k8s.io", &["subjectaccessreviews"], &["create"]);
    let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(NAME)});
    if route {
        // The account is the OAuth client of its Route.
        let reference =
            json!({"kind": "OAuthRedirectReference", "apiVersion": "v1", "reference": {"kind": "Route", "name": NAME}});
        let key = "serviceaccounts.openshift.io/oauth-redirectreference.page";
        account["metadata"]["annotations"] = json!({ key: reference.to_string() });
    }
    let mut objects = vec![account];
    objects.extend(rights.roles(NAME));
    objects.extend([deployment(image, route), service(route)]);
    if route {
        objects.extend([logins(), the_route(), link()]);
    }
    objects.into_iter().map(Manifest::from).collect()
}

fn deployment(image: &str, route: bool) -> Value {
    let labels = json!({"app": NAME});
    let host = format!("--host={NAME}.{OPERATOR_NAMESPACE}.svc");
    // Behind the proxy nobody else reaches it.
    let listen = if route { format!("--listen=127.0.0.1:{PORT}") } else { format!("--listen=0.0.0.0:{PORT}") };
    let mut page = container("weir", image, &json!(["dashboard", "--access=users", listen, host]));
    page["command"] = json!(["weir"]);
    let mut containers = vec![page];
    let mut volumes = json!([]);
    if route {
        containers.push(proxy());
        volumes = json!([{"name": "tls", "secret": {"secretName": TLS}}]);
    } else if let Some(page) = containers.first_mut() {
        page["ports"] = json!([{"name": "http", "containerPort": PORT, "protocol": "TCP"}]);
        page["readinessProbe"] = json!({"httpGet": {"path": "/icon.svg", "port": "http"}, "periodSeconds": 10});
    }
    let tolerate = |key: &str| json!({"key": key, "operator": "Exists", "effect": "NoSchedule"});
    let pod = json!({
        "serviceAccountName": NAME,
        "nodeSelector": {MASTER: ""},
        "tolerations": [tolerate(MASTER), tolerate("node-role.kubernetes.io/control-plane")],
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": containers,
        "volumes": volumes,
    });
    let annotations = json!({"openshift.io/required-scc": "restricted-v2"});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(NAME),
        "spec": {
            "replicas": 1, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    })
}

fn container(name: &str, image: &str, arguments: &Value) -> Value {
    json!({
        "name": name, "image": image, "args": arguments,
        "resources": {"requests": {"cpu": "10m", "memory": "50Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    })
}

fn proxy() -> Value {
    let scope = "user:info user:check-access";
    let mut proxy = container(
        "oauth-proxy",
        PROXY,
        &json!([
            "--provider=openshift",
            format!("--https-address=:{PROXY_PORT}"),
            "--http-address=",
            format!("--upstream=http://localhost:{PORT}"),
            format!("--openshift-service-account={NAME}"),
            format!("--scope={scope}"),
            "--tls-cert=/etc/tls/tls.crt",
            "--tls-key=/etc/tls/tls.key",
            "--cookie-secret-file=/var/run/secrets/kubernetes.io/serviceaccount/token",
            "--pass-access-token",
            "--pass-host-header=false",
        ]),
    );
    proxy["ports"] = json!([{"name": "https", "containerPort": PROXY_PORT, "protocol": "TCP"}]);
    proxy["readinessProbe"] =
        json!({"httpGet": {"path": "/oauth/healthz", "port": "https", "scheme": "HTTPS"}, "periodSeconds": 10});
    proxy["volumeMounts"] = json!([{"name": "tls", "mountPath": "/etc/tls", "readOnly": true}]);
    proxy
}

fn service(route: bool) -> Value {
    let mut metadata = metadata(NAME);
    let (name, port) = if route { ("https", PROXY_PORT) } else { ("http", PORT) };
    if route {
        metadata["annotations"] = json!({"service.beta.openshift.io/serving-cert-secret-name": TLS});
    }
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": metadata,
        "spec": {"selector": {"app": NAME}, "ports": [{"name": name, "port": port, "protocol": "TCP", "targetPort": name}]},
    })
}

/// What the proxy needs of the API server by itself: whose a token is, and what its user may do.
fn logins() -> Value {
    let subjects = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": OPERATOR_NAMESPACE}]);
    let role = json!({"apiGroup": RBAC, "kind": "ClusterRole", "name": "system:auth-delegator"});
    let metadata = json!({"name": format!("{NAME}-logins")});
    json!({"apiVersion": format!("{RBAC}/v1"), "kind": "ClusterRoleBinding", "metadata": metadata, "roleRef": role, "subjects": subjects})
}

fn the_route() -> Value {
    json!({
        "apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": metadata(NAME),
        "spec": {
            "to": {"kind": "Service", "name": NAME}, "port": {"targetPort": "https"},
            "tls": {"termination": "reencrypt", "insecureEdgeTerminationPolicy": "Redirect"},
        },
    })
}

/// The console takes an address and no reference to a Route: the cluster's domain is to be filled in.
fn link() -> Value {
    json!({
        "apiVersion": "console.openshift.io/v1", "kind": "ConsoleLink", "metadata": {"name": NAME},
        "spec": {
            "location": "ApplicationMenu", "text": "weir", "applicationMenu": {"section": "Machine configuration"},
            "href": format!("https://{NAME}-{OPERATOR_NAMESPACE}.apps.CLUSTER.DOMAIN"),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_may_read_what_it_shows_and_nothing_else() {
        let pools = Watched {
            group: MACHINE_CONFIG_GROUP.to_owned(),
            plural: "machineconfigpools".to_owned(),
            namespace: None,
            name: None,
        };
        for route in [false, true] {
            let all = manifests("registry.example.com/weir@sha256:1", std::slice::from_ref(&pools), route);
            let rules = all.iter().flat_map(|manifest| manifest.object["rules"].as_array().into_iter().flatten());
            for rule in rules {
                let text = rule.to_string();
                let reviews = text.contains("reviews");
                assert_eq!(rule["verbs"] == json!(["create"]), reviews, "{text}");
                assert!(!text.contains("secrets") && !text.contains('*'), "{text}");
                assert!(
                    reviews || !["create", "update", "patch", "delete"].iter().any(|verb| text.contains(verb)),
                    "{text}"
                );
            }
            let kinds: Vec<&str> = all.iter().filter_map(|manifest| manifest.object["kind"].as_str()).collect();
            assert_eq!(kinds.contains(&"Route") && kinds.contains(&"ConsoleLink"), route, "{kinds:?}");
            let pod = all.iter().find(|manifest| manifest.object["kind"] == "Deployment").unwrap();
            let arguments = pod.object["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
            assert!(arguments.contains("--access=users") && arguments.contains("127.0.0.1") == route, "{arguments}");
        }
    }
}
