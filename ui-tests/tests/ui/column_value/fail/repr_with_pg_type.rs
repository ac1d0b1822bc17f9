use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(repr = i16, pg_type = "status")]
enum Status {
    Draft,
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
