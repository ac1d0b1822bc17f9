use spakky::prelude::*;

#[derive(Clone, HasSessions)]
struct Bank {
    sessions: SessionManager,
}

impl Bank {
    #[transactional]
    async fn pay(&self) -> Result<usize, spakky::Error> {
        let amount = std::rc::Rc::new(1);
        self.sessions.ping().await?;
        Ok(*amount)
    }
}

fn send<F: Future + Send>(_: F) {}

fn spawn(bank: &Bank) {
    send(bank.pay());
}

fn main() {}
