//! A server that takes events as lines of JSON, over TCP or at a unix socket.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

/// A listener with what it has received. Each line that is complete is an event.
#[derive(Debug)]
pub struct Lines {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    events: Mutex<Vec<Value>>,
    connections: Mutex<Vec<Connection>>,
    stop: AtomicBool,
    /// Connections are kept open, and nothing is read.
    pause: AtomicBool,
}

#[derive(Debug)]
enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Lines {
    pub fn tcp(port: u16) -> Lines {
        let listener = super::wait_for("free port", || TcpListener::bind(("127.0.0.1", port)).ok());
        listener.set_nonblocking(true).expect("it is ours");
        Lines::start(move || {
            let stream = listener.accept().ok()?.0;
            stream.set_nonblocking(false).ok()?;
            let reader: Box<dyn Read + Send> = Box::new(stream.try_clone().ok()?);
            Some((reader, Connection::Tcp(stream)))
        })
    }

    pub fn unix(path: &Path) -> Lines {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).expect("the directory is writable");
        listener.set_nonblocking(true).expect("it is ours");
        Lines::start(move || {
            let stream = listener.accept().ok()?.0;
            stream.set_nonblocking(false).ok()?;
            let reader: Box<dyn Read + Send> = Box::new(stream.try_clone().ok()?);
            Some((reader, Connection::Unix(stream)))
        })
    }

    fn start(
        mut accept: impl FnMut() -> Option<(Box<dyn Read + Send>, Connection)> + Send + 'static,
    ) -> Lines {
        let shared = Arc::<Shared>::default();
        let server = shared.clone();
        let thread = thread::spawn(move || {
            let mut readers = Vec::new();
            while !server.stop.load(Ordering::Relaxed) {
                let Some((reader, connection)) = accept() else {
                    thread::sleep(Duration::from_millis(10));
                    continue;
                };
                server.connections.lock().expect("nobody panics with it").push(connection);
                let shared = server.clone();
                readers.push(thread::spawn(move || shared.read(reader)));
            }
            readers.into_iter().for_each(|reader| drop(reader.join()));
        });
        Lines { shared, thread: Some(thread) }
    }

    /// All whole events so far.
    pub fn events(&self) -> Vec<Value> {
        self.shared.events.lock().expect("nobody panics with it").clone()
    }

    /// Reads nothing until [`Lines::go_on`].
    pub fn pause(&self) {
        self.shared.pause.store(true, Ordering::Relaxed);
    }

    pub fn go_on(&self) {
        self.shared.pause.store(false, Ordering::Relaxed);
    }

    /// Closes everything, as the end of the process does. What was received stays.
    pub fn kill(mut self) -> Vec<Value> {
        self.end();
        self.events()
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.go_on();
        for connection in self.shared.connections.lock().expect("nobody panics with it").drain(..) {
            let _ = match connection {
                Connection::Tcp(stream) => stream.shutdown(std::net::Shutdown::Both),
                Connection::Unix(stream) => stream.shutdown(std::net::Shutdown::Both),
            };
        }
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server does not panic");
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn read(&self, reader: Box<dyn Read + Send>) {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        loop {
            while self.pause.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(10));
            }
            line.clear();
            match reader.read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line.last() != Some(&b'\n') => return,
                Ok(_) => {
                    let event = serde_json::from_slice(&line).expect("a line is an event");
                    self.events.lock().expect("nobody panics with it").push(event);
                }
            }
        }
    }
}
