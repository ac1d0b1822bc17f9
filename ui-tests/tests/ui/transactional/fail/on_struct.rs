use spakky::prelude::*;

#[transactional]
#[derive(HasSessions)]
struct Bank {
    sessions: SessionManager,
}

fn main() {}
