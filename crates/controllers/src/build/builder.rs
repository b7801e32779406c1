//! What makes an image.

use futures::{
    FutureExt as _,
    future::{BoxFuture, ready},
};
use k8s_openapi::api::core::v1::Secret;
use std::{
    collections::BTreeMap,
    fmt::{self, Debug},
    sync::Arc,
};
use weir_api::MachineConfig;
use weir_rules::build::ready::Ability;

/// What is to be built.
#[derive(Clone, Debug)]
pub struct Order {
    /// The rendered MachineConfig whose files the image holds.
    pub rendered: Arc<MachineConfig>,
    /// The steps.
    pub containerfile: String,
    /// Pull spec of the base image.
    pub base: String,
    /// What it is pulled with; absent when that is what all images of the cluster are pulled with.
    pub pull_secret: Option<Secret>,
    /// What the image is pushed with.
    pub push_secret: Secret,
    /// Where it is pushed to, with its tag.
    pub push_spec: String,
    /// What else is there while the image is built.
    pub inputs: Inputs,
    /// Told what the build says while it works.
    pub log: Log,
}

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What a build may have beside its base and its steps. All of it is optional.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// The administrator's certificates, PEM: registries are trusted by them, and the image trusts them too.
    pub trust_bundle: Option<Vec<u8>>,
    /// Which signatures images need, as `/etc/containers/policy.json`.
    pub policy: Option<Vec<u8>>,
    /// Where images are pulled from, as `/etc/containers/registries.conf`.
    pub registries: Option<Vec<u8>>,
    /// Data of the Secret with entitlements, in `/etc/pki/entitlement` while steps run.
    pub entitlement: Files,
    /// Data of the ConfigMap with yum repositories, in `/etc/yum.repos.d` while steps run.
    pub yum_repositories: Files,
    /// Data of the Secret with GPG keys, in `/etc/pki/rpm-gpg` while steps run.
    pub gpg_keys: Files,
}

/// Sizes and names, never what is in them.
impl Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = |file: &Option<Vec<u8>>| file.as_ref().map(Vec::len);
        f.debug_struct("Inputs")
            .field("trust_bundle", &size(&self.trust_bundle))
            .field("policy", &size(&self.policy))
            .field("registries", &size(&self.registries))
            .field("entitlement", &self.entitlement.keys())
            .field("yum_repositories", &self.yum_repositories.keys())
            .field("gpg_keys", &self.gpg_keys.keys())
            .finish()
    }
}

/// Is told the lines that a build says, without anything that is secret. By default nobody listens.
#[derive(Clone, Default)]
pub struct Log(Option<Listener>);

type Listener = Arc<dyn Fn(&str) + Send + Sync>;

impl Log {
    /// Told to this function, one line at a time. It must not block.
    #[must_use]
    pub fn to(listener: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(listener)))
    }

    /// Says one line, without its end.
    pub fn line(&self, line: &str) {
        if let Some(listener) = &self.0 {
            listener(line);
        }
    }
}

impl Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Log(…)" } else { "Log" })
    }
}

/// Makes images. It decides nothing.
pub trait Builder: Debug + Send + Sync {
    /// What it can do. Asked for the first time, it may have to find out.
    fn ability(&self) -> BoxFuture<'_, Ability<'_>>;

    /// Makes and pushes an image; gives its pull spec by digest, or which step failed and what it last said, without anything that
    /// is secret. Dropping the future ends the build.
    fn build(&self, order: Order) -> BoxFuture<'static, Result<String, String>>;

    /// Resolves when nothing is left of builds that were ended, for whoever is about to exit.
    fn settled(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }
}
