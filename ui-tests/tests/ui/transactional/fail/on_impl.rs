use spakky::prelude::*;

#[derive(HasSessions)]
struct Bank {
    sessions: SessionManager,
}

#[transactional]
impl Bank {
    async fn pay(&self) -> Result<(), spakky::Error> {
        Ok(())
    }
}

fn main() {}
