use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(pg_type = "")]
enum Status {
    Draft,
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
