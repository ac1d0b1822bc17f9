use spakky::HasSessions;

#[derive(HasSessions)]
enum Orders {
    One,
}

fn main() {
    fn sessions<T: spakky::HasSessions>() {}
    sessions::<Orders>();
}
