use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional]
    async fn pay(&self) -> Result<i64, spakky::Error> {
        let amount = "1";
        Ok(amount)
    }
}

fn main() {}
