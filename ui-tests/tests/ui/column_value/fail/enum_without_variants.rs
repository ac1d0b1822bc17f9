use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
