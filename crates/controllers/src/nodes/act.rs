//! Creates, changes and deletes MachineConfigNodes.

use super::observe::Write;
use crate::Context;
use kube::{Api, api::DeleteParams};
use weir_api::MachineConfigNode;
use weir_kubeio::{Error, patch};
use weir_rules::status::node_status::Change;

pub(super) async fn act(context: &Context, write: Write) -> Result<(), Error> {
    let api: Api<MachineConfigNode> = Api::all(context.client.clone());
    let cache = &context.cluster.reports;
    let written = match write {
        Write::Make(_, Change::Create(object)) => patch::create(&api, cache, &*object).await.map(drop),
        Write::Make(name, Change::Patch(change)) => patch::merge(&api, cache, &name, &change).await,
        Write::Delete(name) => {
            let deleted = api.delete(&name, &DeleteParams::default()).await.map(drop);
            deleted.map_err(|source| Error::new::<MachineConfigNode>("deleting", &name, source))
        }
    };
    match written {
        // It went with its node in the meantime, and its watch will say so.
        Err(error) if error.is_not_found() => Ok(()),
        written => written,
    }
}
