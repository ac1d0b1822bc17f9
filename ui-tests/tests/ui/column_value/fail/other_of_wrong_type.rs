use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
    Draft,
    #[column(other)]
    Unknown(u8),
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
