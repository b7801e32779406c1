//! What pages take for granted.

use crate::shell::Shell;
use anyhow::{Context as _, Result};
use std::any::Any;
use weir_testkit::{Options, Registry};

/// A cluster whose nodes are quick.
const CLUSTER: &str = "weir up --step-time 20ms";
/// A node that cannot be drained, and one that fails.
const FAILING: &str = "
faults:
- {fault: stuck-in-drain, nodes: worker-0}
- {fault: degraded, nodes: worker-1, reason: 'unexpected on-disk state: content mismatch for file \"/etc/chrony.conf\"'}
";
/// One without nodes, whose kubeconfig is `kubeconfig`: for pages that bring nodes of their own.
const EMPTY: &str = "weir up --nodes master=0,worker=0 --data-dir .";
/// A release in the folder `payload`.
const BUILD: &str = "weir payload build --distribution ocp -o payload";
/// What pools are made from, as somebody has it in files.
const MANIFESTS: &str = "kubectl get mcp,mc,controllerconfig,osimagestream,featuregate -o yaml";
/// What a rollout depends on, as support collects it in the folder of that name.
const GATHERED: &str = "
for kind in nodes mcp mc machineconfignodes controllerconfig osimagestream featuregate clusterversion; do
  mkdir -p NAME/quay-io-sha256-1/cluster-scoped-resources/$kind
  for name in $(kubectl get $kind -o name); do
    kubectl get $name -o yaml > NAME/quay-io-sha256-1/cluster-scoped-resources/$kind/${name#*/}.yaml
  done
done
echo 'apidiscovery: {}' > NAME/quay-io-sha256-1/aggregated-discovery-apis.yaml
echo '<html></html>' > NAME/event-filter.html
tar -czf NAME.tar.gz NAME";
const MOTD: &str = "
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata: {name: 99-worker-motd, labels: {machineconfiguration.openshift.io/role: worker}}
spec:
  config:
    ignition: {version: 3.5.0}
    storage: {files: [{path: /etc/motd, mode: 420, overwrite: true, contents: {source: 'data:,hello%0A'}}]}
";

/// Makes it; what is returned is to be held until the page is done.
pub fn given(page: &str, shell: &mut Shell) -> Result<Option<Box<dyn Any>>> {
    let folder = shell.folder().display().to_string();
    match page {
        "docs/user/apiserver.md" => shell.replace("127.0.0.1:6443", "127.0.0.1:0"),
        "docs/user/fleet.md" => {
            shell.run(EMPTY)?;
            let kubeconfig = shell.kubeconfig()?;
            shell.export("KUBECONFIG", &kubeconfig.display().to_string());
        }
        "docs/user/lint.md" => {
            shell.run("mkdir manifests")?;
            shell.file("manifests/motd.yaml", &MOTD.replace("mode: 420", "mode: 444"))?;
        }
        "docs/user/payload.md" => {
            let registry = registry(shell)?;
            shell.replace("127.0.0.1:5000", registry.host());
            push(shell, &registry)?;
            return Ok(Some(Box::new(registry)));
        }
        "docs/user/pause.md" => cluster(shell)?,
        "docs/user/plan.md" => {
            cluster(shell)?;
            shell.run(&GATHERED.replace("NAME", "must-gather"))?;
            shell.run(&BUILD.replace("-o", "--version 5.0.1 -o"))?;
        }
        "docs/user/render.md" => {
            cluster(shell)?;
            shell.run("mkdir manifests")?;
            shell.run(&format!("{MANIFESTS} > manifests/cluster.yaml"))?;
            shell.file("manifests/motd.yaml", MOTD)?;
        }
        "docs/user/run.md" => {
            shell.replace("/tmp/release", &format!("{folder}/release"));
            shell.replace("/tmp/cluster", &format!("{folder}/cluster"));
        }
        "docs/user/status.md" => {
            cluster(shell)?;
            shell.run(&GATHERED.replace("NAME", "must-gather.local.123"))?;
        }
        "docs/user/streams.md" => {
            cluster(shell)?;
            shell.run(&GATHERED.replace("NAME", "must-gather"))?;
            shell.run(BUILD)?;
            shell.file("pull-secret.json", r#"{"auths": {}}"#)?;
            shell.replace("quay.io/…", "oci:payload");
        }
        "docs/user/up.md" => {
            let registry = registry(shell)?;
            for host in ["registry.example.com:5000", "127.0.0.1:5000"] {
                shell.replace(host, registry.host());
            }
            push(shell, &registry)?;
            return Ok(Some(Box::new(registry)));
        }
        "docs/user/why.md" => {
            shell.file("faults.yaml", FAILING)?;
            start(shell, &format!("{CLUSTER} --faults faults.yaml"))?;
        }
        _ => {}
    }
    Ok(None)
}

fn cluster(shell: &mut Shell) -> Result<()> {
    start(shell, CLUSTER)
}

fn start(shell: &mut Shell, command: &str) -> Result<()> {
    shell.run(command)?;
    let kubeconfig = shell.kubeconfig()?;
    shell.export("KUBECONFIG", &kubeconfig.display().to_string());
    Ok(())
}

/// A registry that asks for a login, and that with `auth.json` and `registries.conf` can be used.
fn registry(shell: &Shell) -> Result<Registry> {
    let user = Some(("reader".to_owned(), "a password of a test".to_owned()));
    let registry = Registry::start(&Options { user, ..Options::default() })?.context("no docker-registry")?;
    shell.file("auth.json", &registry.authfile(None))?;
    let insecure = format!("[[registry]]\nlocation = \"{}\"\ninsecure = true\n", registry.host());
    shell.file("registries.conf", &insecure)?;
    Ok(registry)
}

/// Puts a release there: its digest is what pages leave out.
fn push(shell: &mut Shell, registry: &Registry) -> Result<()> {
    shell.run(BUILD)?;
    let push = format!("weir payload push ./payload {}/ocp/release", registry.host());
    let pushed = shell.run(&format!("{push} --authfile auth.json --registry-config registries.conf"))?;
    let (_, digest) = pushed.trim().split_once('@').context("a pull spec with a digest")?;
    shell.replace("@sha256:…", &format!("@{digest}"));
    Ok(())
}
