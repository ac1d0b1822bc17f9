//! The comparison of a registry with a database.

use super::change::{Change, Place};
use super::plan::{Renames, plan};
use super::render::{self, Block};
use super::shape::{TableName, TableShape};
use super::wanted::{adopt, name_of, shape_of};
use crate::backend::Backend;
use crate::error::Error;
use crate::quote::printable;
use crate::schema::native_enum::enums;
use crate::schema::{SchemaRegistry, TableDescriptor};
use crate::session::SessionManager;
use crate::transaction::commit_token;

/// The table in which diesel notes what has run.
pub(crate) const VERSIONS: &str = "__diesel_schema_migrations";

/// What a comparison looks at.
///
/// ```
/// use spakky_runtime::migrations::DiffOptions;
///
/// let options = DiffOptions::new().drop_unknown().ignore("spatial_ref_sys");
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct DiffOptions {
    drop_unknown: bool,
    ignored: Vec<String>,
}

impl DiffOptions {
    /// The tables of the registry, and no others.
    pub fn new() -> Self {
        Self::default()
    }

    /// Drops tables that the registry does not have, in the schemas that it uses. That is destructive.
    pub fn drop_unknown(mut self) -> Self {
        self.drop_unknown = true;
        self
    }

    /// Leaves a table alone, whether the registry has it or not: `orders`, or with its schema `shop.orders`.
    pub fn ignore(mut self, table: impl Into<String>) -> Self {
        self.ignored.push(table.into());
        self
    }

    fn ignores(&self, table: &TableName) -> bool {
        table.name == VERSIONS
            || table.name == commit_token::TABLE
            || self.ignored.iter().any(|name| *name == table.to_string())
    }
}

/// One change that a migration makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiffStep {
    text: String,
    danger: Option<String>,
}

impl DiffStep {
    /// Why the step may lose data, or fail on the data there is; `None` if it does neither.
    pub fn danger(&self) -> Option<&str> {
        self.danger.as_deref()
    }

    /// Whether the step is written only if that is allowed.
    pub fn is_destructive(&self) -> bool {
        self.danger.is_some()
    }
}

impl std::fmt::Display for DiffStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&printable(&self.text))
    }
}

/// What separates a database from the tables of a registry; from [`SchemaRegistry::diff`].
#[derive(Debug, Clone)]
pub struct SchemaDiff {
    pub(crate) backend: Backend,
    before: Vec<TableShape>,
    after: Vec<TableShape>,
    renames: Renames,
    /// Values to add to types: a transaction of their own, since no other may use them before it is over.
    labels: Vec<Change>,
    changes: Vec<Change>,
    notes: Vec<String>,
}

/// One migration: what its files hold.
#[derive(Debug)]
pub(crate) struct Files {
    /// Appended to the name, to tell two migrations of one diff apart.
    pub(crate) suffix: &'static str,
    pub(crate) up: String,
    pub(crate) down: String,
    pub(crate) run_in_transaction: bool,
}

impl SchemaRegistry {
    /// Compares the tables with those of the database: types, whether a column may be empty, defaults, keys, indexes,
    /// checks, foreign keys. Tables that the registry does not have are left alone.
    ///
    /// What a descriptor cannot say is left alone too: indexes over expressions or of other kinds, triggers, computed
    /// columns, `ON UPDATE`. On PostgreSQL the expressions of the registry are written by the server in a transaction
    /// that is rolled back, so that they are compared by what they mean; this needs the right to make temporary tables.
    ///
    /// ```no_run
    /// # async fn example(sessions: spakky_runtime::SessionManager, registry: spakky_runtime::SchemaRegistry) -> Result<(), spakky_runtime::Error> {
    /// use spakky_runtime::migrations::WriteOptions;
    ///
    /// let diff = registry.diff(&sessions).await?;
    /// for step in diff.steps() {
    ///     println!("{step}");
    /// }
    /// diff.write("migrations", "add_orders", WriteOptions::new())?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`is_schema`](Error::is_schema) when the set has a mistake or a table cannot be made as it is described, else
    /// whatever the database says.
    ///
    /// # Cancellation
    /// Nothing is written, so dropping the future has no effect.
    pub async fn diff(&self, sessions: &SessionManager) -> Result<SchemaDiff, Error> {
        self.diff_with(sessions, &DiffOptions::new()).await
    }

    /// As [`diff`](Self::diff), looking at other tables too, or at fewer.
    ///
    /// # Errors
    /// As [`diff`](Self::diff).
    pub async fn diff_with(&self, sessions: &SessionManager, options: &DiffOptions) -> Result<SchemaDiff, Error> {
        let backend = sessions.backend();
        let order = self.ordered(backend)?;
        let tables: Vec<_> =
            order.tables().iter().copied().filter(|table| !options.ignores(&name_of(table, backend))).collect();
        let wanted = tables.iter().map(|table| shape_of(table, order, backend)).collect();
        let comparison = Comparison { tables, wanted, options, backend };
        match backend {
            #[cfg(feature = "postgres")]
            Backend::Postgres => comparison.on_postgres(sessions).await,
            #[cfg(feature = "sqlite")]
            Backend::Sqlite => comparison.on_sqlite(sessions).await,
            #[cfg(not(all(feature = "postgres", feature = "sqlite")))]
            _ => unreachable!("a manager of a backend that is not compiled in cannot be made"),
        }
    }
}

/// What a comparison finds beside the tables.
#[derive(Default)]
struct Made {
    changes: Vec<Change>,
    labels: Vec<Change>,
    notes: Vec<String>,
}

/// What is compared with a database.
struct Comparison<'a> {
    tables: Vec<&'static TableDescriptor>,
    wanted: Vec<TableShape>,
    options: &'a DiffOptions,
    backend: Backend,
}

impl Comparison<'_> {
    #[cfg(feature = "sqlite")]
    async fn on_sqlite(self, sessions: &SessionManager) -> Result<SchemaDiff, Error> {
        sessions.check_defaults(&self.tables).await?;
        let live = super::live::sqlite::tables(sessions, &self.wanted).await?;
        let live = live.into_iter().filter(|table| !self.options.ignores(&table.name)).collect();
        Ok(self.finish(live, Made::default()))
    }

    #[cfg(feature = "postgres")]
    async fn on_postgres(mut self, sessions: &SessionManager) -> Result<SchemaDiff, Error> {
        use super::live::postgres as catalog;
        use crate::transaction::TransactionOptions;

        let transaction = sessions.begin_with(TransactionOptions::new().name("schema diff"));
        let session = transaction.session();
        let old = |table: &&'static TableDescriptor| {
            let name = table.renamed_from?.to_owned();
            Some(TableName { name, ..name_of(table, Backend::Postgres) })
        };
        let mut names: Vec<_> = self.wanted.iter().map(|table| table.name.clone()).collect();
        names.extend(self.tables.iter().filter_map(old));
        let schemas: Vec<&str> = self.tables.iter().filter_map(|table| table.schema).collect();
        let mut found = catalog::tables(session, &names).await?;
        let mut called: std::collections::HashMap<i64, TableName> =
            found.iter().map(|table| (table.oid(), names[table.asked()].clone())).collect();
        if self.options.drop_unknown {
            for table in catalog::tables_of_schemas(session, &schemas).await? {
                if let std::collections::hash_map::Entry::Vacant(free) = called.entry(table.oid()) {
                    free.insert(table.own_name());
                    found.push(table);
                }
            }
        }
        let mut live: Vec<TableShape> = Vec::new();
        for table in found {
            let name = called.get(&table.oid()).cloned().unwrap_or_else(|| table.own_name());
            if !table.is_table() {
                return Err(super::live::no_table(&name));
            }
            if !self.options.ignores(&name) && live.iter().all(|other| other.name != name) {
                live.push(table.shape(name, &called));
            }
        }

        let enums = enums(&self.tables);
        let enum_names: Vec<&str> = enums.iter().map(|(name, _)| *name).collect();
        let (installed, types) = catalog::types(session, &enum_names).await?;
        let mut schemas = schemas;
        schemas.sort_unstable();
        schemas.dedup();
        let mut made: Vec<Change> =
            catalog::missing_schemas(session, &schemas).await?.into_iter().map(Change::CreateSchema).collect();
        if !installed && !self.tables.is_empty() {
            made.push(Change::InstallRaise);
        }
        let (mut labels, mut notes) = (Vec::new(), Vec::new());
        let mut lacking = Vec::new();
        for (name, wanted) in enums {
            match types.get(name).and_then(Option::as_ref) {
                None => {
                    made.push(Change::CreateType { name: name.to_owned(), labels: wanted });
                    lacking.push((name, wanted));
                }
                // A type of another kind is the user's own.
                Some(there) if there.is_empty() => {}
                Some(there) => {
                    let added = add_labels(name, wanted, there);
                    if !added.is_empty() {
                        lacking.push((name, wanted));
                    }
                    labels.extend(added);
                    notes.extend(unknown_labels(name, wanted, there));
                    notes.extend(other_order(name, wanted, there));
                }
            }
        }
        catalog::deparse(session, &mut self.wanted, &lacking).await?;
        transaction.rollback().await;
        Ok(self.finish(live, Made { changes: made, labels, notes }))
    }

    fn finish(mut self, live: Vec<TableShape>, made: Made) -> SchemaDiff {
        let renames = self.renames(&live);
        let mut renamed = live.clone();
        renames.apply(&mut renamed);
        let is_wanted = |name: &TableName| self.wanted.iter().any(|table| table.name == *name);
        let compared = |position: usize| self.options.drop_unknown || is_wanted(&renamed[position].name);
        let before: Vec<_> = live
            .iter()
            .enumerate()
            .filter(|(position, _)| compared(*position))
            .map(|(_, table)| table.clone())
            .collect();
        for wanted in &mut self.wanted {
            if let Some(live) = renamed.iter().find(|table| table.name == wanted.name) {
                adopt(wanted, live);
            }
        }
        let Made { mut changes, labels, notes } = made;
        changes.extend(plan(&before, &self.wanted, &renames));
        SchemaDiff { backend: self.backend, before, after: self.wanted, renames, labels, changes, notes }
    }

    /// The renames whose old name is there and whose new one is not.
    fn renames(&self, live: &[TableShape]) -> Renames {
        let mut renames = Renames::default();
        let find = |name: &TableName| live.iter().find(|table| table.name == *name);
        for table in &self.tables {
            let name = name_of(table, self.backend);
            let mut home = find(&name);
            if let (None, Some(old)) = (home, table.renamed_from) {
                let old = TableName { name: old.to_owned(), ..name.clone() };
                let is_another = self.wanted.iter().any(|other| other.name == old);
                if let (Some(found), false) = (find(&old), is_another) {
                    renames.tables.push((old, name.clone()));
                    home = Some(found);
                }
            }
            let Some(home) = home else { continue };
            for column in &table.columns {
                if let Some(old) = &column.renamed_from
                    && home.column(&column.name).is_none()
                    && home.column(old).is_some()
                {
                    renames.columns.push((name.clone(), old.clone(), column.name.clone()));
                }
            }
        }
        renames
    }
}

/// The values that a type lacks, each behind the one that it follows.
fn add_labels(name: &str, wanted: &[&'static str], there: &[String]) -> Vec<Change> {
    let is_there = |label: &str| there.iter().any(|other| other == label);
    let mut added = Vec::new();
    for (position, label) in wanted.iter().enumerate() {
        if is_there(label) {
            continue;
        }
        let before = wanted[position..].iter().find(|label| is_there(label)).copied();
        let place = match position.checked_sub(1) {
            Some(previous) => Some(Place::After(wanted[previous])),
            None => before.map(Place::Before),
        };
        added.push(Change::AddLabel { name: name.to_owned(), label, place });
    }
    added
}

/// That the values are in another order than those of their enum, in words.
fn other_order(name: &str, wanted: &[&'static str], there: &[String]) -> Option<String> {
    let known: Vec<&str> = there.iter().map(String::as_str).filter(|label| wanted.contains(label)).collect();
    let expected = wanted.iter().filter(|label| known.contains(label));
    let differs = !expected.eq(known.iter());
    let listed = || known.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
    differs.then(|| {
        format!(
            "type `{name}` has its values in the order {}, by which PostgreSQL sorts and compares them, and the program in \
             another; declare them in that order, or make the type anew",
            listed()
        )
    })
}

/// The values that a type has and its enum has not, in words.
fn unknown_labels(name: &str, wanted: &[&'static str], there: &[String]) -> Option<String> {
    let unknown = there.iter().filter(|label| !wanted.contains(&label.as_str()));
    let unknown: Vec<String> = unknown.map(|label| format!("`{label}`")).collect();
    let values = match unknown.as_slice() {
        [] => return None,
        [value] => format!("the value {value}"),
        values => format!("the values {}", values.join(", ")),
    };
    Some(format!(
        "type `{name}` has {values}, which the program does not have; PostgreSQL cannot take values away, so see that no \
         row holds one"
    ))
}

impl SchemaDiff {
    /// Whether the database has the tables just as the registry describes them.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.labels.is_empty()
    }

    /// The changes that make the database fit, in order.
    pub fn steps(&self) -> Vec<DiffStep> {
        let changes = self.labels.iter().chain(&self.changes);
        changes.map(|change| DiffStep { text: change.to_string(), danger: change.danger(self.backend) }).collect()
    }

    /// What differs and no statement can change: values of a PostgreSQL enum that the program does not have, or has in
    /// another order. They are no steps, and a difference that consists of nothing else [`is_empty`](Self::is_empty).
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The statements that make the changes, each with a comment; steps that may lose data are marked.
    pub fn up_sql(&self) -> String {
        let texts: Vec<_> = self.files().into_iter().map(|files| files.up).collect();
        texts.join("\n")
    }

    /// The statements that take the changes back, the data excepted.
    pub fn down_sql(&self) -> String {
        let texts: Vec<_> = self.files().into_iter().rev().map(|files| files.down).collect();
        texts.join("\n")
    }

    /// One migration, or two: a value added to a type can be used only once that is committed.
    pub(crate) fn files(&self) -> Vec<Files> {
        let mut files = Vec::new();
        if !self.labels.is_empty() {
            let mut blocks = render::postgres::blocks(&self.labels, true);
            let up = render::text(&blocks);
            for (block, change) in blocks.iter_mut().zip(&self.labels) {
                block.statements.clear();
                if let Change::AddLabel { name, label, .. } = change {
                    block.comments = vec![format!(
                        "`{label}` stays in type `{name}`: PostgreSQL can add values, not take them away"
                    )];
                }
            }
            let down = format!("{}SELECT 1;\n", render::text(&blocks));
            let suffix = if self.changes.is_empty() { "" } else { "_values" };
            files.push(Files { suffix, up, down, run_in_transaction: true });
        }
        if !self.changes.is_empty() {
            files.push(self.main_files());
        }
        files
    }

    fn main_files(&self) -> Files {
        let back = self.renames.reversed();
        let mut undone = plan(&self.after, &self.before, &back);
        undone.extend(self.changes.iter().filter_map(|change| match change {
            Change::CreateType { name, .. } => Some(Change::DropType(name.clone())),
            _ => None,
        }));
        let up = self.blocks(&self.changes, &self.before, &self.after, &self.renames, true);
        let down = self.blocks(&undone, &self.after, &self.before, &back, false);
        // One setting holds for both files. On the way back tables go that nobody refers to any more.
        let alone = self.backend == Backend::Sqlite
            && (render::sqlite::needs_foreign_keys_off(&self.changes) || render::sqlite::rebuilds_any(&undone));
        let mut down_text =
            "-- Restores the tables as they were before, not the data that was in what is dropped.\n".to_owned();
        let restored = if down.is_empty() { "SELECT 1;\n".to_owned() } else { render::text(&down) };
        down_text.push_str(&wrapped(&format!("\n{restored}"), alone));
        Files { suffix: "", up: wrapped(&render::text(&up), alone), down: down_text, run_in_transaction: !alone }
    }

    fn blocks(
        &self,
        changes: &[Change],
        before: &[TableShape],
        after: &[TableShape],
        renames: &Renames,
        marked: bool,
    ) -> Vec<Block> {
        match self.backend {
            Backend::Postgres => render::postgres::blocks(changes, marked),
            Backend::Sqlite => render::sqlite::blocks(changes, before, after, renames, marked),
        }
    }
}

/// The head and the foot of a script that runs with foreign keys off, in a transaction that it begins itself.
pub(crate) const FOREIGN_KEYS_OFF: [&str; 2] = ["PRAGMA foreign_keys = OFF", "BEGIN IMMEDIATE"];
pub(crate) const FOREIGN_KEYS_ON: [&str; 2] = ["COMMIT", "PRAGMA foreign_keys = ON"];

fn wrapped(text: &str, foreign_keys_off: bool) -> String {
    if !foreign_keys_off {
        return text.to_owned();
    }
    let [off, begin] = FOREIGN_KEYS_OFF;
    let [commit, on] = FOREIGN_KEYS_ON;
    format!(
        "-- With foreign keys on, a table that is dropped would take the rows that refer to it along. They can be turned\n\
         -- off only outside a transaction, so metadata.toml says that this file has one of its own.\n\
         {off};\n{begin};\n\n{}\n\n{commit};\n{on};\n",
        text.trim()
    )
}

impl std::fmt::Display for SchemaDiff {
    /// One line for each step, and for each note behind them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() {
            writeln!(f, "the database fits the tables of the program")?;
        }
        for step in self.steps() {
            match step.danger() {
                Some(danger) => writeln!(f, "{step} (destructive: {danger})")?,
                None => writeln!(f, "{step}")?,
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}
