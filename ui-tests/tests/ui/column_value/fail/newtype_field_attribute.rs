use spakky::ColumnValue;

#[derive(ColumnValue)]
struct Status(#[column(rename = "x")] i16);

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
