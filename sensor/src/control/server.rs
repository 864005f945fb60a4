//! The thread that serves clients.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Mutex, Notify, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::protocol::{Answer, Request};
use super::socket::{Peers, Rights, SocketFile, bind};
use super::{REQUEST_BYTES_MAX, http};
use crate::metrics::Control;
use crate::rules::Untrusted;

/// Clients served at once, on the socket and over HTTP each: an operator, a script, a collector or
/// two, and room. More are turned away at once.
const CLIENTS_MAX: usize = 16;

/// How long a client may take to send a request, and to read an answer.
const CLIENT_WAIT: Duration = Duration::from_secs(5);

/// How long the event loop may take to answer. It answers between two turns, so it hangs after
/// that, and saying so is the best that can be done.
const LOOP_WAIT: Duration = Duration::from_secs(10);

/// Between two questions to the event loop: a client that asks all the time takes a few percent
/// of it.
const ASK_PAUSE: Duration = Duration::from_millis(5);

/// After an accept that failed, for want of descriptors for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What to serve.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub socket: Option<PathBuf>,
    /// Group whose members may read.
    pub group: Option<String>,
    /// Address of the metrics page.
    pub metrics: Option<SocketAddr>,
}

/// Why the control socket or the metrics page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("cannot make the control socket {path}")]
    Bind { path: PathBuf, source: io::Error },
    #[error("the directory of the control socket, {path}, is not used: {why}")]
    Untrusted { path: PathBuf, why: Untrusted },
    #[error("another sensor serves the control socket {path}; set `control.socket` for this one")]
    Taken { path: PathBuf },
    #[error("there is no group `{group}` (`control.group`)")]
    NoGroup { group: String },
    #[error("cannot listen on {address} for metrics")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot start the thread that serves clients")]
    Thread(#[source] io::Error),
}

/// A question to the event loop.
#[derive(Debug)]
pub struct Ask {
    pub request: Request,
    pub answer: oneshot::Sender<Answer>,
}

/// What is bound, and not served yet.
#[derive(Debug)]
pub struct Server {
    socket: Option<(StdUnixListener, SocketFile)>,
    metrics: Option<std::net::TcpListener>,
    peers: Peers,
    stats: Arc<Stats>,
    stop: Arc<Notify>,
}

/// Counters that the thread and the event loop share.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) requests: AtomicU64,
    pub(super) refused_busy: AtomicU64,
    pub(super) refused_peers: AtomicU64,
    pub(super) failed: AtomicU64,
}

/// Adds one to a counter.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Server {
    /// Binds the socket and the address. Needs the rights to do so; [`Server::serve`] needs none.
    pub fn bind(settings: &Settings) -> Result<Server, ControlError> {
        let peers = Peers { group: settings.group.clone() };
        let socket = match &settings.socket {
            Some(path) => Some((bind(path, &peers)?, SocketFile(path.clone()))),
            None => None,
        };
        let metrics = settings.metrics.map(|address| {
            let listen = || {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                Ok(listener)
            };
            listen().map_err(|source| ControlError::Listen { address, source })
        });
        let metrics = metrics.transpose()?;
        Ok(Server { socket, metrics, peers, stats: Arc::default(), stop: Arc::default() })
    }

    /// Starts the thread that answers, with what the event loop says.
    pub fn serve(&mut self, asks: mpsc::Sender<Ask>) -> Result<(), ControlError> {
        let socket = match &self.socket {
            Some((listener, _)) => Some(listener.try_clone().map_err(ControlError::Thread)?),
            None => None,
        };
        let metrics = self.metrics.take();
        if socket.is_none() && metrics.is_none() {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ControlError::Thread)?;
        let desk = Arc::new(Desk {
            asks: Mutex::new(asks),
            peers: self.peers.clone(),
            stats: Arc::clone(&self.stats),
        });
        let stop = Arc::clone(&self.stop);
        let serve = move || {
            let served = runtime.block_on(async {
                if let Some(socket) = socket {
                    let listener = UnixListener::from_std(socket)?;
                    tokio::spawn(serve_socket(listener, Arc::clone(&desk)));
                }
                if let Some(metrics) = metrics {
                    let listener = TcpListener::from_std(metrics)?;
                    tokio::spawn(serve_http(listener, desk));
                }
                stop.notified().await;
                io::Result::Ok(())
            });
            if let Err(error) = served {
                tracing::error!(%error, "the control socket and the metrics are not served");
            }
        };
        let builder = std::thread::Builder::new().name("ocellus-control".to_owned());
        builder.spawn(serve).map(drop).map_err(ControlError::Thread)
    }

    pub fn stats(&self) -> Control {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Stats { requests, refused_busy, refused_peers, failed } = &*self.stats;
        Control {
            requests: load(requests),
            refused_busy: load(refused_busy),
            refused_peers: load(refused_peers),
            failed: load(failed),
        }
    }

    /// Where the metrics are, once bound: the port may have been left to the kernel.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref()?.local_addr().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.notify_one();
    }
}

/// Where clients get their answers.
#[derive(Debug)]
pub(super) struct Desk {
    /// One question at a time.
    asks: Mutex<mpsc::Sender<Ask>>,
    peers: Peers,
    pub(super) stats: Arc<Stats>,
}

impl Desk {
    /// Asks the event loop.
    pub(super) async fn ask(&self, request: Request) -> Answer {
        let no_answer = || Answer::Error("the event loop does not answer".to_owned());
        let asks = self.asks.lock().await;
        let (answer, answered) = oneshot::channel();
        if asks.send(Ask { request, answer }).await.is_err() {
            return Answer::Error("the sensor is stopping".to_owned());
        }
        let answer = timeout(LOOP_WAIT, answered).await;
        tokio::time::sleep(ASK_PAUSE).await;
        count(&self.stats.requests);
        answer.map_or_else(|_| no_answer(), |answer| answer.unwrap_or_else(|_| no_answer()))
    }
}

async fn serve_socket(listener: UnixListener, desk: Arc<Desk>) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let desk = Arc::clone(&desk);
                tokio::spawn(async move {
                    talk(stream, &desk).await;
                    drop(place);
                });
            }
            Err(_) => count(&desk.stats.refused_busy),
        }
    }
}

async fn serve_http(listener: TcpListener, desk: Arc<Desk>) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let desk = Arc::clone(&desk);
                tokio::spawn(async move {
                    http::answer(&mut stream, &desk).await;
                    drop(place);
                });
            }
            Err(_) => count(&desk.stats.refused_busy),
        }
    }
}

/// Answers one client until it has nothing more to say.
async fn talk(mut stream: UnixStream, desk: &Desk) {
    let rights = match stream.peer_cred() {
        Ok(peer) => desk.peers.rights(peer.uid(), peer.gid()),
        Err(_) => Rights::None,
    };
    if rights == Rights::None {
        count(&desk.stats.refused_peers);
        let why = "only root and the group of `control.group` may ask".to_owned();
        send(&mut stream, &Answer::Error(why)).await;
        return;
    }
    let mut buffer = Vec::new();
    loop {
        let line = match timeout(CLIENT_WAIT, read_line(&mut stream, &mut buffer)).await {
            Ok(Ok(Some(line))) => line,
            Ok(Ok(None)) => return,
            Ok(Err(_)) | Err(_) => {
                count(&desk.stats.failed);
                return;
            }
        };
        let answer = match serde_json::from_slice::<Request>(&line) {
            Err(error) => {
                count(&desk.stats.failed);
                Answer::Error(format!("the request is not understood: {error}"))
            }
            Ok(request) if rights < Rights::Change && !request.only_reads() => {
                count(&desk.stats.refused_peers);
                Answer::Error("only root may change something".to_owned())
            }
            Ok(request) => desk.ask(request).await,
        };
        if !send(&mut stream, &answer).await {
            count(&desk.stats.failed);
            return;
        }
    }
}

/// The next line, without its end. None at the end of the stream.
async fn read_line(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Vec<u8>>> {
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let mut line: Vec<u8> = buffer.drain(..=end).collect();
            line.pop();
            return Ok(Some(line));
        }
        if buffer.len() >= REQUEST_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut chunk = [0; 512];
        match stream.read(&mut chunk).await? {
            0 if buffer.is_empty() => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => buffer.extend_from_slice(&chunk[..count]),
        }
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> bool {
    let mut line = match serde_json::to_vec(answer) {
        Ok(line) => line,
        Err(error) => unreachable!("an answer is plain data: {error}"),
    };
    line.push(b'\n');
    matches!(timeout(CLIENT_WAIT, stream.write_all(&line)).await, Ok(Ok(())))
}
