use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

struct PayError;

type PayResult<T> = Result<T, PayError>;

impl Bank {
    #[transactional(retry(attempts = 5))]
    async fn pay(&self) -> PayResult<()> {
        Ok(())
    }
}

fn main() {}
