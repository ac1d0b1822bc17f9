use spakky::ColumnValue;

#[derive(ColumnValue)]
enum Status {
    #[column(renmae = "new")]
    Draft,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
