use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    fn name(&self) -> &str {
        "bank"
    }
}

impl Bank {
    #[transactional(sessions = self.name())]
    async fn pay(&self) -> Result<(), spakky::Error> {
        Ok(())
    }
}

fn main() {}
