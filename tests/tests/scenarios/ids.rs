use crate::runner::Group;
pub const GROUP: Group = Group { title: "", scenarios: &[] };
