use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional(crate = "spakky")]
    async fn pay(&self) -> Result<(), spakky::Error> {
        Ok(())
    }
}

fn main() {}
