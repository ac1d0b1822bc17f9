use spakky::{HasSessions, SessionManager};

#[derive(HasSessions)]
struct Orders {
    #[sessions]
    orders: SessionManager,
    #[sessions]
    audit: SessionManager,
}

fn main() {
    fn sessions<T: spakky::HasSessions>() {}
    sessions::<Orders>();
}
