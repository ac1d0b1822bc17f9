//! Where a line is cut, and how.

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

/// How a line ends at a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Break {
    /// Both sides see the line closed.
    Close,
    /// Only the way that the byte travels is closed; on the other one bytes go on.
    HalfClose,
    /// On the way that the byte travels nothing goes any further, and nobody is told.
    Stall,
    /// Both sides see the line reset (RST).
    Reset,
}

type Matches = Box<dyn Fn(&Message) -> bool + Send + Sync>;

/// A place at which a connection is cut, once.
pub struct Cut {
    pub(super) place: Place,
    pub(super) withhold: bool,
}

pub(super) enum Place {
    /// After so many bytes of one direction, counted from when it was armed, signing in apart.
    Bytes(Direction, u64, Break),
    /// Before the message reaches the server.
    Before(Matches),
    /// After the message has reached the server, before its answer reaches the client.
    After(Matches),
}

impl Cut {
    /// Cuts after `bytes` more bytes of one direction, in the middle of a message where it falls so.
    pub fn after_bytes(direction: Direction, bytes: u64) -> Self {
        Cut::at_byte(direction, bytes, Break::Close)
    }

    /// The same, by another way to end a line. It takes place when one more byte is there, which does not pass.
    pub fn at_byte(direction: Direction, bytes: u64, by: Break) -> Self {
        Cut { place: Place::Bytes(direction, bytes, by), withhold: false }
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
            Place::Bytes(direction, bytes, by) => &(*direction, *bytes, *by),
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

    /// How many of `length` bytes may still pass, if the cut falls among them, and how the line ends behind them.
    pub(super) fn pass(&mut self, direction: Direction, length: usize) -> Option<(usize, Break)> {
        match &mut self.cut.place {
            Place::Bytes(cut, left, by) if *cut == direction => {
                let length = length as u64;
                if *left < length {
                    return usize::try_from(*left).ok().map(|left| (left, *by));
                }
                *left -= length;
                None
            }
            _ => None,
        }
    }
}
