use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

struct PayError;

impl From<spakky::Error> for PayError {
    fn from(_: spakky::Error) -> Self {
        PayError
    }
}

impl Bank {
    #[transactional]
    async fn pay(&self, amount: &str) -> Result<i64, PayError> {
        let amount: i64 = amount.parse()?;
        Ok(amount)
    }
}

fn main() {}
