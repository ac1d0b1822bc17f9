use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(repr = u8)]
enum Status {
    Draft,
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
