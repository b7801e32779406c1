//! Tags of a repository, and manifests that refer to another one.
//!
//! Source: "Content Discovery" of the OCI distribution specification.

use super::{Answer, Ask, json_answer, set};
use crate::{
    Registry,
    address::{Name, Reference},
    manifest::{LARGEST, Referrer},
    refusal::{Code, Refusal},
};
use http::{
    HeaderName,
    header::{CONTENT_TYPE, LINK},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use weir_images::{Digest, manifest::media};

/// Maximum number of tags in one response, however many are requested.
const MOST_TAGS: usize = 1_000;
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

impl Registry {
    pub(super) fn tags(&self, ask: &Ask, name: &Name) -> Answer {
        let mut tags = self.store.tags(name, ask.query("last").unwrap_or_default())?;
        let asked =
            ask.query("n").map(|n| n.parse::<usize>().map_err(|_| Refusal::new(Code::Unsupported, "n is a number")));
        let count = asked.transpose()?.unwrap_or(MOST_TAGS).min(MOST_TAGS);
        let more = tags.len() > count && count > 0;
        tags.truncate(count);
        let mut response = json_answer(json!({ "name": name.to_string(), "tags": tags }).to_string().into_bytes());
        if let Some(last) = tags.last().filter(|_| more) {
            set(&mut response, LINK, &format!("</v2/{name}/tags/list?n={count}&last={last}>; rel=\"next\""));
        }
        Ok(response)
    }

    /// As many as fit into the largest manifest that clients accept.
    pub(super) async fn referrers(&self, ask: &Ask, name: &Name, subject: &Digest) -> Answer {
        let kind = ask.query("artifactType");
        let (mut found, mut length, mut next) = (Vec::new(), 0, None);
        let mut last = None;
        for digest in self.store.referrers(name, subject, ask.query("last").unwrap_or_default()) {
            // It may have been deleted meanwhile.
            let Ok(stored) = self.store.manifest(name, &Reference::Digest(digest.clone())).await else { continue };
            let referrer = Referrer::of(digest.clone(), &stored.media_type, &stored.bytes)?;
            if kind.is_some_and(|kind| kind != referrer.artifact_type) {
                continue;
            }
            let entry =
                serde_json::to_value(&referrer).map_err(|error| Refusal::new(Code::Unknown, error.to_string()))?;
            length += entry.to_string().len();
            if length > LARGEST / 2 && last.is_some() {
                next = last;
                break;
            }
            found.push(entry);
            last = Some(digest);
        }
        let list = json!({ "schemaVersion": 2, "mediaType": media::INDEX, "manifests": found });
        let mut response = json_answer(list.to_string().into_bytes());
        set(&mut response, CONTENT_TYPE, media::INDEX);
        if kind.is_some() {
            set(&mut response, FILTERS, "artifactType");
        }
        if let Some(last) = next {
            let kind = kind.map(|kind| format!("&artifactType={}", utf8_percent_encode(kind, NON_ALPHANUMERIC)));
            let link =
                format!("</v2/{name}/referrers/{subject}?last={last}{}>; rel=\"next\"", kind.unwrap_or_default());
            set(&mut response, LINK, &link);
        }
        Ok(response)
    }
}
