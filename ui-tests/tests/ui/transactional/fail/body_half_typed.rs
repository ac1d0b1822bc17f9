use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional]
    async fn pay(&self) -> Result<(), spakky::Error> {
        self.sessions.
        Ok(())
    }
}

fn main() {}
