use spakky::prelude::*;

#[derive(Debug, Clone, ColumnValue)]
struct Cents(i64);

#[derive(Debug, Clone, ColumnValue)]
#[column(diesel)]
struct Total(Cents);

fn main() {}
