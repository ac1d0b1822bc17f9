use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
    Draft,
    Paid { cents: i64 },
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
