//! User and group names, as the machine knows them. No lookup happens here: the rim loads the
//! names, and what is missing is asked of it once.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::input::{NameAnswers, Names};

/// Ids remembered at most, users and groups each. A host where processes run under more ids than
/// this forgets them all and asks again, which costs time and nothing else.
const IDS_MAX: usize = 65_536;

/// Ids waiting for the rim to fetch them at most; further ones are asked for when they turn up
/// again.
const QUESTIONS_MAX: usize = 256;

/// An id as text, with the name that goes with it.
#[derive(Clone, Debug)]
pub struct Named {
    pub id: Arc<str>,
    pub name: Option<Arc<str>>,
    /// The rim was asked, or has answered.
    settled: bool,
}

/// Ids without a name, for the rim to look up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    pub users: BTreeSet<u32>,
    pub groups: BTreeSet<u32>,
}

impl Questions {
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty()
    }
}

/// Names by id.
#[derive(Debug, Default)]
pub struct Users {
    users: FxHashMap<u32, Named>,
    groups: FxHashMap<u32, Named>,
    questions: Questions,
}

impl Users {
    /// Takes all names anew; ids that are not among them are asked for again.
    pub fn replace(&mut self, names: &Names) {
        let fill = |known: &mut FxHashMap<u32, Named>, names: &std::collections::BTreeMap<_, _>| {
            known.clear();
            for (id, name) in names.iter().take(IDS_MAX) {
                known.insert(*id, Named::new(*id, Some(name)));
            }
        };
        fill(&mut self.users, &names.users);
        fill(&mut self.groups, &names.groups);
    }

    /// Takes what the rim found out.
    pub fn answer(&mut self, answers: &NameAnswers) {
        for (id, name) in &answers.users {
            remember(&mut self.users, *id, Named::new(*id, name.as_ref()));
        }
        for (id, name) in &answers.groups {
            remember(&mut self.groups, *id, Named::new(*id, name.as_ref()));
        }
    }

    pub fn user(&mut self, id: u32) -> &Named {
        lookup(&mut self.users, &mut self.questions.users, id)
    }

    pub fn group(&mut self, id: u32) -> &Named {
        lookup(&mut self.groups, &mut self.questions.groups, id)
    }

    /// Nobody could be asked: these ids are asked for again when they turn up.
    pub fn put_back(&mut self, questions: &Questions) {
        for (known, ids) in
            [(&mut self.users, &questions.users), (&mut self.groups, &questions.groups)]
        {
            for id in ids {
                if let Some(named) = known.get_mut(id) {
                    named.settled = named.name.is_some();
                }
            }
        }
    }

    /// What to look up, once.
    pub fn take_questions(&mut self) -> Questions {
        std::mem::take(&mut self.questions)
    }
}

impl Named {
    fn new(id: u32, name: Option<&String>) -> Named {
        Named {
            id: id.to_string().into(),
            name: name.map(|name| name.as_str().into()),
            settled: true,
        }
    }
}

fn remember(known: &mut FxHashMap<u32, Named>, id: u32, named: Named) {
    if known.len() >= IDS_MAX && !known.contains_key(&id) {
        known.clear();
    }
    known.insert(id, named);
}

fn lookup<'a>(
    known: &'a mut FxHashMap<u32, Named>,
    questions: &mut BTreeSet<u32>,
    id: u32,
) -> &'a Named {
    if known.len() >= IDS_MAX && !known.contains_key(&id) {
        known.clear();
    }
    let named = known.entry(id).or_insert_with(|| Named { settled: false, ..Named::new(id, None) });
    if !named.settled && questions.len() < QUESTIONS_MAX {
        named.settled = true;
        questions.insert(id);
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_id_is_asked_for_once() {
        let mut users = Users::default();
        users.replace(&Names { users: [(0, "root".to_owned())].into(), groups: [].into() });
        assert_eq!(users.user(0).name.as_deref(), Some("root"));
        assert_eq!(users.user(7).name, None);
        assert_eq!(&*users.user(7).id, "7");
        assert_eq!(users.take_questions().users, [7].into());
        assert_eq!(users.user(7).name, None);
        assert!(users.take_questions().is_empty());
        users.put_back(&Questions { users: [7].into(), groups: [].into() });
        assert_eq!(users.user(7).name, None);
        assert_eq!(users.take_questions().users, [7].into(), "asked again after it was put back");
        users.answer(&NameAnswers { users: [(7, Some("x".to_owned()))].into(), groups: [].into() });
        assert_eq!(users.user(7).name.as_deref(), Some("x"));
    }

    #[test]
    fn questions_are_bounded() {
        let mut users = Users::default();
        for id in 0..2 * QUESTIONS_MAX as u32 {
            users.group(id);
        }
        assert_eq!(users.take_questions().groups.len(), QUESTIONS_MAX);
        users.group(2 * QUESTIONS_MAX as u32 - 1);
        assert_eq!(users.take_questions().groups.len(), 1, "asked when it turns up again");
    }
}
