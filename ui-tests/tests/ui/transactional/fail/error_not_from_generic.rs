use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional]
    async fn pay<E: std::error::Error>(&self) -> Result<(), E> {
        Ok(())
    }
}

fn main() {}
