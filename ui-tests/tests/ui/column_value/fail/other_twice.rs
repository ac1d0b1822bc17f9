use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
    Draft,
    #[column(other)]
    Unknown(String),
    #[column(other)]
    Else(String),
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
