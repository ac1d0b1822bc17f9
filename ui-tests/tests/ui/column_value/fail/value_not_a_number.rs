use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(repr = i16)]
enum Status {
    #[column(value = "1")]
    Draft,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
