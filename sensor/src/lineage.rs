//! Who forked whom, kept beyond the life of those who did.
//!
//! Each process holds the chain of its ancestors, as they were when they forked. Siblings share
//! it: it costs one small allocation for each process that forks, not one for each child.

use std::sync::{Arc, OnceLock};

use crate::event::Texts;

/// Ancestors that a chain holds at most. Containers and build systems nest some twenty deep; a
/// chain of processes that each fork and exit would otherwise grow for ever.
pub const ANCESTORS_MAX: usize = 32;

/// One ancestor, and those above it.
#[derive(Debug)]
pub struct Ancestor {
    pub entity_id: Arc<str>,
    pub name: Arc<str>,
    pub executable: Option<Arc<str>>,
    above: Option<Arc<Ancestor>>,
    depth: usize,
    texts: OnceLock<(usize, [Texts; 3])>,
}

impl Ancestor {
    /// A process below the chain `above`.
    pub fn above(
        entity_id: Arc<str>,
        name: Arc<str>,
        executable: Option<Arc<str>>,
        above: Option<&Arc<Ancestor>>,
    ) -> Arc<Ancestor> {
        let above = above.map(|above| match above.depth {
            // Cut in one go each time that twice the bound is reached, not at each fork.
            depth if depth >= 2 * ANCESTORS_MAX => above.cut(ANCESTORS_MAX),
            _ => above.clone(),
        });
        let depth = above.as_ref().map_or(1, |above| above.depth + 1);
        let texts = OnceLock::new();
        Arc::new(Ancestor { entity_id, name, executable, above, depth, texts })
    }

    /// A copy of the nearest `count` ancestors.
    fn cut(&self, count: usize) -> Arc<Ancestor> {
        let nearest: Vec<&Ancestor> = self.iter().take(count).collect();
        let mut chain: Option<Arc<Ancestor>> = None;
        for ancestor in nearest.into_iter().rev() {
            chain = Some(Ancestor::above(
                ancestor.entity_id.clone(),
                ancestor.name.clone(),
                ancestor.executable.clone(),
                chain.as_ref(),
            ));
        }
        chain.expect("an ancestor's chain holds itself")
    }

    /// Entity ids, names and executables of the nearest `max`. They are kept, as all children that
    /// this ancestor forks have them, and all ask for as many.
    pub fn texts(&self, max: usize) -> [Texts; 3] {
        let make = || {
            let chain = || self.iter().take(max);
            let executable = |it: &Ancestor| it.executable.clone().unwrap_or_default();
            [
                chain().map(|it| &it.entity_id).collect(),
                chain().map(|it| &it.name).collect(),
                chain().map(executable).collect(),
            ]
        };
        match self.texts.get_or_init(|| (max, make())) {
            (known, texts) if *known == max => texts.clone(),
            _ => make(),
        }
    }

    /// This ancestor, then those above it.
    pub fn iter(&self) -> impl Iterator<Item = &Ancestor> {
        std::iter::successors(Some(self), |ancestor| ancestor.above.as_deref())
    }
}

impl Drop for Ancestor {
    /// Without recursion, whatever the depth.
    fn drop(&mut self) {
        let mut next = self.above.take();
        while let Some(mut above) = next.and_then(Arc::into_inner) {
            next = above.above.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_are_bounded_and_keep_the_nearest() {
        let mut chain: Option<Arc<Ancestor>> = None;
        for n in 0..10_000 {
            let id: Arc<str> = n.to_string().into();
            chain = Some(Ancestor::above(id.clone(), id, None, chain.as_ref()));
        }
        let chain = chain.expect("it has many");
        assert!(chain.iter().count() <= 2 * ANCESTORS_MAX + 1);
        let ids: Vec<&str> = chain.iter().take(3).map(|ancestor| &*ancestor.entity_id).collect();
        assert_eq!(ids, ["9999", "9998", "9997"]);
    }
}
