//! Makes the OSImageStream from the images of a release.

use super::{Acted, Attempt, Controller, Error, Failed, Writer, observe};
use crate::access;
use futures::future::select_all;
use std::{collections::BTreeMap, pin::pin, time::Duration};
use tokio::time::sleep;
use weir_api::keys::names::CLUSTER;
use weir_images::Images;
use weir_rules::stream::{
    catalog::{Catalog, CatalogError, Existing, Input, Source, catalog, due::Stale},
    mismatch::clause,
    problem::PayloadEvidence,
    release::installed_version,
};

/// Users are notified about a registry that takes longer than this to answer: a healthy one needs a tenth of it.
const SOON: Duration = Duration::from_millis(500);

impl Controller {
    pub(super) async fn make(&self, release: &str, because: &Stale, writer: &Writer<'_>) -> Acted {
        let access = self.access.images();
        if matches!(access, Err(access::Error::Unseen { why: None, .. })) {
            return Acted::Waits;
        }
        let images = access.as_ref().ok().cloned();
        if let Some(pause) = self.pause(release, images.as_ref()) {
            return Acted::Again(pause);
        }
        tracing::info!(release, %because, "making the OSImageStream");
        let mut evidence = None;
        let outcome = match access {
            Ok(images) => self.attempt(&images, release, writer, &mut evidence).await,
            Err(source) => Err(Error::Access { release: release.to_owned(), source }),
        };
        match outcome {
            Ok(None) => Acted::Again(Duration::ZERO),
            Ok(Some(made)) => Acted::Made(Box::new(made)),
            Err(error) => {
                Acted::Failed(Box::new(Failed { error, attempt: Some(Attempt::new(release, images)), evidence }))
            }
        }
    }

    /// Reads the release and writes the object. `None` if another release is wanted meanwhile, or images are read in another way.
    async fn attempt(
        &self,
        images: &Images,
        release: &str,
        writer: &Writer<'_>,
        evidence: &mut Option<PayloadEvidence>,
    ) -> Result<Option<Catalog>, Error> {
        let Some((found, also)) = self.read(images, release).await else { return Ok(None) };
        let made = self.catalog(release, found, also, evidence)?;
        writer.write(release, &made).await?;
        Ok(Some(made))
    }

    async fn read(&self, images: &Images, release: &str) -> Option<(observe::Payload, Option<Source>)> {
        let mut versions = self.context.cluster.versions.changes();
        let mut ways = self.access.changes();
        let mut reading = pin!(async {
            tokio::join!(observe::payload(images, self.context.profile, release), self.os_image_url(images))
        });
        let mut soon = pin!(sleep(SOON));
        let mut told = false;
        loop {
            let other_way = select_all(ways.iter_mut().map(|way| Box::pin(way.changed())));
            tokio::select! {
                biased;
                (Ok(()), ..) = other_way => {
                    if self.access.images().is_ok_and(|now| !now.is(images)) {
                        return None;
                    }
                }
                Ok(()) = versions.changed() => {
                    let version = self.context.cluster_version();
                    let desired = version.as_ref().and_then(|v| v.status.as_ref()).map(|s| s.desired.image.as_str());
                    if desired != Some(release) {
                        return None;
                    }
                }
                found = &mut reading => return Some(found),
                () = &mut soon, if !told => {
                    told = true;
                    self.report_delay(release).await;
                }
            }
        }
    }

    /// The pair of images that the ConfigMap names, if there is one.
    async fn os_image_url(&self, images: &Images) -> Option<Source> {
        let map = self.context.cluster.access.os_image_url()?;
        let version = self.context.cluster_version();
        let desired = version.as_ref().and_then(|v| v.status.as_ref()).map_or("", |s| s.desired.version.as_str());
        Some(observe::os_image_url(images, map.data.as_ref().unwrap_or(&BTreeMap::new()), desired).await)
    }

    fn catalog(
        &self,
        release: &str,
        found: observe::Payload,
        also: Option<Source>,
        evidence: &mut Option<PayloadEvidence>,
    ) -> Result<Catalog, Error> {
        let (context, cluster) = (&self.context, &self.context.cluster);
        let installed = context.cluster_version().as_deref().and_then(installed_version);
        let object = cluster.streams.get(CLUSTER);
        let input = Input {
            sources: also.into_iter().chain([found.source]).collect(),
            existing: object.as_deref().map_or_else(Existing::default, Existing::of),
            in_use: &context.configuration().streams_in_use(),
            installed: installed.or_else(|| found.version.parse().ok()),
        };
        let made = catalog(context.profile, input);
        let several = if let Err(CatalogError::SeveralStreams(names)) = &made { names.clone() } else { Vec::new() };
        let (found, misfit) = self.weigh(PayloadEvidence { tags: found.tags, several_streams: several });
        *evidence = Some(found);
        if !misfit.is_empty() {
            return Err(Error::Mismatch { release: release.to_owned(), why: clause(context.profile, &misfit) });
        }
        made.map_err(|source| Error::Catalog { release: release.to_owned(), source })
    }
}
