use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

struct Receipt;

#[async_trait::async_trait]
trait Pay {
    async fn pay(&self, receipt: Receipt) -> Result<(), spakky::Error>;
}

#[async_trait::async_trait]
impl Pay for Bank {
    #[transactional(retry(attempts = 5))]
    async fn pay(&self, receipt: Receipt) -> Result<(), spakky::Error> {
        drop(receipt);
        Ok(())
    }
}

fn main() {}
