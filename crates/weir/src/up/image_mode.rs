//! A MachineOSConfig that is ready to be applied: the workers' image, built by this process and pushed to the cluster's own registry.

use anyhow::{Context as _, Result};
use k8s_openapi::ByteString;
use std::{
    fs::{self, File, Permissions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};
use weir_api::keys::names::{OPERATOR_NAMESPACE, WORKER};
use weir_registry::Listener;

/// Name of the Secret that opens the registry.
const SECRET: &str = "weir-registry";
/// It holds the login.
const MODE: u32 = 0o600;
/// Writes it, and the Secret that it names.
///
/// # Errors
/// When the file cannot be written, or the registry's login not be read.
pub(super) fn write(path: &Path, registry: &Listener) -> Result<()> {
    let authfile = registry.authfile();
    let login = fs::read_to_string(&authfile).with_context(|| format!("reading {}", authfile.display()))?;
    // A Secret holds bytes in base64, in quotes here.
    let login = serde_json::to_string(&ByteString(login.into_bytes()))?;
    let text = manifest(&login, &registry.address().to_string());
    let written = File::create(path).and_then(|mut file| {
        file.set_permissions(Permissions::from_mode(MODE))?;
        file.write_all(text.as_bytes())
    });
    written.with_context(|| format!("writing {}", path.display()))
}

/// The Containerfile in it has a step that shows on disk, a label, and nothing that would have to run.
fn manifest(login: &str, registry: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Secret
metadata:
  name: {SECRET}
  namespace: {OPERATOR_NAMESPACE}
type: kubernetes.io/dockerconfigjson
data:
  .dockerconfigjson: {login}
---
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineOSConfig
metadata:
  name: {WORKER}
spec:
  machineConfigPool:
    name: {WORKER}
  imageBuilder:
    imageBuilderType: Job
  renderedImagePushSecret:
    name: {SECRET}
  renderedImagePushSpec: {registry}/os/{WORKER}:latest
  containerFile:
  - containerfileArch: NoArch
    content: |
      FROM configs AS final
      COPY <<'END' /etc/motd
      This node runs an image that was built for its pool.
      END
      LABEL example=image-mode
"
    )
}
