//! Numbers that look random and are always the same (SplitMix64), and ids made of them.

/// A sequence of numbers that depends on its seed alone.
pub(super) struct Random {
    state: u64,
}

impl Random {
    /// The sequence of this seed.
    pub(super) fn new(seed: u64) -> Self {
        Random { state: seed }
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// True this many times out of a hundred.
    pub(super) fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// One of these, which are not none.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A version 7 UUID of this moment, in milliseconds since 1970.
    pub(super) fn uuid(&mut self, millis: u64) -> String {
        let (high, low) = (self.next(), self.next());
        let time = millis & 0xffff_ffff_ffff;
        let (a, b) = (high & 0x0fff, low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000);
        format!("{:08x}-{:04x}-7{a:03x}-{:04x}-{:012x}", time >> 16, time & 0xffff, b >> 48, b & 0xffff_ffff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_version_its_variant_and_its_moment() {
        let id = Random::new(1).uuid(0x0194_2f3c_5a77);
        assert_eq!(id.len(), 36);
        assert!(id.starts_with("01942f3c-5a77-7"), "{id}");
        assert!("89ab".contains(&id[19..20]), "{id}");
    }
}
