//! Notifications over HTTP: a documented JSON body, with the headers of a CloudEvent in binary content mode.
//!
//! Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>.

use futures::future::BoxFuture;
use weir_controllers::notify::Receiver;
use weir_kubeio::webhook::Webhook;
use weir_rules::status::notify::Notice;

/// What events are of, in reverse-domain order as the specification asks; the word for what happened follows.
const TYPE: &str = "io.weir.rollout.";
/// Version of the specification.
const VERSION: &str = "1.0";

/// Sends notifications to an address.
#[derive(Debug)]
pub(super) struct Sender {
    webhook: Webhook,
    /// What the events come from: the API server, as it was reached.
    source: String,
}

impl Sender {
    pub(super) fn new(webhook: Webhook, source: String) -> Self {
        Self { webhook, source }
    }

    /// Where it sends to, without path and query.
    pub(super) fn host(&self) -> &str {
        self.webhook.host()
    }

    fn headers(&self, notice: &Notice) -> [(&'static str, String); 6] {
        [
            ("ce-specversion", VERSION.to_owned()),
            ("ce-id", notice.id.clone()),
            ("ce-source", self.source.clone()),
            ("ce-type", format!("{TYPE}{}", notice.happened.word())),
            ("ce-subject", format!("mcp/{}", notice.pool)),
            ("ce-time", notice.at.to_string()),
        ]
    }
}

impl Receiver for Sender {
    fn deliver<'a>(&'a self, notice: &'a Notice) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async {
            let body = serde_json::to_vec(&notice.data).map_err(|error| error.to_string())?;
            self.webhook.post(&self.headers(notice), body).await.map_err(|error| error.to_string())
        })
    }
}
