//! An API server on which we may read what we need.

use super::Role;
use crate::reach::known;
use anyhow::{Context as _, Result, bail};
use kube::Client;
use weir_controllers::{Cluster, cluster::Watcher};
use weir_kubeio::Missing;

/// Checks that every indispensable kind is served and readable: a watch that never begins would just wait.
///
/// # Errors
/// Names all that are not.
pub(super) async fn readable(client: &Client, role: Role) -> Result<()> {
    let watches = Cluster::default().watches;
    let of_operator = if role.operates() { Watcher::OPERATOR } else { &[] };
    let mut missing = Vec::new();
    let rows = watches.of(Watcher::EVERYBODY).chain(watches.of(of_operator));
    for row in rows.filter(|row| row.missing == Missing::Refuse) {
        let (plural, version) = (&row.kind.plural, &row.kind.api_version);
        if !known(row.is_served(client).await).with_context(|| format!("listing {plural}"))? {
            missing.push(format!("{plural} ({version})"));
        }
    }
    if !missing.is_empty() {
        missing.sort();
        bail!(
            "the API server does not serve {}; define them with `weir crds | kubectl apply --server-side -f -`",
            missing.join(", ")
        );
    }
    Ok(())
}
