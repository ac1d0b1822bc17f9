use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

fn rejected(error: String) -> String {
    error
}

impl Bank {
    #[transactional(map_err = rejected)]
    async fn pay(&self) -> Result<(), String> {
        Ok(())
    }
}

fn main() {}
