//! The service: the domain, how it is stored, HTTP, and errors. A request is one unit of work, in one trace.

use axum::extract::{Json, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware, routing};
use serde::{Deserialize, Serialize};
use spakky::prelude::*;
use tracing::Instrument;
use uuid::Uuid;

// The domain: orders and their rules.

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ColumnValue, Serialize, Deserialize)]
pub(crate) struct OrderId(Uuid);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    #[serde(skip_deserializing)]
    id: OrderId,
    number: String,
    lines: Vec<Line>,
    #[serde(skip)] // travels as the ETag
    revision: Revision,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    sku: String,
    quantity: i32,
}

#[derive(Debug, thiserror::Error)]
#[error("an order has one line or more, each of one piece or more")]
pub(crate) struct NothingOrdered;

impl Order {
    fn check(&self) -> Result<(), NothingOrdered> {
        let is_full = !self.lines.is_empty() && self.lines.iter().all(|line| line.quantity > 0);
        is_full.then_some(()).ok_or(NothingOrdered)
    }
}

// Storage: two tables, loaded and saved as one.

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "orders", unique(tenant, number), filterable(number, lines.sku), sortable(number))]
#[mappable(domain = Order)]
pub(crate) struct OrderRow {
    #[table(id)]
    id: OrderId,
    #[table(tenant)]
    tenant: String,
    number: String,
    #[table(has_many(by = order_id, order_by = sku))]
    lines: Vec<LineRow>,
    #[table(updated_by)]
    updated_by: Option<String>,
    #[table(version)]
    #[mappable(field = revision)]
    version: i64,
}

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "order_lines")]
#[mappable(domain = Line)]
pub(crate) struct LineRow {
    #[table(id, references(OrderRow))]
    #[mappable(parent)]
    order_id: OrderId,
    #[table(id)]
    sku: String,
    quantity: i32,
}

// HTTP.

#[derive(Clone, HasSessions)]
struct Service {
    sessions: SessionManager,
    orders: Repository<OrderRow>,
}

pub(crate) fn router(sessions: SessionManager) -> Router {
    Router::new()
        .route("/orders", routing::get(list).post(add))
        .route("/orders/{id}", routing::get(show).put(replace))
        .layer(middleware::from_fn(in_context))
        .with_state(Service { orders: sessions.repository(), sessions })
}

/// Runs a request in its context and in its span. In earnest, tenant and actor come from a token that was checked.
async fn in_context(headers: HeaderMap, request: Request, next: middleware::Next) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let context = RequestContext::new().tenant(header("x-tenant")).actor(header("x-actor"));
    let (id, trace) = (header("x-request-id"), header("traceparent"));
    let span = tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id, trace);
    context.correlation_id(id).traceparent(trace).scope(next.run(request)).instrument(span).await
}

async fn list(
    State(service): State<Service>,
    Query(query): Query<spakky::Query>,
) -> Result<Json<CursorPage<Order>>, Problem> {
    Ok(Json(service.orders.search(&query)?.cursor_page(&query).await?))
}

async fn show(State(service): State<Service>, Path(id): Path<OrderId>) -> Result<Response, Problem> {
    let order = service.orders.get_versioned(id).await?;
    Ok(([(header::ETAG, etag(order.version))], Json(order.value)).into_response())
}

#[transactional(name = "add order", sessions = service)]
async fn add(State(service): State<Service>, Json(mut order): Json<Order>) -> Result<Response, Problem> {
    order.check()?;
    order.id = OrderId(Uuid::now_v7());
    service.orders.add(&mut order)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/orders/{}", order.id.0))]).into_response())
}

#[transactional(name = "replace order", sessions = service)]
async fn replace(
    State(service): State<Service>,
    Path(id): Path<OrderId>,
    headers: HeaderMap,
    Json(order): Json<Order>,
) -> Result<Response, Problem> {
    let unguarded =
        || Problem(StatusCode::PRECONDITION_REQUIRED, "send the order's ETag as `If-Match`".to_owned(), None);
    let tag = headers.get(header::IF_MATCH).ok_or_else(unguarded)?.to_str().unwrap_or_default();
    let mut order = Order { id, ..order };
    order.check()?;
    // No version of ours: not that of the order either.
    service.orders.save_if(&mut order, tag.trim_matches('"').parse().unwrap_or_default())?;
    Ok((StatusCode::NO_CONTENT, [(header::ETAG, etag(order.revision.version().unwrap_or_default()))]).into_response())
}

fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

// Errors: a status, what went wrong in the words of the domain or the library, and the constraint, if it was one.

struct Problem(StatusCode, String, Option<String>);

impl From<NothingOrdered> for Problem {
    fn from(error: NothingOrdered) -> Self {
        Problem(StatusCode::UNPROCESSABLE_ENTITY, error.to_string(), None)
    }
}

impl From<spakky::Error> for Problem {
    fn from(error: spakky::Error) -> Self {
        let status = match &error {
            e if e.is_not_found() => StatusCode::NOT_FOUND,
            e if e.is_conflict() => StatusCode::PRECONDITION_FAILED,
            e if e.is_unique_violation() => StatusCode::CONFLICT,
            e if e.is_invalid_query() || e.is_invalid_cursor() || e.is_tenant_required() => StatusCode::BAD_REQUEST,
            e if e.is_retryable() || e.is_connection() || e.is_pool_timeout() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        tracing::info!(%status, ?error, "a request was refused or failed");
        Problem(status, format!("failed to {}", error.message()), error.constraint().map(str::to_owned))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(serde_json::json!({ "error": self.1, "constraint": self.2 }))).into_response()
    }
}
