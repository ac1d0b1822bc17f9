use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional(retry(attempts = 5))]
    async fn pay(&self, (ref mut left, _): (i64, i64)) -> Result<(), spakky::Error> {
        *left += 1;
        Ok(())
    }
}

fn main() {}
