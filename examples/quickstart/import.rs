//! From the lines of a file to orders. A bad line is rejected with its number and the reason; nothing else is lost.

use std::collections::HashSet;
use std::io::BufRead;
use std::path::Path;

use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;
use spakky::Revision;
use uuid::Uuid;

use crate::desk::{Desk, DeskError};
use crate::domain::{Order, OrderId, OrderLine, OrderStatus};

/// How many lines one unit of work takes in.
const BATCH: usize = 100;

/// What came of the file.
#[derive(Default)]
pub(crate) struct Import {
    pub(crate) lines: usize,
    pub(crate) rejected: Vec<(usize, String)>,
    /// The first order that was imported.
    pub(crate) first: Option<OrderId>,
}

/// An order of the file, with the number of its line.
pub(crate) struct Draft {
    pub(crate) number: usize,
    pub(crate) order: Order,
}

#[derive(Deserialize)]
struct OrderDocument {
    id: Uuid,
    customer: Uuid,
    customer_name: String,
    currency: String,
    placed_at: DateTime<Utc>,
    status: String,
    lines: Vec<LineDocument>,
    note: Option<String>,
}

#[derive(Deserialize)]
struct LineDocument {
    sku: String,
    title: String,
    quantity: i32,
    unit_cents: i64,
}

impl Import {
    /// Imports a file, a batch of lines per unit of work.
    pub(crate) async fn run(desk: &Desk, path: &Path) -> Result<Import, DeskError> {
        let file = std::io::BufReader::new(std::fs::File::open(path)?);
        let lines: Vec<String> = file.lines().collect::<Result<_, _>>()?;
        let mut import = Import { lines: lines.len(), ..Import::default() };
        let bar = progress(lines.len());
        for (batch, texts) in lines.chunks(BATCH).enumerate() {
            let mut drafts = Vec::new();
            for (offset, text) in texts.iter().enumerate() {
                let number = batch * BATCH + offset + 1;
                match parse(number, text) {
                    Ok(draft) => drafts.push(draft),
                    Err(reason) => import.rejected.push((number, reason)),
                }
            }
            let first = drafts.first().map(|draft| draft.order.id);
            import.first = import.first.or(first);
            import.rejected.extend(desk.import(drafts).await?);
            bar.inc(texts.len() as u64);
        }
        bar.finish_and_clear();
        import.rejected.sort();
        Ok(import)
    }
}

fn progress(lines: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("importing {bar:40} {pos}/{len} lines, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(lines as u64).with_style(style)
}

/// Reads one line and checks what can be checked without the database.
fn parse(number: usize, text: &str) -> Result<Draft, String> {
    let document: OrderDocument = serde_json::from_str(text).map_err(|error| format!("not an order: {error}"))?;
    let status = match document.status.as_str() {
        "draft" => OrderStatus::Draft,
        "placed" => OrderStatus::Placed,
        other => return Err(format!("`{other}` is no status of a new order; it is `draft` or `placed`")),
    };
    if document.currency != "EUR" {
        return Err(format!("currency `{}` is not taken; only `EUR` is", document.currency));
    }
    let id = OrderId(document.id);
    let (lines, total_cents) = check_lines(document.lines)?;
    let order = Order {
        id,
        customer: document.customer,
        customer_name: document.customer_name,
        status,
        total_cents,
        lines,
        note: document.note,
        placed_at: document.placed_at,
        revision: Revision::default(),
    };
    Ok(Draft { number, order })
}

fn check_lines(documents: Vec<LineDocument>) -> Result<(Vec<OrderLine>, i64), String> {
    if documents.is_empty() {
        return Err("an order needs at least one line".to_owned());
    }
    let mut seen = HashSet::new();
    let mut total: i64 = 0;
    let mut lines = Vec::with_capacity(documents.len());
    for (position, document) in (1..).zip(documents) {
        let LineDocument { sku, title, quantity, unit_cents } = document;
        if sku.is_empty() || sku.chars().count() > 40 {
            return Err(format!("line {position}: a sku has 1 to 40 characters, this one has {}", sku.chars().count()));
        }
        if !seen.insert(sku.clone()) {
            return Err(format!("line {position}: sku `{sku}` stands twice in this order"));
        }
        if quantity < 1 || unit_cents < 0 {
            return Err(format!("line {position}: {quantity} pieces at {unit_cents} cents are out of range"));
        }
        total = i64::from(quantity)
            .checked_mul(unit_cents)
            .and_then(|amount| total.checked_add(amount))
            .ok_or_else(|| format!("line {position}: the total is beyond what can be counted"))?;
        lines.push(OrderLine { position, sku, title, quantity, unit_cents });
    }
    Ok((lines, total))
}
