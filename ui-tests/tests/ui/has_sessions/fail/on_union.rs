use spakky::HasSessions;

#[derive(HasSessions)]
union Orders {
    one: i64,
}

fn main() {
    fn sessions<T: spakky::HasSessions>() {}
    sessions::<Orders>();
}
