use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
    Draft,
    #[column(other = true)]
    Unknown(String),
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
