//! Unpacks gzip for librdkafka, whose own function unpacks each batch twice, the first time into 512 bytes at a time and for
//! the length alone, and never comes back from a batch that is cut off. The linker puts this into that function's place
//! (`--wrap`, see `build.rs`; decision 0028).
#![allow(unsafe_code, reason = "librdkafka has no other way to be given a decompressor")]

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};
use std::slice;

use libdeflate_sys::{
    libdeflate_alloc_decompressor, libdeflate_decompressor, libdeflate_free_decompressor,
    libdeflate_gzip_decompress_ex, libdeflate_result_LIBDEFLATE_INSUFFICIENT_SPACE as NO_ROOM,
    libdeflate_result_LIBDEFLATE_SUCCESS as SUCCESS,
};
use rdkafka::bindings::{rd_kafka_mem_free, rd_kafka_mem_malloc};

/// Nothing unpacks to more than so many times its length: deflate's longest match, 258 bytes, takes two bits at least.
const MOST_EXPANSION: usize = 1032;
/// The lengths that librdkafka can deal with.
const MOST_BYTES: usize = i32::MAX as usize;
/// Where the length is not known, what is tried first.
const LEAST_ROOM: usize = 4096;

/// What librdkafka calls for a batch compressed with gzip: bytes that it frees and, in `unpacked_length`, how many; null
/// where they cannot be unpacked.
#[unsafe(no_mangle)]
unsafe extern "C" fn __wrap_rd_gz_decompress(
    packed: *const c_void,
    packed_length: c_int,
    unpacked_length: *mut u64,
) -> *mut c_void {
    let Ok(packed_length) = usize::try_from(packed_length) else { return ptr::null_mut() };
    // SAFETY: librdkafka gives us so many bytes, and keeps them until we return.
    let packed = unsafe { slice::from_raw_parts(packed.cast(), packed_length) };
    let Some(unpacked) = unpack(packed) else { return ptr::null_mut() };
    // SAFETY: librdkafka gives us a place for the length.
    unsafe { *unpacked_length = unpacked.length as u64 };
    unpacked.memory.into_raw()
}

/// The content of the first member of gzip in `packed`, whose last four bytes are the length of that content where nothing
/// comes behind it. `None` unless that member is whole and right, checksum and all.
fn unpack(packed: &[u8]) -> Option<Unpacked> {
    let most = packed.len().saturating_mul(MOST_EXPANSION).min(MOST_BYTES);
    let claimed = usize::try_from(u32::from_le_bytes(*packed.last_chunk()?)).ok()?;
    let decompressor = Decompressor::new()?;
    let mut room = claimed.min(most);
    loop {
        match decompressor.unpack(packed, room)? {
            Attempt::Unpacked(unpacked) => return Some(unpacked),
            Attempt::NoRoom if room < most => room = (2 * room).max(LEAST_ROOM).min(most),
            Attempt::NoRoom => return None,
        }
    }
}

enum Attempt {
    Unpacked(Unpacked),
    NoRoom,
}

struct Unpacked {
    memory: Memory,
    /// In bytes; a NUL stands behind them.
    length: usize,
}

struct Decompressor(NonNull<libdeflate_decompressor>);

impl Decompressor {
    fn new() -> Option<Self> {
        // SAFETY: asks for nothing; whether there was memory is looked at.
        NonNull::new(unsafe { libdeflate_alloc_decompressor() }).map(Self)
    }

    /// `None` where the bytes are wrong, or there is no memory.
    fn unpack(&self, packed: &[u8], room: usize) -> Option<Attempt> {
        let memory = Memory::new(room + 1)?;
        let mut length = 0;
        // SAFETY: `packed` has the length that it says, `memory` has so much room, and the decompressor is ours alone.
        let result = unsafe {
            let (from, to) = (packed.as_ptr().cast(), memory.0.as_ptr().cast());
            let end = ptr::null_mut();
            libdeflate_gzip_decompress_ex(self.0.as_ptr(), from, packed.len(), to, room, end, &mut length)
        };
        match result {
            SUCCESS => {
                // SAFETY: `length` is `room` at most, and there is one byte more.
                unsafe { memory.0.add(length).write(0) };
                Some(Attempt::Unpacked(Unpacked { memory, length }))
            }
            NO_ROOM => Some(Attempt::NoRoom),
            _ => None,
        }
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: it is ours, made by the counterpart, and not used after this.
        unsafe { libdeflate_free_decompressor(self.0.as_ptr()) }
    }
}

/// Memory of librdkafka's allocator, of which nothing need be written yet.
struct Memory(NonNull<u8>);

impl Memory {
    fn new(length: usize) -> Option<Self> {
        // SAFETY: the allocator is the same for every client, hence none is named; whether there was memory is looked at.
        let pointer = unsafe { rd_kafka_mem_malloc(ptr::null_mut(), length) };
        NonNull::new(pointer.cast()).map(Self)
    }

    /// For librdkafka to free.
    fn into_raw(self) -> *mut c_void {
        let pointer = self.0.as_ptr();
        std::mem::forget(self);
        pointer.cast()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it is ours, of that allocator, and not used after this.
        unsafe { rd_kafka_mem_free(ptr::null_mut(), self.0.as_ptr().cast()) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use flate2::Compression;
    use flate2::bufread::GzDecoder;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn packed(content: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// What librdkafka sees of `packed`.
    fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
        let mut length = 0;
        let packed_length = c_int::try_from(packed.len()).unwrap();
        // SAFETY: so many bytes are there, and what comes back is so long and ours to free.
        unsafe {
            let unpacked = __wrap_rd_gz_decompress(packed.as_ptr().cast(), packed_length, &mut length);
            if unpacked.is_null() {
                return None;
            }
            let length = usize::try_from(length).unwrap();
            assert_eq!(*unpacked.cast::<u8>().add(length), 0, "a NUL behind it");
            let copy = slice::from_raw_parts(unpacked.cast(), length).to_vec();
            rd_kafka_mem_free(ptr::null_mut(), unpacked);
            Some(copy)
        }
    }

    fn any_content() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::collection::vec(any::<u8>(), 1..40);
        let repetitive = (piece, 0..400_usize).prop_map(|(piece, times)| piece.repeat(times));
        prop_oneof![prop::collection::vec(any::<u8>(), 0..3000), repetitive]
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(content in any_content(), level in 0..=9_u32) {
            prop_assert_eq!(unpacked(&packed(&content, level)), Some(content));
        }

        #[test]
        fn whatever_the_bytes_are_nothing_is_made_of_them_but_what_they_hold(
            content in any_content(),
            level in 0..=9_u32,
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            kept in any::<prop::sample::Index>(),
            is_cut in any::<bool>(),
        ) {
            let mut bytes = packed(&content, level);
            for (place, byte) in edits {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if is_cut {
                bytes.truncate(kept.index(bytes.len()));
            }
            if let Some(unpacked) = unpacked(&bytes) {
                let mut held = Vec::new();
                prop_assert!(GzDecoder::new(bytes.as_slice()).read_to_end(&mut held).is_ok());
                prop_assert_eq!(unpacked, held);
            }
        }
    }

    #[test]
    fn bytes_that_are_cut_off_or_wrong_are_refused() {
        let whole = packed(b"an event, an event, an event", 6);
        for length in 0..whole.len() {
            assert_eq!(unpacked(&whole[..length]), None, "cut after {length} bytes");
        }
        for (from_the_end, what) in [(1, "length"), (8, "checksum")] {
            let mut wrong = whole.clone();
            let place = wrong.len() - from_the_end;
            wrong[place] ^= 1;
            assert_eq!(unpacked(&wrong), None, "another {what}");
        }
    }

    #[test]
    fn what_comes_behind_the_first_member_is_not_looked_at() {
        let content = b"an event, ".repeat(1000);
        let whole = packed(&content, 6);
        for behind in [b"x".as_slice(), &[0; 4], &[0xff; 4], &whole] {
            assert_eq!(unpacked(&[whole.as_slice(), behind].concat()).as_ref(), Some(&content), "{behind:?}");
        }
    }

    #[test]
    fn the_most_that_bytes_can_hold_is_unpacked() {
        let zeros = vec![0; 1 << 22];
        let packed = packed(&zeros, 9);
        assert!(zeros.len() > packed.len() * 1020, "{}", packed.len());
        assert_eq!(unpacked(&packed), Some(zeros));
    }
}
