//! Lists and maps of JSON. They behave like those of the engine, with two differences: steps through them are counted, and for
//! lists that are sets or maps by their schema, equality ignores the order
//! (<https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>).

use cel::{
    ExecutionError,
    common::{
        traits::{Adder, Container, Indexer, Iterable, Iterator, Sizer, Zeroer},
        types::{CelList, CelMap, CelMapKey, LIST_TYPE, MAP_TYPE, Type},
        value::{Builtin, BuiltinRef, Val},
    },
};
use std::{
    cell::RefCell,
    collections::HashMap,
    slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Maximum number of steps through lists and maps in one evaluation: about what a loop with a small body may take under
/// the API server's limit of 1,000,000 cost units per call (k8s.io/apiserver/pkg/apis/cel).
const CALL_BUDGET: u64 = 200_000;
/// Maximum number of steps in all evaluations on one object together.
const TOTAL_BUDGET: u64 = 10 * CALL_BUDGET;

/// Counts the steps that evaluations take through the values that were bound with it. Clones share the count.
#[derive(Debug, Clone)]
pub(crate) struct Meter(Arc<AtomicU64>);

thread_local! {
    /// The meter of the evaluation that this thread is in.
    static CURRENT: RefCell<Option<Meter>> = const { RefCell::new(None) };
}

/// Charges steps to the evaluation on this thread; `false` if it does not have enough left.
pub(crate) fn spend(steps: u64) -> bool {
    CURRENT.with_borrow(|meter| meter.as_ref().is_none_or(|meter| meter.spend(steps)))
}

impl Default for Meter {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(TOTAL_BUDGET)))
    }
}

impl Meter {
    /// Charges steps; `false` if not enough are left.
    fn spend(&self, steps: u64) -> bool {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(steps)));
        taken.is_ok_and(|left| left >= steps)
    }

    /// Evaluates on this thread, so that functions without a value that holds the meter can charge steps to it.
    pub(crate) fn on_this_thread<T>(&self, evaluate: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace(Some(self.clone()));
        let result = evaluate();
        CURRENT.replace(outer);
        result
    }

    /// Runs one evaluation; `None` if it took more steps than allowed, which makes its result meaningless.
    pub(crate) fn metered<T>(&self, evaluate: impl FnOnce() -> T) -> Option<T> {
        let before = self.0.load(Ordering::Relaxed);
        // One more, so that using exactly the allowed number is fine.
        let allowed = before.min(CALL_BUDGET) + 1;
        self.0.store(allowed, Ordering::Relaxed);
        let result = evaluate();
        let left = self.0.load(Ordering::Relaxed);
        self.0.store(before.saturating_sub(allowed - left), Ordering::Relaxed);
        (left > 0).then_some(result)
    }
}

/// Iterates over values and stops when the steps are used up. Stopping early has no visible effect, because the evaluation is then
/// void.
struct Counted<'b, T> {
    inner: slice::Iter<'b, T>,
    meter: &'b Meter,
}

impl<'b, T> Counted<'b, T> {
    fn step(&mut self) -> Option<&'b T> {
        if self.meter.spend(1) { self.inner.next() } else { None }
    }
}

impl<'b, 'v: 'w, 'w> Iterator<'b, 'w> for Counted<'b, Box<dyn Val + 'v>> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'w)> {
        self.step().map(|element| element.as_ref() as &(dyn Val + 'w))
    }
}

impl<'b, 'v: 'w, 'w> Iterator<'b, 'w> for Counted<'b, CelMapKey<'v>> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'w)> {
        self.step().map(|key| key.inner() as &(dyn Val + 'w))
    }
}

/// A list.
#[derive(Debug, Clone)]
pub(crate) struct List<'v> {
    list: CelList<'v>,
    order: Order,
    meter: Meter,
}

/// What the order of a list means.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    /// It matters: lists with the same elements in another order differ.
    Counts,
    /// It is ignored. Elements are the same if their values of these keys (escaped names) are equal, or, without keys,
    /// if they are equal as a whole.
    Ignored(Arc<[String]>),
}

impl<'v> List<'v> {
    pub(crate) fn new(elements: Vec<Box<dyn Val + 'v>>, order: Order, meter: &Meter) -> Self {
        Self { list: CelList::from(elements), order, meter: meter.clone() }
    }
}

/// Whether two elements stand for the same entry of a list map.
fn same_entry(a: &dyn Val, b: &dyn Val, keys: &[String]) -> bool {
    let (Some(a), Some(b)) = (a.downcast_ref::<CelMap>(), b.downcast_ref::<CelMap>()) else { return true };
    keys.iter().all(|key| {
        match (a.inner().get(&CelMapKey::from(key.as_str())), b.inner().get(&CelMapKey::from(key.as_str()))) {
            (Some(a), Some(b)) => a.equals(b.as_ref()),
            (None, None) => true,
            _ => false,
        }
    })
}

impl Iterable for List<'_> {
    fn iter<'b, 'w>(&'b self) -> Box<dyn Iterator<'b, 'w> + 'b>
    where
        Self: 'w,
    {
        Box::new(Counted { inner: self.list.inner().iter(), meter: &self.meter })
    }
}

impl Container for List<'_> {
    fn contains(&self, value: &dyn Val) -> Result<bool, ExecutionError> {
        self.meter.spend(self.list.inner().len() as u64);
        self.list.contains(value)
    }
}

impl<'v> Val for List<'v> {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = LIST_TYPE;
        &TYPE
    }

    fn as_adder<'b, 'w>(&'b self) -> Option<&'b (dyn Adder + 'w)>
    where
        Self: 'w,
    {
        self.list.as_adder()
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        self.list.as_indexer()
    }

    fn into_indexer<'w>(self: Box<Self>) -> Option<Box<dyn Indexer + 'w>>
    where
        Self: 'w,
    {
        Box::new(self.list).into_indexer()
    }

    fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        self.list.as_sizer()
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        self.list.as_zeroer()
    }

    fn equals(&self, other: &dyn Val) -> bool {
        let Some(other) = other.downcast_ref::<CelList>() else { return false };
        let (mine, theirs) = (self.list.inner(), other.inner());
        let length = mine.len() as u64;
        if mine.len() != theirs.len() || !self.meter.spend(length) {
            return false;
        }
        // A fast path: the order is usually the same too.
        if mine.iter().zip(theirs).all(|(a, b)| a.equals(b.as_ref())) {
            return true;
        }
        let Order::Ignored(keys) = &self.order else { return false };
        self.meter.spend(length.saturating_mul(length))
            && mine
                .iter()
                .map(AsRef::as_ref)
                .all(|a: &dyn Val| theirs.iter().any(|b| same_entry(a, b.as_ref(), keys) && a.equals(b.as_ref())))
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(self.clone())
    }

    // Presented as a plain list, so that all functions on lists accept it.
    fn as_builtin<'b, 'w>(&'b self) -> BuiltinRef<'b, 'w>
    where
        Self: 'w,
    {
        BuiltinRef::List(&self.list)
    }

    fn into_builtin<'w>(self: Box<Self>) -> Option<Builtin<'w>>
    where
        Self: 'w,
    {
        Some(Builtin::List(self.list))
    }
}

/// An object or map. Iteration follows insertion order, so that evaluating twice gives the same result.
#[derive(Debug, Clone)]
pub(crate) struct Object<'v> {
    map: CelMap<'v>,
    keys: Vec<CelMapKey<'v>>,
    meter: Meter,
}

impl<'v> Object<'v> {
    pub(crate) fn new(entries: Vec<(CelMapKey<'v>, Box<dyn Val + 'v>)>, meter: &Meter) -> Self {
        let keys = entries.iter().map(|(key, _)| key.clone()).collect();
        let map = CelMap::from(entries.into_iter().collect::<HashMap<_, _>>());
        Self { map, keys, meter: meter.clone() }
    }
}

impl Iterable for Object<'_> {
    fn iter<'b, 'w>(&'b self) -> Box<dyn Iterator<'b, 'w> + 'b>
    where
        Self: 'w,
    {
        Box::new(Counted { inner: self.keys.iter(), meter: &self.meter })
    }
}

impl<'v> Val for Object<'v> {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = MAP_TYPE;
        &TYPE
    }

    fn as_container(&self) -> Option<&dyn Container> {
        self.map.as_container()
    }

    fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
    where
        Self: 'w,
    {
        self.map.as_indexer()
    }

    fn into_indexer<'w>(self: Box<Self>) -> Option<Box<dyn Indexer + 'w>>
    where
        Self: 'w,
    {
        Box::new(self.map).into_indexer()
    }

    fn as_iterable<'b, 'w>(&'b self) -> Option<&'b (dyn Iterable + 'w)>
    where
        Self: 'w,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        self.map.as_sizer()
    }

    fn as_zeroer(&self) -> Option<&dyn Zeroer> {
        self.map.as_zeroer()
    }

    fn equals(&self, other: &dyn Val) -> bool {
        self.meter.spend(self.map.inner().len() as u64) && self.map.equals(other)
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(self.clone())
    }

    fn as_builtin<'b, 'w>(&'b self) -> BuiltinRef<'b, 'w>
    where
        Self: 'w,
    {
        BuiltinRef::Map(&self.map)
    }

    fn into_builtin<'w>(self: Box<Self>) -> Option<Builtin<'w>>
    where
        Self: 'w,
    {
        Some(Builtin::Map(self.map))
    }
}
