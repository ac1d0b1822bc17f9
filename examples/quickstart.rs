//! An order desk: imports orders from a file, pays and cancels some, and shows what is refused and undone.
//!
//! ```console
//! $ cargo run --example quickstart
//! $ cargo run --example quickstart -- --url postgres://user@localhost/orders
//! $ cargo run --example quickstart -- --url-file /run/secrets/orders      # or the variable `SPAKKY_DB__URL`
//! ```
//!
//! The tables are made anew at each start, so that every run prints the same.

#[path = "quickstart/desk.rs"]
mod desk;
#[path = "quickstart/domain.rs"]
mod domain;
#[path = "quickstart/import.rs"]
mod import;
#[path = "quickstart/report.rs"]
mod report;
#[path = "quickstart/row.rs"]
mod row;

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use spakky::prelude::*;

use crate::desk::{Desk, DeskError};
use crate::domain::{Order, OrderStatus};
use crate::import::Import;
use crate::row::{OrderLineRow, OrderRow};

/// What an order comes to that is among the largest.
const LARGE_CENTS: i64 = 110_000;
/// The orders of one page.
const PAGE: u64 = 5;

/// An order desk on SQLite or PostgreSQL.
#[derive(Parser)]
struct Arguments {
    /// The database: a file for SQLite, or a server: `postgres://user@host/database`. Unless given, that of the variable
    /// `SPAKKY_DB__URL`, or a file here.
    #[arg(long)]
    url: Option<String>,
    /// A file with the URL in it, for one with a password: whoever lists the processes sees the arguments.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    url_file: Option<PathBuf>,
    /// The orders, one JSON document per line.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/orders.jsonl"))]
    orders: PathBuf,
}

impl Arguments {
    fn database(&self) -> Result<DatabaseConfig, spakky::Error> {
        match (&self.url, &self.url_file) {
            (Some(url), _) => Ok(DatabaseConfig::new(url.as_str())),
            (None, Some(file)) => DatabaseConfig::from_url_file(file),
            (None, None) if std::env::var_os("SPAKKY_DB__URL").is_some() => DatabaseConfig::from_env(),
            (None, None) => Ok(DatabaseConfig::new("sqlite://quickstart.db")),
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let started = Instant::now();
    let sessions = SessionManager::from_config(arguments.database()?).await?;
    println!("database     {}", sessions.backend());

    let tables = schema![OrderRow, OrderLineRow];
    sessions.drop_tables(&tables).await?;
    sessions.create_tables(&tables).await?;
    let desk = Desk::new(&sessions);

    let import = Import::run(&desk, &arguments.orders).await?;
    report::import(&import);

    pay_and_cancel(&desk).await?;
    conflict(&desk, &import).await?;
    rollback(&desk).await?;
    report::summary(&desk.summary().await?);
    largest(&desk).await?;
    report::list("the largest orders still to be placed", &desk.list(OrderStatus::Draft, 5).await?);
    println!();

    let sent = sessions.statistics();
    println!("statements   {}", sent.statements);
    println!("round trips  {}", sent.round_trips);
    println!("took         {:.2?}", started.elapsed());
    Ok(())
}

/// Pays the larger half of the placed orders of January and cancels some of February.
async fn pay_and_cancel(desk: &Desk) -> Result<(), DeskError> {
    let mut paid = 0;
    for order in desk.placed_between("2025-01-01", "2025-02-01").await? {
        if order.total_cents() >= 10_000 {
            desk.pay(order.id()).await?;
            paid += 1;
        }
    }
    let cancelled = desk.cancel_small("2025-02-01", "2025-03-01", 1_500).await?;
    println!("\npaid {paid} orders one by one, cancelled {cancelled} in one unit of work");
    Ok(())
}

/// Two clerks have the same order open; the second to save is told.
async fn conflict(desk: &Desk, import: &Import) -> Result<(), DeskError> {
    let id = import.first.ok_or(DeskError::Empty)?;
    let (mut first, version) = desk.open(id).await?;
    let (mut second, same_version) = desk.open(id).await?;
    first.set_note("deliver to the back door");
    second.set_note("call before delivery");
    desk.save(&mut first, version).await?;
    match desk.save(&mut second, same_version).await {
        Err(DeskError::Storage(error)) if error.is_conflict() => {
            println!("\na second clerk's copy was refused: failed to {}", error.message());
        }
        other => println!("\na second clerk's copy was not refused: {other:?}"),
    }
    let kept = desk.open(id).await?.0;
    println!("the note is still: {}", kept.note().unwrap_or_default());
    Ok(())
}

/// Settles a customer's orders; the last is a draft, so that none is settled.
async fn rollback(desk: &Desk) -> Result<(), DeskError> {
    let placed = desk.some(OrderStatus::Placed, 3).await?;
    let draft = desk.some(OrderStatus::Draft, 1).await?;
    let ids: Vec<_> = placed.iter().chain(&draft).map(Order::id).collect();
    match desk.settle(&ids).await {
        Err(error) => println!("\nsettling {} orders failed: {error}", ids.len()),
        Ok(()) => println!("\nsettling a draft went through"),
    }
    let after = desk.load(&ids).await?;
    let paid = after.iter().filter(|order| order.status() == OrderStatus::Paid).count();
    println!("of these {} orders, {paid} are paid", after.len());
    Ok(())
}

/// Walks through the largest paid orders, page by page.
async fn largest(desk: &Desk) -> Result<(), DeskError> {
    let mut page = desk.largest(LARGE_CENTS, CursorRequest::first(PAGE)).await?;
    for number in 1.. {
        report::page(number, &page.items);
        let Some(next) = page.next else { break };
        page = desk.largest(LARGE_CENTS, CursorRequest::first(PAGE).at(next)).await?;
    }
    Ok(())
}
