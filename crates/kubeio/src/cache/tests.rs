use super::*;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

fn read(object: Value) -> Read<ConfigMap> {
    crate::read::object(&object.to_string())
}

fn applied(object: Value) -> Event<ConfigMap> {
    Event::Applied(read(object))
}

fn deleted(object: Value) -> Event<ConfigMap> {
    Event::Deleted(crate::read::Identity::of(&object.to_string()).unwrap())
}

fn object(name: &str, version: u64, value: &str) -> Value {
    json!({"metadata": {"name": name, "uid": "u", "resourceVersion": version.to_string()}, "data": {"a": value}})
}

fn held(cache: &Cache<ConfigMap>) -> Vec<(String, String)> {
    let value = |map: &ConfigMap| map.data.as_ref().unwrap()["a"].clone();
    cache.all().iter().map(|map| (map.metadata.name.clone().unwrap(), value(map))).collect()
}

fn fold(cache: &Cache<ConfigMap>, events: Vec<Event<ConfigMap>>) {
    for event in events {
        cache.write(|objects| objects.fold(event));
    }
}

#[test]
fn a_reader_sees_the_changes_since_its_mark() {
    let cache = Cache::new();
    let mut mark = Mark::default();
    let mut look = || -> Vec<(String, bool)> {
        cache.since(&mut mark).into_iter().map(|(name, now)| (name, now.is_some())).collect()
    };
    fold(&cache, vec![Event::Listed(["a", "b", "c"].map(|name| read(object(name, 1, "x"))).into())]);
    let of =
        |names: &[(&str, bool)]| names.iter().map(|(name, there)| ((*name).to_owned(), *there)).collect::<Vec<_>>();
    assert_eq!(look(), of(&[("a", true), ("b", true), ("c", true)]));
    assert_eq!(look(), []);
    fold(&cache, vec![applied(object("b", 2, "y")), applied(object("a", 2, "y")), applied(object("b", 3, "z"))]);
    fold(&cache, vec![applied(object("c", 1, "x")), deleted(object("a", 3, "y"))]);
    assert_eq!(look(), of(&[("b", true), ("a", false)]));
    fold(&cache, vec![Event::Listed(vec![read(object("c", 1, "x"))])]);
    assert_eq!(look(), of(&[("b", false)]));
    assert_eq!(cache.since(&mut Mark::default()).len(), 3);
    cache.write(Objects::empty);
    assert_eq!(look(), of(&[("c", false)]));
}

#[test]
fn an_unreadable_object_is_named_and_the_others_stay() {
    let cache = Cache::new();
    let odd = json!({"metadata": {"name": "odd", "resourceVersion": "2"}, "data": 7});
    fold(&cache, vec![applied(object("fine", 1, "x")), applied(odd)]);
    assert_eq!(held(&cache), [("fine".to_owned(), "x".to_owned())]);
    assert_eq!(cache.broken().len(), 1);
    assert_eq!(cache.broken()[0].name, "odd");
    fold(&cache, vec![applied(object("odd", 3, "y"))]);
    assert!(cache.broken().is_empty());
    assert_eq!(held(&cache).len(), 2);
}

/// An API server that lists these objects and then reports nothing more.
fn listing(items: &str) -> Client {
    let list = format!(r#"{{"kind":"ConfigMapList","items":{items},"metadata":{{"resourceVersion":"9"}}}}"#);
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let watched = request.uri().query().is_some_and(|query| query.contains("watch="));
        let list = list.clone();
        async move {
            if watched {
                std::future::pending::<()>().await;
            }
            Ok::<_, std::convert::Infallible>(http::Response::new(kube::client::Body::from(list.into_bytes())))
        }
    });
    Client::new(service, "default")
}

#[tokio::test(start_paused = true)]
async fn a_list_shows_readable_objects_and_quotes_nothing_of_unreadable_ones() {
    let cache = Cache::<ConfigMap>::new();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(5000), "}".repeat(5000));
    let odd = |name: &str, data: &str| format!(r#"{{"metadata":{{"name":"{name}"}},"data":{data}}}"#);
    let huge = format!(r#"{{"a":"{}"}}"#, "x".repeat(17 << 20));
    let items = [
        odd("fine", r#"{"a":"x"}"#),
        format!(r#"{{"metadata":{{"name":"deep","managedFields":[{{"fieldsV1":{deep}}}]}}}}"#),
        odd("typed", r#"{"a":{"password":"s3cret"}}"#),
        odd("text", r#""s3cret, expected \" and""#),
        odd("huge", &huge),
        "{}".to_owned(),
        odd("last", r#"{"a":"y"}"#),
    ];
    let filling = cache.clone().fill(listing(&format!("[{}]", items.join(","))));
    let mut changes = cache.changes();
    tokio::select! {
        () = filling => {}
        changed = changes.changed() => changed.unwrap(),
    }
    assert!(cache.is_synced());
    let names: Vec<_> = cache.all().iter().map(|map| map.metadata.name.clone().unwrap_or_default()).collect();
    // Managed fields are ignored, however deeply they are nested.
    assert_eq!(names, ["", "deep", "fine", "last"]);
    let broken: Vec<_> = cache.broken().into_iter().map(|broken| broken.to_string()).collect();
    let expected = [
        "ConfigMap huge cannot be read: larger than 16 MiB",
        "ConfigMap text cannot be read: data: invalid type: string, expected a map",
        "ConfigMap typed cannot be read: data.a: invalid type: map, expected a string",
    ];
    assert_eq!(broken, expected);
}

#[test]
fn a_watch_event_older_than_our_own_write_changes_nothing() {
    let cache = Cache::new();
    cache.observe(serde_json::from_value::<ConfigMap>(object("m", 7, "ours")).unwrap());
    let before = *cache.changes().borrow();
    fold(&cache, vec![applied(object("m", 6, "older"))]);
    assert_eq!(held(&cache), [("m".to_owned(), "ours".to_owned())]);
    assert_eq!(*cache.changes().borrow(), before);
    fold(&cache, vec![applied(object("m", 8, "newer"))]);
    assert_eq!(held(&cache), [("m".to_owned(), "newer".to_owned())]);
}

#[test]
fn a_cached_object_need_not_be_decoded_again() {
    let cache = Cache::new();
    let identity = |object: &Value| crate::read::Identity::of(&object.to_string()).unwrap();
    let is_held = |object: &Value| cache.read().holds(&identity(object));
    assert!(!is_held(&object("m", 7, "")));
    cache.observe(serde_json::from_value::<ConfigMap>(object("m", 7, "ours")).unwrap());
    assert!(is_held(&object("m", 7, "")) && is_held(&object("m", 6, "")));
    assert!(!is_held(&object("m", 8, "")) && !is_held(&object("n", 7, "")));
    let mut another = object("m", 7, "");
    another["metadata"]["uid"] = json!("v");
    assert!(!is_held(&another));
}

#[test]
fn a_receiver_for_one_object_is_notified_only_of_that_object() {
    let cache = Cache::new();
    let mut waiting = cache.changes_of("a");
    let heard = |waiting: &mut watch::Receiver<u64>| {
        let heard = waiting.has_changed().unwrap();
        waiting.mark_unchanged();
        heard
    };
    for (event, wanted) in [
        (applied(object("b", 1, "x")), false),
        (applied(object("a", 2, "x")), true),
        (applied(object("a", 2, "x")), false),
        (applied(json!({"metadata": {"name": "a", "resourceVersion": "3"}, "data": 7})), true),
        (deleted(object("a", 4, "x")), true),
        (Event::Listed(vec![]), true),
    ] {
        let what = format!("{event:?}");
        fold(&cache, vec![event]);
        assert_eq!(heard(&mut waiting), wanted, "{what}");
    }
    drop(waiting);
    fold(&cache, vec![applied(object("a", 5, "x"))]);
    assert!(cache.read().awaited.is_empty());
}

#[test]
fn a_receiver_of_revisions_is_not_notified_of_status_changes() {
    let object = |version: u64, generation: u64, label: &str| {
        let metadata = json!({"name": "a", "uid": "u", "resourceVersion": version.to_string(),
            "generation": generation, "labels": {"l": label}});
        json!({"metadata": metadata, "data": {"a": version.to_string()}})
    };
    let cache = Cache::new();
    let (mut changes, mut revisions) = (cache.changes(), cache.revisions());
    let mut heard = || {
        [&mut changes, &mut revisions].map(|told| {
            told.has_changed().unwrap_or_default() && {
                told.mark_unchanged();
                true
            }
        })
    };
    for (event, wanted) in [
        (applied(object(1, 1, "x")), [true, true]),
        (applied(object(2, 1, "x")), [true, false]),
        (applied(object(3, 2, "x")), [true, true]),
        (applied(object(4, 2, "y")), [true, true]),
        (applied(object(4, 2, "y")), [false, false]),
        (deleted(object(5, 2, "y")), [true, true]),
        (Event::Listed(vec![]), [true, true]),
    ] {
        let what = format!("{event:?}");
        fold(&cache, vec![event]);
        assert_eq!(heard(), wanted, "{what}");
    }
}

#[test]
fn a_receiver_of_revisions_is_notified_of_status_changes_that_count() {
    let object = |version: u64, says: &str| {
        let metadata = json!({"name": "a", "uid": "u", "resourceVersion": version.to_string(), "generation": 1});
        json!({"metadata": metadata, "data": {"says": says, "counts": version.to_string()}})
    };
    fn says(map: &ConfigMap) -> Option<&String> {
        map.data.as_ref()?.get("says")
    }
    let cache = Cache::new().revised_when(|before, now| says(before) != says(now));
    let mut revisions = cache.revisions();
    for (event, wanted) in [
        (applied(object(1, "x")), true),
        (applied(object(2, "x")), false),
        (applied(object(3, "y")), true),
        (applied(object(4, "y")), false),
    ] {
        let what = format!("{event:?}");
        fold(&cache, vec![event]);
        assert_eq!(revisions.has_changed().unwrap_or_default(), wanted, "{what}");
        revisions.mark_unchanged();
    }
    assert_eq!(cache.get_in("", "a").as_deref().and_then(says).map(String::as_str), Some("y"));
}

#[test]
fn the_response_to_a_write_replaces_an_unreadable_object() {
    let cache = Cache::<ConfigMap>::new();
    fold(&cache, vec![applied(json!({"metadata": {"name": "a", "uid": "u", "resourceVersion": "3"}, "data": 7}))]);
    assert_eq!(cache.broken().len(), 1);
    cache.observe(serde_json::from_value::<ConfigMap>(object("a", 4, "x")).unwrap());
    assert!(cache.broken().is_empty());
}

#[test]
fn a_new_list_removes_what_vanished_during_a_gap() {
    let cache = Cache::new();
    fold(&cache, vec![applied(object("a", 1, "x")), applied(object("b", 2, "x"))]);
    assert!(!cache.is_synced());
    fold(&cache, vec![Event::Listed(vec![read(object("b", 2, "x"))])]);
    assert_eq!(held(&cache), [("b".to_owned(), "x".to_owned())]);
    assert!(cache.is_synced());
}

#[test]
fn a_kind_that_is_not_served_has_no_objects_until_it_is() {
    let cache = Cache::<ConfigMap>::new();
    assert!(cache.is_served());
    cache.write(Objects::empty);
    assert!(!cache.is_served() && cache.is_synced());
    let before = *cache.changes().borrow();
    cache.write(Objects::empty);
    assert_eq!(*cache.changes().borrow(), before);
    fold(&cache, vec![Event::Listed(Vec::new())]);
    assert!(cache.is_served());
}

#[test]
fn the_response_to_a_write_does_not_bring_back_a_deleted_object() {
    let cache = Cache::new();
    fold(&cache, vec![applied(object("a", 1, "x")), deleted(object("a", 3, "x"))]);
    cache.observe(serde_json::from_value::<ConfigMap>(object("a", 2, "late")).unwrap());
    assert!(held(&cache).is_empty());
    let mut again = object("a", 4, "new");
    again["metadata"]["uid"] = json!("v");
    cache.observe(serde_json::from_value::<ConfigMap>(again).unwrap());
    assert_eq!(held(&cache), [("a".to_owned(), "new".to_owned())]);
}

#[test]
fn a_recreated_object_replaces_the_old_one_whatever_its_version() {
    let cache = Cache::new();
    fold(&cache, vec![applied(object("a", 9, "old"))]);
    let mut again = object("a", 1, "new");
    again["metadata"]["uid"] = json!("v");
    fold(&cache, vec![applied(again)]);
    assert_eq!(held(&cache), [("a".to_owned(), "new".to_owned())]);
}
