//! CRC-64-AVRO by the specification's own algorithm, and the documentation in the schemas.

use segmenter::codec::segment_changed;

use super::*;

const EMPTY: u64 = 0xc15d_213a_a4d7_a795;

/// The algorithm of the specification's chapter "Schema fingerprints", bit by bit.
fn crc_64_avro(canonical: &str) -> u64 {
    canonical.bytes().fold(EMPTY, |fingerprint, byte| {
        let low = (fingerprint ^ u64::from(byte)) & 0xff;
        let row = (0..8).fold(low, |row, _| (row >> 1) ^ (EMPTY & (row & 1).wrapping_neg()));
        (fingerprint >> 8) ^ row
    })
}

#[test]
fn fingerprints_are_those_of_the_specification() {
    let known = [
        (r#""null""#, 0x63dd_24e7_cc25_8f8a),
        (r#""boolean""#, 0x9f42_fc78_a4d4_f764),
        (r#""int""#, 0x7275_d51a_3f39_5c8f),
        (r#""string""#, 0x8f01_4872_6345_03c7),
    ];
    for (text, fingerprint) in known {
        assert_eq!(crc_64_avro(text), fingerprint, "{text}");
        assert_eq!(WriterSchema::parse(text).unwrap().fingerprint(), fingerprint, "{text}");
    }
    for text in [ONBOARDING, UPDATE, EARLIER_ONBOARDING, EARLIER_UPDATE, SEGMENT_CHANGED] {
        let canonical = schema(text).canonical_form();
        assert_eq!(WriterSchema::parse(text).unwrap().fingerprint(), crc_64_avro(&canonical));
    }
}

/// Records in topics name these fingerprints. Before a schema changes, its present version is copied to `schemas/history/`.
/// (Computed with fastavro 1.12, another implementation.)
#[test]
fn the_published_schemas_have_not_changed() {
    let published = [
        (ONBOARDING, 0xdf54_c55e_2121_dc29),
        (UPDATE, 0x7e09_a8ca_ddc6_b368),
        (EARLIER_ONBOARDING, 0x83f4_348d_5e92_27d6),
        (EARLIER_UPDATE, 0x0a4b_85eb_3f92_14fd),
        (SEGMENT_CHANGED, 0xdb14_606c_3fc4_a831),
    ];
    for (text, fingerprint) in published {
        assert_eq!(WriterSchema::parse(text).unwrap().fingerprint(), fingerprint);
    }
    assert_eq!(segment_changed::avro::FINGERPRINT, WriterSchema::parse(SEGMENT_CHANGED).unwrap().fingerprint());
}

#[test]
fn every_record_and_every_field_is_documented() {
    fn undocumented(schema: &Value, at: &str, found: &mut Vec<String>) {
        match schema {
            Value::Array(branches) => branches.iter().for_each(|branch| undocumented(branch, at, found)),
            Value::Object(members) => {
                let fields = members.get("fields").and_then(Value::as_array);
                for documented in fields.into_iter().flatten().chain(fields.map(|_| schema)) {
                    if documented["doc"].as_str().is_none_or(str::is_empty) {
                        found.push(format!("{at}.{}", documented["name"]));
                    }
                }
                for field in fields.into_iter().flatten() {
                    undocumented(&field["type"], &format!("{at}.{}", field["name"]), found);
                }
                for key in ["type", "items"] {
                    members.get(key).into_iter().for_each(|of| undocumented(of, at, found));
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for text in [ONBOARDING, UPDATE, EARLIER_ONBOARDING, EARLIER_UPDATE, SEGMENT_CHANGED] {
        undocumented(&parsed(text), "", &mut found);
    }
    assert!(found.is_empty(), "{found:?}");
}
