// The rule that `make bench-rules` measures, in whichever world it is built for: a shell that a web
// server started, with `-i` or a path in /dev/tcp among its arguments.

use ocellus_sdk::prelude::*;

const SHELLS: [&str; 5] = ["sh", "bash", "dash", "zsh", "ash"];
const SERVERS: [&str; 4] = ["nginx", "apache2", "httpd", "php-fpm"];

#[derive(Default)]
struct Bench {
    id: String,
    prefilter: bool,
}

impl Rule for Bench {
    fn info(&self) -> RuleInfo {
        RuleInfo::new(self.id.as_str(), "Is measured")
    }

    fn interests(&self) -> Vec<Interest> {
        if !self.prefilter {
            return Vec::new();
        }
        vec![
            Interest::any()
                .one_of(fields::PROCESS_NAME, SHELLS)
                .one_of(fields::PROCESS_PARENT_NAME, SERVERS),
        ]
    }

    fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        self.id = config.text("id")?.unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned());
        self.prefilter = config.flag("prefilter")?.unwrap_or_default();
        Ok(())
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let name = event.process_name()?;
        if !SHELLS.contains(&name.as_str()) {
            return None;
        }
        let parent = event.process_parent_name()?;
        if !SERVERS.contains(&parent.as_str()) {
            return None;
        }
        let args = event.process_args();
        let found = args.iter().any(|arg| *arg == "-i" || arg.contains("/dev/tcp/"));
        found.then(|| tag("shell"))
    }
}

ocellus_sdk::rule!(Bench);
