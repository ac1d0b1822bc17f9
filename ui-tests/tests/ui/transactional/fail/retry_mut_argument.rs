use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional(retry(attempts = 5))]
    async fn pay(&self, amounts: &mut Vec<i64>) -> Result<(), spakky::Error> {
        amounts.push(1);
        Ok(())
    }
}

fn main() {}
