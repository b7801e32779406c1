//! Writes the OSImageStream: first what it lists, then its default, and last the annotations that mark it as done.

use crate::Context;
use serde_json::json;
use weir_api::{
    OSImageStream,
    keys::{
        config::{FORMER_STREAMS, RELEASE_IMAGE_VERSION, RELEASE_PAYLOAD_IMAGE, RETAINED_STREAMS},
        names::CLUSTER,
    },
    os_image_stream::OSImageStreamSpec,
};
use weir_kubeio::{Error, patch};
use weir_rules::stream::{
    catalog::{Catalog, DefaultReason, due::retained},
    former::former_after,
};
use weir_rules::view::Annotations;

pub(super) struct Writer<'a> {
    pub(super) context: &'a Context,
    /// The object as it was observed.
    pub(super) object: Option<&'a OSImageStream>,
}

impl Writer<'_> {
    /// Writes the catalogue to the object. If that is interrupted anywhere, the annotations are missing and it is made again.
    pub(super) async fn write(&self, release: &str, catalog: &Catalog) -> Result<(), Error> {
        let streams = &self.context.cluster.streams;
        let (client, default) = (&self.context.client, catalog.default.clone());
        if self.object.is_none() {
            let object = OSImageStream::named(CLUSTER, OSImageStreamSpec::asking_for(&default));
            patch::create(client, streams, &object).await?;
        }
        let listed: Vec<&str> = catalog.streams.iter().map(|stream| stream.set.name.as_str()).collect();
        self.remember(&listed).await?;
        let status = json!({"status": {"availableStreams": catalog.available_streams(), "defaultStream": default}});
        patch::merge_status(client, streams, CLUSTER, &status).await?;
        // By now the new default is listed, as the object's own validation requires.
        if matches!(catalog.because, DefaultReason::Followed { .. }) {
            patch::merge(client, streams, CLUSTER, &json!({"spec": {"defaultStream": default}})).await?;
        }
        let retained = joined(catalog.retained());
        let marks = json!({
            RELEASE_IMAGE_VERSION: self.context.build.hash,
            RELEASE_PAYLOAD_IMAGE: release,
            RETAINED_STREAMS: retained,
        });
        patch::merge(client, streams, CLUSTER, &json!({"metadata": {"annotations": marks}})).await?;
        Ok(())
    }

    pub(super) async fn take_default(&self, default: &str) -> Result<(), Error> {
        let status = json!({"status": {"defaultStream": default}});
        patch::merge_status(&self.context.client, &self.context.cluster.streams, CLUSTER, &status).await
    }

    /// Removes streams from the list.
    pub(super) async fn drop_streams(&self, dropped: &[String]) -> Result<(), Error> {
        let (client, streams) = (&self.context.client, &self.context.cluster.streams);
        let Some((object, status)) = self.object.and_then(|o| Some((o, o.status.as_ref()?))) else { return Ok(()) };
        let left: Vec<_> = status.available_streams.iter().filter(|set| !dropped.contains(&set.name)).collect();
        self.remember(&left.iter().map(|set| set.name.as_str()).collect::<Vec<_>>()).await?;
        patch::merge_status(client, streams, CLUSTER, &json!({"status": {"availableStreams": left}})).await?;
        let retained = joined(retained(object).into_iter().filter(|name| !dropped.iter().any(|d| d == name)));
        let marks = json!({RETAINED_STREAMS: retained});
        patch::merge(client, streams, CLUSTER, &json!({"metadata": {"annotations": marks}})).await
    }

    /// Records which streams will have left the list once these are all. It is written before the list; a stream in both counts as
    /// listed.
    async fn remember(&self, listed: &[&str]) -> Result<(), Error> {
        let names = former_after(self.object, listed);
        let noted = self.object.and_then(|object| Annotations::of(&object.metadata).get(FORMER_STREAMS));
        if noted == names.as_deref() {
            return Ok(());
        }
        let marks = json!({FORMER_STREAMS: names});
        patch::merge(
            &self.context.client,
            &self.context.cluster.streams,
            CLUSTER,
            &json!({"metadata": {"annotations": marks}}),
        )
        .await
    }
}

/// Names joined by commas; nothing for none, which removes the annotation.
fn joined<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| names.join(","))
}
