use spakky::{HasSessions, SessionManager};

#[derive(HasSessions)]
struct Orders {
    #[sessions]
    #[sessions]
    orders: SessionManager,
}

fn main() {
    fn sessions<T: spakky::HasSessions>() {}
    sessions::<Orders>();
}
