//! Waiting for an API server that answers, for every command that talks to a cluster.
//!
//! A problem is reported once, with the address and what to do. Transient problems are waited out for as long as the
//! user says; others are reported at once.

use anyhow::{Result, anyhow};
use http::StatusCode;
use kube::{Client, Config};
use std::{error::Error as StdError, time::Duration};
use tokio::time::{Instant, sleep, timeout};
use weir_kubeio::{
    client::{self, ANSWER},
    error::said,
};

/// Pause between two attempts to reach the API server.
const PAUSE: Duration = Duration::from_millis(500);
/// The minimum time for an attempt: a handshake over a slow line.
const SHORTEST_TRY: Duration = Duration::from_secs(1);

/// A client of a cluster that answers, whose requests name the component.
///
/// # Errors
/// When the configuration cannot be used, or as for [`answering`].
pub async fn connect(config: Config, component: &str, patience: Duration) -> Result<Client> {
    let at = config.cluster_url.to_string();
    let client = client::builder(config, component).map_err(|error| anyhow!("{at}: {}", said(&error)))?.build();
    answering(&client, &at, patience).await?;
    Ok(client)
}

/// Waits until the API server answers; says so once when it does not at first.
///
/// # Errors
/// When it does not in time, or returns an error that waiting does not cure.
pub async fn answering(client: &Client, at: &str, patience: Duration) -> Result<()> {
    let start = Instant::now();
    let mut told = false;
    loop {
        let left = patience.saturating_sub(start.elapsed());
        let limit = if patience.is_zero() { ANSWER } else { left.clamp(SHORTEST_TRY, ANSWER) };
        let why = match timeout(limit, client.apiserver_version()).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => match advice(&error) {
                Some(advice) => return Err(anyhow!("{at}: {}; {advice}", meant(&error))),
                None => meant(&error),
            },
            Err(_) => format!("no answer within {limit:.0?}"),
        };
        if start.elapsed() >= patience {
            let what = "is it running, and is it the one that is meant (--kubeconfig, --context)?";
            return Err(match patience.is_zero() {
                true => anyhow!("{at} does not answer: {why}; {what}"),
                false => anyhow!("{at} did not answer within {patience:?}: {why}; {what} --wait waits longer"),
            });
        }
        if !told {
            told = true;
            tell!("{at} does not answer yet ({why}); trying for {patience:?}");
        }
        sleep(PAUSE).await;
    }
}

/// The server's message, with what to do about a refusal.
///
/// # Errors
/// The same error, as text.
pub fn known<T>(answer: kube::Result<T>) -> Result<T> {
    answer.map_err(|error| match advice(&error) {
        Some(advice) => anyhow!("{}; {advice}", meant(&error)),
        None => anyhow!(meant(&error)),
    })
}

/// What went wrong, without the messages that transport layers add.
fn meant(error: &kube::Error) -> String {
    match innermost(error) {
        Some(tls @ rustls::Error::InvalidCertificate(_)) => format!("its certificate is not trusted: {tls}"),
        Some(tls) => format!("TLS fails: {tls}"),
        None => said(error).replace("client error (Connect): ", "").replace("tcp connect error: ", ""),
    }
}

/// What to do about an error that will not go away by waiting.
fn advice(error: &kube::Error) -> Option<&'static str> {
    if innermost(error).is_some() {
        return Some(
            "the kubeconfig is of another cluster, or of an earlier one at this address: get a new one, or check its \
             certificate-authority",
        );
    }
    let kube::Error::Api(status) = error else {
        return match error {
            kube::Error::SerdeError(_) => Some(NO_API_SERVER),
            kube::Error::Auth(_) => Some("the kubeconfig's way to log in does not work: log in again"),
            _ => None,
        };
    };
    match StatusCode::from_u16(status.code) {
        Ok(StatusCode::UNAUTHORIZED) => Some("its credentials have expired or are of another cluster: log in again"),
        Ok(StatusCode::FORBIDDEN) => Some(FORBIDDEN),
        Ok(StatusCode::NOT_FOUND) => Some(NO_API_SERVER),
        _ => None,
    }
}

const NO_API_SERVER: &str =
    "this is no Kubernetes API server: check the server of the kubeconfig (--kubeconfig, --context)";
/// What to do about a 403.
const FORBIDDEN: &str = "use a kubeconfig of an administrator, or bind the roles that `weir manifests` prints";

/// The error of the TLS library, if it is one. An `io::Error` shows the causes of what it wraps, not what it wraps itself.
fn innermost(error: &kube::Error) -> Option<&rustls::Error> {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        let mut wrapped = Some(error);
        while let Some(error) = wrapped {
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Some(tls);
            }
            let io = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            wrapped = io.map(|inner| inner as &(dyn StdError + 'static));
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_the_tls_library_says_is_found_however_it_is_wrapped() {
        let tls = || rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let once = io::Error::new(io::ErrorKind::InvalidData, tls());
        for error in [once, io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls()))] {
            let error = kube::Error::Service(Box::new(error));
            assert!(advice(&error).is_some_and(|advice| advice.contains("another cluster")));
            assert!(
                meant(&error).contains("not trusted") && meant(&error).contains("UnknownIssuer"),
                "{}",
                meant(&error)
            );
        }
        let refused = kube::Error::Service(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused)));
        assert_eq!(advice(&refused), None);
    }
}
