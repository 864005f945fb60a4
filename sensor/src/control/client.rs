//! The commands' side of the control socket.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::protocol::{Answer, Request};
use super::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX};

/// How long an answer is waited for: longer than the sensor waits for its event loop.
const ANSWER_WAIT: Duration = Duration::from_secs(15);

/// Why a running sensor could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "no sensor runs here: nobody serves {path}; `ocellus run` starts one, and `--socket` names \
         another place"
    )]
    NotRunning { path: PathBuf },
    #[error("{path} is not for this user; ask as root, or as a member of `control.group`")]
    Forbidden { path: PathBuf },
    #[error("cannot talk to the sensor at {path}")]
    Talk { path: PathBuf, source: io::Error },
    #[error("the sensor at {path} gave no answer: it is busy with other clients, or stopping")]
    NoAnswer { path: PathBuf },
    #[error("the answer of the sensor at {path} is not understood; is it another version?")]
    Answer { path: PathBuf, source: serde_json::Error },
    #[error("the request is too long")]
    TooLong,
    /// The sensor says why.
    #[error("{0}")]
    Refused(String),
}

/// Asks the sensor that serves a socket. An error that it answers with is an error.
pub fn ask(path: &Path, request: &Request) -> Result<Answer, ClientError> {
    let talk = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            ClientError::NotRunning { path: path.to_owned() }
        }
        io::ErrorKind::PermissionDenied => ClientError::Forbidden { path: path.to_owned() },
        _ => ClientError::Talk { path: path.to_owned(), source },
    };
    let mut line = serde_json::to_vec(request).map_err(|source| {
        let path = path.to_owned();
        ClientError::Answer { path, source }
    })?;
    if line.len() >= REQUEST_BYTES_MAX {
        return Err(ClientError::TooLong);
    }
    line.push(b'\n');
    let mut stream = UnixStream::connect(path).map_err(talk)?;
    stream.set_read_timeout(Some(ANSWER_WAIT)).map_err(talk)?;
    stream.set_write_timeout(Some(ANSWER_WAIT)).map_err(talk)?;
    let mut answer = Vec::new();
    // A server that turns us away closes first: what it said, if anything, is the answer.
    let sent = stream.write_all(&line);
    let read = BufReader::new(stream).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut answer);
    if answer.is_empty() {
        return match sent.and(read) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(ClientError::NoAnswer { path: path.to_owned() })
            }
            Err(error)
                if error.kind() != io::ErrorKind::BrokenPipe
                    && error.kind() != io::ErrorKind::ConnectionReset =>
            {
                Err(talk(error))
            }
            _ => Err(ClientError::NoAnswer { path: path.to_owned() }),
        };
    }
    match serde_json::from_slice(&answer) {
        Ok(Answer::Error(why)) => Err(ClientError::Refused(why)),
        Ok(answer) => Ok(answer),
        Err(source) => Err(ClientError::Answer { path: path.to_owned(), source }),
    }
}
