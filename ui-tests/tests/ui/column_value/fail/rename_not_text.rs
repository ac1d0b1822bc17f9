use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
    #[column(rename = 1)]
    Draft,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
