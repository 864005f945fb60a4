//! A TCP connection, with TLS or without.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::tls::{self, TlsError, TlsSettings};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A receiver that takes or says nothing for so long is given up, and connected to anew.
const IO_TIMEOUT: Duration = Duration::from_secs(60);

/// How to reach a receiver.
#[derive(Debug)]
pub(crate) struct Address {
    /// `host:port`.
    address: String,
    tls: Option<Arc<ClientConfig>>,
}

#[derive(Debug)]
pub(crate) enum Connection {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Address {
    pub(crate) fn new(address: &str, tls: Option<&TlsSettings>) -> Result<Address, TlsError> {
        let tls = tls.map(tls::client).transpose()?;
        Ok(Address { address: address.to_owned(), tls })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.address
    }

    /// With TLS, if that is wanted.
    pub(crate) fn connect(&self) -> io::Result<Connection> {
        let stream = self.connect_plain()?;
        match self.tls {
            Some(_) => self.secure(stream),
            None => Ok(Connection::Plain(stream)),
        }
    }

    /// Without TLS yet. Tries each of the host's addresses.
    pub(crate) fn connect_plain(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in self.address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(IO_TIMEOUT))?;
                    stream.set_write_timeout(Some(IO_TIMEOUT))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Puts TLS over a connection.
    pub(crate) fn secure(&self, stream: TcpStream) -> io::Result<Connection> {
        let Some(tls) = &self.tls else { return Ok(Connection::Plain(stream)) };
        let host = self.address.rsplit_once(':').map_or(&*self.address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let client = ClientConnection::new(tls.clone(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(client, stream);
        // Now, so that a certificate that is not trusted is an error of the connection.
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Connection::Tls(Box::new(stream)))
    }
}

impl Connection {
    fn socket(&self) -> &TcpStream {
        match self {
            Connection::Plain(stream) => stream,
            Connection::Tls(stream) => &stream.sock,
        }
    }

    /// Lets reads fail after so long, or after the usual time.
    pub(crate) fn wait_at_most(&self, time: Option<Duration>) -> io::Result<()> {
        self.socket().set_read_timeout(Some(time.unwrap_or(IO_TIMEOUT)))
    }

    /// The receiver has closed its end.
    pub(crate) fn is_closed(&mut self) -> bool {
        let socket = self.socket();
        if socket.set_nonblocking(true).is_err() {
            return true;
        }
        let closed = matches!(socket.peek(&mut [0]), Ok(0))
            || socket.take_error().is_ok_and(|error| error.is_some());
        closed || socket.set_nonblocking(false).is_err()
    }
}

impl Read for Connection {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Connection::Plain(stream) => stream.read(bytes),
            Connection::Tls(stream) => stream.read(bytes),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Connection::Plain(stream) => stream.write(bytes),
            Connection::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Connection::Plain(stream) => stream.flush(),
            Connection::Tls(stream) => stream.flush(),
        }
    }
}
