//! The processes of the controllers, as `weir run` runs them: one for everything, one each for operator and controller, or two replicas
//! of which the one with the lease works.

use super::{
    prepared::Door,
    stage::{Running, Stage},
    works::Works,
};
use crate::{Trouble, Troubled};
use kube::Client;
use std::{future::pending, sync::Arc, time::Duration};
use tokio::time::sleep;
use tower::Layer as _;
use weir_api::keys::names::{CONTROLLER_CONFIG, OPERATOR_NAMESPACE};
use weir_controllers::{
    Access, Build, Context,
    build::{Settings, Worker},
    cluster::Watcher,
    operator::Operator,
};
use weir_distro::Profile;
use weir_images::Images;
use weir_kubeio::{
    Clock, Fence, drive,
    lease::{Candidate, Timing},
};

/// How many replicas there are where they have a lease.
pub(super) const REPLICAS: u64 = 2;
/// The image of what builds images: nobody pulls it.
const IMAGE: &str = "registry.invalid/weir";
/// How long it takes until a process that ended is started again.
const STARTS_AGAIN: Duration = Duration::from_secs(2);

/// What processes are made of. Cheap to clone.
#[derive(Clone)]
pub(super) struct Process {
    pub(super) stage: Stage,
    pub(super) door: Door,
    pub(super) server: weir_apiserver::Service,
    /// On the way to the API server.
    pub(super) trouble: Trouble,
    pub(super) clock: Clock,
    pub(super) profile: &'static Profile,
    pub(super) build: Build,
    pub(super) settle: Duration,
    pub(super) images: Images,
    /// Whether operator and controller are processes of their own.
    pub(super) two: bool,
    /// The builder and its registry, if images can be built.
    pub(super) works: Option<Works>,
}

impl Process {
    /// A client of the process with this name; its writes pass the fence, if there is one.
    fn client(&self, who: &str, fence: Option<&Fence>) -> Client {
        let way = Troubled::new(self.door.open(self.server.clone()), self.trouble.clone()).of(who);
        match fence {
            Some(fence) if self.door.fences => Client::new(fence.layer(way), "default"),
            _ => Client::new(way, "default"),
        }
    }

    fn context(&self, who: &str, fence: Option<&Fence>) -> Context {
        Context {
            client: self.client(who, fence),
            cluster: weir_controllers::Cluster::default(),
            clock: self.clock.clone(),
            profile: self.profile,
            build: Arc::new(self.build.clone()),
            settle: self.settle,
            generating: Default::default(),
        }
    }

    fn start(&self, group: u64, who: &str, fence: Option<&Fence>) -> Vec<Running> {
        let operator = self.context(who, fence);
        let controller = if self.two { self.context(who, fence) } else { operator.clone() };
        let watched = |context: &Context, watchers: &'static [Watcher]| -> Vec<Running> {
            let fill = |watcher: &'static Watcher| {
                let (watches, client) = (context.cluster.watches.clone(), context.client.clone());
                self.stage.spawn_as(group, async move { watches.fill(&client, std::slice::from_ref(watcher)).await })
            };
            watchers.iter().map(fill).collect()
        };
        let mut all = watched(&controller, Watcher::EVERYBODY);
        all.extend(watched(&controller, Watcher::CONTROLLER));
        if self.two {
            all.extend(watched(&operator, Watcher::EVERYBODY));
        }
        let access = Access::new(&controller.cluster, self.images.clone());
        for one in weir_controllers::controllers(&controller, &access, None) {
            let cluster = controller.cluster.clone();
            all.push(self.stage.spawn_as(group, async move {
                cluster.synced().await;
                drive(&*one).await;
            }));
        }
        if let Some(works) = self.works.clone() {
            let (context, works) = (controller.clone(), Arc::new(works));
            all.push(self.stage.spawn_as(group, async move {
                let settings = Settings {
                    worker: Worker::Here(works.clone()),
                    program: IMAGE.to_owned(),
                    builder: Some(IMAGE.to_owned()),
                };
                let builds = weir_controllers::builder(&context, works.clone(), settings);
                tokio::join!(builds, weir_controllers::after_builds(&context, works.clone()));
            }));
        }
        let operator = Operator::new(operator);
        all.push(self.stage.spawn_as(group, async move { operator.run().await }));
        all
    }

    /// Starts operator and controller in a group on the stage.
    pub(super) fn starts(&self, group: u64) -> Vec<Running> {
        self.start(group, "", None)
    }

    /// A replica that works while it has the lease, and starts again when it lost it. It is of this group on the stage.
    pub(super) fn replica(self, who: String, group: u64) -> Running {
        let stage = self.stage.clone();
        stage.clone().spawn_as(group, async move {
            loop {
                let client = self.client(&who, None);
                let (clock, timing) = (self.clock.clone(), Timing::default());
                let candidate = Candidate::new(client, OPERATOR_NAMESPACE, CONTROLLER_CONFIG, &who, timing, clock);
                let fence = candidate.fence();
                let work = async {
                    let _runs = self.start(group, &who, Some(&fence));
                    pending::<()>().await;
                };
                candidate.lead(pending(), work).await;
                sleep(STARTS_AGAIN).await;
            }
        })
    }
}
