//! Tables `[[output]]`: where events go.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::bytesize::ByteSize;
use crate::net::{AuthSettings, TlsSettings};
use crate::sink::net::{NatsSettings, PeerSettings};
use crate::sink::{
    Compression, Facility, Format, QueueSettings, RotateSettings, Selection, SinkSettings,
    SyslogHeader, Target, WhenFull,
};
use crate::spool::SpoolSettings;

/// Where spools are, a folder for each output.
const SPOOL_DIR: &str = "/var/lib/ocellus/spool";
/// Where syslog messages go when no address is given.
const SYSLOG_PATH: &str = "/dev/log";

/// One output. Which keys it may have depends on its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Not given: its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Not given: what the type usually has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Not given: alerts for syslog, all for the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Selection>,
    pub queue_events: u32,
    pub queue_size: ByteSize,
    pub when_full: WhenFull,
    /// How long a full output holds up events under `when_full = "block"`.
    pub block_ms: u64,
    /// Of a file, a stream socket, or the datagram socket of syslog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// `host:port`, for tcp, syslog and forward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// For elasticsearch and nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_stream: Option<String>,
    /// For forward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// For nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// For nats: the stream to create where there is none of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_stream: Option<String>,
    /// For syslog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facility: Option<Facility>,
    /// For syslog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<SyslogHeader>,
    /// For files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate: Option<Rotate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<AuthSettings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
    /// For all that goes over the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spool: Option<Spool>,
}

impl Default for Output {
    fn default() -> Output {
        let QueueSettings { events_max, bytes_max } = QueueSettings::DEFAULT;
        Output {
            kind: Kind::Stdout,
            name: None,
            format: None,
            events: None,
            queue_events: events_max as u32,
            queue_size: ByteSize(bytes_max as u64),
            when_full: WhenFull::default(),
            block_ms: 5_000,
            path: None,
            address: None,
            url: None,
            data_stream: None,
            tag: None,
            subject: None,
            create_stream: None,
            facility: None,
            header: None,
            rotate: None,
            auth: None,
            tls: None,
            spool: None,
        }
    }
}

/// What an output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    #[default]
    Stdout,
    File,
    Unix,
    Tcp,
    Syslog,
    Elasticsearch,
    Forward,
    Nats,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Stdout => "stdout",
            Kind::File => "file",
            Kind::Unix => "unix",
            Kind::Tcp => "tcp",
            Kind::Syslog => "syslog",
            Kind::Elasticsearch => "elasticsearch",
            Kind::Forward => "forward",
            Kind::Nats => "nats",
        }
    }

    /// The formats that it can write, the usual one first.
    fn formats(self) -> &'static [Format] {
        match self {
            Kind::Stdout | Kind::File | Kind::Unix | Kind::Tcp => {
                &[Format::Json, Format::Msgpack, Format::Pretty]
            }
            Kind::Syslog | Kind::Elasticsearch => &[Format::Json],
            Kind::Forward => &[Format::Msgpack],
            Kind::Nats => &[Format::Json, Format::Msgpack],
        }
    }

    fn selection(self) -> Selection {
        match self {
            Kind::Syslog => Selection::ALERTS,
            _ => Selection::ALL,
        }
    }
}

/// Table `output.rotate`. Zero switches a limit off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotate {
    pub size: ByteSize,
    pub age_s: u64,
    pub compress: Compression,
    pub keep_files: u64,
    pub keep_size: ByteSize,
}

impl Default for Rotate {
    fn default() -> Rotate {
        Rotate {
            size: ByteSize(100 << 20),
            age_s: 0,
            compress: Compression::Gzip,
            keep_files: 7,
            keep_size: ByteSize(0),
        }
    }
}

/// Table `output.spool`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    /// The output has a folder of its name in it.
    pub dir: PathBuf,
    pub max_size: ByteSize,
    pub segment_size: ByteSize,
    /// What a power cut may take, in milliseconds.
    pub sync_ms: u64,
}

impl Default for Spool {
    fn default() -> Spool {
        Spool {
            dir: PathBuf::from(SPOOL_DIR),
            max_size: ByteSize(1 << 30),
            segment_size: ByteSize(16 << 20),
            sync_ms: 1_000,
        }
    }
}

/// All outputs. Without any in the file, there is standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Outputs(pub Vec<Output>);

impl Default for Outputs {
    fn default() -> Outputs {
        Outputs(vec![Output::default()])
    }
}

impl<'de> Deserialize<'de> for Outputs {
    /// Reads `[[output]]`, or `[output]` where there is one alone.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Outputs, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Outputs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tables `[[output]]`")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Outputs, A::Error> {
                Output::deserialize(MapAccessDeserializer::new(map))
                    .map(|output| Outputs(vec![output]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Outputs, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Outputs)
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}

/// A key that is wrong, and why.
type Wrong = (&'static str, String);

impl Output {
    /// A file, or standard output when none is named.
    pub fn plain(path: Option<PathBuf>, format: Option<Format>) -> Output {
        let kind = if path.is_some() { Kind::File } else { Kind::Stdout };
        Output { kind, path, format, ..Output::default() }
    }

    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(self.kind.name())
    }

    /// What the output is to do; or the key that is wrong, below `output`, and why.
    pub(super) fn settings(&self) -> Result<SinkSettings, Wrong> {
        self.check_name()?;
        self.check_keys()?;
        let formats = self.kind.formats();
        let format = self.format.unwrap_or(formats[0]);
        if !formats.contains(&format) {
            let what = format!("{} cannot write it; leave it out", self.kind.name());
            return Err(("format", what));
        }
        Ok(SinkSettings {
            name: self.name().to_owned(),
            format,
            selection: self.events.unwrap_or(self.kind.selection()),
            queue: QueueSettings {
                events_max: self.queue_events as usize,
                bytes_max: usize::try_from(self.queue_size.0).unwrap_or(usize::MAX),
            },
            when_full: self.when_full,
            block: Duration::from_millis(self.block_ms),
            target: self.target()?,
        })
    }

    /// The name is that of a folder, too.
    fn check_name(&self) -> Result<(), Wrong> {
        const NAME_CHARS_MAX: usize = 64;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let name = self.name();
        if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_plain) {
            let what = format!("{name:?} is not 1 to 64 letters, digits, `-` and `_`");
            return Err(("name", what));
        }
        Ok(())
    }

    /// Keys that mean nothing for the type are mistakes.
    fn check_keys(&self) -> Result<(), Wrong> {
        use Kind::{Elasticsearch, File, Forward, Nats, Syslog, Tcp, Unix};
        let is_local = self.kind == Syslog && self.address.is_none();
        let given: [(&str, bool, &[Kind]); 13] = [
            ("path", self.path.is_some(), &[File, Unix, Syslog]),
            ("address", self.address.is_some(), &[Tcp, Syslog, Forward]),
            ("url", self.url.is_some(), &[Elasticsearch, Nats]),
            ("data_stream", self.data_stream.is_some(), &[Elasticsearch]),
            ("tag", self.tag.is_some(), &[Forward]),
            ("subject", self.subject.is_some(), &[Nats]),
            ("create_stream", self.create_stream.is_some(), &[Nats]),
            ("facility", self.facility.is_some(), &[Syslog]),
            ("header", self.header.is_some(), &[Syslog]),
            ("rotate", self.rotate.is_some(), &[File]),
            ("auth", self.auth.is_some(), &[Elasticsearch, Forward, Nats]),
            ("tls", self.tls.is_some(), &[Tcp, Syslog, Elasticsearch, Forward, Nats]),
            ("spool", self.spool.is_some(), &[Tcp, Syslog, Elasticsearch, Forward, Nats]),
        ];
        for (key, is_given, kinds) in given {
            if is_given && !kinds.contains(&self.kind) {
                return Err((key, format!("means nothing for type {}", self.kind.name())));
            }
            if is_given && is_local && matches!(key, "tls" | "spool") {
                return Err((key, "means nothing for a local socket; give an address".to_owned()));
            }
        }
        if self.path.is_some() && self.address.is_some() {
            return Err(("path", "give a path or an address, not both".to_owned()));
        }
        self.check_tls()
    }

    fn check_tls(&self) -> Result<(), Wrong> {
        let Some(tls) = &self.tls else { return Ok(()) };
        tls.check().map_err(|what| ("tls", what))?;
        if self.url.as_ref().is_some_and(|url| url.starts_with("http://")) {
            return Err(("tls", "the url says http, which is without TLS".to_owned()));
        }
        Ok(())
    }

    fn target(&self) -> Result<Target, Wrong> {
        let needed = |key, what: &str| (key, format!("{} needs {what}", self.kind.name()));
        let path = || self.path.clone().ok_or(needed("path", "the path of a file or socket"));
        Ok(match self.kind {
            Kind::Stdout => Target::Stdout,
            Kind::File => Target::File { path: path()?, rotate: self.rotate() },
            Kind::Unix => Target::Unix { path: path()? },
            Kind::Syslog if self.address.is_none() => Target::SyslogSocket {
                path: self.path.clone().unwrap_or_else(|| PathBuf::from(SYSLOG_PATH)),
                facility: self.facility.unwrap_or_default(),
                header: self.header.unwrap_or(SyslogHeader::Local),
            },
            _ => Target::Net { peer: self.peer()?, spool: self.spool()? },
        })
    }

    fn peer(&self) -> Result<PeerSettings, Wrong> {
        let needed = |key, what: &str| (key, format!("{} needs {what}", self.kind.name()));
        let address = || match &self.address {
            Some(address) if has_port(address) => Ok(address.clone()),
            Some(address) => Err(("address", format!("{address:?} is not host:port"))),
            None => Err(needed("address", "a host:port")),
        };
        let url = || self.url.clone().ok_or(needed("url", "a url"));
        let (tls, auth) = (self.tls.clone(), self.auth.clone().unwrap_or_default());
        let or =
            |text: &Option<String>, default: &str| text.as_deref().unwrap_or(default).to_owned();
        Ok(match self.kind {
            Kind::Syslog => PeerSettings::Syslog {
                address: address()?,
                facility: self.facility.unwrap_or_default(),
                header: self.header.unwrap_or_default(),
                tls,
            },
            Kind::Elasticsearch => {
                let url = url()?;
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    return Err((
                        "url",
                        format!("{url:?} begins with neither http:// nor https://"),
                    ));
                }
                let data_stream = or(&self.data_stream, "logs-ocellus-default");
                PeerSettings::Bulk { url, data_stream, auth, tls }
            }
            Kind::Forward => {
                let (address, tag) = (address()?, or(&self.tag, "ocellus.events"));
                PeerSettings::Forward { address, tag, auth, tls }
            }
            Kind::Nats => {
                let settings = NatsSettings {
                    url: url()?,
                    subject: self.subject()?,
                    create_stream: self.stream_name()?,
                };
                PeerSettings::Nats { settings, auth, tls }
            }
            _ => PeerSettings::Tcp { address: address()?, tls },
        })
    }

    /// A subject to publish to: tokens between dots, without wildcards or spaces.
    fn subject(&self) -> Result<String, Wrong> {
        let subject = self.subject.as_deref().unwrap_or("ocellus.events");
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, '*' | '>');
        let is_token = |token: &str| !token.is_empty() && token.chars().all(is_plain);
        match subject.split('.').all(is_token) && !subject.starts_with('$') {
            true => Ok(subject.to_owned()),
            false => Err(("subject", format!("{subject:?} is no subject to publish to"))),
        }
    }

    fn stream_name(&self) -> Result<Option<String>, Wrong> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        match &self.create_stream {
            Some(name) if name.is_empty() || !name.chars().all(is_plain) => {
                let what = format!("{name:?} is not letters, digits, `-` and `_`");
                Err(("create_stream", what))
            }
            name => Ok(name.clone()),
        }
    }

    fn rotate(&self) -> RotateSettings {
        let Some(rotate) = &self.rotate else { return RotateSettings::default() };
        RotateSettings {
            size_bytes: rotate.size.0,
            age: Duration::from_secs(rotate.age_s),
            compression: rotate.compress,
            keep_files: rotate.keep_files,
            keep_bytes: rotate.keep_size.0,
        }
    }

    fn spool(&self) -> Result<SpoolSettings, Wrong> {
        /// A full spool gives room by segments: with fewer than four, by more than a quarter.
        const SEGMENTS_MIN: u64 = 4;
        /// Less, and a segment is no larger than a batch.
        const SEGMENT_BYTES_MIN: u64 = 256 << 10;
        let Spool { dir, max_size, segment_size, sync_ms } = self.spool.clone().unwrap_or_default();
        if segment_size.0 < SEGMENT_BYTES_MIN {
            return Err(("spool", format!("segment_size: {segment_size} is less than 256 KiB")));
        }
        if max_size.0 / SEGMENTS_MIN < segment_size.0 {
            let what = format!("max_size: {max_size} is less than four times segment_size");
            return Err(("spool", what));
        }
        Ok(SpoolSettings {
            dir: dir.join(self.name()),
            size_bytes: max_size.0,
            segment_bytes: segment_size.0,
            sync: Duration::from_millis(sync_ms),
        })
    }
}

fn has_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// The settings of all outputs; or the index of the one that is wrong, with what is.
pub(super) fn settings(outputs: &[Output]) -> Result<Vec<SinkSettings>, (usize, Wrong)> {
    let mut all: Vec<SinkSettings> = Vec::with_capacity(outputs.len());
    for (index, output) in outputs.iter().enumerate() {
        let settings = output.settings().map_err(|wrong| (index, wrong))?;
        if all.iter().any(|other| other.name == settings.name) {
            let what =
                format!("there is another output called {}: give each a name", settings.name);
            return Err((index, ("name", what)));
        }
        let is_file = matches!(settings.target, Target::File { .. });
        let mut others = outputs[..index].iter().filter(|other| other.kind == Kind::File);
        if is_file && others.any(|other| other.path == output.path) {
            return Err((index, ("path", "another output writes this file".to_owned())));
        }
        all.push(settings);
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
