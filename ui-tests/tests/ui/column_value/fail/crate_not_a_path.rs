use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(crate = 1)]
enum Status {
    Draft,
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
