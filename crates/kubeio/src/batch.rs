//! Many writes at once, but no more than the server can take.

use crate::Error;
use futures::{StreamExt as _, stream};
use std::sync::atomic::{AtomicBool, Ordering};

/// Maximum number of concurrent requests. More would only lengthen the server's queue.
const AT_ONCE: usize = 32;

/// Does work for items, several at a time; returns the results in the order in which they finished.
///
/// Once the server says that it has too much to do (429), no further work is started: those items are missing from the results, and
/// the error tells the caller to retry later.
pub async fn batch<T, R>(work: Vec<(T, R)>) -> Vec<(T, Result<(), Error>)>
where
    R: Future<Output = Result<(), Error>>,
{
    let full = &AtomicBool::new(false);
    let done = stream::iter(work).map(|(item, work)| async move {
        if full.load(Ordering::Relaxed) {
            return None;
        }
        let outcome = work.await;
        if outcome.as_ref().is_err_and(Error::is_too_many) {
            full.store(true, Ordering::Relaxed);
        }
        Some((item, outcome))
    });
    let done: Vec<_> = done.buffer_unordered(AT_ONCE).collect().await;
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Node;
    use kube::core::Status;
    use std::cell::Cell;

    #[tokio::test]
    async fn an_overloaded_server_gets_no_more_requests() {
        let begun = Cell::new(0);
        let begin = async |at: usize| {
            begun.set(begun.get() + 1);
            match at {
                3 => {
                    let status = Status::failure("busy", "TooManyRequests").with_code(429);
                    Err(Error::new::<Node>("patching", "n", kube::Error::Api(Box::new(status))))
                }
                _ => Ok(()),
            }
        };
        let done = batch((0..1000).map(|at| (at, begin(at))).collect()).await;
        assert_eq!((done.len(), begun.get()), (4, 4));
        assert_eq!(done.iter().filter(|(_, outcome)| outcome.is_err()).count(), 1);
    }
}
