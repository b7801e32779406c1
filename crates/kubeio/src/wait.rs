//! Waiting for one object to be as it is wanted.

use futures::TryStreamExt as _;
use kube::{
    Api,
    api::{WatchEvent, WatchParams},
};
use serde::de::DeserializeOwned;
use std::{fmt::Debug, pin::pin, time::Duration};
use tokio::time::sleep;

/// A server that ends watches at once is asked anew only after this.
const PAUSE: Duration = Duration::from_millis(200);

/// Returns once an object of this name is there and `wanted` says yes to it. It waits without an end: the caller has the
/// deadline.
///
/// # Errors
/// When the API server refuses the watch or breaks it off with an error.
pub async fn until<K>(api: &Api<K>, name: &str, wanted: impl Fn(&K) -> bool) -> kube::Result<()>
where
    K: Clone + Debug + DeserializeOwned,
{
    let only = WatchParams::default().fields(&format!("metadata.name={name}"));
    loop {
        // From version 0 a watch begins with what is there.
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
