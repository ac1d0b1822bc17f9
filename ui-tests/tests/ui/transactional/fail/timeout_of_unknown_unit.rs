use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional(timeout = "5 parsecs")]
    async fn pay(&self) -> Result<(), spakky::Error> {
        Ok(())
    }
}

fn main() {}
