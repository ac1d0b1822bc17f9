use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

struct PayError;

#[async_trait::async_trait]
trait Pay {
    async fn pay(&self) -> Result<(), PayError>;
}

#[async_trait::async_trait]
impl Pay for Bank {
    #[transactional]
    async fn pay(&self) -> Result<(), PayError> {
        Ok(())
    }
}

fn main() {}
