//! Queries for projections.

use super::batch::{Loads, run_loaders};
use super::cells::Cells;
use super::load::{Rows, load_linked};
use super::plan::{Plan, plan};
use super::{Profile, Projection};
use crate::backend::{Answer, Statement};
use crate::error::{Error, ErrorKind};
use crate::query::{Condition, Order, Ordering, Predicate};
use crate::repository::{Repository, Source};
use crate::schema::Table;
use crate::statement::Select;
use crate::value::Value;

/// A query for views of rows under construction, from [`Repository::project`](crate::Repository::project).
///
/// In a scope it sees what is pending: queued writes are sent ahead of it (unless `autoflush` is off). What it loads is not
/// remembered by the session. Each level of relations is one round trip; outside a scope, each is read by itself, so that
/// a row may go away in between. A scope with `repeatable_read` sees everything as it was at one moment.
#[must_use = "a query is run by `all`, `one`, `first`, `get`, `find`, `page`, `cursor_page` or `stream`"]
pub struct ProjectionQuery<View: Projection> {
    pub(super) repository: Repository<View::Row>,
    pub(super) profile: Profile<View>,
    pub(crate) condition: Condition,
    pub(crate) order: Vec<Ordering>,
    pub(crate) limit: Option<u64>,
    pub(crate) offset: Option<u64>,
    /// Part of it comes from a request, so that its text may be any.
    pub(crate) requested: bool,
    /// The most rows of a page, by the rules for requests.
    pub(crate) page_limit: Option<u64>,
}

impl<View: Projection> ProjectionQuery<View> {
    pub(crate) fn new(repository: Repository<View::Row>) -> Self {
        ProjectionQuery {
            repository,
            profile: Profile::whole(),
            condition: Condition::Constant(true),
            order: Vec::new(),
            limit: None,
            offset: None,
            requested: false,
            page_limit: None,
        }
    }

    /// Loads the fields of this profile alone: `OrderView::LIST`. Without it, every field is loaded.
    pub fn profile(mut self, profile: Profile<View>) -> Self {
        self.profile = profile;
        self
    }

    /// Narrows the query to rows that fulfil `predicate` as well.
    pub fn filter(mut self, predicate: Predicate<View::Row>) -> Self {
        self.condition = match self.condition {
            Condition::Constant(true) => predicate.condition,
            condition => condition.and(predicate.condition),
        };
        self
    }

    /// Sorts by `order`, after what was asked for before.
    pub fn order_by(mut self, order: Order<View::Row>) -> Self {
        self.order.push(order.ordering);
        self
    }

    /// At most this many rows.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Leaves out the first rows.
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Every view found.
    ///
    /// # Errors
    /// [`is_tenant_required`](Error::is_tenant_required) if one of the tables has tenants and the context names none,
    /// [`is_invalid_query`](Error::is_invalid_query) for a condition that cannot be written,
    /// [`is_mapping`](Error::is_mapping) for a related row that is missing where the field is no `Option` and for a stored
    /// value that cannot be read, else what the database or a loader says.
    ///
    /// # Cancellation
    /// Dropping the future has no effect on the scope.
    pub async fn all(self) -> Result<Vec<View>, Error> {
        self.run(false).await
    }

    /// The only view found.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) if there is none, [`is_invalid_query`](Error::is_invalid_query) if there are
    /// several, else as [`all`](Self::all).
    ///
    /// # Cancellation
    /// As [`all`](Self::all).
    pub async fn one(self) -> Result<View, Error> {
        let (name, table) = (View::spec().name, View::Row::descriptor());
        let limit = self.limit.map_or(2, |limit| limit.min(2));
        let mut found = self.limit(limit).all().await?;
        let (kind, what) = match (found.pop(), found.is_empty()) {
            (Some(only), true) => return Ok(only),
            (None, _) => (ErrorKind::NotFound, "there is none"),
            (Some(_), false) => (ErrorKind::InvalidQuery, "there are several; use `first` or `all`"),
        };
        Err(Error::new(kind, format!("find one `{name}` in `{}`: {what}", table.name)).with_table(table.name))
    }

    /// The first view found, if there is one.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    ///
    /// # Cancellation
    /// As [`all`](Self::all).
    pub async fn first(self) -> Result<Option<View>, Error> {
        let limit = self.limit.map_or(1, |limit| limit.min(1));
        Ok(self.limit(limit).all().await?.pop())
    }

    /// The view of the row with this id.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found), naming table and id, else as [`all`](Self::all).
    ///
    /// # Cancellation
    /// As [`all`](Self::all).
    pub async fn get(self, id: <View::Row as Table>::Id) -> Result<View, Error> {
        let key = View::Row::encode_id(&id)?;
        self.by_key(key.clone()).await?.ok_or_else(|| Source::not_found::<View::Row>(key))
    }

    /// The view of the row with this id, if there is one.
    ///
    /// # Errors
    /// As [`all`](Self::all).
    ///
    /// # Cancellation
    /// As [`all`](Self::all).
    pub async fn find(self, id: <View::Row as Table>::Id) -> Result<Option<View>, Error> {
        let key = View::Row::encode_id(&id)?;
        self.by_key(key).await
    }

    async fn by_key(mut self, key: Vec<Value>) -> Result<Option<View>, Error> {
        let recurs = matches!(self.condition, Condition::Constant(true));
        let by_key = Condition::Keys(vec![key]);
        self.condition = if recurs { by_key } else { self.condition.and(by_key) };
        Ok(self.run(recurs).await?.pop())
    }

    /// `recurs` says that the text of the first query is one of few.
    async fn run(self, recurs: bool) -> Result<Vec<View>, Error> {
        let reader = Reader::of(&self)?;
        let mut statement = reader.statement(&self.select(&reader)?)?;
        statement.cached = recurs;
        let answer = reader.source.queries(vec![statement]).await?.into_iter().next();
        reader.views(reader.rows(answer)?).await
    }

    /// What the query is for, confined to what may be seen.
    pub(super) fn select(&self, reader: &Reader) -> Result<Select<'static>, Error> {
        let table = View::Row::descriptor();
        let condition = reader.source.scope().narrow(table, self.condition.clone())?;
        let (order, limit, offset) = (self.order.clone(), self.limit, self.offset);
        Ok(Select { order, limit, offset, ..Select::filtered(table, condition) })
    }
}

/// How the views of a query are read.
pub(super) struct Reader {
    pub(super) source: Source,
    plan: Plan,
}

impl Reader {
    pub(super) fn of<View: Projection>(query: &ProjectionQuery<View>) -> Result<Self, Error> {
        Ok(Reader { source: query.repository.source(), plan: plan(View::spec(), query.profile.mask)? })
    }

    /// Reads these columns as well, and answers where in a row they are.
    pub(super) fn slots(&mut self, positions: impl Iterator<Item = usize>) -> Vec<usize> {
        positions.map(|position| self.plan.root.slot(position)).collect()
    }

    /// The query for the rows.
    pub(super) fn statement(&self, select: &Select<'_>) -> Result<Statement, Error> {
        select.columns(self.source.backend(), &self.plan.root.columns)
    }

    /// The rows that it has answered with.
    pub(super) fn rows(&self, answer: Option<Answer>) -> Result<Rows, Error> {
        let rows = answer.map(|answer| answer.rows).unwrap_or_default();
        Rows::of(&self.plan.root, rows, self.source.backend())
    }

    /// The views of rows, with what is linked to them.
    pub(super) async fn views<View: Projection>(&self, mut rows: Rows) -> Result<Vec<View>, Error> {
        let Reader { source, plan } = self;
        load_linked(source, &plan.root, &mut rows).await?;
        let mut loads = Loads::new(plan.views);
        run_loaders(source, &plan.view, &rows, &mut loads).await?;
        let cells = |at: usize| Cells { view: &plan.view, rows: &rows, loads: &loads, at };
        (0..rows.values.len()).map(|at| View::read(&cells(at))).collect()
    }
}

impl<View: Projection> std::fmt::Debug for ProjectionQuery<View> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProjectionQuery").field("view", &View::spec().name).finish_non_exhaustive()
    }
}
