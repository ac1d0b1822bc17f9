use spakky::ColumnValue;

#[derive(ColumnValue)]
struct Tags(Vec<String>);

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Vec<Tags>>();
}
