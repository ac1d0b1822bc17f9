//! What became of a unit of work, or of a nested scope, for values that were saved in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a scope was undone. A nested scope that ends well shares the fate of the one around it.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    undone: AtomicBool,
    around: Option<Arc<Fate>>,
}

impl Fate {
    /// That of a scope inside another.
    pub(crate) fn inside(around: Option<Arc<Fate>>) -> Self {
        Fate { undone: AtomicBool::new(false), around }
    }

    /// The scope is undone.
    pub(crate) fn undo(&self) {
        self.undone.store(true, Ordering::Release);
    }

    /// Whether it was undone, or one around it was.
    pub(crate) fn is_undone(&self) -> bool {
        self.undone.load(Ordering::Acquire) || self.around.as_ref().is_some_and(|around| around.is_undone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_shares_the_fate_of_those_around_it() {
        let root = Arc::new(Fate::default());
        let (kept, undone) = (Fate::inside(Some(root.clone())), Fate::inside(Some(root.clone())));
        undone.undo();
        assert!(undone.is_undone() && !kept.is_undone() && !root.is_undone());
        root.undo();
        assert!(kept.is_undone() && root.is_undone());
    }
}
