//! JSON as producers write nearly all of it, read in one pass: an envelope whose type stands before its payload, strings
//! without escapes, few levels, few unknown keys. Whatever is not like that, right or wrong, is left to [`super::json`],
//! which reads all there is and names what is wrong; here nothing may be accepted that is refused there, or read otherwise.
//!
//! By hand, since reading JSON was an eighth of all the CPU that the process used (decision 0027).

use arrayvec::ArrayVec;
use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use super::Kind;
use super::message::Message;
use super::tree::{self, Field, Fields, Node, Shape};

/// Deeper ones are read elsewhere.
const MOST_LEVELS: u32 = 16;
/// Objects with more unknown keys are read elsewhere.
const MOST_UNKNOWN_KEYS: usize = 16;

/// Reads a common envelope of this kind; `None` where the text has to be looked at more closely.
pub(super) fn read<'a>(text: &'a str, kind: Kind, arena: &'a Bump) -> Option<Message<'a>> {
    let mut reader = Reader { text, at: 0, arena };
    let message = reader.envelope(kind)?;
    reader.skip_space();
    (reader.at == text.len()).then_some(message)
}

/// What is left of a text, from the byte `at` on.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    arena: &'a Bump,
}

impl<'a> Reader<'a> {
    fn envelope(&mut self, kind: Kind) -> Option<Message<'a>> {
        const MEMBERS: [&str; 4] = ["eventId", "eventType", "timestamp", "correlationId"];
        let mut members: [Option<Node<'a>>; MEMBERS.len()] = [None; MEMBERS.len()];
        let mut payload = None;
        let mut others = UnknownKeys::new();
        self.object(|reader, key| {
            if let Some((_, member)) = MEMBERS.iter().zip(&mut members).find(|(name, _)| **name == key) {
                return reader.fill(member, Shape::Scalar, MOST_LEVELS);
            }
            if key != "payload" {
                note(&mut others, key)?;
                return reader.skip(MOST_LEVELS);
            }
            let [_, event_type, ..] = &members;
            let is_expected = *event_type == Some(Node::Text(kind.event_type()));
            if !is_expected {
                return None;
            }
            reader.fill(&mut payload, tree::payload(kind), MOST_LEVELS)
        })?;
        let [event_id, event_type, timestamp, correlation_id] = members.map(|member| member.unwrap_or(Node::Null));
        let payload = payload.filter(|payload| matches!(payload, Node::Object(_)))?;
        Some(Message { event_id, event_type, timestamp, correlation_id, payload })
    }

    /// Reads a value into its slot; `None` where that has one already. Each kind of value is written where it belongs:
    /// handing nodes up and copying them takes a tenth of decoding, since what was written in parts is loaded as a whole.
    fn fill(&mut self, slot: &mut Option<Node<'a>>, shape: Shape, levels: u32) -> Option<()> {
        if slot.is_some() {
            return None;
        }
        match (self.peek()?, shape) {
            (b'"', _) => *slot = Some(Node::Text(self.string()?)),
            (b'{', Shape::Object(names)) => {
                let values = self.fields(names, levels.checked_sub(1)?)?;
                *slot = Some(Node::Object(Fields { names, values }));
            }
            (b'{', Shape::Presence) => {
                self.skip(levels)?;
                *slot = Some(Node::Object(Fields::NONE));
            }
            (b'[', Shape::List) => *slot = Some(Node::List(self.items(levels.checked_sub(1)?)?)),
            (b'{' | b'[', _) => {
                self.skip(levels)?;
                *slot = Some(Node::Other);
            }
            (b'n', _) => {
                self.literal("null")?;
                *slot = Some(Node::Null);
            }
            (b't', _) => {
                self.literal("true")?;
                *slot = Some(Node::Bool(true));
            }
            (b'f', _) => {
                self.literal("false")?;
                *slot = Some(Node::Bool(false));
            }
            _ => {
                let number: f64 = self.number()?.parse().ok()?;
                if !number.is_finite() {
                    return None;
                }
                *slot = Some(Node::number(number));
            }
        }
        Some(())
    }

    /// The values of an object's fields, in the order of their names.
    fn fields(&mut self, names: &'static [Field], levels: u32) -> Option<&'a [Option<Node<'a>>]> {
        let values: &mut [Option<Node<'a>>] = self.arena.alloc_slice_fill_copy(names.len(), None);
        let mut others = UnknownKeys::new();
        self.object(|reader, key| match tree::slot(names, values, key) {
            Some((shape, value)) => reader.fill(value, shape, levels),
            None => {
                note(&mut others, key)?;
                reader.skip(levels)
            }
        })?;
        Some(values)
    }

    fn items(&mut self, levels: u32) -> Option<&'a [Node<'a>]> {
        let mut items = ArenaVec::new_in(self.arena);
        self.list(|reader| {
            // As nearly all items are.
            if reader.peek()? == b'"' {
                items.push(Node::Text(reader.string()?));
                return Some(());
            }
            let mut item = None;
            reader.fill(&mut item, Shape::Scalar, levels)?;
            items.push(item?);
            Some(())
        })?;
        Some(items.into_bump_slice())
    }

    /// Goes over a value that nobody reads.
    fn skip(&mut self, levels: u32) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => {
                let levels = levels.checked_sub(1)?;
                self.object(|reader, _| reader.skip(levels))
            }
            b'[' => {
                let levels = levels.checked_sub(1)?;
                self.list(|reader| reader.skip(levels))
            }
            b'n' => self.literal("null"),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            _ => self.number().map(drop),
        }
    }

    /// Reads an object; `member` reads the value of each key.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.byte(b'{')?;
        if self.peek()? == b'}' {
            return self.byte(b'}');
        }
        loop {
            let key = self.string()?;
            self.byte(b':')?;
            member(self, key)?;
            if self.peek()? == b'}' {
                return self.byte(b'}');
            }
            self.byte(b',')?;
        }
    }

    /// Reads a list; `item` reads each of its values.
    fn list(&mut self, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.byte(b'[')?;
        if self.peek()? == b']' {
            return self.byte(b']');
        }
        loop {
            item(self)?;
            if self.peek()? == b']' {
                return self.byte(b']');
            }
            self.byte(b',')?;
        }
    }

    /// A string without escapes, as it stands between its quotes.
    fn string(&mut self) -> Option<&'a str> {
        self.byte(b'"')?;
        let length = plain_length(self.rest());
        let string = self.text.get(self.at..self.at + length)?;
        self.at += length;
        // Not behind white space, which would belong to the string.
        if *self.rest().first()? != b'"' {
            return None;
        }
        self.at += 1;
        Some(string)
    }

    /// A number, as RFC 8259 writes it.
    fn number(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let mut length = usize::from(rest.first() == Some(&b'-'));
        let digits = |from: usize| rest.get(from..)?.iter().position(|byte| !byte.is_ascii_digit());
        let integer = digits(length)?;
        if integer == 0 || (integer > 1 && rest.get(length) == Some(&b'0')) {
            return None;
        }
        length += integer;
        if rest.get(length) == Some(&b'.') {
            let fraction = digits(length + 1).filter(|digits| *digits > 0)?;
            length += 1 + fraction;
        }
        if matches!(rest.get(length), Some(b'e' | b'E')) {
            length += 1 + usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
            length += digits(length).filter(|digits| *digits > 0)?;
        }
        let number = self.text.get(self.at..self.at + length)?;
        self.at += length;
        Some(number)
    }

    fn literal(&mut self, literal: &str) -> Option<()> {
        self.rest().starts_with(literal.as_bytes()).then(|| self.at += literal.len())
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        self.skip_space();
        self.rest().first().copied()
    }

    fn byte(&mut self, expected: u8) -> Option<()> {
        (self.peek()? == expected).then(|| self.at += 1)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.rest().first() {
            self.at += 1;
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

type UnknownKeys<'a> = ArrayVec<&'a str, MOST_UNKNOWN_KEYS>;

/// `None` for a key twice in one object, and for more keys than are compared one by one.
fn note<'a>(others: &mut UnknownKeys<'a>, key: &'a str) -> Option<()> {
    if others.contains(&key) {
        return None;
    }
    others.try_push(key).ok()
}

/// How many bytes come before the first quote, backslash or control character. Eight bytes at a time: of each test, the
/// lowest bit that is set belongs to a byte that is meant (what is borrowed from higher bytes comes after it).
fn plain_length(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = 0x80 * EACH;
    let below = |word: u64, least: u64| word.wrapping_sub(least * EACH) & !word & HIGHEST;
    let is = |word: u64, byte: u8| below(word ^ (u64::from(byte) * EACH), 1);
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        let found = is(word, b'"') | is(word, b'\\') | below(word, 0x20);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let in_rest = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    bytes.len() - rest.len() + in_rest.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::json::read_all;
    use super::*;

    /// As the schemas' examples show them, and as a program writes them.
    fn samples() -> Vec<(Kind, String)> {
        let shown = [
            (Kind::OnboardingCompleted, include_str!("../../schemas/examples/onboarding-completed.json")),
            (Kind::ProfileUpdated, include_str!("../../schemas/examples/profile-updated.json")),
        ];
        let compact = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap().to_string();
        // Sorted by name, as serde_json writes them, the payload still stands behind the event's type.
        shown.into_iter().flat_map(|(kind, text)| [(kind, text.to_owned()), (kind, compact(text))]).collect()
    }

    fn agrees_with_the_other_reader(kind: Kind, text: &str) -> Result<(), TestCaseError> {
        let arena = Bump::new();
        if let Some(message) = read(text, kind, &arena) {
            prop_assert_eq!(read_all(text, kind, &arena), Ok(message), "{}", text);
        }
        Ok(())
    }

    /// What may be put somewhere into a text to make another one of it.
    fn any_piece() -> impl Strategy<Value = String> {
        let pieces = [
            "",
            " ",
            "\n",
            ",",
            ":",
            "{",
            "}",
            "[",
            "]",
            "{}",
            "[]",
            "\"",
            "\"\"",
            "\\",
            "\\u0041",
            "\u{1}",
            "\u{7f}",
            "é",
            "null",
            "true",
            "false",
            "nul",
            "0",
            "-0",
            "-",
            "01",
            "1.",
            ".5",
            "1.5",
            "-1e3",
            "1E+2",
            "1e",
            "1e999",
            "9007199254740993",
            "18446744073709551616",
            "123456789012345678901234567890",
            "0.1e-7",
            "\"payload\":{},",
            "\"userId\":\"x\",",
            "\"eventType\":null,",
            "\"other\":[{\"a\":1,\"a\":2}],",
            "\"destinations\":{\"x\":[1,{}]},",
            "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
        ];
        prop_oneof![4 => prop::sample::select(pieces.map(str::to_owned).to_vec()), 1 => any::<char>().prop_map(String::from)]
    }

    /// Where, how much of the text goes, and what comes there.
    fn any_edit() -> impl Strategy<Value = (prop::sample::Index, usize, String)> {
        (any::<prop::sample::Index>(), prop_oneof![6 => 0..3_usize, 1 => 0..80_usize], any_piece())
    }

    fn edited(text: &str, edits: Vec<(prop::sample::Index, usize, String)>) -> String {
        edits.into_iter().fold(text.to_owned(), |text, (place, gone, piece)| {
            let characters: Vec<char> = text.chars().collect();
            let start = place.index(characters.len() + 1);
            let end = (start + gone).min(characters.len());
            characters[..start].iter().copied().chain(piece.chars()).chain(characters[end..].iter().copied()).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn nothing_is_read_that_the_other_reader_refuses_or_reads_otherwise(
            sample in 0..4_usize, edits in prop::collection::vec(any_edit(), 1..4),
        ) {
            let (kind, text) = samples().swap_remove(sample);
            agrees_with_the_other_reader(kind, &edited(&text, edits))?;
        }

        #[test]
        fn the_plain_part_of_a_string_ends_where_a_look_at_each_byte_ends_it(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let expected = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(bytes.len());
            prop_assert_eq!(plain_length(&bytes), expected);
        }

        #[test]
        fn numbers_are_read_as_the_other_reader_reads_them(
            number in prop_oneof!["-?[0-9]{1,25}(\\.[0-9]{0,20})?([eE][+-]?[0-9]{0,3})?", any::<f64>().prop_map(|any| any.to_string())],
        ) {
            for field in ["min", "unread"] {
                let (kind, text) = samples().swap_remove(1);
                let text = text.replacen("\"min\":", &format!("\"{field}\":{number},\"was\":"), 1);
                agrees_with_the_other_reader(kind, &text)?;
            }
        }
    }

    #[test]
    fn common_records_are_read_here() {
        for (kind, text) in samples() {
            assert!(read(&text, kind, &Bump::new()).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_not_common_is_left_to_the_other_reader() {
        let (kind, text) = samples().swap_remove(1);
        let changed = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}: {text}");
            text.replacen(from, to, 1)
        };
        let deep = format!("\"other\":{}{},\"payload\":", "[".repeat(17), "]".repeat(17));
        let many: String = (0..17).map(|number| format!("\"unknown-{number}\":0,")).collect();
        let others = [
            changed("\"eventType\":", "\"\\u0065ventType\":"),
            changed("\"eventType\":\"user.", "\"eventType\":\"another."),
            changed("\"eventType\":", "\"eventType\":null,\"eventType\":"),
            changed("\"payload\":", &deep),
            changed("\"payload\":", &format!("{many}\"payload\":")),
            changed("\"payload\":", "\"payload\":1,\"payload\":"),
            format!("{text} x"),
            "{}".to_owned(),
            String::new(),
        ];
        for text in others {
            assert!(read(&text, kind, &Bump::new()).is_none(), "{text}");
        }
    }
}
