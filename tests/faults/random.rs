//! Numbers that look random and depend on their seed alone (SplitMix64).

/// A sequence of numbers.
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// The sequence of this seed and of this part of it.
    pub(crate) fn new(seed: u64, part: u64) -> Self {
        let mut random = Random { state: seed };
        random.state = random.next() ^ part;
        random
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
