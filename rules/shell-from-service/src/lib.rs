//! A shell that a network service started: what a web shell or an exploit does first.

#![forbid(unsafe_code)]

use ocellus_sdk::prelude::*;

/// Services whose command name carries a version, for example `php-fpm8.2`.
const VERSIONED: [&str; 3] = ["php-fpm", "php-cgi", "postgres"];

/// The programs that Java is.
const JAVA: [&str; 2] = ["java", "jspawnhelper"];

/// What tells a Java process that serves a network from one that builds software.
const JAVA_SERVERS: [&str; 12] = [
    "catalina",
    "tomcat",
    "jetty",
    "jboss",
    "wildfly",
    "weblogic",
    "websphere",
    "confluence",
    "solr",
    "activemq",
    "elasticsearch",
    "spring-boot",
];

/// Programs that services run through a shell by design: logs, mail, images, archives of a
/// database.
const HELPERS: [&str; 17] = [
    "rotatelogs",
    "cronolog",
    "logger",
    "sendmail",
    "msmtp",
    "convert",
    "identify",
    "magick",
    "gs",
    "ffmpeg",
    "pdftotext",
    "wkhtmltopdf",
    "exiftool",
    "pgbackrest",
    "wal-g",
    "barman-wal-archive",
    "pg_probackup",
];

/// With these a shell does more than start one program.
const COMPOUND: [char; 9] = [';', '|', '&', '`', '$', '<', '>', '\n', '\\'];

#[derive(Debug, Default)]
pub struct ShellFromService {
    /// Beginnings of commands that the operator knows.
    allow: Vec<String>,
    /// More services, by command name.
    services: Vec<String>,
}

impl Rule for ShellFromService {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("shell-from-service", "Shell started by a network service")
            .description(
                "A web server, database or other network service has started a shell. Services \
                 seldom do this by themselves; web shells and exploits do it first.",
            )
            .version(env!("CARGO_PKG_VERSION"))
            .attack(["T1190", "T1505.003", "T1059.004"])
            .false_positives([
                "Web applications that call programs through a shell; list them in `allow`",
                "Databases that archive their log with a script of one's own",
            ])
    }

    fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        self.allow = config.texts("allow")?;
        self.services = config.texts("services")?;
        Ok(())
    }

    fn interests(&self) -> Vec<Interest> {
        let shell = || Interest::exec().one_of(fields::PROCESS_NAME, known::SHELLS);
        let services = known::NETWORK_SERVICES.iter().copied();
        let services = services.chain(self.services.iter().map(String::as_str));
        vec![
            shell().one_of(fields::PROCESS_PARENT_NAME, services),
            shell().prefix(fields::PROCESS_PARENT_NAME, VERSIONED),
            shell()
                .one_of(fields::PROCESS_PARENT_NAME, JAVA)
                .contains(fields::PROCESS_PARENT_ARGS, JAVA_SERVERS),
        ]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let service = event.process_parent_name()?;
        let is_shell = known::SHELLS.contains(&event.process_name()?.as_str());
        if !is_shell || !self.is_service(&service, event) {
            return None;
        }
        let args = event.process_args();
        let command = args.iter().skip_while(|arg| *arg != "-c").nth(1);
        if command.is_some_and(|command| self.is_by_design(command)) {
            return None;
        }
        Some(alert(HIGH, format!("{service} started a shell: {}", event.command())))
    }
}

impl ShellFromService {
    /// Whether the parent, of this name, serves a network.
    fn is_service(&self, name: &str, event: &Event) -> bool {
        let serves_by_java = || {
            let args = event.process_parent_args();
            args.iter().any(|arg| JAVA_SERVERS.iter().any(|server| arg.contains(server)))
        };
        known::NETWORK_SERVICES.contains(&name)
            || self.services.iter().any(|service| service == name)
            || VERSIONED.iter().any(|beginning| name.starts_with(beginning))
            || (JAVA.contains(&name) && serves_by_java())
    }

    fn is_by_design(&self, command: &str) -> bool {
        if self.allow.iter().any(|allowed| command.starts_with(allowed.as_str())) {
            return true;
        }
        let command = command.trim_start().trim_start_matches("exec ");
        // PostgreSQL's archive_command: it names the segment, and often tests before it copies.
        if command.contains("pg_wal/") && !command.contains(['|', ';', '`']) {
            return true;
        }
        let program = command.split_whitespace().next().map(base_name);
        program.is_some_and(|program| HELPERS.contains(&program)) && !command.contains(COMPOUND)
    }
}

ocellus_sdk::rule!(ShellFromService);
