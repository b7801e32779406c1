//! Writes the OSImageStream: what it lists first, then what is wanted of it, and last the marks that say it is done.

use crate::Context;
use kube::Api;
use serde_json::json;
use weir_api::{
    OSImageStream,
    keys::{
        config::{RELEASE_IMAGE_VERSION, RELEASE_PAYLOAD_IMAGE},
        names::CLUSTER,
    },
    os_image_stream::OSImageStreamSpec,
};
use weir_kubeio::{Error, patch};
use weir_rules::catalog::{Catalog, DefaultReason};

pub(super) struct Writer<'a> {
    pub(super) context: &'a Context,
    /// The object as it was observed.
    pub(super) object: Option<&'a OSImageStream>,
}

impl Writer<'_> {
    /// Makes the object say what the catalogue says. An interruption anywhere leaves the marks unwritten, and it is made
    /// again.
    pub(super) async fn write(&self, release: &str, catalog: &Catalog) -> Result<(), Error> {
        let streams = &self.context.cluster.streams;
        let (api, default) = (self.api(), catalog.default.clone());
        if self.object.is_none() {
            let object = OSImageStream::named(CLUSTER, OSImageStreamSpec { default_stream: default.clone() });
            patch::create(&api, streams, &object).await?;
        }
        let status = json!({"status": {"availableStreams": catalog.available_streams(), "defaultStream": default}});
        patch::merge_status(&api, streams, CLUSTER, &status).await?;
        // The new default is listed by now, as the object's own validation demands.
        if matches!(catalog.because, DefaultReason::Followed { .. }) {
            patch::merge(&api, streams, CLUSTER, &json!({"spec": {"defaultStream": default}})).await?;
        }
        if catalog.complete {
            let marks = json!({RELEASE_PAYLOAD_IMAGE: release, RELEASE_IMAGE_VERSION: self.context.build.hash});
            patch::merge(&api, streams, CLUSTER, &json!({"metadata": {"annotations": marks}})).await?;
        }
        Ok(())
    }

    pub(super) async fn take_default(&self, default: &str) -> Result<(), Error> {
        let status = json!({"status": {"defaultStream": default}});
        patch::merge_status(&self.api(), &self.context.cluster.streams, CLUSTER, &status).await
    }

    fn api(&self) -> Api<OSImageStream> {
        Api::all(self.context.client.clone())
    }
}
