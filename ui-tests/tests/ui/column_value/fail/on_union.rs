use spakky::ColumnValue;

#[derive(ColumnValue)]
union Status {
    id: i64,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
