//! What a rule hands to its next version, and how the states of several rules become one.

/// What a rule keeps in its fields, for its next version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Version of the format of `bytes`, for the rule's own use.
    pub version: u32,
    /// At most a mebibyte for all rules of a component.
    pub bytes: Vec<u8>,
}

/// Version of the format below: for each rule the length of its id, the id, its version, the length
/// of its bytes, the bytes; numbers are u32, the least byte first.
pub(crate) const VERSION: u32 = 1;

/// The states of some rules, by id, in one.
pub(crate) fn join(saved: &[(String, Saved)]) -> Vec<u8> {
    let mut all = Vec::new();
    for (id, Saved { version, bytes }) in saved {
        let (id_len, len) = (id.len() as u32, bytes.len() as u32);
        for part in [&id_len.to_le_bytes()[..], id.as_bytes(), &version.to_le_bytes()] {
            all.extend_from_slice(part);
        }
        all.extend_from_slice(&len.to_le_bytes());
        all.extend_from_slice(bytes);
    }
    all
}

/// What [`join`] joined.
pub(crate) fn split(version: u32, bytes: &[u8]) -> Result<Vec<(String, Saved)>, String> {
    if version != VERSION {
        return Err(format!("the state has version {version} of the SDK, not {VERSION}"));
    }
    let mut rest = bytes;
    let mut saved = Vec::new();
    while !rest.is_empty() {
        let one = one(&mut rest).ok_or("the state ends too early")?;
        saved.push(one);
    }
    Ok(saved)
}

fn one(rest: &mut &[u8]) -> Option<(String, Saved)> {
    let id = take_counted(rest)?.to_vec();
    let version = take_number(rest)?;
    let bytes = take_counted(rest)?.to_vec();
    Some((String::from_utf8(id).ok()?, Saved { version, bytes }))
}

fn take_counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_number(rest)? as usize;
    rest.split_off(..len)
}

fn take_number(rest: &mut &[u8]) -> Option<u32> {
    rest.split_off(..4)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_is_split_again() {
        let one = ("one".to_owned(), Saved { version: 7, bytes: vec![1, 2, 3] });
        let two = ("two".to_owned(), Saved::default());
        let all = join(&[one.clone(), two.clone()]);
        assert_eq!(split(VERSION, &all), Ok(vec![one, two]));
        assert_eq!(split(VERSION, &[]), Ok(vec![]));
        assert!(split(2, &all).unwrap_err().contains("version 2"));
        for end in 1..all.len() {
            let cut = split(VERSION, &all[..end]);
            assert!(cut.is_err() || cut == Ok(vec![split(VERSION, &all).unwrap().remove(0)]));
        }
    }
}
