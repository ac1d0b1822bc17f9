use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional]
    async fn pay(&self) -> Option<i64> {
        Some(1)
    }
}

fn main() {}
