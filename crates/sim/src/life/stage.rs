//! Runs futures on one thread; which of those that can go on is polled next is drawn from a seed.
//!
//! The order in which wakers are called does not matter: what is ready is a sorted set. So nothing that wakes several futures in an order
//! of its own, as tokio's channels do, changes a life.

use crate::Chance;
use futures::{future::LocalBoxFuture, task::AtomicWaker};
use parking_lot::Mutex;
use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};
use tokio::{task::unconstrained, time::Instant};

/// The number of the future that [`Stage::play`] waits for.
const MAIN: u64 = 0;
/// The group of those that are of no other; it never stands still.
const NOBODY: u64 = 0;
/// Time passes when nobody can go on. So often may somebody go on at one moment: a hundred times as often as in the busiest moment of
/// lives that are as they should be.
const MOST_AT_ONCE: u64 = 100_000;
/// The same in all moments together: twenty times as often as in lives that are as they should be.
const MOST: u64 = 1_000_000;

/// Where futures run. Cheap to clone; clones are the same stage.
#[derive(Clone)]
pub(super) struct Stage(Rc<Shared>);

struct Shared {
    ready: Arc<Ready>,
    coming: RefCell<Vec<(u64, LocalBoxFuture<'static, ()>)>>,
    going: RefCell<BTreeSet<u64>>,
    last: Cell<u64>,
    /// The groups of those that are of one.
    groups: RefCell<BTreeMap<u64, u64>>,
    /// That of the one that is polled.
    polled: Cell<u64>,
    /// Groups that stand still, with those of them that could go on.
    still: RefCell<BTreeMap<u64, BTreeSet<u64>>>,
    /// A moment, and how often somebody went on in it.
    moment: Cell<Option<(Instant, u64)>>,
    /// How often somebody went on in all.
    times: Cell<u64>,
}

#[derive(Default)]
struct Ready {
    tasks: Mutex<BTreeSet<u64>>,
    stage: AtomicWaker,
}

struct Call {
    task: u64,
    ready: Arc<Ready>,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.ready.tasks.lock().insert(self.task);
        self.ready.stage.wake();
    }
}

/// A future on the stage; it is dropped with this.
pub(super) struct Running {
    task: u64,
    stage: Stage,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stage.0.going.borrow_mut().insert(self.task);
        self.stage.0.ready.stage.wake();
    }
}

impl Stage {
    /// An empty stage.
    pub(super) fn new() -> Self {
        let (coming, going) = (RefCell::default(), RefCell::default());
        let (last, polled) = (Cell::new(MAIN), Cell::new(NOBODY));
        let (groups, still) = (RefCell::default(), RefCell::default());
        let (moment, times) = (Cell::default(), Cell::default());
        Self(Rc::new(Shared { ready: Arc::default(), coming, going, last, groups, polled, still, moment, times }))
    }

    /// Done when others go on without end, at one moment or from one to the next. Nobody but the future that [`Stage::play`] waits for goes on
    /// then. For that future alone.
    pub(super) async fn endless(&self) {
        poll_fn(|_| if self.is_endless() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn is_endless(&self) -> bool {
        self.0.times.get() >= MOST || self.0.moment.get().is_some_and(|(_, times)| times >= MOST_AT_ONCE)
    }

    /// Counts that somebody goes on; false when nobody but the main future may.
    fn goes_on(&self, ready: &Ready) -> bool {
        if self.is_endless() {
            return false;
        }
        let now = Instant::now();
        let times = self.0.moment.get().map_or(0, |(moment, times)| if moment == now { times } else { 0 });
        self.0.moment.set(Some((now, times + 1)));
        self.0.times.set(self.0.times.get() + 1);
        if self.is_endless() {
            ready.tasks.lock().insert(MAIN);
        }
        true
    }

    /// Lets a group stand still, as a process that is suspended, or go on.
    pub(super) fn suspend(&self, group: u64, suspended: bool) {
        if suspended {
            self.0.still.borrow_mut().entry(group).or_default();
        } else if let Some(held) = self.0.still.borrow_mut().remove(&group) {
            self.0.ready.tasks.lock().extend(held);
            self.0.ready.stage.wake();
        }
    }

    /// Whether the group of the task stands still; then it is kept for later.
    fn is_still(&self, task: u64) -> bool {
        let group = self.group(task);
        let mut still = self.0.still.borrow_mut();
        still.get_mut(&group).is_some_and(|held| {
            held.insert(task);
            true
        })
    }

    fn group(&self, task: u64) -> u64 {
        self.0.groups.borrow().get(&task).copied().unwrap_or(NOBODY)
    }

    /// Runs a future beside the others, in the group of whoever calls this.
    pub(super) fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Running {
        self.spawn_as(self.0.polled.get(), future)
    }

    /// Runs a future beside the others, in a group.
    pub(super) fn spawn_as(&self, group: u64, future: impl Future<Output = ()> + 'static) -> Running {
        let task = self.0.last.get() + 1;
        self.0.last.set(task);
        self.0.groups.borrow_mut().insert(task, group);
        self.0.coming.borrow_mut().push((task, Box::pin(future)));
        self.0.ready.stage.wake();
        Running { task, stage: self.clone() }
    }

    /// Runs everything on the stage until this future is done.
    pub(super) async fn play<T>(&self, mut chance: Chance, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        let mut tasks: BTreeMap<u64, LocalBoxFuture<'static, ()>> = BTreeMap::new();
        let ready = self.0.ready.clone();
        let mut wakers: BTreeMap<u64, Waker> = BTreeMap::new();
        ready.tasks.lock().insert(MAIN);
        // A budget would be that of the whole stage: whoever used it up would leave nothing for the others.
        unconstrained(poll_fn(|context| {
            ready.stage.register(context.waker());
            loop {
                self.enter_and_leave(&mut tasks, &mut wakers);
                let Some(task) = take_one(&ready, &mut chance) else { return Poll::Pending };
                if self.is_still(task) || (!self.goes_on(&ready) && task != MAIN) {
                    continue;
                }
                self.0.polled.set(self.group(task));
                let waker = wakers.entry(task).or_insert_with(|| Arc::new(Call { task, ready: ready.clone() }).into());
                let mut context = Context::from_waker(waker);
                if task == MAIN {
                    if let Poll::Ready(value) = main.as_mut().poll(&mut context) {
                        return Poll::Ready(value);
                    }
                } else if let Some(future) = tasks.get_mut(&task)
                    && future.as_mut().poll(&mut context).is_ready()
                {
                    tasks.remove(&task);
                }
            }
        }))
        .await
    }

    fn enter_and_leave(
        &self,
        tasks: &mut BTreeMap<u64, LocalBoxFuture<'static, ()>>,
        wakers: &mut BTreeMap<u64, Waker>,
    ) {
        for (task, future) in self.0.coming.take() {
            tasks.insert(task, future);
            self.0.ready.tasks.lock().insert(task);
        }
        // Dropping one may drop the handles of others.
        let next = || self.0.going.borrow_mut().pop_first();
        while let Some(task) = next() {
            wakers.remove(&task);
            self.0.groups.borrow_mut().remove(&task);
            drop(tasks.remove(&task));
        }
    }
}

/// One of those that can go on.
fn take_one(ready: &Ready, chance: &mut Chance) -> Option<u64> {
    let mut tasks = ready.tasks.lock();
    let at = usize::try_from(chance.below(u64::try_from(tasks.len()).unwrap_or(u64::MAX))).ok()?;
    let task = tasks.iter().nth(at).copied()?;
    tasks.remove(&task);
    Some(task)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::{sync::watch, time::sleep};

    /// The order in which ten futures that wait for one channel go on.
    async fn order(seed: u64) -> Vec<u64> {
        let stage = Stage::new();
        let (sender, receiver) = watch::channel(0);
        let seen = Rc::new(RefCell::new(Vec::new()));
        let waiting: Vec<_> = (0..10)
            .map(|number| {
                let (mut receiver, seen) = (receiver.clone(), seen.clone());
                stage.spawn(async move {
                    receiver.changed().await.unwrap();
                    seen.borrow_mut().push(number);
                })
            })
            .collect();
        stage
            .play(Chance::new(seed), async {
                sleep(Duration::from_millis(1)).await;
                sender.send(1).unwrap();
                sleep(Duration::from_millis(1)).await;
            })
            .await;
        drop(waiting);
        seen.take()
    }

    #[tokio::test(start_paused = true)]
    async fn a_seed_decides_the_order_of_those_that_wait_for_the_same() {
        let first = order(1).await;
        assert_eq!(first.len(), 10);
        for _ in 0..20 {
            assert_eq!(order(1).await, first);
        }
        assert_ne!(order(2).await, first);
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_that_is_suspended_stands_still_and_then_goes_on_with_those_it_started() {
        let (stage, seen) = (Stage::new(), Rc::new(Cell::new(0)));
        let counts = |seen: &Rc<Cell<u32>>, stage: &Stage| {
            let (seen, stage) = (seen.clone(), stage.clone());
            async move {
                let (other, more) = (seen.clone(), stage.clone());
                let _started = stage.spawn(async move {
                    let _more = more;
                    loop {
                        sleep(Duration::from_secs(1)).await;
                        other.set(other.get() + 1);
                    }
                });
                loop {
                    sleep(Duration::from_secs(1)).await;
                    seen.set(seen.get() + 1);
                }
            }
        };
        let running = stage.spawn_as(1, counts(&seen, &stage));
        let beside = Rc::new(Cell::new(0));
        let goes_on = stage.spawn_as(2, counts(&beside, &stage));
        let pass = async || sleep(Duration::from_millis(10_500)).await;
        stage
            .play(Chance::new(1), async {
                pass().await;
                stage.suspend(1, true);
                let before = seen.get();
                pass().await;
                assert_eq!((before, seen.get(), beside.get()), (20, 20, 42));
                stage.suspend(1, false);
                pass().await;
                assert!(seen.get() > 38, "{}", seen.get());
            })
            .await;
        drop((running, goes_on));
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_go_on_without_end_are_told_of_and_held() {
        for (pause, most) in [(Duration::ZERO, MOST_AT_ONCE), (Duration::from_millis(1), MOST)] {
            let (stage, times) = (Stage::new(), Rc::new(Cell::new(0)));
            let on = times.clone();
            let running = stage.spawn(async move {
                sleep(Duration::from_secs(1)).await;
                loop {
                    on.set(on.get() + 1);
                    if pause.is_zero() { yield_to_the_stage().await } else { sleep(pause).await }
                }
            });
            let start = Instant::now();
            stage.play(Chance::new(1), stage.endless()).await;
            let lasted = Duration::from_secs(1) + pause * u32::try_from(times.get()).unwrap();
            assert!(start.elapsed() + Duration::from_millis(3) >= lasted, "{:?} {lasted:?}", start.elapsed());
            assert!((most - 4..=most).contains(&times.get()), "{}", times.get());
            drop(running);
        }
    }

    /// Ready at the next poll, which it asks for at once.
    async fn yield_to_the_stage() {
        let mut yielded = false;
        poll_fn(|context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_dropped_ends_and_a_long_loop_of_one_holds_up_nobody() {
        struct Ends(Rc<Cell<bool>>);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let (stage, ended) = (Stage::new(), Rc::new(Cell::new(false)));
        let ends = Ends(ended.clone());
        let running = stage.spawn(async move {
            let _ends = ends;
            let (sender, mut receiver) = watch::channel(0_u32);
            // Far more than tokio's budget of a task.
            for n in 1..1000 {
                sender.send(n).unwrap();
                receiver.changed().await.unwrap();
            }
            std::future::pending::<()>().await;
        });
        stage
            .play(Chance::new(1), async {
                sleep(Duration::from_millis(1)).await;
                drop(running);
                sleep(Duration::from_millis(1)).await;
                assert!(ended.get());
            })
            .await;
    }
}
