//! `weir apiserver`: the embedded API server alone.

use crate::{exit::Outcome, signals::Signals};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::{net::SocketAddr, path::PathBuf};
use weir_apiserver::{ApiServer, Authorization, Settings, Socket};
use weir_manifests::Rule;

const DEFINITION: &str = "CustomResourceDefinition";

/// What the server serves, where, and where it stores it.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6443")]
    listen: SocketAddr,
    /// Keep objects and certificates here [default: in memory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// CustomResourceDefinitions to serve: a file, or a folder of .yaml and .json files, read recursively; may be repeated
    #[arg(long, value_name = "FILE|DIR")]
    crds: Vec<PathBuf>,
    /// How requests of users other than the administrator are authorized
    #[arg(long, value_enum, default_value_t)]
    authorization: Mode,
    /// Write the administrator's kubeconfig here [default: kubeconfig in the data directory]
    #[arg(long, value_name = "FILE", required_unless_present = "data_dir")]
    kubeconfig: Option<PathBuf>,
}

/// How requests of users other than the administrator are authorized.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Mode {
    /// Stored roles and bindings
    #[default]
    Rbac,
    /// Everything is allowed
    AlwaysAllow,
}

/// Serves until interrupted or terminated.
///
/// # Errors
/// When the server cannot be set up.
pub fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(serve(arguments))
}

async fn serve(arguments: Arguments) -> anyhow::Result<Outcome> {
    let Arguments { listen, data_dir, crds, authorization, kubeconfig } = arguments;
    let kubeconfig = match (kubeconfig, &data_dir) {
        (Some(path), _) => path,
        (None, Some(data_dir)) => data_dir.join("kubeconfig"),
        (None, None) => bail!("give --kubeconfig or --data-dir"),
    };
    let authorization = match authorization {
        Mode::Rbac => Authorization::Rbac,
        Mode::AlwaysAllow => Authorization::AlwaysAllow,
    };
    let definitions = definitions(&crds)?;
    let count = definitions.len();
    // Before the data directory: a port that is in use leaves nothing behind.
    let socket = Socket::bind(listen)?;
    let server = ApiServer::new(Settings { data_dir, authorization, ..Settings::default() })?;
    server.define(definitions)?;
    let listener = socket.of(&server)?;
    listener.write_kubeconfig(&kubeconfig)?;
    let signals = Signals::listen()?;
    tell!("serving https://{} with {count} definitions; kubeconfig {}", listener.address(), kubeconfig.display());
    tell!("this is an API server, not a cluster: nothing schedules or runs pods");
    listener.serve(signals.asked()).await?;
    Ok(Outcome::Done)
}

/// The definitions in these files and folders, in path order.
fn definitions(paths: &[PathBuf]) -> anyhow::Result<Vec<Value>> {
    let mut found = Vec::new();
    weir_manifests::read(paths, Rule::Objects(&[])).each(|manifest| {
        if manifest.kind() != DEFINITION {
            bail!("{}: a {}; --crds takes {DEFINITION}s only", manifest.place, manifest.title());
        }
        found.push(manifest.object);
        Ok(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_read_in_order_and_other_kinds_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let crd = |name: &str| format!("kind: CustomResourceDefinition\nmetadata: {{name: {name}}}\n");
        write("b.yaml", &format!("{}---\n{}", crd("two"), crd("three")));
        write("a.json", r#"{"kind": "CustomResourceDefinition", "metadata": {"name": "one"}}"#);
        write("README.md", "not a manifest");
        let found = definitions(&[folder.path().to_owned()]).unwrap();
        let names: Vec<&str> = found.iter().map(|d| d["metadata"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["one", "two", "three"]);
        write("c.yaml", "kind: ConfigMap\n");
        assert!(definitions(&[folder.path().to_owned()]).unwrap_err().to_string().contains("c.yaml"));
    }
}
