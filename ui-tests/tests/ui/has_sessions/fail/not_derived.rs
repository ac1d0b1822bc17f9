use spakky::SessionManager;

struct Orders {
    orders: SessionManager,
}

fn main() {
    fn sessions<T: spakky::HasSessions>() {}
    sessions::<Orders>();
}
