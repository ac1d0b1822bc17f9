use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
    #[column(rename = "new", rename = "old")]
    Draft,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
