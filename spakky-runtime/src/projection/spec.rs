//! What derived code says of a projection as a whole.

use std::marker::PhantomData;

use super::{FieldSpec, Projection};
use crate::schema::{Table, TableDescriptor};

/// A projection as derived code writes it down.
#[derive(Debug)]
pub struct ProjectionSpec {
    pub(super) name: &'static str,
    pub(super) table: fn() -> &'static TableDescriptor,
    /// The names of the profiles; the first has bit 0.
    pub(super) profiles: &'static [&'static str],
    pub(super) fields: &'static [FieldSpec],
}

impl ProjectionSpec {
    /// A projection of `Row` by its profiles and fields.
    pub const fn new<Row: Table>(
        name: &'static str,
        profiles: &'static [&'static str],
        fields: &'static [FieldSpec],
    ) -> Self {
        ProjectionSpec { name, table: Row::descriptor, profiles, fields }
    }
}

/// Which fields of a projection are loaded: those of a named profile, or all. `#[projection(profiles(list, detail))]`
/// makes a constant for each: `OrderView::LIST`, `OrderView::DETAIL`.
pub struct Profile<View> {
    pub(super) mask: u64,
    marker: PhantomData<fn() -> View>,
}

impl<View> Profile<View> {
    /// Every field, of whatever profile.
    pub const fn whole() -> Self {
        Profile { mask: u64::MAX, marker: PhantomData }
    }

    /// The profile at this place in the projection's list.
    #[doc(hidden)]
    pub const fn at(position: u32) -> Self {
        Profile { mask: 1 << position, marker: PhantomData }
    }
}

/// The profiles of a view that declares none.
#[derive(Debug)]
pub struct NoProfiles<View>(PhantomData<fn() -> View>);

impl<View> NoProfiles<View> {
    /// None.
    pub const NEW: Self = NoProfiles(PhantomData);
}

impl<View: Projection> Profile<View> {
    /// Its name; `None` for all fields.
    pub fn name(&self) -> Option<&'static str> {
        name_of(View::spec(), self.mask)
    }
}

/// The name of a profile; `None` for all fields.
pub(super) fn name_of(spec: &ProjectionSpec, mask: u64) -> Option<&'static str> {
    match mask {
        u64::MAX => None,
        mask => spec.profiles.get(mask.trailing_zeros() as usize).copied(),
    }
}

impl<View> Clone for Profile<View> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<View> Copy for Profile<View> {}

impl<View: Projection> std::fmt::Debug for Profile<View> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Profile({})", self.name().unwrap_or("whole"))
    }
}

/// One projection linked into the program.
#[derive(Debug, Clone, Copy)]
pub struct ProjectionEntry {
    /// Where its fields come from.
    pub spec: fn() -> &'static ProjectionSpec,
}

inventory::collect!(ProjectionEntry);
