use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(renam_all = "lowercase")]
enum Status {
    Draft,
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
