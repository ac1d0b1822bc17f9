use spakky::prelude::*;

#[derive(HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional(retry(attempts = 5))]
    async fn pay(self) -> Result<Self, spakky::Error> {
        Ok(self)
    }
}

fn main() {}
