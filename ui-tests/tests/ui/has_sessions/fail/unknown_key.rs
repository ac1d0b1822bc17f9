use spakky::{HasSessions, SessionManager};

#[derive(HasSessions)]
#[sessions(crat = spakky)]
struct Orders {
    orders: SessionManager,
}

fn main() {
    fn sessions<T: spakky::HasSessions>() {}
    sessions::<Orders>();
}
