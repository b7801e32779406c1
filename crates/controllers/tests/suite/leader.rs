//! Two processes, one lease: who writes when, as the API server sees it.
#![allow(clippy::unwrap_used, reason = "a test: a poisoned lock shall stop it")]

use http::Method;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    client::Body,
};
use serde_json::json;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower::{BoxError, Layer as _, ServiceExt as _, service_fn};
use weir_apiserver::{ApiServer, Settings};
use weir_kubeio::{
    Clock,
    lease::{Candidate, Led, Timing, lead_both},
};

const NAMESPACE: &str = "default";
/// What becomes of a process's requests for the lease.
const ANSWERED: u8 = 0;
const REFUSED: u8 = 1;
const LOST: u8 = 2;

type Log = Arc<Mutex<Vec<(&'static str, Instant)>>>;

/// A process that writes as often as it can while it is leader.
struct Process {
    task: JoinHandle<Led<()>>,
    stop: Option<oneshot::Sender<()>>,
    wire: Arc<AtomicU8>,
}

/// A client whose writes are noted where the server answers them.
fn noted(server: &ApiServer, who: &'static str, log: &Log, fence: &weir_kubeio::Fence) -> Client {
    let (server, log) = (server.service(), log.clone());
    let service = service_fn(move |request: http::Request<Body>| {
        let (server, log) = (server.clone(), log.clone());
        async move {
            // As long as a busy server may take, so that writes are under way when the lease changes hands.
            sleep(Duration::from_millis(30)).await;
            if request.method() != Method::GET {
                log.lock().unwrap().push((who, Instant::now()));
            }
            server.oneshot(request).await
        }
    });
    Client::new(fence.layer(service), NAMESPACE)
}

/// A client that is cut off when told to.
fn cut(server: &ApiServer, wire: &Arc<AtomicU8>) -> Client {
    let (server, wire) = (server.service(), wire.clone());
    let service = service_fn(move |request: http::Request<Body>| {
        let (server, wire) = (server.clone(), wire.clone());
        async move {
            match wire.load(Ordering::SeqCst) {
                REFUSED => Err(BoxError::from("connection refused")),
                LOST => std::future::pending().await,
                _ => Ok(server.oneshot(request).await?),
            }
        }
    });
    Client::new(service, NAMESPACE)
}

fn process(server: &ApiServer, who: &'static str, log: &Log) -> Process {
    let wire = Arc::new(AtomicU8::new(ANSWERED));
    let candidate = Candidate::new(
        cut(server, &wire),
        NAMESPACE,
        "lease",
        who,
        Timing::default(),
        Clock::starting_at(jiff::Timestamp::now()),
    );
    let api: Api<ConfigMap> = Api::namespaced(noted(server, who, log, &candidate.fence()), NAMESPACE);
    let (stop, stopped) = oneshot::channel::<()>();
    let (ask, mut asked) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let work = async {
            loop {
                let patch = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"who": who}});
                // What the fence refuses is what this is about.
                let _ = api.patch("written", &PatchParams::apply(who), &Patch::Apply(&patch)).await;
                tokio::select! {
                    () = sleep(Duration::from_millis(10)) => {}
                    _ = &mut asked => return,
                }
            }
        };
        let stop = async {
            _ = stopped.await;
            _ = ask.send(());
        };
        tokio::pin!(stop);
        candidate.lead(std::future::pending(), async { tokio::join!(work, stop).0 }).await
    });
    Process { task, stop: Some(stop), wire }
}

/// The writers in order, each once per time it took over.
fn terms(log: &Log) -> Vec<&'static str> {
    let mut terms: Vec<&'static str> = log.lock().unwrap().iter().map(|(who, _)| *who).collect();
    terms.dedup();
    terms
}

fn writes(log: &Log, who: &str) -> usize {
    log.lock().unwrap().iter().filter(|(writer, _)| *writer == who).count()
}

async fn seconds(count: u64) {
    sleep(Duration::from_secs(count)).await;
}

#[tokio::test(start_paused = true)]
async fn the_standby_takes_over_from_a_leader_that_is_cut_off_and_no_write_is_late() {
    for cut_off in [REFUSED, LOST] {
        let (server, log) = (ApiServer::new(Settings::default()).unwrap(), Log::default());
        let first = process(&server, "a", &log);
        seconds(5).await;
        let second = process(&server, "b", &log);
        seconds(60).await;
        assert_eq!(terms(&log), ["a"]);
        first.wire.store(cut_off, Ordering::SeqCst);
        seconds(20).await;
        assert_eq!(terms(&log), ["a", "b"], "after {cut_off}");
        // Who can ask again learns of it.
        first.wire.store(ANSWERED, Ordering::SeqCst);
        assert_eq!(timeout(Duration::from_secs(20), first.task).await.unwrap().unwrap(), Led::Lost);
        assert_eq!(terms(&log), ["a", "b"], "after {cut_off}");
        assert!(writes(&log, "b") > 100);
        second.task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_without_a_rival_is_ridden_out_and_no_write_is_late() {
    for cut_off in [REFUSED, LOST] {
        let (server, log) = (ApiServer::new(Settings::default()).unwrap(), Log::default());
        let first = process(&server, "a", &log);
        seconds(60).await;
        first.wire.store(cut_off, Ordering::SeqCst);
        let begun = Instant::now();
        seconds(90).await;
        let last = log.lock().unwrap().last().unwrap().1;
        let deadline = Timing::default().deadline + Duration::from_millis(100);
        assert!(last - begun <= deadline, "{:?} after {cut_off}", last - begun);
        first.wire.store(ANSWERED, Ordering::SeqCst);
        seconds(15).await;
        assert!(!first.task.is_finished(), "after {cut_off}");
        let after = log.lock().unwrap().last().unwrap().1;
        assert!(after > last + Duration::from_secs(80), "nothing is written after {cut_off}");
        first.task.abort();
    }
}

/// A client whose requests for leases by name are counted, and that watches or may not.
fn standby(server: &ApiServer, watches: bool, reads: &Arc<AtomicUsize>) -> Client {
    let (server, reads) = (server.service(), reads.clone());
    let service = service_fn(move |request: http::Request<Body>| {
        let (server, reads) = (server.clone(), reads.clone());
        async move {
            if request.uri().query().is_some_and(|query| query.contains("watch=")) {
                if !watches {
                    return Err(BoxError::from("connection refused"));
                }
            } else {
                reads.fetch_add(1, Ordering::SeqCst);
            }
            Ok(server.oneshot(request).await?)
        }
    });
    Client::new(service, NAMESPACE)
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_watches_asks_a_few_times_a_minute_and_one_that_cannot_looks_often() {
    for (watches, fewest, most) in [(true, 10, 30), (false, 200, 270)] {
        let (server, log, reads) = (ApiServer::new(Settings::default()).unwrap(), Arc::default(), Arc::default());
        let (first, leads) = both(&counted(&server, &log), "a");
        leads.await.unwrap();
        let (second, leads) = both(&standby(&server, watches, &reads), "b");
        seconds(600).await;
        let each_minute = reads.load(Ordering::SeqCst) / 10;
        assert!((fewest..=most).contains(&each_minute), "{each_minute} a minute, {watches}");
        first.abort();
        let killed = Instant::now();
        let took = leads.await.unwrap() - killed;
        assert!(took <= Duration::from_secs(16), "{took:?}, {watches}");
        second.abort();
    }
}

/// A client whose writes of leases are noted by name, and of its users which one.
fn counted(server: &ApiServer, log: &Arc<Mutex<Vec<(String, Instant)>>>) -> Client {
    let (server, log) = (server.service(), log.clone());
    let service = service_fn(move |request: http::Request<Body>| {
        let (server, log) = (server.clone(), log.clone());
        async move {
            let write = (request.method() != Method::GET).then(|| request.uri().path().to_owned());
            let answer = server.oneshot(request).await;
            if let (Some(path), Ok(answer)) = (write, &answer)
                && answer.status().is_success()
            {
                log.lock().unwrap().push((path.rsplit('/').next().unwrap_or_default().to_owned(), Instant::now()));
            }
            answer
        }
    });
    Client::new(service, NAMESPACE)
}

type Both = JoinHandle<Led<Led<()>>>;

/// Holds both leases for ever once it can; says so.
fn both(client: &Client, who: &str) -> (Both, oneshot::Receiver<Instant>) {
    let candidate = |name| {
        Candidate::new(
            client.clone(),
            NAMESPACE,
            name,
            who,
            Timing::default(),
            Clock::starting_at(jiff::Timestamp::now()),
        )
    };
    let (first, second) = (candidate("first"), candidate("second"));
    let (lead, leads) = oneshot::channel();
    let task = tokio::spawn(async move {
        let work = async {
            _ = lead.send(Instant::now());
            std::future::pending::<()>().await;
        };
        lead_both(&first, &second, std::future::pending, work).await
    });
    (task, leads)
}

#[tokio::test(start_paused = true)]
async fn both_leases_of_a_leader_that_is_killed_are_taken_within_16_seconds_whenever_that_is() {
    for tenths in [0_u64, 7, 13, 26, 38, 49] {
        let (server, log) = (ApiServer::new(Settings::default()).unwrap(), Arc::default());
        let client = counted(&server, &log);
        let (first, leads) = both(&client, "a");
        leads.await.unwrap();
        let (second, leads) = both(&client, "b");
        sleep(Duration::from_secs(60) + Duration::from_millis(100) * u32::try_from(tenths).unwrap()).await;
        first.abort();
        let killed = Instant::now();
        let took = leads.await.unwrap() - killed;
        assert!(took > Duration::from_secs(9) && took <= Duration::from_secs(16), "{took:?} at {tenths}");
        second.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_at_most_12_times_a_minute_and_on_a_single_node_once() {
    let (server, log) = (ApiServer::new(Settings::default()).unwrap(), Arc::default());
    let client = counted(&server, &log);
    let (task, leads) = both(&client, "a");
    leads.await.unwrap();
    seconds(600).await;
    task.abort();
    let log = log.lock().unwrap();
    for lease in ["first", "second"] {
        let of: Vec<Instant> = log.iter().filter(|(name, _)| name == lease).map(|(_, at)| *at).collect();
        let busiest =
            of.iter().map(|from| of.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(60)).count());
        assert!((6..=12).contains(&busiest.max().unwrap()), "{lease}: {of:?}");
    }
    assert_eq!(Timing::single_replica().renew(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_stops_gives_the_lease_back_after_its_last_write() {
    let (server, log) = (ApiServer::new(Settings::default()).unwrap(), Log::default());
    let mut first = process(&server, "a", &log);
    seconds(5).await;
    let second = process(&server, "b", &log);
    seconds(5).await;
    let stopped = Instant::now();
    first.stop.take().unwrap().send(()).unwrap();
    assert_eq!(first.task.await.unwrap(), Led::Ended(()));
    seconds(5).await;
    assert_eq!(terms(&log), ["a", "b"]);
    let log = log.lock().unwrap();
    let took = log.iter().find(|(who, _)| *who == "b").unwrap().1 - stopped;
    assert!(took <= Duration::from_millis(500), "{took:?}");
    second.task.abort();
}

#[tokio::test(start_paused = true)]
async fn of_many_that_begin_at_once_one_writes() {
    let (server, log) = (ApiServer::new(Settings::default()).unwrap(), Log::default());
    let all = ["a", "b", "c", "d", "e"].map(|who| process(&server, who, &log));
    seconds(60).await;
    assert_eq!(terms(&log).len(), 1);
    assert!(writes(&log, terms(&log)[0]) > 100);
    all.into_iter().for_each(|process| process.task.abort());
}
