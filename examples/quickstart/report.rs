//! What the program prints.

use crate::desk::Summary;
use crate::domain::Order;
use crate::import::Import;
use crate::row::OrderView;

/// What came of the import.
pub(crate) fn import(import: &Import) {
    let taken = import.lines - import.rejected.len();
    println!("\nimported {taken} of {} orders; rejected {}:", import.lines, import.rejected.len());
    for (number, reason) in &import.rejected {
        println!("  line {number:>4}: {reason}");
    }
}

/// The orders by status, as the database counts them.
pub(crate) fn summary(rows: &[Summary]) {
    println!("\n{:<10} {:>7} {:>7} {:>14}", "status", "orders", "lines", "total");
    for Summary { status, orders, lines, total_cents } in rows {
        println!("{:<10} {orders:>7} {lines:>7} {:>14}", format!("{status:?}"), euros(*total_cents));
    }
    let (orders, lines, total) = rows.iter().fold((0, 0, 0), |(orders, lines, total), row| {
        (orders + row.orders, lines + row.lines, total + row.total_cents)
    });
    println!("{:<10} {orders:>7} {lines:>7} {:>14}\n", "all", euros(total));
}

/// One page of orders, each with the first of its lines.
pub(crate) fn page(number: u32, orders: &[Order]) {
    println!("the largest paid orders, page {number}:");
    for order in orders {
        let first = order.lines.first().map_or("", |line| &line.title);
        let (total, lines) = (euros(order.total_cents), order.lines.len());
        println!("  {total:>12}  {:<20}  lines: {lines}, the first: {first}", order.customer_name);
    }
}

/// A list of orders, each with the number of its lines.
pub(crate) fn list(title: &str, orders: &[OrderView]) {
    println!("{title}:");
    for OrderView { customer, total_cents, lines } in orders {
        println!("  {:>12}  {customer:<20}  lines: {lines}", euros(*total_cents));
    }
}

fn euros(cents: i64) -> String {
    format!("{}.{:02} EUR", cents / 100, cents % 100)
}
