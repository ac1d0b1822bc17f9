use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
    Draft,
    #[column(other)]
    Unknown,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
