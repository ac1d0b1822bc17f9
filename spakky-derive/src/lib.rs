//! Derive macros of the spakky persistence framework; use them through the `spakky` crate.
//!
//! Each macro goes through the same stages: attributes as written, a closed model, checks, expansion. Mistakes are
//! collected on the way and reported all at once, beside a fallback that keeps one mistake from causing others.

// A mistake of the user's is reported at its place; a macro that panics says nothing.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable, clippy::todo)]

mod attr;
mod column_value;
mod diagnostics;
mod has_sessions;
mod keys;
mod mappable;
mod projection;
#[cfg(test)]
mod snapshots;
mod syntax;
mod table;
mod test;
mod transactional;

use proc_macro::TokenStream;

/// Makes a type storable in one column.
///
/// * A struct with one field is stored as that field (`PhantomData` beside it is ignored).
/// * An enum without data is stored as text: the variant's name in `snake_case`.
///
/// Both can be elements of an array column (`Vec<OrderStatus>`), unless they wrap something that cannot.
///
/// # On the type: `#[column(..)]`
///
/// | key | effect |
/// |---|---|
/// | `rename_all = "kebab-case"` | the case of all variants: `lowercase`, `UPPERCASE`, `PascalCase`, `camelCase`, `snake_case`, `SCREAMING_SNAKE_CASE`, `kebab-case`, `SCREAMING-KEBAB-CASE` |
/// | `repr = i16` | variants are stored as numbers (`i16`, `i32`, `i64`): their discriminants, or `value` on each |
/// | `pg_type = "order_status"` | a type of the database's own on PostgreSQL, such as a native enum or `citext`; text elsewhere |
/// | `sql_type = diesel::sql_types::Inet` | a newtype of what diesel can write and read as this SQL type (`ToSql`, `FromSql`), on the backends where diesel can; refused on the others. With `pg_type`, that is the type's name on PostgreSQL (`"vector(3)"`) |
/// | `diesel` | also a value of diesel's own queries |
/// | `crate = path` | where `spakky` is found |
///
/// # On a variant: `#[column(..)]`
///
/// | key | effect |
/// |---|---|
/// | `rename = "void"` | the variant's text |
/// | `value = 3` | the variant's number, with `repr` |
/// | `other` | keeps what is stored and no other variant's: `Unknown(String)`, or the number with `repr` |
///
/// Without an `other` variant, a stored value that no variant has is an error naming table, column and value.
#[proc_macro_derive(ColumnValue, attributes(column))]
pub fn derive_column_value(input: TokenStream) -> TokenStream {
    column_value::derive(input.into()).into()
}

/// Says which field of a service holds its session manager: the one of type `SessionManager`, or the one marked
/// `#[sessions]`, which may be another service too.
///
/// `#[transactional]` on a method finds its sessions by this trait. `#[sessions(crate = path)]` on the struct says where
/// `spakky` is found.
#[proc_macro_derive(HasSessions, attributes(sessions))]
pub fn derive_has_sessions(input: TokenStream) -> TokenStream {
    has_sessions::derive(input.into()).into()
}

/// Maps a row to the domain type it stores.
///
/// Fields are mapped by name and have the same type on both sides, unless a key says otherwise. Columns with a role
/// (version, stamps, tenant, soft deletion) and skipped fields stay in the row unless they are mapped with `field = …`. Every field of the
/// domain type must be covered; one that is not is an error at `domain = …`.
///
/// # On the struct: `#[mappable(..)]`
///
/// | key | effect |
/// |---|---|
/// | `domain = Order` | the domain type; `Self` if the row is the domain type |
/// | `construct = Order::restore` | makes a domain value by a function of the mapped values in row order, instead of a struct literal |
/// | `try_construct = Order::restore` | the same for a function that returns a `Result` |
/// | `access = getters` | reads the domain value by methods (`order.status()`) instead of fields; they return the value or a reference to it. A version is set by `set_<field>`. `access = fields` is how it is read otherwise |
/// | `primary` | a lookup by domain type finds this table, when several store the type |
/// | `crate = path` | where `spakky` is found |
///
/// # On a field: `#[mappable(..)]`
///
/// | key | effect |
/// |---|---|
/// | `field = customer` | the domain field's name (or position), where it is another |
/// | `row_only` | not mapped: kept from the loaded row, `Default` in a new one |
/// | `row_only = expression` | the same, with this value in a new row |
/// | `with = module` | converted by `module::from_domain(&domain) -> row` and `module::to_domain(row) -> domain` |
/// | `try_with = module` | the same, where `to_domain` returns a `Result` |
/// | `into` | converted by `From` in both directions |
/// | `try_into` | converted by `From` into the row and by `TryFrom` into the domain type |
/// | `parent` | in a child: the key of the row it belongs to, filled in from there |
/// | `nested` | a row, `Option` or `Vec` of rows that derive `Mappable` themselves |
/// | `wrapped` | a `Json<T>` or `Tagged<T>` of the domain field |
///
/// A version column mapped with `field = revision` fills a domain field of type `Revision` or `i64`, by which stale copies
/// are detected without a session.
#[proc_macro_derive(Mappable, attributes(mappable))]
pub fn derive_mappable(input: TokenStream) -> TokenStream {
    mappable::derive(input.into()).into()
}

/// Makes a struct a view of a table's rows and of what is around them, for reading.
///
/// ```text
/// #[derive(Debug, Projection)]
/// #[projection(row = OrderRow, profiles(list, detail))]
/// pub struct OrderView {
///     id: OrderId,
///     #[projection(joined(CustomerRow.name, by = customer_id))]
///     customer: String,
///     #[projection(has_many(by = order_id, order_by = position), profiles(detail))]
///     lines: Loaded<Vec<LineView>>,
/// }
///
/// let views = orders.project::<OrderView>().profile(OrderView::LIST).limit(20).all().await?;
/// ```
///
/// A field without a key is the column of its name. A field that some profile leaves out is a `Loaded`. Nothing is loaded
/// row by row: there is one query for each relation of a level, and those of one level travel in one burst.
///
/// # On the struct: `#[projection(..)]`
///
/// | key | effect |
/// |---|---|
/// | `row = OrderRow` | the row type of the table that is read |
/// | `profiles(list, detail)` | named sets of fields, each a constant: `OrderView::LIST` |
/// | `crate = path` | where `spakky` is found |
///
/// # On a field: `#[projection(..)]`
///
/// | key | effect |
/// |---|---|
/// | `column = total`, `column = ship.street` | the column of another field of the row |
/// | `belongs_to(by = customer_id)` | the row that a column refers to, as a projection or an `Option` of one |
/// | `has_one(by = order_id)` | the one row whose column refers to this one, likewise |
/// | `has_one(by = order_id, order_by = (placed_at desc, id))` | of several such rows the first in this order, and then by its key; without one several are an error |
/// | `has_many(by = order_id, order_by = (position desc, id))` | the rows whose column refers to this one, as a `Vec` of projections |
/// | `many_to_many(through = OrderTagRow, from = order_id, to = tag_id, order_by = name)` | the rows that those of a third table link to this one |
/// | `filter = function`, in `has_one`, `has_many`, `many_to_many`, `count`, `exists`, `sum` | those rows alone that fulfil what a `fn() -> Predicate<LineRow>` gives |
/// | `limit = 3`, in `has_many` and `many_to_many` | the first rows alone, so many for each row |
/// | `profile = brief`, in those that hold projections | which profile of the other projection is loaded; all its fields by default |
/// | `joined(CustomerRow.name, by = customer_id)` | a column of the row that a column refers to |
/// | `count(LineRow, by = order_id)` | how many rows refer to this one: an `i64` |
/// | `exists(LineRow, by = order_id)` | whether one does: a `bool` |
/// | `sum(LineRow.amount, by = order_id)` | the sum of their column, 0 of none: an `i64`, an `f64` or a decimal |
/// | `load = function` | what an `async fn(Batch<OrderId>) -> Result<HashMap<OrderId, T>, Error>` gives, called once for all rows |
/// | `depends_on(customer, total)`, with `load` | fields that the function takes too, as a `Vec` each in the order of the ids; they are loaded before |
/// | `profiles(detail)` | the profiles that load the field, which is a `Loaded` then; all by default |
///
/// A related row that is soft-deleted or another tenant's is none.
#[proc_macro_derive(Projection, attributes(projection))]
pub fn derive_projection(input: TokenStream) -> TokenStream {
    projection::derive(input.into()).into()
}

/// Makes a struct the row of a table, or a part of rows (`#[table(embedded)]`).
///
/// Besides the impls it makes constants: `OrderRow::COLUMNS` with a typed handle for each column, `OrderRow::TABLE`, and
/// the names of keys and indexes (`OrderRow::UQ_EMAIL`, `IX_…`, `CK_…`, `FK_…`).
///
/// # On the struct: `#[table(..)]`
///
/// | key | effect |
/// |---|---|
/// | `name = "orders"` | the table; by default the struct's name in `snake_case`, without `Row` at its end |
/// | `schema = "shop"` | the schema on PostgreSQL |
/// | `renamed_from = "order"` | the name it had before: a migration renames that table |
/// | `index(a, b desc, name = "…", where = "…")` | an index over fields, `ship.street` for a flattened one |
/// | `unique(a, b, name = "…")` | a unique key over fields |
/// | `unique(a, b, where = live)` | a unique key among rows that are not soft-deleted |
/// | `tenanted` | says that rows belong to tenants, as the field marked `tenant` does by itself |
/// | `check(positive, "total > 0")` | a check constraint: name and SQL |
/// | `filterable(status, ship.street, customer.name)` | what requests from outside may filter by; `customer.name` is a field of the row that `customer_id` refers to, `lines.sku` one of the children |
/// | `sortable(created_at, status)` | what requests from outside may sort by |
/// | `embedded` | no table, but columns that rows take in with `flatten` |
/// | `diesel`, `diesel = crate::schema::orders` | the table for diesel's query builder, made here or named |
/// | `crate = path` | where `spakky` is found |
///
/// # On a field: `#[table(..)]`
///
/// | key | effect |
/// |---|---|
/// | `id` | the primary key; on several fields, a composite one |
/// | `generated` | the database assigns the id; on SQLite a trigger that adds rows to the same table needs `AUTOINCREMENT`, which `create_tables` gives it |
/// | `column = "…"` | the column's name; by default the field's |
/// | `renamed_from = "…"` | the name the column had before: a migration renames that column |
/// | `version` | counts the row's updates and guards them (`i64`) |
/// | `created_at`, `updated_at` | stamped with the database's clock |
/// | `created_by`, `updated_by` | stamped with the context's actor: a `String`, a `Uuid`, an integer, a newtype of one, or an `Option` of one |
/// | `deleted_at` | when the row was soft-deleted: an `Option` of a time stamp; reads skip the row from then on |
/// | `deleted_by` | who soft-deleted it: an `Option` of what `created_by` takes |
/// | `tenant` | whose the row is: set from the context, and part of every statement's condition; a `String`, a `Uuid`, an integer or a newtype of one |
/// | `references(CustomerRow, on_delete = cascade)` | a foreign key; `cascade`, `restrict`, `set_null`, or refused at the end of the statement |
/// | `unique`, `index` | over this field alone |
/// | `default = now` | what a row gets that is written without the column: `now`, `[]`, a number, `true`, `text("new")`, a variant or constant of the field's type, or SQL in quotes |
/// | `length = 80` | the greatest length of a text |
/// | `json` | any serializable type as JSON (an `Option` as JSON too: `Option<Json<T>>` is nullable) |
/// | `flatten`, `flatten(prefix = "ship_")` | the columns of an embedded struct |
/// | `has_many(by = order_id, order_by = (sku, id desc))` | children: a `Vec` of the rows whose field `order_id` is this row's key, loaded and saved with it |
/// | `has_one(by = order_id)` | the same for an `Option` of one row |
/// | `has_many(.., unversioned)` | changes of these children do not raise this row's version |
/// | `skip` | no column; filled by `Default` |
///
/// Keys and indexes are named `uq_<table>_<columns>` and so on, cut to PostgreSQL's 63 bytes with a hash at the end.
#[proc_macro_derive(Table, attributes(table))]
pub fn derive_table(input: TokenStream) -> TokenStream {
    table::derive(input.into()).into()
}

/// Runs the body of an `async fn` as one unit of work: `Ok` commits; an `Err`, a panic and a dropped future roll back.
///
/// Everything called inside takes part: repositories by themselves, other functions by their own `#[transactional]`, plain
/// code by `Session::current()?`. A spawned task has no part in it.
///
/// The function keeps its signature, and the body is compiled as it stands. It returns a `Result` whose error type is
/// `From<spakky::Error>` (or see `map_err`), since BEGIN and COMMIT can fail too. The body's own error comes back unchanged.
///
/// | key | effect |
/// |---|---|
/// | `propagation = required` | joins the scope that is open on the same manager, or opens a transaction (the default) |
/// | `propagation = requires_new` | a transaction of its own, on another connection |
/// | `propagation = nested` | a savepoint of the open transaction, or a transaction |
/// | `propagation = mandatory` | joins; an error if there is nothing to join |
/// | `propagation = supports` | joins, or runs without a transaction |
/// | `propagation = never` | runs without a transaction; an error if one is open |
/// | `propagation = not_supported` | runs without a transaction; an open one is left aside meanwhile |
/// | `isolation = serializable` | the isolation level: `read_committed`, `repeatable_read`, `serializable` |
/// | `read_only` | writes are refused |
/// | `deferrable` | waits for a snapshot that cannot fail; with `read_only` and `isolation = serializable` |
/// | `timeout = "5s"` | the longest that one run of the body may take (`ms`, `s`, `m`), with before-commit hooks and what a nested scope sends at its end; COMMIT is never cut short |
/// | `retry(attempts = 5)` | runs the body again after a passing failure, five times in all: serialization failures, deadlocks, lock timeouts, connections lost before COMMIT |
/// | `retry(.., backoff = "20ms")` | the pause before the second attempt (20 ms if not given); it doubles and is jittered |
/// | `retry(.., on = conflict)` | version conflicts too; `on = transient` is the default |
/// | `commit_on = LoginError::WrongPassword { .. }` | errors of the body that commit all the same: a pattern, with a guard (`if …`) if needed |
/// | `map_err = path` | a `fn(spakky::Error) -> E` that converts the library's errors, instead of `From` |
/// | `sessions = expression` | the sessions: a `SessionManager`, or anything that `HasSessions`. It may use `self` and the arguments, and is evaluated once, before the body |
/// | `registry = "name"` | the sessions that `SessionRegistry::global()` has by this name, with `read_only` a replica's in turn; `"default"` is connected on first use |
/// | `name = "pay"` | the scope's name in errors, spans and metrics; by default the path of the function: `shop::orders::pay` |
/// | `crate = path` | where `spakky` is found |
///
/// Without `sessions` and `registry` the sessions are those of `self`, which has to be `HasSessions`.
///
/// # On a scope that joins
///
/// `isolation`, `read_only` and `deferrable` that the open transaction does not give are errors. An inner scope that
/// fails, runs out of time or is dropped dooms the transaction, unless it is `nested`: the outer scope may go on, but its
/// commit is refused with an error that names the inner one. `retry` acts only where the transaction is opened.
///
/// # With `retry`
///
/// Each run of the body gets clones of the arguments, and of `self` where it is taken by value; so they are `Clone`, and
/// there are no `&mut` ones. A run starts with nothing of an earlier one: what a failed run loaded and queued is gone.
///
/// # With other attributes
///
/// It works on free functions and methods, in traits and their implementations. Under `#[async_trait]` on the `impl` or on
/// the `trait`, put it on the methods. Write `#[tracing::instrument]` below it: the span is then around the whole unit of
/// work and sees errors of COMMIT; above it, the span is inside the transaction and sees only the body.
///
/// # Cancellation
///
/// A future dropped before COMMIT was sent rolls back in the background. One dropped later has either outcome; the
/// hooks follow it.
#[proc_macro_attribute]
pub fn transactional(args: TokenStream, item: TokenStream) -> TokenStream {
    transactional::attribute(args.into(), item.into()).into()
}

/// Makes an `async fn` a test with a database of its own, which is gone when the test ends, also when it panics.
///
/// Unless `backend` is given, there are two tests, `name::sqlite` and `name::postgres`, for the backends whose features are
/// on. PostgreSQL is the server that the environment variable `SPAKKY_TEST_POSTGRES_URL` names. A parameter of the function
/// is whatever implements `spakky::testing::TestArgument`: a `TestDatabase`, `SessionManager`, `Repository<Row>`, `Recorder`
/// or `Backend`.
///
/// ```text
/// #[spakky::test(schema = [OrderRow])]
/// async fn an_order_is_paid_once(sessions: SessionManager, orders: Repository<OrderRow>, recorder: Recorder) {
///     …
///     assert_eq!(recorder.take().round_trips, 2);
/// }
/// ```
///
/// # Keys
///
/// | key | effect |
/// |---|---|
/// | `backend = sqlite` | on this backend alone (`sqlite`, `postgres`) |
/// | `schema = [OrderRow, LineRow]` | these tables are there when the test begins |
/// | `flavor = "multi_thread"` | the tokio runtime: `"current_thread"` unless given |
/// | `worker_threads = 2` | how many threads a runtime of several has; as many as processors unless given |
/// | `rollback` | the test is one transaction, which is undone at its end, in a database that tests use one after the other |
/// | `crate = path` | where `spakky` is found |
#[proc_macro_attribute]
pub fn test(args: TokenStream, item: TokenStream) -> TokenStream {
    test::attribute(args.into(), item.into()).into()
}
