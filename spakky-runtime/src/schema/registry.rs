//! Sets of tables: what a program stores, and the statements that make room for it.

use std::any::TypeId;
use std::collections::HashMap;

use super::check::{check_for_sqlite, check_native_types, check_tables, qualified};
use super::ddl::{self, Existing};
use super::default::check_defaults;
use super::{MappingEntry, TableDescriptor, TableEntry, TableOrder, native_enum, raise};
use crate::backend::Backend;
use crate::error::{Error, ErrorKind};

/// Held while tables are made or dropped, so that programs that start at once do not get in each other's way.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7308620183142853483)";

/// A set of tables.
///
/// Written out with [`schema!`](crate::schema!), which is the way for production, or collected with
/// [`SchemaRegistry::discover`]. A set with a mistake in it (two tables of one name, a foreign key that leads out of it)
/// answers everything with the error that says so; [`check`](Self::check) asks for nothing else.
#[derive(Debug, Clone)]
pub struct SchemaRegistry {
    order: TableOrder,
    domains: HashMap<TypeId, &'static TableDescriptor>,
    problem: Option<String>,
}

/// A set of tables by their row types, in any order: `schema![OrderRow, OrderLineRow]`.
#[macro_export]
macro_rules! schema {
    ($($row:ty),* $(,)?) => {
        $crate::schema::SchemaRegistry::of([$(<$row as $crate::schema::Table>::descriptor()),*])
    };
}

impl SchemaRegistry {
    /// The set of these tables, in any order. One given twice counts once.
    pub fn of(tables: impl IntoIterator<Item = &'static TableDescriptor>) -> Self {
        let mappings: Vec<_> = inventory::iter::<MappingEntry>.into_iter().copied().collect();
        Self::with_mappings(tables, &mappings)
    }

    /// Every table linked into the program. Tables of a crate that nothing in the program refers to are not linked, and
    /// so are missed.
    pub fn discover() -> Self {
        Self::of(inventory::iter::<TableEntry>.into_iter().map(|entry| (entry.descriptor)()))
    }

    pub(super) fn with_mappings(
        tables: impl IntoIterator<Item = &'static TableDescriptor>,
        mappings: &[MappingEntry],
    ) -> Self {
        let mut set: Vec<&'static TableDescriptor> = Vec::new();
        for table in tables {
            if !set.iter().any(|other| other.row_type == table.row_type) {
                set.push(table);
            }
        }
        let (domains, ambiguous) = find_domains(&set, mappings);
        let problem = check_tables(&set).err().or(ambiguous).or_else(|| crate::projection::first_problem(&set));
        SchemaRegistry { order: TableOrder::new(&set), domains, problem }
    }

    /// Whether the set can be used.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] with the first mistake.
    pub fn check(&self) -> Result<(), Error> {
        match &self.problem {
            Some(problem) => Err(refused(problem)),
            None => Ok(()),
        }
    }

    /// The tables, each after those it refers to.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] when the set has a mistake.
    pub fn tables(&self) -> Result<&[&'static TableDescriptor], Error> {
        self.check()?;
        Ok(self.order.tables())
    }

    /// The table of this name, with its schema (`billing.orders`) or, where no two schemas have it, without.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] when there is none or several, or the set has a mistake.
    pub fn table(&self, name: &str) -> Result<&'static TableDescriptor, Error> {
        let tables = self.tables()?;
        if let Some(exact) = tables.iter().find(|table| qualified(table) == name) {
            return Ok(exact);
        }
        let mut named = tables.iter().filter(|table| table.name == name);
        match (named.next(), named.next()) {
            (Some(table), None) => Ok(table),
            (Some(one), Some(other)) => Err(refused(&format!(
                "`{name}` may be `{}` or `{}`; name its schema too",
                qualified(one),
                qualified(other)
            ))),
            (None, _) => Err(refused(&format!("there is no table `{name}` in it; add its row type to the set"))),
        }
    }

    /// The table that stores this domain type; with several, the one marked `#[mappable(primary)]`.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] when there is none, or the set has a mistake.
    pub fn table_for<Domain: 'static>(&self) -> Result<&'static TableDescriptor, Error> {
        self.check()?;
        self.domains.get(&TypeId::of::<Domain>()).copied().ok_or_else(|| {
            refused(&format!(
                "no row type in it is mapped to `{}`; derive `Mappable` with that domain type and add the row type to \
                 the set",
                std::any::type_name::<Domain>()
            ))
        })
    }

    /// The statements that make the tables, as text for a migration.
    ///
    /// # Errors
    /// [`ErrorKind::Schema`] when the set has a mistake or the backend cannot hold it.
    pub fn ddl(&self, backend: Backend) -> Result<String, Error> {
        let mut text = String::new();
        for statement in self.create(backend, Existing::Refused)? {
            text.push_str(&statement);
            text.push_str(";\n");
        }
        Ok(text)
    }

    /// The statements that make what is not there yet, to run in this order in one transaction.
    pub(crate) fn create_statements(&self, backend: Backend) -> Result<Vec<String>, Error> {
        let mut statements = lock(backend);
        statements.extend(self.create(backend, Existing::Accepted)?);
        Ok(statements)
    }

    /// The statements that drop the tables, where they are there, to run in this order in one transaction. Schemas and
    /// `spakky_raise` stay: others may use them.
    pub(crate) fn drop_statements(&self, backend: Backend) -> Result<Vec<String>, Error> {
        self.check()?;
        let mut statements = lock(backend);
        statements.extend(ddl::drop_tables(&self.order, backend));
        if backend == Backend::Postgres {
            statements.extend(native_enum::drop_types(&self.order));
        }
        Ok(statements)
    }

    /// The tables in order, checked for this backend.
    #[cfg(feature = "migrations")]
    pub(crate) fn ordered(&self, backend: Backend) -> Result<&TableOrder, Error> {
        let tables = self.tables()?;
        check_native_types(tables, backend).map_err(|problem| refused(&problem))?;
        check_defaults(tables).map_err(|problem| refused(&problem))?;
        if backend == Backend::Sqlite {
            check_for_sqlite(tables).map_err(|problem| refused(&problem))?;
        }
        Ok(&self.order)
    }

    fn create(&self, backend: Backend, existing: Existing) -> Result<Vec<String>, Error> {
        let tables = self.tables()?;
        check_native_types(tables, backend).map_err(|problem| refused(&problem))?;
        check_defaults(tables).map_err(|problem| refused(&problem))?;
        let mut statements = Vec::new();
        match backend {
            Backend::Postgres => {
                statements.push(raise::INSTALL.to_owned());
                statements.extend(ddl::create_schemas(&self.order));
                statements.extend(native_enum::create_types(&self.order, existing));
            }
            Backend::Sqlite => check_for_sqlite(tables).map_err(|problem| refused(&problem))?,
        }
        statements.extend(tables.iter().flat_map(|table| ddl::create_table(table, &self.order, backend, existing)));
        if backend == Backend::Postgres {
            statements.extend(ddl::add_cyclic_foreign_keys(&self.order, existing));
        }
        Ok(statements)
    }
}

fn lock(backend: Backend) -> Vec<String> {
    match backend {
        Backend::Postgres => vec![LOCK.to_owned()],
        Backend::Sqlite => Vec::new(),
    }
}

fn refused(problem: &str) -> Error {
    Error::new(ErrorKind::Schema, format!("use the set of tables: {problem}"))
}

/// A table that stores a domain type, and whether it is marked as the primary one.
type Candidate = (&'static TableDescriptor, bool);

/// The table of each domain type in the set, and the first domain type for which it is not clear.
fn find_domains(
    tables: &[&'static TableDescriptor],
    mappings: &[MappingEntry],
) -> (HashMap<TypeId, &'static TableDescriptor>, Option<String>) {
    let mut found: HashMap<TypeId, (&'static str, Vec<Candidate>)> = HashMap::new();
    for mapping in mappings {
        let table = (mapping.descriptor)();
        if let Some(table) = tables.iter().find(|candidate| candidate.row_type == table.row_type) {
            let (domain, name) = (mapping.domain)();
            found.entry(domain).or_insert((name, Vec::new())).1.push((table, mapping.primary));
        }
    }
    let mut domains = HashMap::new();
    let mut problems = Vec::new();
    for (domain, (name, candidates)) in found {
        let primary: Vec<_> = candidates.iter().filter(|(_, primary)| *primary).collect();
        match (&candidates[..], &primary[..]) {
            ([(table, _)], _) | (_, [(table, _)]) => {
                domains.insert(domain, *table);
            }
            _ => {
                let mut rows: Vec<_> = candidates.iter().map(|(table, _)| format!("`{}`", table.rust_name)).collect();
                rows.sort_unstable();
                problems.push(format!(
                    "`{name}` is the domain type of {}; mark one of them `#[mappable(primary)]`",
                    rows.join(" and ")
                ));
            }
        }
    }
    problems.sort_unstable();
    (domains, problems.into_iter().next())
}
