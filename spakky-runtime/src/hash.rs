//! Maps and sets by the hash that this crate uses: fast, and seeded at random for each process, so that keys that collide cannot
//! be chosen beforehand.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

/// A map. An empty one is its `default()`.
pub(crate) type FastMap<K, V> = HashMap<K, V, RandomState>;

/// A set. An empty one is its `default()`.
pub(crate) type FastSet<T> = HashSet<T, RandomState>;
