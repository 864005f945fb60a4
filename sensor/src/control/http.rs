//! `/metrics` and `/healthz`, over as much of HTTP/1.1 as that takes.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::protocol::{Answer, Request};
use super::server::{Desk, count};
use crate::metrics::{Health, State, prometheus};

/// A scraper's request has some hundred bytes.
const HEAD_BYTES_MAX: usize = 8 << 10;
const HEADERS_MAX: usize = 64;

/// How long a client may take to send its request, and to read the answer.
const CLIENT_WAIT: Duration = Duration::from_secs(5);

/// What is sent back.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

impl Page {
    fn text(status: &'static str, body: impl Into<String>) -> Page {
        Page { status, content_type: "text/plain; charset=utf-8", body: body.into() }
    }
}

/// Answers one request; the connection ends with it.
pub(super) async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), desk: &Desk) {
    let page = match timeout(CLIENT_WAIT, read_path(stream)).await {
        Ok(Ok(path)) => page(&path, desk).await,
        Ok(Err(refusal)) => {
            count(&desk.stats.failed);
            refusal
        }
        Err(_) => {
            count(&desk.stats.failed);
            return;
        }
    };
    let Page { status, content_type, body } = page;
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
    );
    let write = async {
        stream.write_all(text.as_bytes()).await?;
        stream.shutdown().await
    };
    if !matches!(timeout(CLIENT_WAIT, write).await, Ok(Ok(()))) {
        count(&desk.stats.failed);
    }
}

async fn page(path: &str, desk: &Desk) -> Page {
    if !matches!(path, "/metrics" | "/healthz") {
        return Page::text("404 Not Found", "there are /metrics and /healthz\n");
    }
    let report = match desk.ask(Request::Status).await {
        Answer::Status(report) => report,
        Answer::Done(why) | Answer::Error(why) => {
            return Page::text("503 Service Unavailable", format!("{why}\n"));
        }
    };
    if path == "/healthz" {
        return health(&report.health);
    }
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Page { status: "200 OK", content_type, body: prometheus(&report) }
}

fn health(health: &Health) -> Page {
    let status = match health.state {
        State::Healthy | State::Degraded => "200 OK",
        State::Starting | State::Failing => "503 Service Unavailable",
    };
    let mut body = format!("{}\n", health.state.as_str());
    for problem in &health.problems {
        body.push_str(problem);
        body.push('\n');
    }
    Page::text(status, body)
}

/// Reads the head of a request and gives its path.
async fn read_path(stream: &mut (impl AsyncRead + Unpin)) -> Result<String, Page> {
    let bad = || Page::text("400 Bad Request", "this is not HTTP\n");
    let mut head = Vec::new();
    loop {
        if head.len() >= HEAD_BYTES_MAX {
            let status = "431 Request Header Fields Too Large";
            return Err(Page::text(status, "the request is too long\n"));
        }
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return Err(bad()),
            Ok(count) => head.extend_from_slice(&chunk[..count]),
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&head) {
            Ok(httparse::Status::Partial) => {}
            Ok(httparse::Status::Complete(_)) => {
                if request.method != Some("GET") {
                    return Err(Page::text("405 Method Not Allowed", "only GET is answered\n"));
                }
                let path = request.path.unwrap_or_default();
                return Ok(path.split('?').next().unwrap_or_default().to_owned());
            }
            Err(_) => return Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(bytes: &[u8]) -> Result<String, &'static str> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
        let mut stream = bytes;
        runtime.block_on(read_path(&mut stream)).map_err(|page| page.status)
    }

    #[test]
    fn only_whole_get_requests_have_a_path() {
        assert_eq!(path_of(b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap(), "/metrics");
        for (bytes, status) in [
            (&b"GET /metrics HTTP/1.1\r\n"[..], "400 Bad Request"),
            (b"\x16\x03\x01\x02", "400 Bad Request"),
            (b"POST /metrics HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        ] {
            assert_eq!(path_of(bytes), Err(status));
        }
        let mut long = b"GET / HTTP/1.1\r\nX: ".to_vec();
        long.resize(2 * HEAD_BYTES_MAX, b'x');
        assert_eq!(path_of(&long), Err("431 Request Header Fields Too Large"));
    }

    #[test]
    fn a_degraded_sensor_is_up_and_a_failing_one_is_not() {
        for (state, ok) in [
            (State::Starting, false),
            (State::Healthy, true),
            (State::Degraded, true),
            (State::Failing, false),
        ] {
            let page = health(&Health { state, problems: vec!["it rains".to_owned()] });
            assert_eq!(page.status == "200 OK", ok, "{page:?}");
            assert!(page.body.contains("it rains"));
        }
    }
}
