use spakky::{HasSessions, SessionManager};

#[derive(HasSessions)]
struct Orders {
    orders: SessionManager,
    audit: SessionManager,
}

fn main() {
    fn sessions<T: spakky::HasSessions>() {}
    sessions::<Orders>();
}
