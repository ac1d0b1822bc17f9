use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(diesel = true)]
struct OrderId(i64);

fn main() {}
