use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional(retry(attempts = 5))]
    async fn pay(&self, to: impl AsRef<str>) -> Result<usize, spakky::Error> {
        Ok(to.as_ref().len())
    }
}

fn main() {}
