//! Events over a TCP connection, without a word from the receiver.

use std::io::{self, Write as _};

use super::Record;
use super::deliver::{Answer, Peer};
use crate::net::connection::{Address, Connection};
use crate::net::tls::{TlsError, TlsSettings};

/// Writes events one after the other, or each with its length before it. What the kernel has taken
/// counts as delivered: the protocol has no word for more.
#[derive(Debug)]
pub(super) struct StreamPeer {
    address: Address,
    /// Octet counting of RFC 6587, section 3.4.1.
    is_counted: bool,
    connection: Option<Connection>,
    buffer: Vec<u8>,
}

impl StreamPeer {
    pub(super) fn plain(address: &str, tls: Option<&TlsSettings>) -> Result<StreamPeer, TlsError> {
        let (connection, buffer) = (None, Vec::new());
        let address = Address::new(address, tls)?;
        Ok(StreamPeer { address, is_counted: false, connection, buffer })
    }

    pub(super) fn counted(
        address: &str,
        tls: Option<&TlsSettings>,
    ) -> Result<StreamPeer, TlsError> {
        Ok(StreamPeer { is_counted: true, ..StreamPeer::plain(address, tls)? })
    }
}

impl Peer for StreamPeer {
    fn send(&mut self, records: &[Record<'_>]) -> io::Result<Answer> {
        // A receiver that has closed its end would take one more write, and throw it away.
        let open = self.connection.take().and_then(|mut it| (!it.is_closed()).then_some(it));
        let mut connection = match open {
            Some(connection) => connection,
            None => {
                let connection = self.address.connect()?;
                tracing::info!("connected to {}", self.address.as_str());
                connection
            }
        };
        self.buffer.clear();
        for record in records {
            if self.is_counted {
                write!(self.buffer, "{} ", record.body.len())?;
            }
            self.buffer.extend_from_slice(record.body);
        }
        connection.write_all(&self.buffer)?;
        connection.flush()?;
        self.connection = Some(connection);
        Ok(Answer::default())
    }
}
