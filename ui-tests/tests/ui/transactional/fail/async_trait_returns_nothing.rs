use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

#[async_trait::async_trait]
trait Pay {
    async fn pay(&self);
}

#[async_trait::async_trait]
impl Pay for Bank {
    #[transactional]
    async fn pay(&self) {}
}

fn main() {}
