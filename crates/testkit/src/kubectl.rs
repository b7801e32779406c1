//! Real kubectl.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// kubectl with a kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// kubectl for a cluster; `None`, with a printed line, where kubectl is not installed.
    #[must_use]
    pub fn new(kubeconfig: &Path) -> Option<Self> {
        if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
            weir_recorded::skip("a test with kubectl", &weir_recorded::Absent::Program("kubectl"));
            return None;
        }
        Some(Self { kubeconfig: kubeconfig.to_owned() })
    }

    /// Runs it, whatever the outcome.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn output(&self, arguments: &[&str]) -> Result<Output> {
        self.command(arguments).output().context("running kubectl")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        // A separate cache: discovery of another test's server must not be mistaken for this one's.
        let cache = self.kubeconfig.with_file_name("kubectl-cache");
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig).arg("--cache-dir").arg(cache).args(arguments);
        command
    }

    /// Runs it and returns its output.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        Self::printed(arguments, &self.output(arguments)?)
    }

    /// Like [`Kubectl::run`], with this on standard input.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn pipe(&self, input: &[u8], arguments: &[&str]) -> Result<String> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().context("running kubectl")?;
        let mut stdin = child.stdin.take().context("stdin is piped")?;
        let output = std::thread::scope(|scope| {
            // kubectl may have reasons not to read its input, and reports them.
            scope.spawn(move || stdin.write_all(input));
            child.wait_with_output().context("running kubectl")
        })?;
        Self::printed(arguments, &output)
    }

    fn printed(arguments: &[&str], output: &Output) -> Result<String> {
        if !output.status.success() {
            bail!("kubectl {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Gets objects as JSON.
    ///
    /// # Errors
    /// When kubectl fails or prints something else.
    pub fn get(&self, what: &[&str]) -> Result<Value> {
        let mut arguments = vec!["get", "-o", "json"];
        arguments.extend(what);
        serde_json::from_str(&self.run(&arguments)?).context("reading kubectl's JSON")
    }
}

/// A client for the cluster of a kubeconfig.
///
/// # Errors
/// When the kubeconfig cannot be used.
pub async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    // Fails only when a provider is already installed, which is then the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = kube::config::Kubeconfig::read_from(kubeconfig).context("reading the kubeconfig")?;
    let config =
        kube::Config::from_custom_kubeconfig(file, &Default::default()).await.context("using the kubeconfig")?;
    kube::Client::try_from(config).context("making a client")
}
