use ocellus_sdk::prelude::*;

/// A service's user runs a program from outside of the folders that the operator allows.
#[derive(Default)]
pub struct ForeignProgram {
    users: Vec<String>,
    allow: Vec<String>,
}

impl Rule for ForeignProgram {
    fn info(&self) -> RuleInfo {
        RuleInfo::new("cookbook-config", "A service runs a foreign program")
    }

    fn configure(&mut self, config: &Config) -> Result<(), ConfigError> {
        self.users = config.texts("users")?; // users = ["www-data"]
        self.allow = config.texts("allow")?; // allow = ["/usr/", "/opt/shop/"]
        if !self.users.is_empty() && self.allow.is_empty() {
            return Err(ConfigError::new("`users` needs `allow`: folders that end with `/`"));
        }
        Ok(())
    }

    // Asked for after `configure`, so interests may depend on the configuration.
    fn interests(&self) -> Vec<Interest> {
        // A term without texts is an error: "nobody" stands for no user at all.
        let users = if self.users.is_empty() { vec![""] } else { texts(&self.users) };
        vec![Interest::exec().one_of(fields::USER_NAME, users)]
    }

    fn on_event(&mut self, event: &Event) -> Option<Verdict> {
        let (user, path) = (event.user_name()?, event.process_executable()?);
        let foreign = self.users.iter().any(|service| user == *service)
            && !self.allow.iter().any(|folder| path.starts_with(folder));
        foreign.then(|| alert(MEDIUM, format!("{user} ran {path}")))
    }
}

fn texts(texts: &[String]) -> Vec<&str> {
    texts.iter().map(String::as_str).collect()
}
