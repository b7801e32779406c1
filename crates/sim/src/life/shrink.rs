//! The smallest life that still violates the same: fewest events, fewest faults, fewest nodes.

use super::{Prepared, Record, live_plot, plot::Plot, world::World};
use crate::Nodes;
use anyhow::Result;
use std::time::Duration;
use weir_api::keys::names::{MASTER, WORKER};

/// The most lives that are tried: after so many, the smallest so far will do.
const MOST_TRIES: usize = 2_000;

/// A life that violates something, and how it went.
#[derive(Debug)]
pub struct Shrunk {
    /// The smallest one that was found.
    pub plot: Plot,
    /// How it went.
    pub record: Record,
    /// How many lives were tried.
    pub tries: usize,
}

/// Makes a life smaller as long as it violates the same; `None` if it violates nothing. `told` hears of each smaller one.
///
/// # Errors
/// When the life cannot be lived.
pub fn shrink(plot: Plot, prepared: &Prepared, mut told: impl FnMut(&Plot)) -> Result<Option<Shrunk>> {
    let record = live_plot(&plot, prepared)?;
    let Some(wanted) = record.violations.first().map(|violation| kind(violation, &plot.world)) else { return Ok(None) };
    let mut now = Shrunk { plot, record, tries: 1 };
    loop {
        let smaller = smaller(&now.plot).find_map(|plot| {
            if now.tries >= MOST_TRIES {
                return None;
            }
            now.tries += 1;
            // What cannot be lived is no life.
            let record = live_plot(&plot, prepared).ok()?;
            let same = record.violations.iter().any(|violation| kind(violation, &plot.world) == wanted);
            same.then_some((plot, record))
        });
        let Some((plot, record)) = smaller else { return Ok(Some(now)) };
        told(&plot);
        (now.plot, now.record) = (plot, record);
    }
}

/// A violation without what differs from life to life: times, numbers, and names of pools, nodes and configurations.
fn kind(violation: &str, world: &World) -> String {
    let pools: Vec<&str> = world.nodes.pools().map(|(pool, _)| pool).collect();
    let differs = |word: &&str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric()).trim_end_matches("'s");
        word.contains(|c: char| c.is_ascii_digit()) || pools.contains(&bare)
    };
    // What conditions say comes last.
    let said = violation.split(": ").next().unwrap_or_default();
    said.split_whitespace().filter(|word| !differs(word)).collect::<Vec<_>>().join(" ")
}

/// Lives that are smaller by one thing, those that save most first.
fn smaller(plot: &Plot) -> impl Iterator<Item = Plot> {
    let fewer = without_some(plot.events.len()).map(|keeps| {
        let kept = plot.events.iter().enumerate().filter(|(number, _)| keeps(*number)).map(|(_, event)| event.clone());
        Plot { events: kept.collect(), ..plot.clone() }
    });
    let of_world = worlds(&plot.world).into_iter().map(|world| Plot { world, ..plot.clone() });
    fewer.chain(of_world).filter(|plot| plot.check().is_ok())
}

/// What to keep of a list of this length: all but each half of it, each quarter, and so on to all but each single item.
fn without_some(length: usize) -> impl Iterator<Item = impl Fn(usize) -> bool> {
    let sizes = std::iter::successors(Some(length.div_ceil(2)), |size| (*size > 1).then(|| size.div_ceil(2)));
    let sizes = sizes.filter(move |_| length > 0);
    sizes.flat_map(move |size| (0..length).step_by(size).map(move |from| move |at| !(from..from + size).contains(&at)))
}

/// Worlds that are smaller by one thing.
fn worlds(world: &World) -> Vec<World> {
    let mut all = Vec::new();
    for number in 0..world.faults.len() {
        let mut faults = world.faults.clone();
        faults.remove(number);
        all.push(World { faults, ..world.clone() });
    }
    let pools: Vec<(String, u32)> = world.nodes.pools().map(|(pool, count)| (pool.to_owned(), count)).collect();
    for (number, (pool, count)) in pools.iter().enumerate() {
        let mut fewer = pools.clone();
        if ![MASTER, WORKER].contains(&pool.as_str()) {
            fewer.remove(number);
            all.push(World { nodes: Nodes::of_pools(fewer.clone()), ..world.clone() });
            fewer.clone_from(&pools);
        }
        if *count > 1
            && let Some(of_pool) = fewer.get_mut(number)
        {
            of_pool.1 -= 1;
            all.push(World { nodes: Nodes::of_pools(fewer), ..world.clone() });
        }
    }
    for pool in world.unavailable.keys() {
        let mut unavailable = world.unavailable.clone();
        unavailable.remove(pool);
        all.push(World { unavailable, ..world.clone() });
    }
    let simple = [
        World { two_processes: false, ..world.clone() },
        World { replicas: false, ..world.clone() },
        World { pods: None, ..world.clone() },
        World { builds: false, ..world.clone() },
        World { other_operator: false, ..world.clone() },
        World { release: 0, ..world.clone() },
        World { request: Duration::ZERO, ..world.clone() },
        World { event: Duration::ZERO, ..world.clone() },
    ];
    let is = [
        world.two_processes,
        world.replicas,
        world.pods.is_some(),
        world.builds,
        world.other_operator,
        world.release > 0,
        !world.request.is_zero(),
        !world.event.is_zero(),
    ];
    all.extend(simple.into_iter().zip(is).filter(|(_, is)| *is).map(|(world, _)| world));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_each_part_of_a_list_is_tried_the_largest_parts_first() {
        let kept = |length: usize| -> Vec<Vec<usize>> {
            without_some(length).map(|keeps| (0..length).filter(|at| keeps(*at)).collect()).collect()
        };
        assert_eq!(kept(0), Vec::<Vec<usize>>::new());
        assert_eq!(kept(1), [Vec::<usize>::new()]);
        let wanted = [vec![2, 3], vec![0, 1], vec![1, 2, 3], vec![0, 2, 3], vec![0, 1, 3], vec![0, 1, 2]];
        assert_eq!(kept(4), wanted);
    }

    #[test]
    fn worlds_become_smaller_until_nothing_is_left_to_take_away() {
        let size = |world: &World| {
            let is = [
                world.two_processes,
                world.replicas,
                world.pods.is_some(),
                world.builds,
                world.other_operator,
                world.release > 0,
                !world.request.is_zero(),
                !world.event.is_zero(),
            ];
            let pools = world.nodes.pools().count() + usize::try_from(world.nodes.total()).unwrap();
            pools + world.faults.len() + world.unavailable.len() + is.iter().filter(|is| **is).count()
        };
        for seed in 0..50 {
            let mut world = World::of(seed).unwrap();
            while let Some(next) = worlds(&world).into_iter().next() {
                assert!(size(&next) < size(&world), "{seed}");
                world = next;
            }
            assert_eq!(world.nodes.to_string(), "master=1,worker=1", "{seed}");
        }
    }

    #[test]
    fn the_kind_of_a_violation_is_without_names_and_numbers() {
        let world = World::of(1).unwrap();
        let kind = |text| kind(text, &world);
        let told = kind("   810.351s  master-0 was told something 2 times, and 1 changes concern it");
        assert_eq!(told, "was told something times, and changes concern it");
        assert_eq!(kind(" 1.0s worker is not updated at the end: Updated=False \"x\""), "is not updated at the end");
        assert_ne!(told, kind("2.000s  worker-2 of worker is not as it should be at the end"));
    }
}
