use spakky::ColumnValue;

#[derive(ColumnValue)]
struct Status;

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
