//! One thread's loop: wait for replies and for the time the next request is due, take each reply,
//! send what is due on a connection that is free. Nothing is allocated for a request.

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

/// The longest the loop sleeps before it looks at its deadlines.
const TICK: Duration = Duration::from_millis(50);
/// The shortest wait for a request that is due. Requests due within it go out together and up to so
/// much late, which their latency counts; a wake each would take a core from the server.
const GRAIN: Duration = Duration::from_micros(100);
const READ_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 1024;
const TIMER: Token = Token(usize::MAX - 1);

/// When requests are due, which are measured, and when a load ends.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    pub pace: Pace,
    pub started: Instant,
    pub measured_from: Instant,
    /// From here on nothing is due; what is in flight is awaited.
    pub measured_to: Instant,
    /// From here on nothing is awaited.
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
    /// What the socket didn't take at once of the request in flight.
    unsent: Vec<u8>,
    due_at: Instant,
    sent_at: Instant,
    in_flight: bool,
    broken: bool,
}

/// One thread's connections and what it sends over them.
pub struct Worker<S> {
    poll: Poll,
    timer: Timer,
    connections: Vec<Connection>,
    /// Those without a request in flight, the longest idle first.
    free: VecDeque<usize>,
    script: S,
    schedule: Schedule,
    timetable: Timetable,
    tally: Tally,
    in_flight: u64,
    /// Connections that may send again.
    alive: usize,
    /// The script had no more for a connection.
    exhausted: bool,
}

impl<S: Script> Worker<S> {
    /// Takes over connected sockets.
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

    /// Runs until the schedule's end, or until the script has no more to send, and all is answered.
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

    /// Wakes the loop when the next request is due, if a connection is free for it, or a grain later.
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

    /// Reads until the socket is empty. A read that doesn't fill the buffer emptied it: what comes
    /// later raises a new event.
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

    /// Takes what was read; a whole reply frees the connection for what is due.
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
        if reply.status != script.expected_status(slot) {
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

    /// Sends what is due on the connections that are free.
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

    /// The other end closed. Nothing is lost when no request is in flight, but it stays closed.
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

    /// Gives a connection up, and says whether it had a request in flight. It is not opened anew.
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

/// The second of the measured window that `at` is in.
fn second_of(schedule: &Schedule, at: Instant) -> Option<usize> {
    let into = schedule
        .covers(at)
        .then(|| at.duration_since(schedule.measured_from))?;
    usize::try_from(into.as_secs()).ok()
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
