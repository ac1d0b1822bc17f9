use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(repr = i16, rename_all = "lowercase")]
enum Status {
    Draft,
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
