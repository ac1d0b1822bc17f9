use spakky::ColumnValue;

#[derive(ColumnValue)]
#[column(rename_all = "lowercase")]
enum Status {
    InDraft,
    Indraft,
}

fn main() {
    fn value<T: spakky::value::ColumnValue>() {}
    value::<Status>();
}
