//! By what a row is known.

use std::any::TypeId;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use crate::schema::TableDescriptor;
use crate::value::Value;

/// A row's identity: its row type and its key, which it stands for as a slice. Cheap to clone.
///
/// Each write looks its row up ten times and more, from being queued to being sent. So the hash is made once and kept.
#[derive(Debug, Clone)]
pub(crate) struct RowKey {
    hash: u64,
    row_type: TypeId,
    key: Arc<[Value]>,
}

/// What is known of rows.
pub(crate) type ByRow<T> = HashMap<RowKey, T, BuildHasherDefault<KeptHash>>;

/// Rows of which one thing is known.
pub(crate) type KeySet<'k> = HashSet<&'k RowKey, BuildHasherDefault<KeptHash>>;

impl RowKey {
    pub(crate) fn new(table: &TableDescriptor, key: impl Into<Arc<[Value]>>) -> Self {
        /// Drawn at random once for each process, so that keys that collide cannot be chosen beforehand.
        static SEED: LazyLock<foldhash::fast::RandomState> = LazyLock::new(foldhash::fast::RandomState::default);
        let (row_type, key) = (table.row_type, key.into());
        RowKey { hash: SEED.hash_one((row_type, &*key)), row_type, key }
    }

    pub(crate) fn row_type(&self) -> TypeId {
        self.row_type
    }
}

impl Deref for RowKey {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.key
    }
}

impl PartialEq for RowKey {
    fn eq(&self, other: &Self) -> bool {
        // Most are clones of each other.
        self.hash == other.hash
            && self.row_type == other.row_type
            && (Arc::ptr_eq(&self.key, &other.key) || self.key == other.key)
    }
}

impl Eq for RowKey {}

impl Hash for RowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Takes a hash for what it is.
#[derive(Debug, Default)]
pub(crate) struct KeptHash(u64);

impl Hasher for KeptHash {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.0 = self.0.rotate_left(8) ^ u64::from(byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
