// What the snippets of `queries.md` share. Its types are those that the guide shows.

use spakky::prelude::*;

#[derive(Debug, Clone, Copy, PartialEq, ColumnValue)]
pub enum Status {
    Draft,
    Paid,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(name = "customers")]
#[mappable(domain = Self)]
pub struct CustomerRow {
    #[table(id)]
    id: i64,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Table, Mappable)]
#[table(
    name = "orders",
    index(total, id),
    filterable(status, total, note, customer.name),
    sortable(total, status)
)]
#[mappable(domain = Self)]
pub struct OrderRow {
    #[table(id)]
    id: i64,
    #[table(references(CustomerRow))]
    customer_id: i64,
    status: Status,
    total: i64,
    note: Option<String>,
}

fn order(id: i64) -> OrderRow {
    let status = if id > 10 { Status::Paid } else { Status::Draft };
    let note = (id == 7).then(|| "50% off".to_owned());
    OrderRow { id, customer_id: 1, status, total: id * 10, note }
}

/// Runs a snippet with thirty orders of one customer.
fn run(snippet: impl AsyncFnOnce(SessionManager, Repository<OrderRow>) -> Result<(), spakky::Error>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let work = async {
        let sessions = SessionManager::connect("sqlite::memory:").await?;
        sessions.create_tables(&schema![CustomerRow, OrderRow]).await?;
        let (customers, orders) = (sessions.repository::<CustomerRow>(), sessions.repository::<OrderRow>());
        sessions
            .transaction(TransactionOptions::new(), async |_| {
                customers.add(&mut CustomerRow { id: 1, name: "Ann".to_owned() })?;
                orders.add_all(&mut (1..=30).map(order).collect::<Vec<_>>())
            })
            .await?;
        snippet(sessions, orders).await
    };
    runtime.block_on(work).unwrap();
}
