//! Waiting until one object is in a wanted state.

use futures::TryStreamExt as _;
use kube::{
    Api,
    api::{WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, pin::pin, time::Duration};
use tokio::time::sleep;

/// Pause after which a server that ends watches at once is called again.
const PAUSE: Duration = Duration::from_millis(200);

/// Returns once an object with this name exists and `wanted` accepts it. It waits indefinitely; the caller sets the deadline.
///
/// # Errors
/// If the API server refuses the watch or ends it with an error.
pub async fn until<K>(api: &Api<K>, name: &str, wanted: impl Fn(&K) -> bool) -> kube::Result<()>
where
    K: Clone + Debug + DeserializeOwned,
{
    let only = WatchParams::default().fields(&format!("metadata.name={name}"));
    loop {
        // From version 0, a watch begins with the existing objects.
        let mut events = pin!(api.watch(&only, "0").await?);
        while let Some(event) = events.try_next().await? {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) if wanted(&object) => return Ok(()),
                WatchEvent::Error(status) => return Err(kube::Error::Api(status)),
                _ => {}
            }
        }
        sleep(PAUSE).await;
    }
}
