//! A rule's configuration: the part of TOML that rules need, in little code, so that components
//! stay small. `key = value` lines and comments; a value is a text, a whole number, `true`,
//! `false`, or an array of texts, which may span lines.

use std::cell::RefCell;
use std::fmt;

/// What the operator configured for the rule.
#[derive(Debug, Default)]
pub struct Config {
    // Few, so that a map would only make components larger.
    values: Vec<(String, Value)>,
    /// Keys that were asked for, to find those that nobody asked for.
    asked: RefCell<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    Number(i64),
    Flag(bool),
    Texts(Vec<String>),
}

/// What is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl ConfigError {
    /// An error of the rule's own.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Read the text of a configuration.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut parser = Parser { rest: text, line: 1 };
        let mut values: Vec<(String, Value)> = Vec::new();
        while let Some(key) = parser.key()? {
            if values.iter().any(|(known, _)| *known == key) {
                return Err(parser.error(&format!("`{key}` is there twice")));
            }
            let value = parser.value()?;
            parser.end_of_line()?;
            values.push((key, value));
        }
        Ok(Self { values, asked: RefCell::default() })
    }

    /// A text. None when the key is not there.
    pub fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.read(key, "a text", |value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// A whole number, not negative. None when the key is not there.
    pub fn number(&self, key: &str) -> Result<Option<u64>, ConfigError> {
        self.read(key, "a whole number that is not negative", |value| match value {
            Value::Number(number) => u64::try_from(*number).ok(),
            _ => None,
        })
    }

    /// `true` or `false`. None when the key is not there.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.read(key, "true or false", |value| match value {
            Value::Flag(flag) => Some(*flag),
            _ => None,
        })
    }

    /// An array of texts. Empty when the key is not there.
    pub fn texts(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        let texts = self.read(key, "an array of texts", |value| match value {
            Value::Texts(texts) => Some(texts.clone()),
            _ => None,
        })?;
        Ok(texts.unwrap_or_default())
    }

    fn read<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let mut asked = self.asked.borrow_mut();
        if !asked.iter().any(|known| known == key) {
            asked.push(key.to_owned());
        }
        let Some((_, value)) = self.values.iter().find(|(known, _)| known == key) else {
            return Ok(None);
        };
        match read(value) {
            None => Err(ConfigError(format!("`{key}` must be {wanted}"))),
            value => Ok(value),
        }
    }

    /// An error when there is a key that nobody asked for.
    pub(crate) fn check_all_used(&self) -> Result<(), ConfigError> {
        let asked = self.asked.borrow();
        let Some((unused, _)) = self.values.iter().find(|(key, _)| !asked.contains(key)) else {
            return Ok(());
        };
        Err(ConfigError(if asked.is_empty() {
            format!("unknown key `{unused}`: the rule takes no configuration")
        } else {
            format!("unknown key `{unused}`: the rule takes {}", asked.join(", "))
        }))
    }
}

struct Parser<'a> {
    rest: &'a str,
    line: u32,
}

impl Parser<'_> {
    fn error(&self, message: &str) -> ConfigError {
        ConfigError(format!("line {}: {message}", self.line))
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        self.line += u32::from(next == '\n');
        Some(next)
    }

    /// Pass over blanks, and over comments and line ends where `lines` allows them.
    fn skip(&mut self, lines: bool) {
        loop {
            if self.rest.starts_with([' ', '\t', '\r']) || (lines && self.rest.starts_with('\n')) {
                self.next();
            } else if self.rest.starts_with('#') {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.rest = &self.rest[end..];
            } else {
                return;
            }
        }
    }

    fn expect(&mut self, wanted: char, message: &str) -> Result<(), ConfigError> {
        self.skip(false);
        if self.rest.starts_with(wanted) {
            self.next();
            return Ok(());
        }
        Err(self.error(message))
    }

    fn end_of_line(&mut self) -> Result<(), ConfigError> {
        self.skip(false);
        if self.rest.is_empty() {
            Ok(())
        } else {
            self.expect('\n', "expected the end of the line")
        }
    }

    /// The next key and its `=`. None at the end.
    fn key(&mut self) -> Result<Option<String>, ConfigError> {
        self.skip(true);
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.word();
        if key.is_empty() {
            return Err(self.error("expected `key = value`; tables are not supported"));
        }
        self.expect('=', "expected `=` after the key; tables are not supported")?;
        Ok(Some(key))
    }

    fn word(&mut self) -> String {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+');
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_owned()
    }

    fn value(&mut self) -> Result<Value, ConfigError> {
        self.skip(false);
        match self.rest.chars().next() {
            Some('"' | '\'') => self.text().map(Value::Text),
            Some('[') => self.array().map(Value::Texts),
            _ => match self.word().as_str() {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                word => word.replace('_', "").parse().map(Value::Number).map_err(|_| {
                    self.error("expected a text, a whole number, true, false or [texts]")
                }),
            },
        }
    }

    fn array(&mut self) -> Result<Vec<String>, ConfigError> {
        self.next();
        let mut texts = Vec::new();
        loop {
            self.skip(true);
            if self.rest.starts_with(']') {
                self.next();
                return Ok(texts);
            }
            texts.push(self.text()?);
            self.skip(true);
            if !self.rest.starts_with(']') {
                self.expect(',', "expected `,` or `]` in the array")?;
            }
        }
    }

    fn text(&mut self) -> Result<String, ConfigError> {
        let quote = match self.next() {
            Some(quote @ ('"' | '\'')) => quote,
            _ => return Err(self.error("expected a text in quotes")),
        };
        let mut text = String::new();
        loop {
            match self.next() {
                Some(end) if end == quote => return Ok(text),
                Some('\\') if quote == '"' => text.push(match self.next() {
                    Some('n') => '\n',
                    Some('t') => '\t',
                    Some(same @ ('\\' | '"')) => same,
                    _ => return Err(self.error(r#"only \\, \", \n and \t are supported"#)),
                }),
                None | Some('\n') => return Err(self.error("the text has no closing quote")),
                Some(other) => text.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Config::parse(text).expect_err("it is malformed").to_string()
    }

    #[test]
    fn values_of_each_type_are_read() {
        let config = Config::parse(
            "# what is known\nname = \"a \\\"b\\\"\" # so\n\ncount=1_000\non = true\r\n\
             list = [ 'C:\\x', # one\n \"two\",\n]\nempty = []",
        )
        .expect("it is well-formed");
        assert_eq!(config.text("name"), Ok(Some("a \"b\"".to_owned())));
        assert_eq!(config.number("count"), Ok(Some(1000)));
        assert_eq!(config.flag("on"), Ok(Some(true)));
        assert_eq!(config.texts("list"), Ok(vec!["C:\\x".to_owned(), "two".to_owned()]));
        assert_eq!(config.texts("empty"), Ok(vec![]));
        assert_eq!(config.check_all_used(), Ok(()));
        assert_eq!(config.number("absent"), Ok(None));
    }

    #[test]
    fn values_of_another_type_are_refused() {
        let config = Config::parse("count = -1\nlist = 'one'\n").expect("it is well-formed");
        let error = |answer: ConfigError| answer.to_string();
        assert_eq!(
            config.number("count").map_err(error),
            Err("`count` must be a whole number that is not negative".to_owned())
        );
        assert_eq!(
            config.texts("list").map_err(error),
            Err("`list` must be an array of texts".to_owned())
        );
    }

    #[test]
    fn malformed_texts_say_where() {
        assert!(refused("a = 1\n[table]\n").starts_with("line 2: expected `key = value`"));
        assert!(refused("a.b = 1").contains("expected `=` after the key"));
        assert!(refused("\na = 'x").contains("line 2: the text has no closing quote"));
        assert!(refused("a = 1 2").contains("expected the end of the line"));
        assert!(refused("a = [1]").contains("expected a text in quotes"));
        assert!(refused("a = ['x' 'y']").contains("expected `,` or `]`"));
        assert!(refused("a = 1.5").contains("expected the end of the line"));
        assert!(refused("a = ").contains("expected a text"));
        assert!(refused("a = \"\\u0041\"").contains("are supported"));
        assert!(refused("a = 1\na = 2").contains("`a` is there twice"));
    }

    #[test]
    fn a_rule_without_keys_says_so() {
        let config = Config::parse("a = 1").expect("it is well-formed");
        let error = config.check_all_used().expect_err("nobody asked for it");
        assert_eq!(error.to_string(), "unknown key `a`: the rule takes no configuration");
    }
}
