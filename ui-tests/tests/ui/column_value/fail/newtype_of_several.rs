use spakky::ColumnValue;

#[derive(ColumnValue)]
struct Money {
    cents: i64,
    currency: String,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Money>();
}
