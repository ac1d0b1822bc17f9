//! The bytes of a unit of work as they went over the line, read as messages of PostgreSQL's protocol.

/// What decides what a caller may be told. Places are numbers of messages: their lengths differ a little from run to run, since
/// the ids of transactions and the names of savepoints do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// How many bytes travel to the server, and how many to the client.
    pub(crate) bytes: (u64, u64),
    /// Up to where what is sent ahead of COMMIT's burst travels, in messages and in bytes; none without a COMMIT.
    pub(crate) commit: Option<(usize, u64)>,
    /// Up to where the client has the answers to that, in messages and in bytes.
    pub(crate) answered: (usize, u64),
    /// Up to where the client has been told the transaction's id; none if it never is.
    pub(crate) id: Option<usize>,
    /// Up to where the client has the server's word on what came of the unit.
    pub(crate) word: usize,
    /// How many messages travel to the client.
    pub(crate) answers: usize,
}

struct Message<'b> {
    tag: u8,
    /// Where the next one begins.
    end: usize,
    body: &'b [u8],
}

/// The messages of one direction that are whole.
fn messages(bytes: &[u8]) -> Vec<Message<'_>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some([tag, length @ ..]) = bytes[at..].first_chunk::<5>() {
        let end = at + 1 + u32::from_be_bytes(*length) as usize;
        let Some(body) = bytes.get(at + 5..end) else { break };
        found.push(Message { tag: *tag, end, body });
        at = end;
    }
    found
}

/// How many messages are whole.
pub(crate) fn whole(bytes: &[u8]) -> usize {
    messages(bytes).len()
}

/// How many bursts end in these requests, and how many have been answered in these answers.
pub(crate) fn bursts(to_server: &[u8], to_client: &[u8]) -> (usize, usize) {
    let is_end = |message: &Message<'_>| matches!(message.tag, b'S' | b'Q');
    let sent = messages(to_server).into_iter().filter(is_end).count();
    (sent, messages(to_client).into_iter().filter(|message| message.tag == b'Z').count())
}

impl Marks {
    /// Reads the marks of a unit off what it sent and was sent. `ids` are the transactions that have written its rows.
    pub(crate) fn of(to_server: &[u8], to_client: &[u8], ids: &[String]) -> Self {
        let (requests, answers) = (messages(to_server), messages(to_client));
        let is_end = |message: &Message<'_>| matches!(message.tag, b'S' | b'Q');
        let is_commit = |message: &Message<'_>| message.tag == b'P' && message.body.starts_with(b"\0COMMIT\0");
        let commit = requests.iter().position(is_commit).map(|at| {
            let begins = requests[..at].iter().rposition(is_end).map_or(0, |end| end + 1);
            (begins, begins.checked_sub(1).map_or(0, |last| requests[last].end as u64))
        });
        let ahead = requests[..commit.map_or(0, |(at, _)| at)].iter().filter(|message| is_end(message)).count();
        let ready: Vec<_> = (0..answers.len()).filter(|at| answers[*at].tag == b'Z').collect();
        let answered = ahead.checked_sub(1).map_or((0, 0), |last| (ready[last] + 1, answers[ready[last]].end as u64));
        let tells = |answer: &Message<'_>| {
            let names = |id: &String| {
                let value = [&u32::try_from(id.len()).unwrap().to_be_bytes()[..], id.as_bytes()].concat();
                answer.body.windows(value.len()).any(|part| part == value)
            };
            answer.tag == b'D' && ids.iter().any(names)
        };
        let is_word = |answer: &Message<'_>| answer.tag == b'E' || (answer.tag == b'C' && answer.body == b"COMMIT\0");
        let word = answers[answered.0..].iter().position(is_word).map(|at| answered.0 + at);
        Marks {
            bytes: (to_server.len() as u64, to_client.len() as u64),
            commit,
            answered,
            id: answers.iter().position(tells).map(|at| at + 1),
            word: word.or(ready.last().copied()).map_or(0, |at| at + 1),
            answers: answers.len(),
        }
    }
}
