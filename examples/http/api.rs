//! The service: the domain, how it is stored, HTTP, and errors. A request is one unit of work, in one trace.

use axum::extract::{Json, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware, routing};
use serde::{Deserialize, Serialize};
use spakky::http::ETag;
use spakky::prelude::*;
use tracing::Instrument;
use uuid::Uuid;

// The domain: orders and their rules.

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    #[serde(skip_deserializing)]
    id: Uuid,
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

impl Order {
    fn check(&self) -> Result<(), Problem> {
        let is_full = !self.lines.is_empty() && self.lines.iter().all(|line| line.quantity > 0);
        is_full.then_some(()).ok_or(Problem::NothingOrdered)
    }
}

// Storage: two tables, loaded and saved as one.

#[derive(Debug, Clone, Table, Mappable)]
#[table(name = "orders", unique(tenant, number), filterable(number, lines.sku), sortable(number))]
#[mappable(domain = Order)]
pub(crate) struct OrderRow {
    #[table(id)]
    id: Uuid,
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
    order_id: Uuid,
    #[table(id)]
    sku: String,
    quantity: i32,
}

// HTTP.

type Orders = State<Repository<OrderRow>>;
type Answer = Result<Response, Problem>;

pub(crate) fn router(sessions: &SessionManager) -> Router {
    Router::new()
        .route("/orders", routing::get(list).post(add))
        .route("/orders/{id}", routing::get(show).put(replace))
        .layer(middleware::from_fn(in_context))
        .with_state(sessions.repository())
}

/// Runs a request in its context and in its span. In earnest, tenant and actor come from a token that was checked.
async fn in_context(headers: HeaderMap, request: Request, next: middleware::Next) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let context = RequestContext::from_headers(|name| headers.get(name));
    let (id, trace) = (context.get_correlation_id(), context.get_traceparent());
    let span = tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id, trace);
    context.tenant(header("x-tenant")).actor(header("x-actor")).scope(next.run(request)).instrument(span).await
}

async fn list(State(orders): Orders, Query(query): Query<spakky::Query>) -> Answer {
    Ok(Json(orders.search(&query)?.cursor_page(&query).await?).into_response())
}

async fn show(State(orders): Orders, Path(id): Path<Uuid>, headers: HeaderMap) -> Answer {
    let order = orders.get_versioned(id).await?;
    let tag = [(header::ETAG, order.etag().to_string())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|tags| order.etag().is_in(tags)) {
        return Ok((StatusCode::NOT_MODIFIED, tag).into_response());
    }
    Ok((tag, Json(order.value)).into_response())
}

#[transactional(name = "add order", sessions = orders)]
async fn add(State(orders): Orders, Json(order): Json<Order>) -> Answer {
    order.check()?;
    let mut order = Order { id: Uuid::now_v7(), ..order };
    orders.add(&mut order)?;
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/orders/{}", order.id))]).into_response())
}

#[transactional(name = "replace order", sessions = orders)]
async fn replace(State(orders): Orders, Path(id): Path<Uuid>, headers: HeaderMap, Json(order): Json<Order>) -> Answer {
    let tag = headers.get(header::IF_MATCH).ok_or(Problem::Unguarded)?;
    order.check()?;
    let mut order = Order { id, ..order };
    orders.save_if(&mut order, ETag::of_if_match(tag).version())?;
    // Under `If-Match: *` the version is known when the order is read again.
    let tag = order.revision.version().map(|version| [(header::ETAG, ETag::new(version).to_string())]);
    Ok((StatusCode::NO_CONTENT, tag, ()).into_response())
}

// Errors: a status, what went wrong in the words of the domain or the library, and the constraint, if it was one.

#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("an order has one line or more, each of one piece or more")]
    NothingOrdered,
    #[error("send the order's ETag as `If-Match`")]
    Unguarded,
    #[error("failed to {}", .0.message())]
    Storage(#[from] spakky::Error),
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, constraint) = match &self {
            Problem::NothingOrdered => (422, None),
            Problem::Unguarded => (428, None),
            Problem::Storage(error) => (error.http_status(), error.constraint()),
        };
        tracing::info!(status, error = ?self, "a request was refused or failed");
        let body = Json(serde_json::json!({ "error": self.to_string(), "constraint": constraint }));
        (StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body).into_response()
    }
}
