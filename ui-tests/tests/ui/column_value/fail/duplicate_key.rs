use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(repr = i16, repr = i32)]
enum Status {
    Draft,
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
