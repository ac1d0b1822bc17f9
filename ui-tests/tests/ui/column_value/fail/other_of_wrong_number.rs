use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(repr = i16)]
enum Status {
    Draft,
    #[column(other)]
    Unknown(i64),
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
