use spakky::ColumnValue;

struct Mood;

#[derive(ColumnValue)]
#[column(sql_type = Mood)]
enum Status {
    Draft,
    Paid,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
