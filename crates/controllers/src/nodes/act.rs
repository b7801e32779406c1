//! Creates, changes and deletes MachineConfigNodes.

use super::observe::Write;
use crate::Context;
use weir_kubeio::{Error, patch};
use weir_rules::status::node_status::Change;

pub(super) async fn act(context: &Context, write: Write) -> Result<(), Error> {
    let (client, cache) = (&context.client, &context.cluster.reports);
    let written = match write {
        Write::Make(_, Change::Create(object)) => patch::create(client, cache, &*object).await.map(drop),
        Write::Make(name, Change::Patch(change)) => patch::merge(client, cache, &name, &change).await,
        Write::Delete(name) => patch::delete(client, cache, None, &name).await,
    };
    match written {
        // It was deleted with its node meanwhile, and its watch will show it.
        Err(error) if error.is_not_found() => Ok(()),
        written => written,
    }
}
