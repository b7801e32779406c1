//! The picture that all open pages show, and what was made of it. It is taken when somebody looks, and kept until something changes.

use crate::{html::Rendered, model::Overview, pages, pages::View, source::Source};
use bytes::Bytes;
use futures::future::select_all;
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};
use tokio::{sync::watch, time::Instant};
use weir_rules::{
    rollout::RolloutPlan,
    world::{
        Kept, World,
        why::{Asked, Why, WhyError},
    },
};

/// Pages of one picture that are kept: more different ones are rarely open, and the rest is made again.
const KEPT: usize = 128;

/// What everybody sees at one moment.
#[derive(Debug)]
pub(crate) struct Picture {
    /// A number that only pictures of this process have; later ones have greater ones.
    pub(crate) number: u64,
    /// When it was taken.
    at: Instant,
    pub(crate) world: World,
    pub(crate) overview: Overview,
    plan: RolloutPlan,
    kept: Arc<Mutex<Kept>>,
    /// What it was read from, if that were files.
    pub(crate) files: Option<String>,
    pages: Mutex<BTreeMap<String, Option<Arc<Rendered>>>>,
    /// What is sent to a page that shows an earlier picture, by its address and the picture's number.
    updates: Mutex<BTreeMap<(String, u64), Bytes>>,
}

impl Picture {
    /// Why something in it is the way it is.
    pub(crate) fn why(&self, asked: &Asked) -> Result<Why, WhyError> {
        self.world.views_from(&mut self.kept.lock()).why(&self.plan, asked, self.overview.taken)
    }

    /// The page of a view; absent if there is no such thing.
    pub(crate) fn page(&self, view: &View) -> Option<Arc<Rendered>> {
        let key = view.link().as_str().to_owned();
        let mut pages = self.pages.lock();
        if let Some(page) = pages.get(&key) {
            return page.clone();
        }
        let page = pages::page(self, view).map(Arc::new);
        if pages.len() < KEPT {
            pages.insert(key, page.clone());
        }
        page
    }

    /// What is sent to pages that show an earlier picture: made once for all of them.
    pub(crate) fn update(&self, view: &View, before: u64, make: impl FnOnce() -> Bytes) -> Bytes {
        let key = (view.link().as_str().to_owned(), before);
        let mut updates = self.updates.lock();
        if let Some(update) = updates.get(&key) {
            return update.clone();
        }
        let update = make();
        if updates.len() < KEPT {
            updates.insert(key, update.clone());
        }
        update
    }
}

/// Takes pictures of a source.
#[derive(Debug)]
pub(crate) struct Camera {
    source: Arc<dyn Source>,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// Listens from the first look on.
    changes: Vec<watch::Receiver<u64>>,
    picture: Option<Arc<Picture>>,
    /// What pictures have in common.
    kept: Arc<Mutex<Kept>>,
}

impl Last {
    fn has_changed(&self) -> bool {
        self.changes.iter().any(|change| change.has_changed().unwrap_or_default())
    }
}

impl Camera {
    pub(crate) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, last: Mutex::default() }
    }

    pub(crate) fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// The cluster as it is now.
    pub(crate) fn look(&self) -> Arc<Picture> {
        let mut last = self.last.lock();
        if last.picture.is_none() {
            last.changes = self.source.changes();
        }
        let changed = last.has_changed();
        if let Some(picture) = last.picture.as_ref().filter(|_| !changed) {
            return picture.clone();
        }
        let at = Instant::now();
        // What changes from here on is seen the next time.
        last.changes.iter_mut().for_each(watch::Receiver::mark_unchanged);
        let (world, trouble, now) = (self.source.world(), self.source.trouble(), self.source.now());
        // What is not kept up to date is as old as the last picture that was.
        let taken = last.picture.as_ref().filter(|_| trouble.is_some()).map(|before| before.overview.taken);
        let kept = last.kept.clone();
        let (mut overview, plan) = {
            let mut kept = kept.lock();
            let views = world.views_from(&mut kept);
            let plan = views.plan(None, now);
            (Overview::of(&views, &plan, trouble, now), plan)
        };
        overview.taken = taken.unwrap_or(now);
        let number = last.picture.as_ref().map_or(1, |before| before.number + 1);
        let files = self.source.files().map(str::to_owned);
        let (pages, updates) = Default::default();
        let picture = Arc::new(Picture { number, at, world, overview, plan, kept, files, pages, updates });
        last.picture = Some(picture.clone());
        picture
    }

    /// A picture that was taken after that.
    pub(crate) fn look_back(&self, then: Instant) -> Arc<Picture> {
        let last = self.last.lock();
        let recent = last.picture.as_ref().filter(|picture| picture.at > then).cloned();
        drop(last);
        recent.unwrap_or_else(|| self.look())
    }

    /// Whether a picture may differ from this one.
    fn is_past(&self, picture: &Picture) -> bool {
        let last = self.last.lock();
        last.has_changed() || last.picture.as_ref().is_none_or(|last| last.number != picture.number)
    }

    /// Waits until a picture may differ from this one.
    pub(crate) async fn changed(&self, since: &Picture) {
        let mut changes = self.source.changes();
        // What changed between that picture and now is no longer seen as a change by new receivers.
        if self.is_past(since) {
            return;
        }
        if changes.is_empty() {
            return std::future::pending().await;
        }
        select_all(changes.iter_mut().map(|change| Box::pin(async { change.changed().await.is_ok() }))).await;
    }
}
