//! One thread's loop: wait for replies, take each, send the next request on the same connection.
//! Nothing is allocated for a request, and each costs one write, one read and its part of a wait.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::reply::{Malformed, Reply, ReplyReader};
use super::script::Script;
use super::tally::Tally;
use crate::error::BenchError;
use crate::interrupt;

/// The longest the loop sleeps before it looks at its deadlines.
const TICK: Duration = Duration::from_millis(50);
const READ_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 1024;

/// When a load is measured and when it ends. Times are those of the replies.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub measured_from: Instant,
    pub measured_to: Instant,
    /// From here on nothing is sent; what is in flight is awaited.
    pub stop_at: Instant,
    /// From here on nothing is awaited.
    pub give_up_at: Instant,
}

struct Connection {
    socket: TcpStream,
    reader: ReplyReader,
    /// What the socket didn't take at once of the request in flight.
    unsent: Vec<u8>,
    sent_at: Instant,
    in_flight: bool,
}

/// One thread's connections and what it sends over them.
pub struct Worker<S> {
    poll: Poll,
    connections: Vec<Connection>,
    script: S,
    schedule: Schedule,
    tally: Tally,
    in_flight: u64,
}

/// A reply's part in the tally, copied out before its bytes go.
enum Came {
    Nothing,
    Answer { closes: bool },
}

impl<S: Script> Worker<S> {
    /// Takes over connected sockets.
    pub fn new(
        sockets: Vec<net::TcpStream>,
        script: S,
        schedule: Schedule,
    ) -> Result<Self, BenchError> {
        let poll = Poll::new().map_err(BenchError::io("make an epoll instance"))?;
        let mut connections = Vec::with_capacity(sockets.len());
        for (slot, socket) in sockets.into_iter().enumerate() {
            let mut socket = TcpStream::from_std(socket);
            poll.registry()
                .register(
                    &mut socket,
                    Token(slot),
                    Interest::READABLE | Interest::WRITABLE,
                )
                .map_err(BenchError::io("register a connection"))?;
            connections.push(Connection {
                socket,
                reader: ReplyReader::default(),
                unsent: Vec::new(),
                sent_at: schedule.measured_from,
                in_flight: false,
            });
        }
        Ok(Self {
            poll,
            connections,
            script,
            schedule,
            tally: Tally::new(),
            in_flight: 0,
        })
    }

    /// Runs until the schedule's end, or until the script has no more to send and all is answered.
    pub fn run(mut self) -> Result<(Tally, S), BenchError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut buffer = vec![0; READ_BYTES];
        for slot in 0..self.connections.len() {
            self.send_next(slot, Instant::now());
        }
        while self.in_flight > 0 {
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result.map_err(BenchError::io("wait for replies"))?,
            }
            for event in &events {
                let Token(slot) = event.token();
                if event.is_writable() && !self.connections[slot].unsent.is_empty() {
                    self.send_rest(slot);
                }
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.receive(slot, &mut buffer);
                }
            }
            let now = Instant::now();
            if interrupt::requested() {
                self.schedule.stop_at = self.schedule.stop_at.min(now);
            }
            if now >= self.schedule.give_up_at {
                self.tally.unanswered(self.in_flight);
                break;
            }
        }
        Ok((self.tally, self.script))
    }

    /// Reads until the socket is empty. A read that doesn't fill the buffer emptied it: what comes
    /// later raises a new event.
    fn receive(&mut self, slot: usize, buffer: &mut [u8]) {
        loop {
            match self.connections[slot].socket.read(buffer) {
                Ok(0) => return self.closed(slot),
                Ok(read) => {
                    if let Err(malformed) = self.take(slot, &buffer[..read]) {
                        return self.broken(slot, malformed);
                    }
                    if read < buffer.len() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return self.broken(slot, error),
            }
        }
    }

    fn take(&mut self, slot: usize, bytes: &[u8]) -> Result<(), Malformed> {
        let connection = &mut self.connections[slot];
        let now = Instant::now();
        let came = match connection.reader.feed(bytes)? {
            None => Came::Nothing,
            Some(_) if !connection.in_flight => return Err(Malformed::Surplus),
            Some(reply) => {
                let closes = reply.closes;
                let in_window =
                    now >= self.schedule.measured_from && now < self.schedule.measured_to;
                let latency = now.saturating_duration_since(connection.sent_at);
                count(
                    &mut self.tally,
                    &mut self.script,
                    slot,
                    &reply,
                    latency,
                    in_window,
                );
                Came::Answer { closes }
            }
        };
        if let Came::Answer { closes } = came {
            connection.in_flight = false;
            self.in_flight -= 1;
            if closes {
                self.tally
                    .transport_error("the server closes a connection that should stay open");
            } else {
                self.send_next(slot, now);
            }
        }
        Ok(())
    }

    fn send_next(&mut self, slot: usize, now: Instant) {
        if now >= self.schedule.stop_at {
            return;
        }
        let Some(request) = self.script.next(slot) else {
            return;
        };
        let connection = &mut self.connections[slot];
        connection.sent_at = now;
        connection.in_flight = true;
        self.in_flight += 1;
        match write(&mut connection.socket, request) {
            Ok(written) => connection.unsent.extend_from_slice(&request[written..]),
            Err(error) => self.broken(slot, error),
        }
    }

    fn send_rest(&mut self, slot: usize) {
        let connection = &mut self.connections[slot];
        match write(&mut connection.socket, &connection.unsent) {
            Ok(written) => {
                connection.unsent.drain(..written);
            }
            Err(error) => self.broken(slot, error),
        }
    }

    /// The other end closed. Nothing is lost when no request is in flight, but it stays closed.
    fn closed(&mut self, slot: usize) {
        if self.connections[slot].in_flight {
            self.broken(
                slot,
                "the server closed a connection with a request in flight",
            );
        }
    }

    /// Gives a connection up. It is not opened anew: the run fails anyway.
    fn broken(&mut self, slot: usize, why: impl ToString) {
        self.tally.transport_error(why);
        let connection = &mut self.connections[slot];
        let _ = self.poll.registry().deregister(&mut connection.socket);
        let _ = connection.socket.shutdown(net::Shutdown::Both);
        connection.unsent.clear();
        if std::mem::take(&mut connection.in_flight) {
            self.in_flight -= 1;
        }
    }
}

fn count<S: Script>(
    tally: &mut Tally,
    script: &mut S,
    slot: usize,
    reply: &Reply<'_>,
    latency: Duration,
    in_window: bool,
) {
    if reply.status != script.expected_status(slot) {
        tally.other_status(reply.status, reply.body);
    } else if let Err(wrong) = script.answered(slot, reply.body) {
        tally.transport_error(wrong);
    } else {
        tally.answer(latency, in_window);
    }
}

/// Writes as much as the socket takes now.
fn write(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match socket.write(&bytes[written..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}
