use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional(commit_on = _, retry(attempts = 5))]
    async fn pay(&self) -> i64 {
        1
    }
}

fn main() {}
