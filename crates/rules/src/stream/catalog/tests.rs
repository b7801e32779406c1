use super::*;
use weir_api::keys::image;

fn spec(seed: &str) -> String {
    let hex: String = seed.bytes().cycle().take(32).map(|byte| format!("{byte:02x}")).collect();
    format!("registry.example.com/release/os@sha256:{hex}")
}

fn labels(stream: &str, part: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([(image::STREAM_CLASS.to_owned(), stream.to_owned())]);
    match part {
        "os" => labels.insert(image::BOOTC.to_owned(), "true".to_owned()),
        "ext" => labels.insert(image::EXTENSIONS.to_owned(), "true".to_owned()),
        _ => None,
    };
    labels
}

/// `tag stream part` per image; part `down` may pass, `gone` until somebody changes something, `odd` for ever.
fn payload(text: &str) -> Source {
    Source { kind: SourceKind::Payload, images: Ok(images(text)) }
}

fn images(text: &str) -> Vec<Inspected> {
    let image = |line: &str| {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_default();
        let (tag, stream, part) = (word(), word(), word());
        let labels = match part {
            "down" | "gone" | "odd" => Err(Failure { class: class(part), message: format!("{tag}: {part}") }),
            _ => Ok(labels(stream, part)),
        };
        Inspected { candidate: Candidate { tag: tag.to_owned(), image: spec(tag) }, labels }
    };
    text.split(',').map(image).collect()
}

fn class(part: &str) -> Class {
    match part {
        "down" => Class::Transient,
        "gone" => Class::Permanent,
        _ => Class::Final,
    }
}

fn set(name: &str) -> OSImageStreamSet {
    OSImageStreamSet {
        name: name.to_owned(),
        os_image: spec("old"),
        os_extensions_image: spec("oldext"),
        ..OSImageStreamSet::default()
    }
}

fn make(profile: &str, sources: Vec<Source>, existing: Existing<'_>, in_use: &[&str]) -> Result<Catalog, CatalogError> {
    let in_use = in_use.iter().map(|name| (*name).to_owned()).collect();
    let installed = Some("4.21.0".parse().unwrap());
    catalog(Profile::by_name(profile).unwrap(), Input { sources, existing, in_use: &in_use, installed })
}

fn names(catalog: &Catalog) -> Vec<&str> {
    catalog.streams.iter().map(|stream| stream.set.name.as_str()).collect()
}

const TWO: &str = "b rhel-9 os,b-e rhel-9 ext,a rhel-10 os,a-e rhel-10 ext";
const ONE: &str = "stream-coreos centos-10 os,stream-coreos-extensions centos-10 ext";

#[test]
fn only_tags_that_refer_to_images_and_may_be_an_operating_system_are_inspected() {
    let tag = |name, source_location, image| PayloadTag { name, source_location, image };
    for profile in Profile::all() {
        let found = candidates(
            profile,
            [
                tag("pod", None, Some("x/pod")),
                tag("rhel-coreos", None, Some("x/os")),
                tag("rhel-coreos-10", None, None),
                tag("anything", Some("https://github.com/openshift/os"), Some("x/any")),
            ],
        );
        let found: Vec<&str> = found.iter().map(|candidate| candidate.image.as_str()).collect();
        assert_eq!(found, ["x/os", "x/any"]);
    }
}

#[test]
fn streams_are_sorted_and_the_default_is_built_in_for_the_install_version() {
    let found = make("ocp", vec![payload(TWO)], Existing::default(), &[]).unwrap();
    assert_eq!(names(&found), ["rhel-10", "rhel-9"]);
    assert_eq!((found.default.as_str(), found.notices.len()), ("rhel-9", 0));
    assert_eq!(found.because, DefaultReason::BuiltIn(Some("4.21.0".parse().unwrap())));
    let set = &found.stream("rhel-9").unwrap().set;
    assert_eq!((&set.os_image, &set.os_extensions_image), (&spec("b"), &spec("b-e")));
}

#[test]
fn the_only_stream_is_the_default_whatever_its_name() {
    for profile in Profile::all() {
        let found = make(&profile.name, vec![payload("x foo os,y foo ext")], Existing::default(), &[]).unwrap();
        assert_eq!((found.default.as_str(), &found.because), ("foo", &DefaultReason::Only), "{}", profile.name);
    }
}

#[test]
fn half_streams_unlabelled_and_malformed_ones_are_left_out_on_their_own() {
    for profile in Profile::all() {
        let text = format!("{ONE},h half os,n - none,bad RHEL_9 os,bad-e RHEL_9 ext,u - -");
        let found = make(&profile.name, vec![payload(&text)], Existing::default(), &[]).unwrap();
        assert_eq!(names(&found), ["centos-10"]);
        let notices: Vec<String> = found.notices.iter().map(ToString::to_string).collect();
        assert_eq!(notices.len(), 3, "{notices:#?}");
        assert!(notices[0].contains("stream half has no extensions image beside it"), "{}", notices[0]);
        assert!(notices[1].contains("RFC 1123") && notices[2].starts_with("bad-e "), "{notices:?}");
    }
}

#[test]
fn the_last_in_tag_order_wins_and_says_so() {
    let text = format!("first centos-10 os,{ONE}");
    let found = make("okd", vec![payload(&text)], Existing::default(), &[]).unwrap();
    assert_eq!(found.streams[0].set.os_image, spec("stream-coreos"));
    assert!(found.notices[0].to_string().contains("is a later OS image of stream centos-10"), "{:?}", found.notices);
}

#[test]
fn what_cannot_be_read_now_is_never_taken_for_absent() {
    for profile in Profile::all() {
        let text = format!("{ONE},c x down,d x down");
        let error = make(&profile.name, vec![payload(&text)], Existing::default(), &[]).unwrap_err();
        assert!(error.is_transient());
        assert_eq!(error.to_string(), "2 images of the release could not be read yet: c: down; d: down");
        for (part, passes) in [("down", true), ("gone", false)] {
            let failure = Failure { class: class(part), message: part.to_owned() };
            for kind in [SourceKind::Payload, SourceKind::OsImageUrl] {
                let sources = vec![payload(ONE), Source { kind, images: Err(failure.clone()) }];
                let error = make(&profile.name, sources, Existing::default(), &[]).unwrap_err();
                assert_eq!(error, CatalogError::Incomplete { unread: vec![part.to_owned()], passing: passes });
                assert_eq!(error.is_transient(), passes);
            }
        }
        // No login, no permission, nothing there: neither is the stream absent, whatever else was read.
        let error = make(&profile.name, vec![payload(&format!("{ONE},c x gone"))], Existing::default(), &[]);
        assert_eq!(error.unwrap_err().to_string(), "1 image of the release could not be read yet: c: gone");
        let all: Vec<String> = (0..7).map(|n| format!("t{n} x gone")).collect();
        let error = make(&profile.name, vec![payload(&all.join(","))], Existing::default(), &[]).unwrap_err();
        assert!(error.to_string().ends_with("t4: gone; and 2 more"), "{error}");
    }
}

#[test]
fn what_is_proved_to_be_no_image_is_left_out() {
    let text = format!("{TWO},c x odd");
    let found = make("ocp", vec![payload(&text)], Existing::default(), &[]).unwrap();
    assert_eq!(names(&found), ["rhel-10", "rhel-9"]);
    assert_eq!(found.notices.len(), 1, "{:?}", found.notices);
    let odd = Failure { class: Class::Final, message: "no payload".to_owned() };
    let sources = vec![Source { kind: SourceKind::Payload, images: Err(odd) }];
    let error = make("ocp", sources, Existing::default(), &[]).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.is_transient()), ("no payload", false));
}

#[test]
fn a_later_source_replaces_the_whole_stream() {
    let pair = Source { kind: SourceKind::OsImageUrl, images: Ok(images("o rhel-9 os,p rhel-9 ext")) };
    let only = Source { kind: SourceKind::Explicit, images: Ok(images("o foo os,p foo ext")) };
    let found = make("ocp", vec![payload(TWO), pair.clone(), only], Existing::default(), &[]).unwrap();
    assert_eq!(names(&found), ["foo", "rhel-10", "rhel-9"]);
    assert_eq!(found.stream("rhel-9").unwrap().set.os_image, spec("b"));
    assert_eq!(found.stream("foo").unwrap().origin, Origin::Source(SourceKind::Explicit));
    // Halves of different sources make no stream.
    let half = Source { kind: SourceKind::OsImageUrl, images: Ok(images("o x os")) };
    let error = make("ocp", vec![half, payload("p x ext")], Existing::default(), &[]).unwrap_err();
    assert!(matches!(error, CatalogError::NoStream { ref considered } if considered.len() == 2), "{error}");
}

#[test]
fn a_dropped_stream_is_retained_while_used_where_there_are_many() {
    let old = [set("rhel-8"), set("rhel-7")];
    let existing = Existing { streams: &old, ..Existing::default() };
    let found = make("ocp", vec![payload(TWO)], existing, &["rhel-8"]).unwrap();
    assert_eq!(names(&found), ["rhel-10", "rhel-8", "rhel-9"]);
    assert_eq!(found.retained().collect::<Vec<_>>(), ["rhel-8"]);
    assert_eq!(found.stream("rhel-8").unwrap().set, old[0]);
    assert_eq!(found.notices, [Notice::Retained("rhel-8".to_owned())]);
    // As the default, it is used as well, until the default is changed.
    let by_default = Existing { spec_default: "rhel-7", ..existing };
    let found = make("ocp", vec![payload(TWO)], by_default, &[]).unwrap();
    assert_eq!((found.default.as_str(), &found.because), ("rhel-7", &DefaultReason::Requested));
    assert_eq!(found.retained().collect::<Vec<_>>(), ["rhel-7"]);
    let moved = Existing { spec_default: "rhel-10", ..existing };
    let found = make("ocp", vec![payload(TWO)], moved, &[]).unwrap();
    assert_eq!((found.default.as_str(), found.retained().count()), ("rhel-10", 0));
}

#[test]
fn where_there_is_one_stream_the_default_follows_its_name() {
    let old = [set("centos-9")];
    for (spec_default, status_default) in [("centos-9", "centos-9"), ("", "centos-9"), ("centos-9", "")] {
        let existing = Existing { spec_default, status_default, streams: &old };
        let found = make("okd", vec![payload(ONE)], existing, &["centos-9"]).unwrap();
        assert_eq!((names(&found), found.default.as_str()), (vec!["centos-10"], "centos-10"));
        assert_eq!(found.because, DefaultReason::Followed { from: "centos-9".to_owned() });
        assert_eq!(found.notices.len(), 1);
    }
}

#[test]
fn one_stream_expected_and_several_found() {
    let text = format!("{ONE},x centos-11 os,y centos-11 ext");
    for existing in [Existing::default(), Existing { spec_default: "centos-10", ..Existing::default() }] {
        let error = make("okd", vec![payload(&text)], existing, &[]).unwrap_err();
        assert_eq!(error, CatalogError::SeveralStreams(vec!["centos-10".to_owned(), "centos-11".to_owned()]));
    }
    // What a weaker source still says of the release before is no second stream.
    let old = Source { kind: SourceKind::OsImageUrl, images: Ok(images("o centos-9 os,p centos-9 ext")) };
    assert_eq!(names(&make("okd", vec![old.clone(), payload(ONE)], Existing::default(), &[]).unwrap()), ["centos-10"]);
    let none = Source { kind: SourceKind::Payload, images: Ok(Vec::new()) };
    assert_eq!(names(&make("okd", vec![old, none], Existing::default(), &[]).unwrap()), ["centos-9"]);
}

#[test]
fn a_default_that_never_was_is_an_error_where_there_are_many() {
    let existing = Existing { spec_default: "nope", ..Existing::default() };
    let error = make("ocp", vec![payload(TWO)], existing, &[]).unwrap_err();
    assert!(matches!(error, CatalogError::NoDefault { ref requested, .. } if requested == "nope"), "{error}");
}

#[test]
fn no_stream_says_what_became_of_every_image() {
    let error = make("ocp", vec![payload("a rhel-9 os,b rhel-9 -")], Existing::default(), &[]).unwrap_err().to_string();
    assert!(error.starts_with("unable to retrieve any OSImageStream from the configured sources"), "{error}");
    assert!(error.contains("stream rhel-9 has no extensions image") && error.contains("neither label"), "{error}");
}

#[test]
fn more_streams_than_the_api_takes() {
    let text: Vec<String> = (0..101).map(|n| format!("t{n} s{n} os,e{n} s{n} ext")).collect();
    let error = make("ocp", vec![payload(&text.join(","))], Existing::default(), &[]).unwrap_err();
    assert_eq!(error, CatalogError::TooMany(101));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, cases: 512, rng_seed: proptest::test_runner::RngSeed::Fixed(21), ..Default::default() })]

    /// Whatever the images are: streams are sorted, whole and well-formed, the default is one of them, every image has a
    /// verdict, and what was not read never yields a catalogue.
    #[test]
    fn every_catalogue_is_sound(
        rows in proptest::collection::vec((0..4_usize, 0..6_usize), 0..12),
        old in proptest::collection::vec(0..4_usize, 0..3),
        spec_default in 0..5_usize,
        okd in proptest::bool::ANY,
    ) {
        let stream_names = ["a", "b", "Bad!", "d", ""];
        let parts = ["os", "ext", "-", "odd", "down", "gone"];
        let text: Vec<String> =
            rows.iter().enumerate().map(|(n, (s, p))| format!("t{n} {} {}", stream_names[*s], parts[*p])).collect();
        let old: Vec<OSImageStreamSet> = old.iter().map(|n| set(stream_names[*n])).collect();
        let existing = Existing { spec_default: stream_names[spec_default], status_default: "", streams: &old };
        let source = if rows.is_empty() { Source { kind: SourceKind::Payload, images: Ok(vec![]) } } else { payload(&text.join(",")) };
        let down = rows.iter().any(|(_, p)| parts[*p] == "down");
        let unread = down || rows.iter().any(|(_, p)| parts[*p] == "gone");
        match make(if okd { "okd" } else { "ocp" }, vec![source], existing, &["a"]) {
            Ok(found) => {
                proptest::prop_assert!(!unread);
                proptest::prop_assert!(names(&found).is_sorted());
                proptest::prop_assert!(names(&found).contains(&found.default.as_str()));
                proptest::prop_assert!(found.streams.iter().all(|stream| well_formed::stream(&stream.set).is_ok()));
                proptest::prop_assert_eq!(found.considered.len(), rows.len());
                proptest::prop_assert!(!okd || (found.retained().next().is_none() && found.streams.len() == 1));
            }
            Err(error) => {
                proptest::prop_assert_eq!(matches!(error, CatalogError::Incomplete { .. }), unread);
                proptest::prop_assert_eq!(error.is_transient(), down);
            }
        }
    }
}

#[test]
fn a_default_that_depends_on_a_version_is_not_guessed_without_one() {
    let make = |profile: &str, text| {
        let input = Input {
            sources: vec![payload(text)],
            existing: Existing::default(),
            in_use: &BTreeSet::new(),
            installed: None,
        };
        catalog(Profile::by_name(profile).unwrap(), input)
    };
    let error = make("ocp", TWO).unwrap_err();
    assert!(matches!(&error, CatalogError::NoVersion { available } if available == &["rhel-10", "rhel-9"]), "{error}");
    assert!(!error.is_transient());
    assert_eq!(make("okd", ONE).unwrap().because, DefaultReason::Only);
}
