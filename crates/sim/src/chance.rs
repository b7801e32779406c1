//! Numbers that a seed decides: the same on every machine and in every process.

use std::time::Duration;

/// A sequence of numbers: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own for one purpose: drawing from it moves no other.
    #[must_use]
    pub fn for_purpose(seed: u64, purpose: &str) -> Self {
        let start = purpose.bytes().fold(Self(seed).draw(), |hash, byte| Self(hash ^ u64::from(byte)).draw());
        Self(start)
    }

    /// The next number.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let state = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^ (state >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.draw() % end }
    }

    /// True once in so many times.
    pub const fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A time from zero to `longest`, in whole milliseconds.
    pub fn up_to(&mut self, longest: Duration) -> Duration {
        let most = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.below(most.saturating_add(1)))
    }

    /// One of them; `None` if there are none.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let count = u64::try_from(all.len()).unwrap_or(u64::MAX);
        usize::try_from(self.below(count)).ok().and_then(|at| all.get(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_numbers_and_each_purpose_its_own() {
        let mut chance = Chance::new(7);
        // As another implementation of the algorithm gives them.
        let first: Vec<u64> = (0..3).map(|_| chance.draw()).collect();
        assert_eq!(first, [7_191_089_600_892_374_487, 309_689_372_594_955_804, 16_616_101_746_815_609_346]);
        let of = |purpose| Chance::for_purpose(7, purpose).draw();
        assert_eq!(of("a"), of("a"));
        assert_ne!(of("a"), of("b"));
    }

    #[test]
    fn numbers_are_within_their_bounds() {
        let mut chance = Chance::new(1);
        assert!((0..1000).all(|_| chance.below(3) < 3));
        assert_eq!((chance.below(0), chance.pick::<u8>(&[])), (0, None));
        assert_eq!(chance.up_to(Duration::ZERO), Duration::ZERO);
        let times: Vec<_> = (0..1000).map(|_| chance.up_to(Duration::from_millis(2)).as_millis()).collect();
        assert_eq!((times.iter().min(), times.iter().max()), (Some(&0), Some(&2)));
    }
}
