use super::*;
use weir_api::{MachineConfigPool, os_image_stream::OSImageStreamStatus, pool::OsImageStreamReference};
use weir_distro::{Profile, StreamsRule};

fn pool(name: &str, stream: &str) -> MachineConfigPool {
    let mut pool = MachineConfigPool::named(name, Default::default());
    pool.spec.os_image_stream =
        Some(OsImageStreamReference { name: stream.to_owned(), ..OsImageStreamReference::default() });
    pool
}

fn object(default: &str, streams: &[&str]) -> OSImageStream {
    let set = |name: &&str| OSImageStreamSet {
        name: (*name).to_owned(),
        os_image: format!("registry.example.com/{name}/os@sha256:1"),
        os_extensions_image: format!("registry.example.com/{name}/extensions@sha256:1"),
        ..OSImageStreamSet::default()
    };
    let mut object = OSImageStream::named(names::CLUSTER, Default::default());
    object.status = Some(OSImageStreamStatus {
        available_streams: streams.iter().map(set).collect(),
        default_stream: default.to_owned(),
        ..OSImageStreamStatus::default()
    });
    object
}

fn view(object: Option<&OSImageStream>) -> StreamsView<'_> {
    StreamsView { enabled: true, object, build: None, follows_release: false }
}

/// `POOL [WORKER'S STREAM]` against streams, as `NAME REASON`.
fn resolve(name: &str, own: &str, workers: &str, streams: &StreamsView<'_>) -> String {
    let (pool, worker) = (pool(name, own), pool("worker", workers));
    match resolve_stream(&PoolView::new(&pool), Some(&PoolView::new(&worker)), streams) {
        Ok(resolved) => {
            let name = resolved.set.map_or_else(|| "-".to_owned(), |set| set.name);
            format!("{name} {}", resolved.because.code())
        }
        Err(error) => error.to_string(),
    }
}

/// What the same pools get under each profile, where there are two streams and where there is one.
#[test]
fn the_table_of_both_profiles() {
    let (two, one) = (object("b", &["a", "b"]), object("b", &["b"]));
    // pool, the name in it, the name in the worker pool; then what is got of two and of one, by profile
    let table = [
        ("infra", "a", "b", ["a Explicit", "none", "a Explicit", "b StalePin"]),
        ("infra", "", "a", ["a InheritedFromWorker", "none", "a InheritedFromWorker", "b StalePin"]),
        ("infra", "", "", ["b Default", "b Default", "b Default", "b Default"]),
        ("infra", "b", "a", ["b Explicit", "b Explicit", "b Explicit", "b Explicit"]),
        ("worker", "a", "a", ["a Explicit", "none", "a Explicit", "b StalePin"]),
        ("worker", "c", "c", ["none", "none", "none", "b StalePin"]),
        ("master", "", "a", ["b Default", "b Default", "b Default", "b Default"]),
        ("arbiter", "", "c", ["b Default", "b Default", "b Default", "b Default"]),
    ];
    let profiles: Vec<&Profile> = Profile::all().iter().collect();
    assert_eq!(profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>(), ["ocp", "okd"]);
    for (name, own, workers, wanted) in table {
        let got: Vec<String> = profiles
            .iter()
            .flat_map(|profile| [(profile, &two), (profile, &one)])
            .map(|(profile, object)| {
                let follows_release = profile.streams.rule == StreamsRule::OneFollowingRelease;
                let got = resolve(name, own, workers, &StreamsView { follows_release, ..view(Some(object)) });
                if got.starts_with("could not get") { "none".to_owned() } else { got }
            })
            .collect();
        assert_eq!(got, wanted, "{name} {own:?} {workers:?}");
    }
}

#[test]
fn explicit_before_inherited_before_default() {
    let two = object("rhel-9", &["rhel-10", "rhel-9"]);
    let cases = [
        ("infra", "rhel-10", "rhel-9", "rhel-10 Explicit"),
        ("infra", "", "rhel-10", "rhel-10 InheritedFromWorker"),
        ("infra", "", "", "rhel-9 Default"),
        ("master", "", "rhel-10", "rhel-9 Default"),
        ("arbiter", "", "rhel-10", "rhel-9 Default"),
        ("worker", "rhel-10", "rhel-10", "rhel-10 Explicit"),
    ];
    for (name, own, workers, wanted) in cases {
        assert_eq!(resolve(name, own, workers, &view(Some(&two))), wanted, "{name} {own} {workers}");
    }
}

#[test]
fn a_name_that_is_not_available_is_an_error_that_names_the_ones_that_are() {
    let two = object("rhel-9", &["rhel-10", "rhel-9"]);
    let said = resolve("infra", "", "rhel-8", &view(Some(&two)));
    assert_eq!(
        said,
        "could not get OSImageStreamSet for pool infra: osimagestreams.machineconfiguration.openshift.io \"rhel-8\" not \
         found; the worker pool's spec.osImageStream names it, available are: rhel-10, rhel-9"
    );
    let one = object("rhel-10", &["rhel-10"]);
    assert!(
        resolve("worker", "rhel-9", "", &view(Some(&one))).starts_with("could not get"),
        "one of many is no reason"
    );
}

#[test]
fn the_one_stream_that_follows_the_release_replaces_a_stale_name() {
    let hopped = object("centos-11", &["centos-11"]);
    let streams = StreamsView { follows_release: true, ..view(Some(&hopped)) };
    let cases = [
        ("worker", "centos-10", "", "centos-11 StalePin"),
        ("infra", "", "centos-10", "centos-11 StalePin"),
        ("infra", "centos-11", "centos-10", "centos-11 Explicit"),
        ("master", "", "centos-10", "centos-11 Default"),
    ];
    for (name, own, workers, wanted) in cases {
        assert_eq!(resolve(name, own, workers, &streams), wanted, "{name} {own} {workers}");
    }
    let stale = object("centos-10", &["centos-11"]);
    let streams = StreamsView { follows_release: true, ..view(Some(&stale)) };
    assert_eq!(resolve("master", "", "", &streams), "centos-11 StalePin", "a stale default is replaced as well");
}

#[test]
fn without_the_gate_there_are_no_streams_and_nobody_fails() {
    for object in [None, Some(&object("rhel-9", &["rhel-9"]))] {
        let streams = StreamsView { enabled: false, ..view(object) };
        assert_eq!(resolve("worker", "rhel-8", "", &streams), "- GateOff");
    }
    let streams = StreamsView { enabled: false, ..view(None) };
    let named = pool("worker", "rhel-9");
    let resolved = resolve_stream(&PoolView::new(&named), None, &streams).unwrap();
    assert_eq!(resolved.because, StreamReason::GateOff { ignored: Some("rhel-9".to_owned()) });
}

#[test]
fn what_is_still_being_written_is_waited_for() {
    let worker = pool("worker", "");
    let view_of = PoolView::new(&worker);
    let mut object = object("rhel-9", &["rhel-9"]);
    let failed = |streams: &StreamsView<'_>| resolve_stream(&view_of, None, streams).unwrap_err();
    assert!(matches!(failed(&view(None)), StreamError::NoObject { .. }));
    let built = StreamsView { build: Some("abc"), ..view(Some(&object)) };
    assert!(matches!(failed(&built), StreamError::OtherBuild { .. }));
    object.metadata.annotations = Some([(config::RELEASE_IMAGE_VERSION.to_owned(), "abc".to_owned())].into());
    let built = StreamsView { build: Some("abc"), ..view(Some(&object)) };
    assert!(resolve_stream(&view_of, None, &built).is_ok());
    object.status = None;
    let error = failed(&view(Some(&object)));
    assert!(matches!(error, StreamError::NoStatus { .. }) && error.is_transient());
}

#[test]
fn a_stale_name_is_told_with_what_the_pool_runs_why_and_what_to_do() {
    let mut hopped = object("centos-11", &["centos-11"]);
    hopped.metadata.annotations = Some([(config::FORMER_STREAMS.to_owned(), "centos-10".to_owned())].into());
    let streams = StreamsView { follows_release: true, ..view(Some(&hopped)) };
    let said = |name: &str, own: &str, workers: &str| {
        let (pool, worker) = (pool(name, own), pool("worker", workers));
        resolve_stream(&PoolView::new(&pool), Some(&PoolView::new(&worker)), &streams).unwrap().because.to_string()
    };
    assert_eq!(
        said("worker", "centos-10", "centos-10"),
        "centos-11 is the only stream there is; the pool's spec.osImageStream names \"centos-10\", which an earlier release carried \
         and this one does not; remove that name from the pool, or write \"centos-11\" there"
    );
    assert_eq!(
        said("infra", "", "rhel-9"),
        "centos-11 is the only stream there is; the worker pool's spec.osImageStream names \"rhel-9\", which no release that this \
         cluster has seen carried; remove that name from pool worker, or write \"centos-11\" there"
    );
}
