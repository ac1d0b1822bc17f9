use spakky::prelude::*;

#[derive(Clone, ColumnValue)]
#[column(diesel)]
struct Cents(i64);

fn main() {}
