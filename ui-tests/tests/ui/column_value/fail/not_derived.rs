enum Status {
    Draft,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
