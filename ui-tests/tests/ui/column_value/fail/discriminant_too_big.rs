use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(repr = i16)]
enum Status {
    Draft = 40_000,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
