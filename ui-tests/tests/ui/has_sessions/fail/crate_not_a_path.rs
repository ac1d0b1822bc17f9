use spakky::{HasSessions, SessionManager};

#[derive(HasSessions)]
#[sessions(crate = 1)]
struct Orders {
    orders: SessionManager,
}

fn main() {
    fn sessions<T: spakky::HasSessions>() {}
    sessions::<Orders>();
}
