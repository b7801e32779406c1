use super::{
    super::{
        conditions::conditions,
        identity::{build_of, tests::sample},
    },
    *,
};
use jiff::Timestamp;
use weir_api::{
    Condition, condition::ConditionType, keys::pool::NODE_DEGRADED, machine_os_build::MachineOSBuildStatus,
    machine_os_config::MachineOSConfigStatus,
};

const IMAGE: &str = "quay.io/org/os@sha256:1";

/// A pool whose target differs from the build `old`, which is in effect with an image.
struct Case {
    pool: MachineConfigPool,
    config: MachineOSConfig,
    new: MachineConfig,
    old: MachineConfig,
    builds: Vec<MachineOSBuild>,
    images: BTreeMap<String, Presence>,
}

fn in_state(mut build: MachineOSBuild, state: State, image: Option<&str>) -> MachineOSBuild {
    build.status = Some(MachineOSBuildStatus {
        conditions: Some(conditions(&[], state, None, Timestamp::UNIX_EPOCH)),
        digested_image_push_spec: image.map(str::to_owned),
        ..MachineOSBuildStatus::default()
    });
    build
}

impl Case {
    fn new() -> Self {
        let (pool, mut config, new) = sample();
        let mut old = new.clone();
        old.metadata.name = Some("rendered-worker-old".to_owned());
        let mut build = build_of(&pool, &config, &new).unwrap();
        build.metadata.name = Some("worker-old".to_owned());
        build.spec.machine_config.name = "rendered-worker-old".to_owned();
        config.metadata.generation = Some(1);
        config.status = Some(MachineOSConfigStatus {
            observed_generation: Some(1),
            current_image_pull_spec: Some(IMAGE.to_owned()),
            ..MachineOSConfigStatus::default()
        });
        let mut case = Self { pool, config, new, old, builds: Vec::new(), images: BTreeMap::new() };
        case.annotate(CURRENT_BUILD, "worker-old");
        case.builds.push(in_state(build, State::Succeeded, Some(IMAGE)));
        case
    }

    fn annotate(&mut self, key: &str, value: &str) {
        self.config.metadata.annotations.get_or_insert_default().insert(key.to_owned(), value.to_owned());
    }

    fn target(&self) -> MachineOSBuild {
        build_of(&self.pool, &self.config, &self.new).unwrap()
    }

    /// The target is there.
    fn with_target(mut self, state: State, image: Option<&str>) -> Self {
        self.builds.push(in_state(self.target(), state, image));
        self
    }

    /// The target is the build in effect.
    fn in_effect(mut self) -> Self {
        let name = self.target().metadata.name.unwrap();
        self.annotate(CURRENT_BUILD, &name);
        self
    }

    fn knows(mut self, presence: Presence) -> Self {
        self.images.insert(IMAGE.to_owned(), presence);
        self
    }

    fn plan(&self) -> Plan {
        let target = self.target();
        let builds: Vec<&MachineOSBuild> = self.builds.iter().collect();
        let rendered = [&self.old, &self.new].map(|config| (config.metadata.name.as_deref().unwrap(), config));
        let rendered = rendered.into();
        plan(&Situation {
            pool: &self.pool,
            config: &self.config,
            target: &target,
            builds: &builds,
            rendered: &rendered,
            images: &self.images,
        })
    }
}

fn build(because: BuildReason, replace: bool) -> Plan {
    Plan::Build { because, replace, cancel: Vec::new() }
}

fn image() -> String {
    IMAGE.to_owned()
}

#[test]
fn the_first_image_is_built_even_for_a_paused_pool() {
    let mut case = Case::new();
    case.builds.clear();
    case.config.metadata.annotations = None;
    case.pool.spec.paused = Some(true);
    assert_eq!(case.plan(), build(BuildReason::First, false));
}

#[test]
fn only_files_changed_so_the_image_is_used_again_as_long_as_it_is_there() {
    assert_eq!(Case::new().plan(), Plan::Ask { image: image() });
    let again = Plan::UseAgain { image: image(), cancel: Vec::new() };
    assert_eq!(Case::new().knows(Presence::There).plan(), again);
    assert_eq!(Case::new().knows(Presence::Unknown).plan(), Plan::Wait(Waiting::Registry(image())));
    let gone = build(BuildReason::ImageGone { image: image() }, false);
    assert_eq!(Case::new().knows(Presence::Gone).plan(), gone);
}

#[test]
fn what_files_cannot_follow_is_built() {
    type Edit = fn(&mut Case);
    let cases: [(Edit, Change); 6] = [
        (|case| case.new.spec.os_image_url = Some("other".into()), Change::BaseImage),
        (|case| case.new.spec.kernel_type = Some("default".into()), Change::KernelType),
        (|case| case.new.spec.extensions = Some(vec!["usbguard".into()]), Change::Extensions),
        // Nothing and an empty list are told apart, as the reference does.
        (|case| case.new.spec.kernel_arguments = Some(Vec::new()), Change::KernelArguments),
        (|case| case.config.metadata.generation = Some(2), Change::OsConfig),
        (|case| case.old.metadata.name = Some("another".into()), Change::Unknown),
    ];
    for (edit, change) in cases {
        let mut case = Case::new().knows(Presence::There);
        edit(&mut case);
        assert_eq!(case.plan(), build(BuildReason::Changed(vec![change]), false));
    }
    let mut case = Case::new().knows(Presence::There);
    case.new.spec.base_os_extensions_container_image = Some("other".into());
    assert!(matches!(case.plan(), Plan::UseAgain { .. }), "packages are in the image already");
}

#[test]
fn a_target_that_is_there() {
    let case = |state, image| Case::new().with_target(state, image).in_effect();
    let name = Case::new().target().metadata.name.unwrap();
    for state in [State::Prepared, State::Building] {
        assert_eq!(case(state, None).plan(), Plan::Wait(Waiting::UnderWay(name.clone())));
        assert_eq!(Case::new().with_target(state, None).plan(), Plan::Adopt { cancel: vec![] });
    }
    for (state, says) in [(State::Failed, "failed"), (State::Interrupted, "was interrupted")] {
        let Plan::Wait(waiting) = case(state, None).plan() else { panic!() };
        assert!(waiting.to_string().contains(says) && waiting.to_string().contains(REBUILD), "{waiting}");
    }
    assert!(matches!(case(State::Initial, None).plan(), Plan::Build { replace: false, .. }));
    // Back to what was built before: no build.
    let back = Case::new().with_target(State::Succeeded, Some(IMAGE));
    assert_eq!(back.plan(), Plan::Ask { image: image() });
    assert_eq!(back.knows(Presence::There).plan(), Plan::Adopt { cancel: vec![] });
    let gone = Case::new().with_target(State::Succeeded, Some(IMAGE)).knows(Presence::Gone);
    assert_eq!(gone.plan(), build(BuildReason::ImageGone { image: image() }, true));
    let still = case(State::Succeeded, Some(IMAGE));
    assert_eq!(still.plan(), Plan::Wait(Waiting::InEffect(name)));
    let silent = Case::new().with_target(State::Succeeded, Some(IMAGE)).knows(Presence::Unknown);
    assert_eq!(silent.plan(), Plan::Wait(Waiting::Registry(image())));
}

#[test]
fn whoever_asks_gets_a_build() {
    let mut case = Case::new().with_target(State::Failed, None).in_effect();
    case.annotate(REBUILD, "");
    assert_eq!(case.plan(), build(BuildReason::Asked, true));
    // Nothing is deleted while it could not be built anew.
    let condition =
        |type_: ConditionType| Condition { type_: type_.into(), status: TRUE.into(), ..Condition::default() };
    case.pool.status.get_or_insert_default().conditions = Some(vec![condition(RENDER_DEGRADED)]);
    let pool = "worker".to_owned();
    assert_eq!(case.plan(), Plan::Wait(Waiting::Degraded { pool, condition: RENDER_DEGRADED }));
    // Nodes may fail on the very image that is to be mended.
    case.pool.status.get_or_insert_default().conditions = Some(vec![condition(NODE_DEGRADED)]);
    assert_eq!(case.plan(), build(BuildReason::Asked, true));
}

#[test]
fn what_else_is_under_way_is_cancelled_and_images_stay() {
    let mut case = Case::new().knows(Presence::There);
    for (name, state) in [("running", State::Building), ("failed", State::Failed), ("good", State::Succeeded)] {
        let mut other = in_state(case.target(), state, (state == State::Succeeded).then_some("other"));
        other.metadata.name = Some(name.to_owned());
        case.builds.push(other);
    }
    let cancel = vec!["running".to_owned(), "failed".to_owned()];
    assert_eq!(case.plan(), Plan::UseAgain { image: image(), cancel });
}

#[test]
fn an_image_that_was_brought_along_comes_first() {
    let mut case = Case::new();
    case.config.metadata.annotations = None;
    case.annotate(PRE_BUILT_IMAGE, IMAGE);
    assert_eq!(case.plan(), Plan::Seed);
    case.annotate(CURRENT_BUILD, "worker-old");
    assert_ne!(case.plan(), Plan::Seed);
}

#[test]
fn a_failure_in_between_does_not_hide_what_is_in_effect() {
    let mut case = Case::new().knows(Presence::There);
    let mut failed = in_state(case.target(), State::Failed, None);
    failed.metadata.name = Some("failed".to_owned());
    case.builds.push(failed);
    case.annotate(CURRENT_BUILD, "failed");
    assert_eq!(case.plan(), Plan::UseAgain { image: image(), cancel: vec!["failed".to_owned()] });
}
