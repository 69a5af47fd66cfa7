//! A catalog file is valid, or it is refused with all its errors.

use proptest::prelude::*;

use super::catalog::{BUILTIN, Catalog};
use super::reasons::ReasonCode;

/// A valid catalog of that many segments, all at one point.
pub(super) fn same_point_catalog(segments: usize) -> String {
    let (head, _) = BUILTIN.split_once("[[segments]]").unwrap();
    let segment = |index| {
        format!(
            "[[segments]]\nname = \"SEGMENT_{index}\"\ncentroid = {{ budget = 1, group = 0.5, activity = 0.5, comfort = 0.5, \
             age = 0.5, style = 0.5, business_mix = 0 }}\ntypical_vector = [0, 1, 0, 1, 0, 1, 0, 1]\n"
        )
    };
    (0..segments).map(segment).fold(head.to_owned(), |text, segment| text + &segment)
}

/// The errors of the built-in catalog with each pair's first text replaced by its second.
fn errors(changes: &[(&str, &str)]) -> Vec<String> {
    let mut text = BUILTIN.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from} is in the catalog");
        text = text.replacen(from, to, 1);
    }
    Catalog::parse(&text).map_or_else(|errors| errors.0, |_| Vec::new())
}

#[test]
fn the_catalog_compiled_in_is_valid() {
    let catalog = Catalog::builtin().unwrap();
    let names: Vec<&str> = catalog.segments().map(|segment| &*segment.name).collect();
    let expected = "BUDGET_BACKPACKER FAMILY_EXPLORER LUXURY_TRAVELER ADVENTURE_SEEKER CULTURAL_ENTHUSIAST \
                    ROMANTIC_COUPLE BUSINESS_LEISURE SENIOR_COMFORT";
    assert_eq!(names.join(" "), expected);
    assert_eq!(catalog.version(), 1);
    assert_eq!([catalog.rate("JPY"), catalog.rate("EUR"), catalog.rate("XXX")], [Some(160.0), Some(1.0), None]);
    assert!(ReasonCode::ALL.iter().all(|code| !catalog.reason_text(*code).is_empty()));
}

#[test]
fn all_errors_are_reported_at_once_with_their_places() {
    let found = errors(&[
        ("version = 1", "version = 0\ncolour = 1"),
        ("minimum_score = 0.3", "minimum_score = nan"),
        ("maximum_segments = 3", "maximum_segments = 11"),
        ("budget = 0.25", "budget = -0.25"),
        ("business_mix = 0.05", "business_mix = \"much\"\nluck = 0.1"),
        ("USD = 1.10", "USD = 0"),
        ("GBP = 0.85", "GBP = inf\neuro = 1.0\nEUR = 1.0"),
        ("SOLO = \"Travels alone\"", "ALONE = \"Travels alone\""),
        ("AS_COUPLE = \"Travels as a couple\"", "AS_COUPLE = \" \""),
        ("name = \"BUDGET_BACKPACKER\"", "name = \"\""),
        ("name = \"LUXURY_TRAVELER\"", "name = \"FAMILY_EXPLORER\"\nsize = 1"),
        ("activity = 0.95, comfort = 0.4", "activity = 1.5"),
        ("[0.6, 0.9, 0.6, 0.5, 0.4, 0.7, 0.8, 0.6]", "[0.6, 0.9]"),
        ("[0.7, 0.6, 0.7, 0.4, 0.5, 0.6, 0.7, 0.6]", "[0.7, 0.6, 0.7, 0.4, 0.5, inf, true, 0.6]"),
    ]);
    let places: Vec<&str> = found.iter().filter_map(|error| error.split(": ").next()).collect();
    let expected = [
        "colour",
        "version",
        "minimum_score",
        "maximum_segments",
        "weights.luck",
        "weights.budget",
        "weights.business_mix",
        "rates.EUR",
        "rates.GBP",
        "rates.USD",
        "rates.euro",
        "reasons.ALONE",
        "reasons.AS_COUPLE",
        "reasons.SOLO",
        "segments[0].name",
        "segments[2].size",
        "segments[2].name",
        "segments[3].centroid.activity",
        "segments[3].centroid.comfort",
        "segments[4].typical_vector",
        "segments[5].typical_vector[5]",
        "segments[5].typical_vector[6]",
    ];
    assert_eq!(places, expected, "{found:#?}");
}

#[test]
fn all_keys_that_an_empty_file_lacks_are_reported() {
    let found = Catalog::parse("").unwrap_err().0;
    let expected = ["version", "minimum_score", "maximum_segments", "weights", "rates", "reasons", "segments"];
    assert_eq!(found, expected.map(|place| format!("{place}: is missing")));
}

#[test]
fn text_that_is_not_toml_is_one_error() {
    assert_eq!(Catalog::parse("version = ").unwrap_err().0.len(), 1);
    assert_eq!(errors(&[("version = 1", "version = 1\nversion = 2")]).len(), 1);
}

#[test]
fn weights_that_are_all_zero_are_refused() {
    let (before, rest) = BUILTIN.split_once("[weights]").unwrap();
    let (_, after) = rest.split_once("[rates]").unwrap();
    let weights =
        "[weights]\nbudget = 0\ngroup = 0\nactivity = 0\ncomfort = 0\nage = 0\nstyle = -0.0\nbusiness_mix = 0\n[rates]";
    let found = Catalog::parse(&format!("{before}{weights}{after}")).unwrap_err().0;
    assert_eq!(found, ["weights: at least one must be above 0"]);
}

#[test]
fn there_are_at_most_64_segments_and_at_least_one() {
    assert!(Catalog::parse(&same_point_catalog(64)).is_ok());
    let one_too_many = Catalog::parse(&same_point_catalog(65)).unwrap_err().0;
    assert_eq!(one_too_many, ["segments: must be 1 to 64, not 65"]);
    let none = same_point_catalog(0).replace("version = 1", "version = 1\nsegments = []");
    assert_eq!(Catalog::parse(&none).unwrap_err().0, ["segments: must be 1 to 64, not 0"]);
}

#[test]
fn names_and_texts_that_would_harm_a_database_or_a_log_are_refused() {
    let long = format!("name = \"{}\"", "A".repeat(65));
    for name in ["name = \"A\\u0000\"", "name = \"a\"", "name = \" A\"", "name = 1", &long] {
        assert_eq!(errors(&[("name = \"BUDGET_BACKPACKER\"", name)]).len(), 1, "{name}");
    }
    let long = "\"".to_owned() + &"é".repeat(257) + "\"";
    for text in ["\"\\u0000\"", "\"two\\nlines\"", "\"\"", "[]", &long] {
        assert_eq!(errors(&[("\"Travels alone\"", text)]).len(), 1, "{text}");
    }
    let shown = errors(&[("version = 1", "version = 1\n\"a\\u001b[31m\" = 1")]);
    assert!(shown.iter().all(|error| !error.contains(char::is_control)), "{shown:?}");
}

#[test]
fn a_version_fits_the_databases_integer() {
    assert!(errors(&[("version = 1", "version = 2147483647")]).is_empty());
    for version in ["2147483648", "9223372036854775807", "-1", "1.0", "\"1\""] {
        assert_eq!(errors(&[("version = 1", &format!("version = {version}"))]).len(), 1, "{version}");
    }
}

#[test]
fn the_hash_is_of_the_content_and_not_of_the_layout() {
    let hash = |changes: &[(&str, &str)]| {
        let text = changes.iter().fold(BUILTIN.to_owned(), |text, (from, to)| text.replacen(from, to, 1));
        Catalog::parse(&text).unwrap().hash_hex()
    };
    let ours = hash(&[]);
    assert_eq!(ours.len(), 64);
    assert_eq!(hash(&[("version = 1", "# a comment\n  version=1")]), ours);
    assert_eq!(hash(&[("USD = 1.10\nGBP = 0.85", "GBP = 0.85\nUSD = 1.1")]), ours);
    assert_eq!(hash(&[("business_mix = 0.0 }", "business_mix = -0.0 }")]), ours);
    let changes = [
        ("version = 1", "version = 2"),
        ("minimum_score = 0.3", "minimum_score = 0.31"),
        ("maximum_segments = 3", "maximum_segments = 2"),
        ("budget = 0.25", "budget = 0.26"),
        ("USD = 1.10", "USD = 1.11"),
        ("\"Travels alone\"", "\"Alone\""),
        ("\"SENIOR_COMFORT\"", "\"SENIORS\""),
        ("style = 0.4,", "style = 0.41,"),
        ("[0.6, 0.4, 0.2,", "[0.6, 0.4, 0.21,"),
    ];
    let mut hashes: Vec<String> = changes.iter().map(|change| hash(&[*change])).collect();
    hashes.push(ours);
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), changes.len() + 1);
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(
        line in 0_usize..120,
        value in "[0-9]|-1|nan|inf|true|\"[A-Z]{0,3}\"|\\[\\]|\\{\\}|1979-05-27|9999999999999999999999",
    ) {
        let replace = |(place, text): (usize, &str)| match text.split_once(" = ") {
            Some((key, _)) if place == line => format!("{key} = {value}\n"),
            _ => format!("{text}\n"),
        };
        let text: String = BUILTIN.lines().enumerate().map(replace).collect();
        if let Err(errors) = Catalog::parse(&text) {
            prop_assert!(!errors.0.is_empty());
        }
    }
}
