use std::collections::BTreeSet;

use super::*;
use crate::actions::Actions;
use crate::bytesize::ByteSize;
use crate::config::{
    Backend, Component, Output, Outputs, Permission, Rotate, Rule, RuleBucket, Spool,
};
use crate::net::{AuthSettings, TlsSettings};
use crate::rules::Mode;
use crate::sink::{Facility, Format, Selection, SyslogHeader};

const EXAMPLE: &str = include_str!("../../../../examples/ocellus.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(Path::new("ocellus.toml"), text).map_err(|error| error.to_string())
}

fn error(text: &str) -> String {
    parse(text).expect_err("the text is wrong")
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn the_example_says_what_the_defaults_are() {
    assert_eq!(parse(EXAMPLE).unwrap(), Config::default());
}

/// Commented-out keys of the example are those without a default; they must be right as well.
#[test]
fn the_example_shows_every_key() {
    let all = EXAMPLE
        .lines()
        .map(|line| line.strip_prefix("#: ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    let shown: toml::Table = all.parse().unwrap();
    parse(&all).unwrap();
    let mut full = Config::default();
    full.host.name = Some(String::new());
    full.capture.btf = Some(PathBuf::new());
    full.rules.dir = Some(PathBuf::new());
    let Output { auth, tls, .. } = full_output();
    full.rules.nats = Some(RuleBucket { auth, tls, ..RuleBucket::default() });
    full.control.group = Some(String::new());
    full.metrics.listen = Some(([127, 0, 0, 1], 9464).into());
    full.output = Outputs(vec![full_output()]);
    full.rules.component.insert(
        "noisy-rule".to_owned(),
        Component {
            mode: Mode::Shadow,
            permissions: Some(vec![Permission::Tag]),
            time_ms: Some(1),
            memory: Some(ByteSize(1)),
            state_entries: Some(1),
            state: Some(ByteSize(1)),
        },
    );
    full.rules.rule.insert(
        "noisy-rule-in-a-set".to_owned(),
        Rule { mode: Some(Mode::Off), permissions: Some(vec![Permission::Tag]) },
    );
    let full = toml::Table::try_from(&full).unwrap();
    assert_eq!(keys("", &shown), keys("", &full));
}

/// An output with every key, which makes no sense for any type.
fn full_output() -> Output {
    let (text, path) = (|| Some(String::new()), || Some(PathBuf::new()));
    Output {
        name: text(),
        format: Some(Format::Json),
        events: Some(Selection::ALL),
        path: path(),
        address: text(),
        url: text(),
        data_stream: text(),
        tag: text(),
        subject: text(),
        create_stream: text(),
        facility: Some(Facility::Auth),
        header: Some(SyslogHeader::Local),
        rotate: Some(Rotate::default()),
        auth: Some(AuthSettings {
            user: text(),
            password_file: path(),
            key_file: path(),
            credentials_file: path(),
        }),
        tls: Some(TlsSettings { ca_file: path(), cert_file: path(), key_file: path() }),
        spool: Some(Spool::default()),
        ..Output::default()
    }
}

/// All keys, those of several tables of a name together.
fn keys(prefix: &str, table: &toml::Table) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        let tables: Vec<&toml::Table> = match value {
            toml::Value::Table(table) => vec![table],
            toml::Value::Array(array) => array.iter().filter_map(toml::Value::as_table).collect(),
            _ => Vec::new(),
        };
        if tables.is_empty() {
            keys.insert(key);
            continue;
        }
        keys.extend(tables.into_iter().flat_map(|it| self::keys(&format!("{key}."), it)));
    }
    keys
}

#[test]
fn what_config_show_writes_is_read_back() {
    let mut config = Config::default();
    config.capture.env = Some(ByteSize(500));
    config.rules.component.insert("a".to_owned(), Component::default());
    let file = Output::plain(Some(PathBuf::from("f")), Some(Format::Msgpack));
    config.output.0.push(Output { rotate: Some(Rotate::default()), ..file });
    let text = toml::to_string(&config).unwrap();
    assert_eq!(parse(&text).unwrap(), config);
}

#[test]
fn values_are_read() {
    let text = "[capture]\nbackend = \"kprobe\"\nenv = \"4 KiB\"\n[ecs]\nactions = \"endpoint\"\n\
                [rules.component.x]\nmode = \"shadow\"\npermissions = [\"tag\"]";
    let config = parse(text).unwrap();
    assert_eq!(config.capture.backend, Backend::Kprobe);
    assert_eq!(config.capture.env, Some(ByteSize(4096)));
    assert_eq!(config.ecs.actions, Actions::Endpoint);
    assert_eq!(config.rules.component["x"].mode, Mode::Shadow);
    assert_eq!(config.rules.component["x"].permissions, Some(vec![Permission::Tag]));
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest() {
    assert_eq!(
        error("[aggregate]\n\nholdms = 5"),
        "ocellus.toml:3: there is no key `aggregate.holdms`; did you mean `hold_ms`?"
    );
    assert_eq!(
        error("[capturing]\n"),
        "ocellus.toml:1: there is no key `capturing`; did you mean `capture`?"
    );
    assert_eq!(
        error("[aggregate]\nzzz = 5"),
        "ocellus.toml:2: there is no key `aggregate.zzz`; there are hold_ms, policy"
    );
    assert_eq!(
        error("[rules.component.x]\nmod = \"off\""),
        "ocellus.toml:2: there is no key `rules.component.x.mod`; did you mean `mode`?"
    );
}

#[test]
fn a_wrong_value_names_its_key() {
    assert_eq!(
        error("[capture]\nbackend = \"bpf\""),
        "ocellus.toml:2: capture.backend: `bpf` is not known; did you mean `ebpf`?"
    );
    assert_eq!(
        error("[aggregate]\nhold_ms = \"5\""),
        "ocellus.toml:2: aggregate.hold_ms: invalid type: string \"5\", expected u64"
    );
    assert_eq!(
        error("[capture]\nenv = true"),
        "ocellus.toml:2: capture.env: expected `false`, or a size such as \"4 KiB\""
    );
    assert_eq!(
        error("[capture]\nring_bytes = \"many\""),
        "ocellus.toml:2: capture.ring_bytes: \"many\" is not a size: write a number and a unit, \
         such as \"100 MiB\""
    );
}

#[test]
fn a_value_out_of_range_names_its_line() {
    assert_eq!(
        error("[hash]\nthreads = 1\n[aggregate]\n# long\nhold_ms = 99999"),
        "ocellus.toml:5: aggregate.hold_ms: 99999 is not between 0 and 10000"
    );
    assert_eq!(
        error("[capture]\nring_bytes = \"3 MiB\""),
        "ocellus.toml:2: capture.ring_bytes: 3 MiB is not a power of two"
    );
    let mut config = Config::default();
    config.aggregate.hold_ms = 99_999;
    let error = config.check_flags().unwrap_err();
    assert_eq!(error.to_string(), "aggregate.hold_ms: 99999 is not between 0 and 10000");
}

#[test]
fn text_that_is_not_toml_names_its_line() {
    let error = error("[log]\nlevel = ");
    assert!(error.starts_with("ocellus.toml:2: "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_missing_file_is_an_error_when_it_was_named() {
    let error = Config::load(Some(Path::new("/nonexistent/ocellus.toml"))).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration file /nonexistent/ocellus.toml");
}
