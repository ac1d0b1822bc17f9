use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

struct Receipt;

impl Bank {
    #[transactional(retry(attempts = 5))]
    async fn pay(&self, amount: i64, receipt: Receipt) -> Result<i64, spakky::Error> {
        drop(receipt);
        Ok(amount)
    }
}

fn main() {}
