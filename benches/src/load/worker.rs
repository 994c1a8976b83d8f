//! The loop of one thread: wait for replies and for the time of the next request, process each
//! reply, and send due requests on free connections. It allocates nothing per request.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::pace::{Pace, Share, Timetable};
use super::reply::{Malformed, ReplyReader};
use super::script::Script;
use super::tally::{Tally, Timing};
use super::timer::Timer;
use crate::error::BenchError;
use crate::interrupt;

/// The longest sleep of the loop before it checks its deadlines.
const TICK: Duration = Duration::from_millis(50);
/// The shortest wait for a due request. Requests that are due within it are sent together and up to
/// that much late, which counts in their latency. Waking for each of them would take a core from
/// the server.
const GRAIN: Duration = Duration::from_micros(100);
const READ_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 1024;
const TIMER: Token = Token(usize::MAX - 1);

/// The times of a load: when requests are due, which of them are measured, and when it ends.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub pace: Pace,
    pub started: Instant,
    pub measured_from: Instant,
    /// From this moment no request is due, and requests in flight are awaited.
    pub measured_to: Instant,
    /// From this moment nothing is awaited.
    pub give_up_at: Instant,
}

impl Schedule {
    fn covers(&self, at: Instant) -> bool {
        at >= self.measured_from && at < self.measured_to
    }
}

struct Connection {
    socket: TcpStream,
    reader: ReplyReader,
    /// The bytes of the request in flight that the socket didn't accept yet.
    unsent: Vec<u8>,
    due_at: Instant,
    sent_at: Instant,
    in_flight: bool,
    broken: bool,
}

/// One thread's connections and the requests that it sends over them.
pub struct Worker<S> {
    poll: Poll,
    timer: Timer,
    connections: Vec<Connection>,
    /// The connections without a request in flight, the longest idle one first.
    free: VecDeque<usize>,
    script: S,
    schedule: Schedule,
    timetable: Timetable,
    tally: Tally,
    in_flight: u64,
    /// The number of connections that may send again.
    alive: usize,
    /// Whether the script had no more requests for a connection.
    exhausted: bool,
}

impl<S: Script> Worker<S> {
    /// Creates a worker on connected sockets.
    pub fn new(
        sockets: Vec<net::TcpStream>,
        script: S,
        schedule: Schedule,
        share: Share,
    ) -> Result<Self, BenchError> {
        let poll = Poll::new().map_err(BenchError::io("make an epoll instance"))?;
        let timer = Timer::register(poll.registry(), TIMER)?;
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
                due_at: schedule.started,
                sent_at: schedule.started,
                in_flight: false,
                broken: false,
            });
        }
        Ok(Self {
            poll,
            timer,
            free: (0..connections.len()).collect(),
            alive: connections.len(),
            connections,
            script,
            schedule,
            timetable: Timetable::new(schedule.pace, share, schedule.started, schedule.measured_to),
            tally: Tally::new(),
            in_flight: 0,
            exhausted: false,
        })
    }

    /// Runs until the schedule ends or the script has no more requests, and all requests are
    /// answered.
    pub fn run(mut self) -> Result<(Tally, S), BenchError> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let mut buffer = vec![0; READ_BYTES];
        self.dispatch(Instant::now());
        while self.in_flight > 0 || self.has_more(Instant::now()) {
            self.set_timer()?;
            match self.poll.poll(&mut events, Some(TICK)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result.map_err(BenchError::io("wait for replies"))?,
            }
            for event in &events {
                self.handle(event, &mut buffer);
            }
            let now = Instant::now();
            if interrupt::requested() {
                self.timetable.end(now);
            }
            self.dispatch(now);
            if now >= self.schedule.give_up_at {
                self.tally.unanswered(self.in_flight);
                break;
            }
        }
        if !self.exhausted {
            self.tally.unsent += self.timetable.into_unsent();
        }
        Ok((self.tally, self.script))
    }

    fn has_more(&self, now: Instant) -> bool {
        self.alive > 0 && !self.timetable.over(now)
    }

    /// Sets the timer to the time when the next request is due, but at least a grain ahead, if a
    /// connection is free.
    fn set_timer(&self) -> Result<(), BenchError> {
        if self.free.is_empty() {
            return Ok(());
        }
        match self.timetable.next_at() {
            Some(due) => self
                .timer
                .set(due.saturating_duration_since(Instant::now()).max(GRAIN)),
            None => Ok(()),
        }
    }

    fn handle(&mut self, event: &Event, buffer: &mut [u8]) {
        let token = event.token();
        if token == TIMER {
            self.dispatch(Instant::now());
            return;
        }
        let Token(slot) = token;
        if event.is_writable() && !self.connections[slot].unsent.is_empty() {
            self.send_rest(slot);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.receive(slot, buffer);
        }
    }

    /// Reads until the socket is empty. A read that doesn't fill the buffer has emptied it: data
    /// that arrives later raises a new event.
    fn receive(&mut self, slot: usize, buffer: &mut [u8]) {
        while !self.connections[slot].broken {
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

    /// Processes bytes that were read. A complete reply frees the connection for the next due
    /// request.
    fn take(&mut self, slot: usize, bytes: &[u8]) -> Result<(), Malformed> {
        let Self {
            connections,
            schedule,
            tally,
            script,
            timetable,
            ..
        } = self;
        let connection = &mut connections[slot];
        let Some(reply) = connection.reader.feed(bytes)? else {
            return Ok(());
        };
        if !connection.in_flight {
            return Err(Malformed::Surplus);
        }
        let now = Instant::now();
        let timing = Timing {
            latency: now.saturating_duration_since(connection.due_at),
            service: now.saturating_duration_since(connection.sent_at),
            measured: schedule.covers(if timetable.is_open() {
                connection.due_at
            } else {
                now
            }),
            second: second_of(schedule, now),
        };
        let closes = reply.closes;
        if !script.expects(slot, reply.status) {
            tally.other_status(&timing, &reply);
        } else if let Err(wrong) = script.answered(slot, reply.body) {
            tally.transport_error(wrong, true);
        } else {
            tally.answer(&timing, script.records(slot));
        }
        connection.in_flight = false;
        self.in_flight -= 1;
        if closes {
            self.broken(slot, "the server closes a connection that should stay open");
        } else {
            self.free.push_back(slot);
            self.dispatch(now);
        }
        Ok(())
    }

    /// Sends due requests on the free connections.
    fn dispatch(&mut self, now: Instant) {
        while let Some(&slot) = self.free.front() {
            let Some(due) = self.timetable.take(now) else {
                return;
            };
            self.free.pop_front();
            let Some(request) = self.script.next(slot) else {
                self.exhausted = true;
                self.alive -= 1;
                continue;
            };
            let connection = &mut self.connections[slot];
            connection.due_at = due;
            connection.sent_at = now;
            connection.in_flight = true;
            self.in_flight += 1;
            match write(&mut connection.socket, request) {
                Ok(written) => connection.unsent.extend_from_slice(&request[written..]),
                Err(error) => self.broken(slot, error),
            }
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

    /// Handles a connection that the server closed. Nothing is lost if no request is in flight, but
    /// the connection is not opened again.
    fn closed(&mut self, slot: usize) {
        if self.connections[slot].in_flight {
            let why = "the server closed a connection with a request in flight";
            self.broken(slot, why);
        } else {
            self.give_up(slot);
        }
    }

    fn broken(&mut self, slot: usize, why: impl ToString) {
        let in_flight = self.give_up(slot);
        self.tally.transport_error(why, in_flight);
    }

    /// Gives a connection up, and returns whether it had a request in flight. It is not opened
    /// again.
    fn give_up(&mut self, slot: usize) -> bool {
        let connection = &mut self.connections[slot];
        if std::mem::replace(&mut connection.broken, true) {
            return false;
        }
        let _ = self.poll.registry().deregister(&mut connection.socket);
        let _ = connection.socket.shutdown(net::Shutdown::Both);
        connection.unsent.clear();
        let in_flight = std::mem::take(&mut connection.in_flight);
        self.in_flight -= u64::from(in_flight);
        self.free.retain(|&free| free != slot);
        self.alive -= 1;
        in_flight
    }
}

/// Returns the second of the measured window that contains `at`.
fn second_of(schedule: &Schedule, at: Instant) -> Option<usize> {
    let into = schedule
        .covers(at)
        .then(|| at.duration_since(schedule.measured_from))?;
    usize::try_from(into.as_secs()).ok()
}

/// Writes as many bytes as the socket accepts now.
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
