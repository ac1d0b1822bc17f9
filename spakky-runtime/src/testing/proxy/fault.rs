//! Where a line is cut.

use std::fmt;

use super::message::Message;

/// Which way bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

type Matches = Box<dyn Fn(&Message) -> bool + Send + Sync>;

/// A place at which a connection is cut, once.
pub struct Cut {
    pub(super) place: Place,
    pub(super) withhold: bool,
}

pub(super) enum Place {
    /// After so many bytes of one direction, counted from when it was armed, signing in apart.
    Bytes(Direction, u64),
    /// Before the message reaches the server.
    Before(Matches),
    /// After the message has reached the server, before its answer reaches the client.
    After(Matches),
}

impl Cut {
    /// Cuts after `bytes` more bytes of one direction, in the middle of a message where it falls so.
    pub fn after_bytes(direction: Direction, bytes: u64) -> Self {
        Cut { place: Place::Bytes(direction, bytes), withhold: false }
    }

    /// Cuts instead of forwarding the first message that matches.
    pub fn before(matches: impl Fn(&Message) -> bool + Send + Sync + 'static) -> Self {
        Cut { place: Place::Before(Box::new(matches)), withhold: false }
    }

    /// Forwards the first message that matches and what ends its unit of work, then cuts. The client is given the answers to what
    /// it sent before, but not this one's. The server goes on undisturbed: the line to it stays open until it has answered.
    pub fn after(matches: impl Fn(&Message) -> bool + Send + Sync + 'static) -> Self {
        Cut { place: Place::After(Box::new(matches)), withhold: false }
    }

    /// Gives the client no answer at all from now on, until it is cut.
    #[must_use]
    pub fn without_earlier_answers(mut self) -> Self {
        self.withhold = true;
        self
    }
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place: &dyn fmt::Debug = match &self.place {
            Place::Bytes(direction, bytes) => &(*direction, *bytes),
            Place::Before(_) => &"before a message",
            Place::After(_) => &"after a message",
        };
        f.debug_struct("Cut").field("place", place).field("withhold", &self.withhold).finish()
    }
}

/// A cut that waits for its place.
#[derive(Debug)]
pub(super) struct Armed {
    cut: Cut,
}

/// What is to be done with a message that a client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Forward,
    /// Cut, without forwarding it.
    Drop,
    /// Forward it and cut.
    ForwardLast,
}

impl Armed {
    pub(super) fn new(cut: Cut) -> Self {
        Armed { cut }
    }

    pub(super) fn withholds_answers(&self) -> bool {
        self.cut.withhold
    }

    pub(super) fn judge(&self, message: &Message) -> Verdict {
        match &self.cut.place {
            Place::Before(matches) if matches(message) => Verdict::Drop,
            Place::After(matches) if matches(message) => Verdict::ForwardLast,
            _ => Verdict::Forward,
        }
    }

    /// How many of `length` bytes may still pass, if the cut falls among them.
    pub(super) fn pass(&mut self, direction: Direction, length: usize) -> Option<usize> {
        match &mut self.cut.place {
            Place::Bytes(cut, left) if *cut == direction => {
                let length = length as u64;
                if *left < length {
                    return usize::try_from(*left).ok();
                }
                *left -= length;
                None
            }
            _ => None,
        }
    }
}
