use super::*;
use crate::config::Config;

fn outputs(text: &str) -> Result<Vec<SinkSettings>, String> {
    let config = Config::parse("o.toml".as_ref(), text).map_err(|error| error.to_string())?;
    config.outputs().map_err(|error| error.to_string())
}

fn error(text: &str) -> String {
    outputs(text).expect_err("the text is wrong")
}

#[test]
fn without_outputs_there_is_standard_output() {
    assert_eq!(outputs("").unwrap(), [SinkSettings::default()]);
    assert_eq!(outputs("[[output]]").unwrap(), [SinkSettings::default()]);
}

#[test]
fn several_are_in_order_and_one_needs_no_list() {
    let text = "[[output]]\ntype = \"file\"\npath = \"/a\"\n\
                [[output]]\nname = \"b\"\ntype = \"file\"\npath = \"/b\"\nformat = \"msgpack\"\n\
                [output.rotate]\nsize = \"1 MiB\"\n[[output]]\ntype = \"syslog\"\n";
    let all = outputs(text).unwrap();
    let names: Vec<&str> = all.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["file", "b", "syslog"]);
    assert_eq!((all[1].format, all[2].selection), (Format::Msgpack, Selection::ALERTS));
    let Target::File { rotate, .. } = &all[1].target else { panic!("{:?}", all[1]) };
    assert_eq!((rotate.size_bytes, rotate.compression), (1 << 20, Compression::Gzip));
    let Target::SyslogSocket { path, header, .. } = &all[2].target else { panic!() };
    assert_eq!((path.to_str(), *header), (Some("/dev/log"), SyslogHeader::Local));
    assert_eq!(outputs("[output]\ntype = \"file\"\npath = \"/a\"").unwrap(), all[..1]);
}

#[test]
fn network_outputs_have_a_spool_of_their_own() {
    let text = "[[output]]\ntype = \"tcp\"\nname = \"fleet\"\naddress = \"n:4222\"\n\
                [output.spool]\ndir = \"/s\"\nmax_size = \"8 MiB\"\nsegment_size = \"1 MiB\"";
    let all = outputs(text).unwrap();
    let Target::Net { spool, .. } = &all[0].target else { panic!("{:?}", all[0]) };
    assert_eq!((spool.dir.to_str(), spool.size_bytes), (Some("/s/fleet"), 8 << 20));
    let with = |lines: &str| outputs(&format!("[[output]]\n{lines}"));
    for lines in [
        "type = \"tcp\"\naddress = \"h:1\"",
        "type = \"syslog\"\naddress = \"[::1]:601\"\ntls = {}",
        "type = \"elasticsearch\"\nurl = \"https://es:9200\"\nauth = { key_file = \"/k\" }",
        "type = \"forward\"\naddress = \"h:24224\"",
    ] {
        let all = with(lines).unwrap();
        let Target::Net { spool, .. } = &all[0].target else { panic!("{lines}") };
        assert!(spool.dir.starts_with(SPOOL_DIR), "{spool:?}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, expected) in [
        ("type = \"fiel\"", "2: output.type: `fiel` is not known; did you mean `file`?"),
        ("typ = \"file\"", "2: there is no key `output.typ`; did you mean `type`?"),
        ("type = \"file\"", "1: output.path: file needs the path of a file or socket"),
        (
            "type = \"tcp\"\naddress = \"n:1\"\npath = \"x\"",
            "4: output.path: means nothing for type tcp",
        ),
        ("type = \"tcp\"\naddress = \"h\"", "3: output.address: \"h\" is not host:port"),
        (
            "type = \"syslog\"\nformat = \"pretty\"",
            "3: output.format: syslog cannot write it; leave it out",
        ),
        (
            "type = \"syslog\"\n[output.tls]",
            "3: output.tls: means nothing for a local socket; give an address",
        ),
        ("name = \"../x\"", "2: output.name: \"../x\" is not 1 to 64 letters, digits, `-` and `_`"),
        (
            "type = \"tcp\"\naddress = \"h:1\"\n[output.spool]\nmax_size = \"1 MiB\"",
            "4: output.spool: max_size: 1 MiB is less than four times segment_size",
        ),
        ("queue_events = 0", "2: output.queue_events: 0 is not between 1 and 1048576"),
        ("when_full = \"wait\"", "2: output.when_full: `wait` is not known; there are drop-newest"),
        ("events = [\"exec\"]", "2: output.events: `exec` is no kind of event; there are all,"),
    ] {
        let error = error(&format!("[[output]]\n{text}\n"));
        assert!(error.starts_with(&format!("o.toml:{expected}")), "{error}\nnot {expected}");
    }
}

#[test]
fn of_several_outputs_the_wrong_one_is_named() {
    let good = "[[output]]\ntype = \"file\"\npath = \"/a\"\nformat = \"json\"\n";
    let twice = "[[output]]\nname = \"b\"\ntype = \"file\"\npath = \"/a\"\n";
    assert_eq!(
        error(&format!("{good}{twice}")),
        "o.toml:8: output.path: another output writes this file"
    );
    let wrong = "[[output]]\nname = \"b\"\nqueue_events = 0\n";
    let expected = "o.toml:7: output.queue_events: 0 is not between 1 and 1048576";
    assert_eq!(error(&format!("{good}{wrong}")), expected);
    let expected = "o.toml:5: output.name: there is another output called file: give each a name";
    assert_eq!(error(&format!("{good}{}", good.replace("/a", "/b"))), expected);
}
