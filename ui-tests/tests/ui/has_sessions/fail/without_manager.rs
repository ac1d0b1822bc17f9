use spakky::HasSessions;

#[derive(HasSessions)]
struct Orders {
    name: String,
}

fn main() {
    fn sessions<T: spakky::HasSessions>() {}
    sessions::<Orders>();
}
