//! Deliberate faults: what the tests must notice.
//!
//! Each is one place where the library does what it must not, where the variable `SPAKKY_MUTANT` names it. They are there
//! with `--cfg spakky_mutants` alone, which `cargo xtask faults --mutants` sets: else [`Mutant::is_on`] is `false` at compile
//! time, and nothing is left of them.

macro_rules! mutants {
    ($($(#[$doc:meta])+ $mutant:ident => $name:literal,)+) => {
        /// A deliberate fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Mutant {
            $($(#[$doc])+ $mutant,)+
        }

        impl Mutant {
            #[cfg(spakky_mutants)]
            const ALL: &[(Mutant, &str)] = &[$((Mutant::$mutant, $name)),+];
        }
    };
}

mutants! {
    /// A row that is deleted and added again is sent as a new one.
    ReplacedIsNew => "replaced_is_new",
    /// A row that is added and then saved is stored as it was added.
    SaveOfNewIsLost => "save_of_new_is_lost",
    /// What a nested scope believed of rows stays when it is undone.
    UndoneIsBelieved => "undone_is_believed",
    /// What a nested scope sent stays when it is undone.
    UndoneIsKept => "undone_is_kept",
    /// A child that an aggregate no longer holds is not deleted.
    LeftChildStays => "left_child_stays",
    /// The children of a row go with those of all others.
    SweptWithoutParent => "swept_without_parent",
    /// Writes are not guarded by the version of their row.
    Unguarded => "unguarded",
    /// A child that moves to another row is deleted there and new here.
    MovedIsNew => "moved_is_new",
    /// A change of children alone does not raise the version of their row.
    ChildrenDoNotCount => "children_do_not_count",
    /// A read is answered with the row as it was before what is queued.
    QueueIsNotRead => "queue_is_not_read",
    /// Listeners are told of what was undone.
    UndoneIsTold => "undone_is_told",
}

impl Mutant {
    /// Whether the library is to have this fault.
    #[cfg(not(spakky_mutants))]
    #[inline]
    pub(crate) const fn is_on(self) -> bool {
        false
    }

    /// Whether the library is to have this fault.
    #[cfg(spakky_mutants)]
    pub(crate) fn is_on(self) -> bool {
        static NAMED: std::sync::LazyLock<Option<Mutant>> = std::sync::LazyLock::new(|| {
            let name = std::env::var("SPAKKY_MUTANT").ok()?;
            Mutant::ALL.iter().find(|(_, known)| *known == name).map(|(mutant, _)| *mutant)
        });
        *NAMED == Some(self)
    }
}
