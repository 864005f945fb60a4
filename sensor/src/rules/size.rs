//! How much code a component has. Compiling takes time and memory in proportion to it, and for one
//! function several hundred times its size, so that both are bounded before the compiler sees any.

use super::budget::{CODE_BYTES_MAX, FUNCTION_BYTES_MAX};
use super::load::LoadError;

/// Sections of a component that hold modules and components, and that of a module with its code.
const MODULE: u8 = 1;
const COMPONENT: u8 = 4;
const CODE: u8 = 10;
/// What comes before the sections.
const HEADER_BYTES: usize = 8;

/// Refuse a component that has too much code. What is malformed passes: the compiler reads all of
/// it before it compiles any, and says what is wrong.
pub(super) fn check(wasm: &[u8]) -> Result<(), LoadError> {
    let mut code_bytes = 0;
    // Each is looked at once, however deep they lie in one another.
    let mut components = vec![wasm];
    while let Some(component) = components.pop() {
        for (id, content) in sections(component) {
            match id {
                MODULE => module(content, &mut code_bytes)?,
                COMPONENT => components.push(content),
                _ => {}
            }
        }
    }
    Ok(())
}

fn module(wasm: &[u8], code_bytes: &mut usize) -> Result<(), LoadError> {
    for (_, mut rest) in sections(wasm).filter(|(id, _)| *id == CODE) {
        *code_bytes += rest.len();
        if *code_bytes > CODE_BYTES_MAX {
            return Err(LoadError::CodeTooLarge);
        }
        let functions = number(&mut rest).unwrap_or_default();
        for index in 0..functions {
            let Some(bytes) = number(&mut rest) else { break };
            if bytes > FUNCTION_BYTES_MAX {
                return Err(LoadError::FunctionTooLarge { index, bytes });
            }
            rest = rest.get(bytes..).unwrap_or_default();
        }
    }
    Ok(())
}

/// Number and content of each section.
fn sections(wasm: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = wasm.get(HEADER_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (id, after) = rest.split_first()?;
        rest = after;
        let bytes = number(&mut rest)?;
        let (content, after) = rest.split_at_checked(bytes)?;
        rest = after;
        Some((*id, content))
    })
}

/// The number (LEB128, 32 bits) that `rest` begins with.
fn number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0_u32;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number as usize);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leb(mut number: usize) -> Vec<u8> {
        let mut bytes = vec![];
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    }

    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [&[id][..], &leb(content.len()), content].concat()
    }

    /// A module with functions of these sizes.
    fn with_functions(sizes: &[usize]) -> Vec<u8> {
        let mut code = leb(sizes.len());
        for size in sizes {
            code.extend(leb(*size));
            code.resize(code.len() + size, 0);
        }
        [b"\0asm\x01\0\0\0".to_vec(), section(0, b"\x04name"), section(CODE, &code)].concat()
    }

    fn component_of(parts: &[Vec<u8>]) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0".to_vec(), parts.concat()].concat()
    }

    #[test]
    fn a_function_has_a_largest_size() {
        let within = with_functions(&[1, FUNCTION_BYTES_MAX, 300]);
        assert!(check(&component_of(&[section(MODULE, &within)])).is_ok());
        let beyond = with_functions(&[200, FUNCTION_BYTES_MAX + 1]);
        let error = check(&component_of(&[section(MODULE, &beyond)])).unwrap_err();
        let LoadError::FunctionTooLarge { index, bytes } = error else { panic!("{error}") };
        assert_eq!((index, bytes), (1, FUNCTION_BYTES_MAX + 1));
    }

    #[test]
    fn all_modules_together_have_a_largest_size() {
        let half = section(MODULE, &with_functions(&[FUNCTION_BYTES_MAX - 8; 8]));
        let halves = CODE_BYTES_MAX / (8 * FUNCTION_BYTES_MAX);
        let inner = section(COMPONENT, &component_of(&vec![half.clone(); halves - 1]));
        assert!(check(&component_of(&[half.clone(), inner.clone()])).is_ok());
        let error = check(&component_of(&[half.clone(), half, inner])).unwrap_err();
        assert!(matches!(error, LoadError::CodeTooLarge), "{error}");
    }

    #[test]
    fn what_is_malformed_is_left_to_the_compiler() {
        let whole = component_of(&[section(MODULE, &with_functions(&[1, 2]))]);
        for length in 0..whole.len() {
            assert!(check(&whole[..length]).is_ok());
        }
        assert!(check(&[0xff; 64]).is_ok());
    }
}
