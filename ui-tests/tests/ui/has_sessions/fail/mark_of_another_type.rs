use spakky::HasSessions;

#[derive(HasSessions)]
struct Orders {
    #[sessions]
    orders: String,
}

fn main() {
    fn sessions<T: spakky::HasSessions>() {}
    sessions::<Orders>();
}
