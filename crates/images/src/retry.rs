//! Retries: how long, how often, and when not.

use crate::error::{Error, Fault};
use std::time::Duration;
use tokio::time::Instant;
use weir_api::Class;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is respected.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The time limit for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Pause before the second attempt; doubled before each further one.
    pub pause: Duration,
    /// No attempt starts later than this.
    pub retry: Duration,
    /// Nothing continues beyond this.
    pub total: Duration,
}

impl Default for Patience {
    /// Ten seconds of retries suit a user at a terminal, and a controller retries by itself; five
    /// minutes are what the reference implementation allows in total.
    fn default() -> Self {
        Self { pause: FIRST_PAUSE, retry: Duration::from_secs(10), total: Duration::from_secs(300) }
    }
}

/// Repeats an operation on an image while a retry can help and time remains.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, Error>>>(
    patience: Patience,
    image: &str,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Error> {
    let start = Instant::now();
    let mut pause = patience.pause;
    let mut last: Option<Error> = None;
    loop {
        let error = match tokio::time::timeout_at(start + patience.total, attempt()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(error)) => error,
            Err(_) => {
                let last = last.map_or_else(|| "the registry is too slow".to_owned(), |last| last.to_string());
                return Err(Fault::Deadline { after: patience.total, last }.about(image, ""));
            }
        };
        let wait = error.retry_after().map_or(pause, |wanted| wanted.clamp(pause, LONGEST_RETRY_AFTER.max(pause)));
        if error.class() != Class::Transient || start.elapsed() + wait > patience.retry {
            return Err(error);
        }
        tracing::info!("{error}; trying again in {wait:?}");
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        last = Some(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn status(status: u16, retry_after: Option<u64>) -> Error {
        let retry_after = retry_after.map(Duration::from_secs);
        Fault::Status { by: String::new(), status, settled: false, said: String::new(), retry_after }
            .about("a.io/b", "a.io")
    }

    const PATIENCE: Patience =
        Patience { pause: FIRST_PAUSE, retry: Duration::from_secs(10), total: Duration::from_secs(20) };

    /// The attempts made and the time spent.
    async fn tried(outcomes: &[Result<(), Error>]) -> (usize, Duration, Result<(), Error>) {
        let (start, count) = (Instant::now(), Cell::new(0));
        let result = patiently(PATIENCE, "a.io/b", || {
            let at = count.replace(count.get() + 1);
            let outcome = outcomes.get(at).or(outcomes.last()).cloned();
            async move { outcome.unwrap() }
        });
        let result = result.await;
        (count.get(), start.elapsed(), result)
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_and_a_permanent_error_ends_it() {
        let millis = Duration::from_millis;
        let (count, time, result) = tried(&[Err(status(503, None)), Err(status(503, None)), Ok(())]).await;
        assert_eq!((count, time, result), (3, millis(750), Ok(())));
        let (count, time, result) = tried(&[Err(status(503, Some(5))), Ok(())]).await;
        assert_eq!((count, time, result), (2, millis(5000), Ok(())));
        let (count, time, result) = tried(&[Err(status(405, None)), Ok(())]).await;
        assert_eq!((count, time, result), (1, millis(0), Err(status(405, None))));
        let (count, time, result) = tried(&[Err(status(503, None))]).await;
        assert_eq!((count, time, result), (6, millis(7750), Err(status(503, None))));
        let (count, _, result) = tried(&[Err(status(429, Some(11))), Ok(())]).await;
        assert_eq!((count, result), (1, Err(status(429, Some(11)))));
    }

    #[tokio::test(start_paused = true)]
    async fn what_never_answers_is_given_up() {
        let start = Instant::now();
        let error = patiently(PATIENCE, "a.io/b", std::future::pending::<Result<(), Error>>).await.unwrap_err();
        assert_eq!(start.elapsed(), PATIENCE.total);
        assert_eq!(error.to_string(), "image a.io/b: not done after 20 s; the registry is too slow");
    }
}
