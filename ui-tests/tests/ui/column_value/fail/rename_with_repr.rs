use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(repr = i16)]
enum Status {
    #[column(rename = "new")]
    Draft,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
