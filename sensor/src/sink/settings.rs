//! What an output is told: where events go, which of them, in which words, and what happens when
//! they come faster than they leave.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use super::net::PeerSettings;
use crate::event::{Event, Field, Kinds};
use crate::spool::SpoolSettings;

/// How events are written.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    serde::Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// ECS, one JSON object a line.
    #[default]
    Json,
    /// ECS, one MessagePack map after the other.
    Msgpack,
    /// One line for a person, in colour on a terminal.
    Pretty,
}

/// What to do with an event when there is no room for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// Drop it and count it.
    #[default]
    DropNewest,
    /// Drop what waits longest and count that.
    DropOldest,
    /// Let it wait, and all outputs with it, for as long as [`SinkSettings::block`] says. The
    /// kernel's ring is drained meanwhile.
    Block,
}

/// Which events an output has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    all: bool,
    alerts: bool,
    kinds: Kinds,
}

impl Selection {
    pub const ALL: Selection = Selection { all: true, alerts: false, kinds: Kinds::NONE };
    pub const ALERTS: Selection = Selection { all: false, alerts: true, kinds: Kinds::NONE };
    const NONE: Selection = Selection { all: false, alerts: false, kinds: Kinds::NONE };

    pub fn has(&self, event: &Event) -> bool {
        self.all
            || self.kinds.intersects(event.kinds)
            || (self.alerts && event.text(Field::EVENT_KIND) == Some("alert"))
    }

    /// Also those that a word stands for: `all`, `alerts`, a kind (`process.exec`) or all kinds
    /// that begin so (`process`). None when no word of ours.
    fn with(self, word: &str) -> Option<Selection> {
        match word {
            "all" => return Some(Selection { all: true, ..self }),
            "alerts" => return Some(Selection { alerts: true, ..self }),
            _ => {}
        }
        let is_meant = |name: &str| name == word || name.split('.').next() == Some(word);
        let named = Kinds::NAMES.iter().filter(|(_, name)| is_meant(name));
        let kinds = named.fold(Kinds::NONE, |all, (kind, _)| all.with(*kind));
        (!kinds.is_empty()).then(|| Selection { kinds: self.kinds.with(kinds), ..self })
    }

    fn words(&self) -> Vec<&'static str> {
        let flags = [(self.all, "all"), (self.alerts, "alerts")];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, word)| word);
        flags.chain(self.kinds.names()).collect()
    }
}

impl Serialize for Selection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self.words() {
            [word] => serializer.serialize_str(word),
            ref words => serializer.collect_seq(words),
        }
    }
}

impl<'de> Deserialize<'de> for Selection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Selection, D::Error> {
        struct Words;

        impl<'de> Visitor<'de> for Words {
            type Value = Selection;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"all\", \"alerts\", or a list of kinds such as \"process.exec\"")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Selection, E> {
                add(Selection::NONE, word)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Selection, A::Error> {
                let mut all = Selection::NONE;
                while let Some(word) = words.next_element::<String>()? {
                    all = add(all, &word)?;
                }
                if all == Selection::NONE {
                    return Err(de::Error::custom("an empty list selects no event"));
                }
                Ok(all)
            }
        }

        fn add<E: de::Error>(selection: Selection, word: &str) -> Result<Selection, E> {
            selection.with(word).ok_or_else(|| {
                let kinds: Vec<&str> = Kinds::NAMES.iter().map(|(_, name)| *name).collect();
                E::custom(format!(
                    "`{word}` is no kind of event; there are all, alerts, process, sensor, {}",
                    kinds.join(", ")
                ))
            })
        }

        deserializer.deserialize_any(Words)
    }
}

impl JsonSchema for Selection {
    fn schema_name() -> Cow<'static, str> {
        "Selection".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "\"all\", \"alerts\", a kind such as \"process.exec\", or a list of \
                these",
            "anyOf": [
                { "type": "string" },
                { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            ],
        })
    }
}

/// Bounds of the queue between the event path and an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    pub events_max: usize,
    /// Bytes that these may hold. Texts shared between events count for each, so this is an upper
    /// bound; it keeps very long command lines from eating the memory.
    pub bytes_max: usize,
}

impl QueueSettings {
    /// Some seconds of a busy host, for an output that stalls for a moment. An event of ordinary
    /// size takes 5 KiB.
    pub const DEFAULT: QueueSettings = QueueSettings { events_max: 16_384, bytes_max: 64 << 20 };
}

/// Compression of files that were rotated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    #[default]
    None,
    Gzip,
}

/// When a file is put aside for a new one, and what becomes of it. Zero switches a limit off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotateSettings {
    pub size_bytes: u64,
    pub age: Duration,
    pub compression: Compression,
    /// Files that are kept beside the current one.
    pub keep_files: u64,
    /// Bytes that these may take together.
    pub keep_bytes: u64,
}

/// How the header of a syslog message is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyslogHeader {
    /// RFC 5424.
    #[default]
    Rfc5424,
    /// As the C library's `syslog` writes it: what readers of `/dev/log` understand.
    Local,
}

/// Syslog's facility, by its usual name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Facility {
    User = 1,
    Daemon = 3,
    #[default]
    Auth = 4,
    Authpriv = 10,
    Local0 = 16,
    Local1 = 17,
    Local2 = 18,
    Local3 = 19,
    Local4 = 20,
    Local5 = 21,
    Local6 = 22,
    Local7 = 23,
}

/// Where events go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one for each output, made at the start")]
pub enum Target {
    #[default]
    Stdout,
    /// Created with mode 0600 when it does not exist, appended to when it does.
    File { path: PathBuf, rotate: RotateSettings },
    /// A stream socket that somebody listens on.
    Unix { path: PathBuf },
    /// A datagram socket such as `/dev/log`.
    SyslogSocket { path: PathBuf, facility: Facility, header: SyslogHeader },
    /// Over the network, through a spool.
    Net { peer: PeerSettings, spool: SpoolSettings },
}

/// How to open one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSettings {
    /// Names it in the log and in the totals, and its folder in the spool.
    pub name: String,
    pub format: Format,
    pub selection: Selection,
    pub queue: QueueSettings,
    pub when_full: WhenFull,
    /// How long a full output may hold up events under [`WhenFull::Block`].
    pub block: Duration,
    pub target: Target,
}

impl Default for SinkSettings {
    fn default() -> SinkSettings {
        SinkSettings {
            name: "stdout".to_owned(),
            format: Format::default(),
            selection: Selection::ALL,
            queue: QueueSettings::DEFAULT,
            when_full: WhenFull::default(),
            block: Duration::from_secs(5),
            target: Target::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Selection, String> {
        #[derive(Debug, serde::Deserialize)]
        struct Table {
            events: Selection,
        }
        let table: Result<Table, _> = toml::from_str(&format!("events = {text}"));
        table.map(|table| table.events).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn a_selection_is_a_word_or_a_list_and_is_written_back() {
        assert_eq!(read("\"all\""), Ok(Selection::ALL));
        assert_eq!(read("[\"alerts\"]"), Ok(Selection::ALERTS));
        let some = read("[\"alerts\", \"process.exec\", \"sensor\"]").unwrap();
        assert!(some.kinds.intersects(Kinds::SENSOR_LOSS) && some.alerts && !some.all);
        let text = serde_json::to_string(&some).unwrap();
        assert!(text.starts_with("[\"alerts\",\"process.exec\",\"sensor.start\""), "{text}");
        assert_eq!(read(&text), Ok(some));
        assert_eq!(serde_json::to_string(&Selection::ALERTS).unwrap(), "\"alerts\"");
        let error = read("[\"process.exce\"]").unwrap_err();
        assert!(
            error.starts_with("`process.exce` is no kind of event; there are all, "),
            "{error}"
        );
        assert!(read("[]").is_err());
    }

    #[test]
    fn a_selection_has_what_it_names() {
        let event = |kinds, kind| {
            let mut event = Event::default();
            event.kinds = kinds;
            event.set_static(Field::EVENT_KIND, kind);
            event
        };
        let alert = event(Kinds::PROCESS_EXIT, "alert");
        let exec = event(Kinds::PROCESS_EXEC, "event");
        let execs = read("\"process.exec\"").unwrap();
        assert!(Selection::ALL.has(&alert) && Selection::ALL.has(&exec));
        assert!(Selection::ALERTS.has(&alert) && !Selection::ALERTS.has(&exec));
        assert!(!execs.has(&alert) && execs.has(&exec));
    }
}
