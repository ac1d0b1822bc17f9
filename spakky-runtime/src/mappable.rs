//! Domain types and the rows that store them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::schema::Table;
use crate::transaction::Fate;

/// A row type that stores a domain type.
///
/// Written by `#[derive(Mappable)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not mapped to a domain type",
    label = "no mapping",
    note = "derive `Mappable` for `{Self}` and name the domain type: `#[mappable(domain = …)]`, or `Self`"
)]
pub trait Mappable: Sized + Send + Sync + 'static {
    /// The domain type; the row itself with `domain = Self`.
    type Domain: Send + 'static;

    /// For each column, whether it comes from the domain type. Only these are compared and written by a save.
    fn mapped() -> &'static [bool];

    /// For each relation what comes from the domain type; `None` where nothing does. Empty without relations.
    #[doc(hidden)]
    fn mapped_children() -> &'static [Option<fn() -> Mapping>] {
        &[]
    }

    /// What comes from the domain type, in this table and in those of its relations.
    #[doc(hidden)]
    fn mapping() -> Mapping {
        Mapping { columns: Some(Self::mapped()), children: Self::mapped_children() }
    }

    /// Whether [`merge`](Self::merge) takes parts of mapped fields from its base, as for a domain value inside a JSON column
    /// that leaves some of it out. Else whole columns are kept without a base.
    #[doc(hidden)]
    fn merges_fields() -> bool {
        true
    }

    /// Whether two rows are the same by their ids; `None` for what has none, a part of a row.
    #[doc(hidden)]
    fn is_same_row(&self, _other: &Self) -> Option<bool> {
        None
    }

    /// The row of a domain value. Fields that are not mapped come from `base` (the row as loaded), else from their
    /// `row_only = …` expression, else from `Default`.
    fn merge(domain: &Self::Domain, base: Option<&Self>) -> Self;

    /// The row of a new domain value: [`merge`](Self::merge) without a base.
    fn from_domain(domain: &Self::Domain) -> Self {
        Self::merge(domain, None)
    }

    /// The domain value of a row.
    ///
    /// # Errors
    /// When a field's conversion or the constructor refuses the stored data.
    fn to_domain(self) -> Result<Self::Domain, MappingError>;

    /// The revision held by the domain value, if it has a field for one.
    fn revision(_domain: &Self::Domain) -> Option<Revision> {
        None
    }

    /// Sets the revision held by the domain value, if it has a field for one.
    fn set_revision(_domain: &mut Self::Domain, _revision: Revision) {}
}

/// Which columns of a table, and of the tables of its relations, come from the domain type.
#[derive(Debug, Clone, Copy)]
pub struct Mapping {
    /// `None` for all.
    columns: Option<&'static [bool]>,
    children: &'static [Option<fn() -> Mapping>],
}

impl Mapping {
    /// Every column, of the children too.
    pub const WHOLE: Mapping = Mapping { columns: None, children: &[] };

    /// Nothing: not a column, and no children.
    pub(crate) const NOTHING: Mapping = Mapping { columns: Some(&[]), children: &[] };

    /// Whether nothing comes from the domain type.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Mapping::NOTHING
    }

    /// These columns of a table without relations.
    #[cfg(test)]
    pub(crate) const fn of(columns: &'static [bool]) -> Self {
        Mapping { columns: Some(columns), children: &[] }
    }

    /// Whether the column at this position comes from the domain type.
    pub(crate) fn holds(&self, column: usize) -> bool {
        self.columns.is_none_or(|columns| columns.get(column).copied().unwrap_or_default())
    }

    /// What comes from the domain type in the relation at this position; `None` if nothing does.
    pub(crate) fn child(&self, relation: usize) -> Option<Mapping> {
        match self.columns {
            None => Some(Mapping::WHOLE),
            Some(_) => self.children.get(relation).copied().flatten().map(|child| child()),
        }
    }
}

impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        self.columns == other.columns
    }
}

/// Where a domain value comes from: the version it was loaded with, and which load or save of it this copy is.
///
/// A domain type may hold one, mapped with `#[mappable(field = revision)]` on the row's version column. A stale copy
/// and a save in another session are then detected without any bookkeeping by the caller. A new value starts with
/// `Revision::default()`.
///
/// A save raises the version at once, though the database has it only when the unit of work is committed. If that is undone,
/// or the nested scope of it in which the value was saved, the revision is what it was before.
///
/// Two revisions are equal if their versions are. So a value that was saved equals the one that is then read, and a domain
/// type that derives `PartialEq` compares what it holds, not what its session did with the copy.
#[derive(Debug, Clone, Default)]
pub struct Revision {
    pub(crate) version: Option<i64>,
    /// Counts the queued saves of this aggregate in one session, to tell an older copy from the newest.
    pub(crate) save: u64,
    given: Option<Arc<Given>>,
    /// It was made of a number, which does not know what became of the scope that gave it.
    is_number: bool,
    /// The value was read in a scope behind what that had written, and the scope was undone.
    is_spent: bool,
}

/// By what a revision was given that the database does not have yet.
#[derive(Debug)]
struct Given {
    by: Arc<Fate>,
    before: Revision,
}

impl Revision {
    /// The revision of a stored value with this version, as a repository would have loaded it.
    pub fn loaded(version: i64) -> Self {
        Revision { is_number: true, ..Revision::of(Some(version), 0) }
    }

    /// The version the value was loaded with, or that it got by a save since, unless what saved it was undone; `None` for a new
    /// value.
    pub fn version(&self) -> Option<i64> {
        self.resolved().version
    }

    pub(crate) fn of(version: Option<i64>, save: u64) -> Self {
        Revision { version, save, given: None, is_number: false, is_spent: false }
    }

    /// The revision as of now: what was undone gave none.
    pub(crate) fn resolved(&self) -> &Revision {
        match &self.given {
            Some(given) if given.by.is_undone() => given.before.resolved(),
            _ => self,
        }
    }

    /// The revision that a save in this scope gives to a value which had `before`.
    pub(crate) fn given_by(self, by: &Arc<Fate>, before: &Revision) -> Self {
        let mut before = before.resolved();
        // Several saves in one scope are undone together.
        while let Some(given) = before.given.as_ref().filter(|given| Arc::ptr_eq(&given.by, by)) {
            before = given.before.resolved();
        }
        Revision { given: Some(Arc::new(Given { by: Arc::clone(by), before: before.clone() })), ..self }
    }

    /// The revision of a value that was read in this scope, which may have written what was read.
    pub(crate) fn read_in(self, by: &Arc<Fate>) -> Self {
        let before = Revision { is_spent: true, given: None, ..self };
        Revision {
            given: Some(Arc::new(Given { by: Arc::clone(by), before: before.clone() })),
            is_spent: false,
            ..before
        }
    }

    /// Whether the scope that its value was read in was undone, behind what that had written.
    pub(crate) fn is_spent(&self) -> bool {
        self.resolved().is_spent
    }

    /// Whether it was made of a number, which does not know what became of the scope that gave it.
    pub(crate) fn is_bare(&self) -> bool {
        self.is_number
    }
}

impl PartialEq for Revision {
    fn eq(&self, other: &Self) -> bool {
        self.version() == other.version()
    }
}

impl Eq for Revision {}

impl Hash for Revision {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.version().hash(state);
    }
}

/// A domain field that a row's version column is mapped to: a [`Revision`], or the bare number.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot hold the version of a row",
    label = "not a version",
    note = "use `Revision` (which also detects stale copies) or `i64` for the domain field"
)]
pub trait VersionField: Sized {
    /// The revision this field stands for.
    fn to_revision(&self) -> Revision;

    /// The field's value for a revision.
    fn from_revision(revision: Revision) -> Self;
}

impl VersionField for Revision {
    fn to_revision(&self) -> Revision {
        self.clone()
    }

    fn from_revision(revision: Revision) -> Self {
        revision
    }
}

/// A new value has version 0, since the first stored version is 1.
impl VersionField for i64 {
    fn to_revision(&self) -> Revision {
        Revision { is_number: true, ..Revision::of(Some(*self).filter(|version| *version > 0), 0) }
    }

    fn from_revision(revision: Revision) -> Self {
        revision.version().unwrap_or_default()
    }
}

/// A stored row that is no valid domain value. Names table, column and key.
#[derive(Debug)]
pub struct MappingError {
    column: Option<String>,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl MappingError {
    /// The conversion of one column failed.
    pub fn column(name: impl Into<String>, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        MappingError { column: Some(name.into()), source: source.into() }
    }

    /// The constructor refused the row as a whole.
    pub fn construct(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        MappingError { column: None, source: source.into() }
    }

    /// The column, if one conversion failed and not the constructor.
    pub fn column_name(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// The same error of a struct whose columns carry a prefix.
    pub(crate) fn prefixed(mut self, prefix: &str) -> Self {
        self.column = self.column.map(|column| format!("{prefix}{column}"));
        self
    }

    /// The public error, with table and key added.
    pub(crate) fn into_error<Row: Table>(self, key: &str) -> Error {
        let table = Row::descriptor().name;
        let message = match &self.column {
            Some(column) => {
                format!(
                    "map column `{column}` of `{table}` with key {key}: its conversion refuses the value; why is the error's source"
                )
            }
            None => format!(
                "map the row of `{table}` with key {key}: the constructor of its domain type refuses it; why is the error's \
                 source"
            ),
        };
        let columns = self.column.into_iter().collect();
        Error::new(ErrorKind::Mapping, message)
            .with_table(table)
            .with_columns(columns)
            .with_ids(vec![key.to_owned()])
            .with_source(self.source)
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "map column `{column}`: its conversion refuses the value"),
            None => f.write_str("map the row: the constructor of its domain type refuses it"),
        }
    }
}

impl std::error::Error for MappingError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use std::sync::Arc;

    use super::{Fate, Revision};

    #[test]
    fn revisions_of_one_version_are_equal_and_hash_alike() {
        let (loaded, saved) = (Revision::loaded(3), Revision::of(Some(3), 2));
        assert_eq!(loaded, saved);
        assert_eq!(HashSet::from([loaded, saved, Revision::default()]).len(), 2);
    }

    #[test]
    fn what_was_undone_gave_no_revision() {
        let (outer, loaded) = (Arc::new(Fate::default()), Revision::loaded(3));
        let inner = Arc::new(Fate::inside(Some(outer.clone())));
        let saved = Revision::of(Some(4), 1).given_by(&outer, &loaded);
        let nested = Revision::of(Some(4), 2).given_by(&inner, &saved);
        let again = Revision::of(Some(4), 3).given_by(&inner, &nested);
        assert_eq!([&saved, &nested, &again].map(Revision::version), [Some(4); 3]);
        inner.undo();
        assert_eq!((again.version(), again.resolved().save), (Some(4), 1));
        outer.undo();
        assert_eq!([&saved, &nested, &again].map(Revision::version), [Some(3); 3]);
    }
}
