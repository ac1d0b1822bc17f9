use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional]
    const fn pay(&self) -> Result<(), spakky::Error> {
        Ok(())
    }
}

fn main() {}
