use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional(retry(attempts = 5))]
    async fn pay(&mut self) -> Result<(), spakky::Error> {
        Ok(())
    }
}

fn main() {}
