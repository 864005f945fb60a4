//! One macro: a `repr(C)` struct that can be read from and written to bytes without `unsafe`,
//! and that lists its own layout, so that a test can hold it against the C side.

/// One member of a mirrored struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub name: &'static str,
    pub offset_bytes: usize,
    pub size_bytes: usize,
}

/// Reads native-endian values one after the other. Past the end it reads zeros: the caller checks
/// the length first, and a bug must not become a panic on input.
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { rest: bytes }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        match self.rest.split_first_chunk::<N>() {
            Some((head, rest)) => {
                self.rest = rest;
                *head
            }
            None => {
                self.rest = &[];
                [0; N]
            }
        }
    }
}

/// A value that the record holds: a number, an array of bytes, a struct of such values.
pub(crate) trait Wire: Sized {
    fn read(cursor: &mut Cursor<'_>) -> Self;
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! wire_number {
    ($($type:ty),*) => {$(
        impl Wire for $type {
            fn read(cursor: &mut Cursor<'_>) -> Self {
                <$type>::from_ne_bytes(cursor.take())
            }
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_ne_bytes());
            }
        }
    )*};
}
wire_number!(u8, u16, u32, u64);

impl<T: Wire, const N: usize> Wire for [T; N] {
    fn read(cursor: &mut Cursor<'_>) -> Self {
        std::array::from_fn(|_| T::read(cursor))
    }
    fn write(&self, out: &mut Vec<u8>) {
        for item in self {
            item.write(out);
        }
    }
}

/// Declares a mirrored struct. The fields stand in the order of the C struct, and the struct has
/// no padding of its own: the assertion compares the sum of its fields with its size.
macro_rules! mirror {
    (
        $(#[$outer:meta])*
        pub struct $name:ident = $c_name:literal, $size:literal bytes {
            $($(#[$inner:meta])* pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        #[repr(C)]
        pub struct $name {
            $($(#[$inner])* pub $field: $type,)*
        }

        impl $name {
            /// Name of the struct in `abi.h`.
            pub const C_NAME: &'static str = $c_name;
            /// Bytes on the wire.
            pub const SIZE_BYTES: usize = $size;
            /// Members in the order of the C struct.
            pub const MEMBERS: &'static [$crate::layout::Member] = &[
                $($crate::layout::Member {
                    name: stringify!($field),
                    offset_bytes: std::mem::offset_of!($name, $field),
                    size_bytes: size_of::<$type>(),
                },)*
            ];
        }

        const _: () = assert!(size_of::<$name>() == $size);
        const _: () = assert!(0 $(+ size_of::<$type>())* == $size);

        impl $crate::layout::Wire for $name {
            fn read(cursor: &mut $crate::layout::Cursor<'_>) -> Self {
                // Fields of a struct expression are evaluated in the order written.
                $name { $($field: $crate::layout::Wire::read(cursor),)* }
            }
            fn write(&self, out: &mut Vec<u8>) {
                $($crate::layout::Wire::write(&self.$field, out);)*
            }
        }
    };
}
pub(crate) use mirror;
