use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

struct PayError;

impl Bank {
    #[transactional]
    async fn pay(&self) -> Result<(), PayError> {
        Ok(())
    }
}

fn main() {}
