use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional(isolation = serializable, propagation = not_supported)]
    async fn pay(&self) -> Result<(), spakky::Error> {
        Ok(())
    }
}

fn main() {}
