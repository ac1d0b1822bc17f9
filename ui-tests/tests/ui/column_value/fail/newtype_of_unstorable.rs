use spakky::ColumnValue;

struct Cents(i64);

#[derive(ColumnValue)]
struct Money(Cents);

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Money>();
}
