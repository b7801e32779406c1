//! Which objects of a kind changed since the last look. Objects are shared: an unchanged one is identical.

use kube::ResourceExt;
use std::{cmp::Ordering, sync::Arc};

/// A change of one object between two looks.
#[derive(Debug)]
pub struct Changed<'a, K> {
    /// Before; absent if it is new.
    pub before: Option<&'a Arc<K>>,
    /// Now; absent if it is gone.
    pub now: Option<&'a Arc<K>>,
}

impl<K: ResourceExt> Changed<'_, K> {
    /// Name of the object.
    #[must_use]
    pub fn name(&self) -> String {
        self.now.or(self.before).map(|object| object.name_any()).unwrap_or_default()
    }
}

/// The objects that are not identical in both lists, which are sorted by name.
#[must_use]
pub fn changed<'a, K: ResourceExt>(before: &'a [Arc<K>], now: &'a [Arc<K>]) -> Vec<Changed<'a, K>> {
    let (mut changed, mut old, mut new) = (Vec::new(), before.iter().peekable(), now.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return changed,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) if Arc::ptr_eq(old, new) => Ordering::Equal,
            (Some(old), Some(new)) => old.meta().name.cmp(&new.meta().name),
        };
        let before = old.next_if(|_| order != Ordering::Greater);
        let now = new.next_if(|_| order != Ordering::Less);
        let same = before.zip(now).is_some_and(|(before, now)| Arc::ptr_eq(before, now));
        if !same {
            changed.push(Changed { before, now });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Node;

    fn node(name: &str) -> Arc<Node> {
        let mut node = Node::default();
        node.metadata.name = Some(name.to_owned());
        Arc::new(node)
    }

    #[test]
    fn only_what_is_not_the_same_is_named() {
        let [a, b, c, d] = ["a", "b", "c", "d"].map(node);
        let again = node("b");
        let now = [a.clone(), again, d.clone()];
        let before = [a, b, c];
        let found: Vec<_> = changed(&before, &now)
            .iter()
            .map(|changed| (changed.before.map(|node| node.name_any()), changed.now.map(|node| node.name_any())))
            .collect();
        let name = |name: &str| Some(name.to_owned());
        assert_eq!(found, [(name("b"), name("b")), (name("c"), None), (None, name("d"))]);
        assert!(changed(&now, &now).is_empty());
    }
}
