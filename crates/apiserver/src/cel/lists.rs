//! Lists that are sets or maps by their schema: equal in any order
//! (<https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>).

use cel::common::{
    traits::{Adder, Container, Indexer, Iterable, Sizer, Zeroer},
    types::{CelList, CelMap, CelMapKey, LIST_TYPE, Type},
    value::{Builtin, BuiltinRef, Val},
};
use std::sync::Arc;

/// A list of which only the elements count, not their order.
#[derive(Debug, Clone)]
pub(super) struct Unordered<'v> {
    list: CelList<'v>,
    /// Escaped names of the keys that tell elements apart; none for a set.
    keys: Arc<[String]>,
}

impl<'v> Unordered<'v> {
    pub(super) fn new(elements: Vec<Box<dyn Val + 'v>>, keys: Arc<[String]>) -> Self {
        Self { list: CelList::from(elements), keys }
    }

    /// Whether two elements stand for the same entry.
    fn same_entry(&self, a: &(dyn Val + '_), b: &(dyn Val + '_)) -> bool {
        let (Some(a_map), Some(b_map)) = (a.downcast_ref::<CelMap>(), b.downcast_ref::<CelMap>()) else {
            return a.equals(b);
        };
        if self.keys.is_empty() {
            return a.equals(b);
        }
        self.keys.iter().all(|key| {
            match (a_map.inner().get(&CelMapKey::from(key.as_str())), b_map.inner().get(&CelMapKey::from(key.as_str())))
            {
                (Some(a), Some(b)) => a.equals(b.as_ref()),
                (None, None) => true,
                _ => false,
            }
        })
    }
}

impl<'v> Val for Unordered<'v> {
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
        self.list.as_container()
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
        self.list.as_iterable()
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
        if mine.len() != theirs.len() {
            return false;
        }
        // Mostly the order is the same too; only then is this quick.
        mine.iter().zip(theirs).all(|(a, b)| a.equals(b.as_ref()))
            || mine
                .iter()
                .all(|a| theirs.iter().any(|b| self.same_entry(a.as_ref(), b.as_ref()) && a.equals(b.as_ref())))
    }

    fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
    where
        Self: 'w,
    {
        Box::new(self.clone())
    }

    // Everything but equality is a plain list's: showing it as one lets all functions on lists take it.
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
