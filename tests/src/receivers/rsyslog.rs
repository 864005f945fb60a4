//! A real rsyslog, run by the test's own user with a configuration of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

/// A running rsyslogd. It writes what each message was read as, in parts.
#[derive(Debug)]
pub struct Rsyslog {
    child: Child,
    output: PathBuf,
    /// The datagram socket that takes messages as `/dev/log` does.
    pub socket: PathBuf,
    /// The same, for RFC 5424.
    pub rfc5424_socket: PathBuf,
    pub port: u16,
}

/// A message as rsyslog has read it.
#[derive(Debug)]
pub struct Message {
    /// `socket`, `rfc5424` or `tcp`.
    pub input: String,
    pub priority: u8,
    pub time: String,
    pub host: String,
    pub app: String,
    pub id: String,
    /// The protocol's version: 1 for RFC 5424, 0 for what is older.
    pub version: u8,
    pub event: Value,
}

impl Rsyslog {
    pub fn start(dir: &Path) -> Rsyslog {
        let port = super::free_port();
        let path = |name: &str| dir.join(name);
        let (socket, rfc5424_socket) = (path("log"), path("log-5424"));
        let output = path("messages");
        let config = format!(
            "global(workDirectory=\"{dir}\" maxMessageSize=\"256k\")\n\
             module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
             module(load=\"imtcp\")\n\
             input(type=\"imuxsock\" Socket=\"{socket}\" RateLimit.Interval=\"0\")\n\
             input(type=\"imuxsock\" Socket=\"{rfc5424}\" UseSpecialParser=\"off\" \
             RateLimit.Interval=\"0\" ruleset=\"five\")\n\
             input(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\" ruleset=\"tcp\")\n\
             template(name=\"t\" type=\"list\") {{ constant(value=\"INPUT\\t\")\n\
             property(name=\"pri\") constant(value=\"\\t\")\n\
             property(name=\"timereported\" dateFormat=\"rfc3339\") constant(value=\"\\t\")\n\
             property(name=\"hostname\") constant(value=\"\\t\")\n\
             property(name=\"app-name\") constant(value=\"\\t\")\n\
             property(name=\"msgid\") constant(value=\"\\t\")\n\
             property(name=\"protocol-version\") constant(value=\"\\t\")\n\
             property(name=\"msg\") constant(value=\"\\n\") }}\n",
            dir = dir.display(),
            socket = socket.display(),
            rfc5424 = rfc5424_socket.display(),
        );
        let (head, template) = config.split_once("template(").expect("it is above");
        let mut text = head.to_owned();
        for (name, set) in [("socket", ""), ("rfc5424", "five"), ("tcp", "tcp")] {
            let template = template.replace("INPUT", name).replace("\"t\"", &format!("\"{name}\""));
            text.push_str(&format!("template({template}"));
            let action = format!("action(type=\"omfile\" file={output:?} template=\"{name}\")");
            match set {
                "" => text.push_str(&format!("{action}\n")),
                set => text.push_str(&format!("ruleset(name=\"{set}\") {{ {action} }}\n")),
            }
        }
        std::fs::write(path("rsyslog.conf"), text).expect("the directory is writable");
        let child = Command::new(super::installed("rsyslogd", "rsyslog"))
            .arg("-n")
            .arg("-f")
            .arg(path("rsyslog.conf"))
            .arg("-i")
            .arg(path("rsyslog.pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("rsyslog starts");
        let rsyslog = Rsyslog { child, output, socket, rfc5424_socket, port };
        super::wait_for("rsyslog", || {
            let is_there = rsyslog.socket.exists() && rsyslog.rfc5424_socket.exists();
            let listens = std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
            (is_there && listens).then_some(())
        });
        rsyslog
    }

    /// What it has written so far.
    pub fn messages(&self) -> Vec<Message> {
        let text = std::fs::read_to_string(&self.output).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(read).collect()
    }
}

fn read(line: &str) -> Message {
    let parts: Vec<&str> = line.splitn(8, '\t').collect();
    let [input, priority, time, host, app, id, version, event] = parts[..] else {
        panic!("not eight parts: {line}");
    };
    let event = serde_json::from_str(event.trim_start());
    Message {
        input: input.to_owned(),
        priority: priority.parse().expect("it is a number"),
        time: time.to_owned(),
        host: host.to_owned(),
        app: app.to_owned(),
        id: id.to_owned(),
        version: version.parse().expect("it is a number"),
        event: event.unwrap_or_else(|error| panic!("{error}: {line}")),
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
