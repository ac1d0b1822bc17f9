use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(diesel, diesel)]
struct OrderId(i64);

fn main() {}
