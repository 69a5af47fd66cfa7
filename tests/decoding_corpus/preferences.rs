//! The fields that are kept of each section, and the values that are refused.

use segmenter::domain::event::Reason;
use segmenter::domain::section::{
    Accommodation, Activities, Budget, BudgetRange, CalendarDate, Climate, Demographics, Destinations, Experience,
    Quality, Token, Transport, Travel,
};

use super::*;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = kept();
    cases.extend(lists());
    cases.extend(refused());
    cases.extend(quality());
    cases.extend(dates_of_birth());
    cases
}

fn token(word: &str) -> Token {
    Token::new(word).expect("a word")
}

fn tokens(words: &[&str]) -> Vec<Token> {
    words.iter().map(|word| token(word)).collect()
}

fn range(min: f64, max: f64, currency: Option<&str>) -> Vec<Section> {
    vec![Section::Budget(Budget { global_range: Some(BudgetRange { min, max, currency: currency.map(token) }) })]
}

/// A full payload as the producers write it.
pub(super) const FULL: &str = r#"{"userId":"u-1","profile":{"userId":"u-1","isOnboardingCompleted":true,"preferences":{
    "destinations":{"regions":["EU"],"countries":[],"climates":[]},
    "budget":{"globalRange":{"min":50,"max":150.5,"currency":"usd"},"byCategory":{"food":1},"flexibility":"strict"},
    "travel":{"types":["CULTURAL"," beach "],"purposes":["LEISURE"],"style":"planned","groupTypes":["couple"],
        "travelWithChildren":true,"childrenAges":[0,7,25]},
    "timing":{"preferredSeasons":["SUMMER"]},
    "accommodation":{"types":["HOTEL"],"comfortLevel":"premium","amenities":[7]},
    "transport":{"preferredAirlines":["AF"],"modes":["TRAIN"]},
    "activities":{"types":["hiking"],"interests":["MUSEUMS"],"activityLevel":"very_high"},
    "constraints":{"diet":[]},
    "experience":{"level":"expert","riskTolerance":"moderate"},
    "climate":{"preferences":["hot"],"humidity":9},
    "loyalty":{}},
  "metadata":{"completedSteps":["a"],"profileVersion":3,"dataQuality":{"completeness":87.5,"confidence":"unread"}}},
  "completedAt":"2026-01-29T10:20:30Z"}"#;

fn full_sections() -> Vec<Section> {
    vec![
        range(50.0, 150.5, Some("USD")).remove(0),
        Section::Travel(Travel {
            types: tokens(&["CULTURAL", "BEACH"]),
            purposes: tokens(&["LEISURE"]),
            group_types: tokens(&["COUPLE"]),
            travel_with_children: Some(true),
            children_ages: vec![0, 7, 25],
        }),
        Section::Accommodation(Accommodation { types: tokens(&["HOTEL"]), comfort_level: Some(token("PREMIUM")) }),
        Section::Activities(Activities {
            types: tokens(&["HIKING"]),
            interests: tokens(&["MUSEUMS"]),
            activity_level: Some(token("VERY_HIGH")),
        }),
        Section::Experience(Experience { risk_tolerance: Some(token("MODERATE")) }),
        Section::Climate(Climate { preferences: tokens(&["HOT"]) }),
        Section::Destinations(Destinations { stated: true }),
        Section::Transport(Transport { preferred_airlines: tokens(&["AF"]) }),
    ]
}

fn kept() -> Vec<Case> {
    let case = |name: &str, preferences: &str, sections| {
        Case::onboarding(name, completion(preferences), Expected::onboarding(sections))
    };
    let mut with_quality = full_sections();
    with_quality.push(Section::Quality(Quality { completeness: 87.5 }));
    let empty = r#"{"budget":{},"travel":{},"accommodation":{},"activities":{},"experience":{},"climate":{},
        "destinations":{},"transport":{}}"#;
    let cleared = vec![
        Section::Budget(Budget::default()),
        Section::Travel(Travel::default()),
        Section::Accommodation(Accommodation::default()),
        Section::Activities(Activities::default()),
        Section::Experience(Experience::default()),
        Section::Climate(Climate::default()),
        Section::Destinations(Destinations { stated: true }),
        Section::Transport(Transport::default()),
    ];
    let nulls = r#"{"budget":{"globalRange":null},"travel":{"types":null,"purposes":null,"groupTypes":null,
        "travelWithChildren":null,"childrenAges":null},"accommodation":{"types":null,"comfortLevel":null},
        "activities":{"types":null,"interests":null,"activityLevel":null},"experience":{"riskTolerance":null},
        "climate":{"preferences":null},"destinations":{"regions":7},"transport":{"preferredAirlines":null}}"#;
    let blanks = r#"{"accommodation":{"comfortLevel":"  "},"experience":{"riskTolerance":""}}"#;
    let blank_sections =
        vec![Section::Accommodation(Accommodation::default()), Section::Experience(Experience::default())];
    vec![
        Case::onboarding("a full completion is kept", onboarding_envelope(FULL), Expected::onboarding(with_quality)),
        case("empty sections are carried and clear", empty, cleared.clone()),
        case("null fields are absent", nulls, cleared),
        case("null sections are not carried", r#"{"budget":null,"destinations":null,"travel":null}"#, vec![]),
        case("a blank level is none", blanks, blank_sections),
        case(
            "an unknown level is kept, trimmed and in upper case",
            r#"{"experience":{"riskTolerance":" größe "}}"#,
            vec![Section::Experience(Experience { risk_tolerance: Some(token("GRÖSSE")) })],
        ),
        case("a range without a currency", r#"{"budget":{"globalRange":{"min":1,"max":1}}}"#, range(1.0, 1.0, None)),
        case(
            "a blank currency is none",
            r#"{"budget":{"globalRange":{"min":0,"max":1e300,"currency":" "}}}"#,
            range(0.0, 1e300, None),
        ),
        case("minus zero is zero", r#"{"budget":{"globalRange":{"min":-0,"max":-0.0}}}"#, range(0.0, 0.0, None)),
        case(
            "integers beyond 64 bits are doubles",
            r#"{"budget":{"globalRange":{"min":18446744073709551616,"max":100000000000000000000}}}"#,
            range(18_446_744_073_709_551_616.0, 1e20, None),
        ),
        case(
            "a number is the nearest double",
            r#"{"budget":{"globalRange":{"min":0.3,"max":8.41e21}}}"#,
            range(0.3, 8.41e21, None),
        ),
    ]
}

fn climate(items: &str) -> String {
    completion(&format!(r#"{{"climate":{{"preferences":{items}}}}}"#))
}

fn ages(items: &str) -> String {
    completion(&format!(r#"{{"travel":{{"childrenAges":{items}}}}}"#))
}

fn lists() -> Vec<Case> {
    let repeat = |item: &str, times: usize| format!("[{}]", vec![item; times].join(","));
    let climates =
        |words: &[&str]| Expected::onboarding(vec![Section::Climate(Climate { preferences: tokens(words) })]);
    let children = |children_ages: &[u8]| {
        let travel = Travel { children_ages: children_ages.to_vec(), ..Travel::default() };
        Expected::onboarding(vec![Section::Travel(travel)])
    };
    let mostly_blank = format!("[{}]", [vec![r#"" ""#; 1000], vec![r#""a""#; 256]].concat().join(","));
    vec![
        Case::onboarding("blank words are dropped", climate(r#"["", " hot ","\t\n"]"#), climates(&["HOT"])),
        Case::onboarding("repeated words are kept", climate(r#"["hot","HOT"]"#), climates(&["HOT", "HOT"])),
        Case::onboarding("words are unescaped", climate(r#"["h\u006ft","\ud83c\udfd4"]"#), climates(&["HOT", "🏔"])),
        Case::onboarding("256 words are kept", climate(&repeat(r#""a""#, 256)), climates(&["A"; 256])),
        Case::onboarding("blank words do not count", climate(&mostly_blank), climates(&["A"; 256])),
        Case::rejected("257 words are a bad value", climate(&repeat(r#""a""#, 257)), Reason::BadValue),
        Case::onboarding("ages are integers from 0 to 25", ages("[0,5.0,25,-0,1e1]"), children(&[0, 5, 25, 0, 10])),
        Case::onboarding("256 ages are kept", ages(&repeat("3", 256)), children(&[3; 256])),
        Case::rejected("257 ages are a bad value", ages(&repeat("3", 257)), Reason::BadValue),
    ]
}

fn refused() -> Vec<Case> {
    let mut refused: Vec<String> = Vec::new();
    let sections =
        ["budget", "travel", "accommodation", "activities", "experience", "climate", "destinations", "transport"];
    for section in sections {
        refused.extend(["[]", "7", "\"x\"", "true"].map(|value| format!(r#"{{"{section}":{value}}}"#)));
    }
    let list_fields = [
        ("travel", "types"),
        ("travel", "purposes"),
        ("travel", "groupTypes"),
        ("accommodation", "types"),
        ("activities", "types"),
        ("activities", "interests"),
        ("climate", "preferences"),
        ("transport", "preferredAirlines"),
    ];
    let bad_lists =
        ["7", "\"x\"", "{}", "true", "[null]", "[7]", "[[]]", "[{}]", "[true]", r#"["a\u0000"]"#, r#"["\u0000"]"#];
    for (section, field) in list_fields {
        refused.extend(bad_lists.map(|value| format!(r#"{{"{section}":{{"{field}":{value}}}}}"#)));
    }
    let levels = [("accommodation", "comfortLevel"), ("activities", "activityLevel"), ("experience", "riskTolerance")];
    for (section, field) in levels {
        let bad = ["7", "[]", "{}", "false", r#""a\u0000""#];
        refused.extend(bad.map(|value| format!(r#"{{"{section}":{{"{field}":{value}}}}}"#)));
    }
    for value in ["7", "\"true\"", "[]", "{}"] {
        refused.push(format!(r#"{{"travel":{{"travelWithChildren":{value}}}}}"#));
    }
    for value in ["[5.5]", "[-1]", "[26]", "[25.0001]", "[null]", "[\"5\"]", "[true]", "[[5]]", "5", "{}", "\"5\""] {
        refused.push(format!(r#"{{"travel":{{"childrenAges":{value}}}}}"#));
    }
    let ranges = [
        "7",
        "[]",
        "\"x\"",
        "{}",
        r#"{"min":1}"#,
        r#"{"max":1}"#,
        r#"{"min":null,"max":1}"#,
        r#"{"min":1,"max":null}"#,
        r#"{"min":"1","max":2}"#,
        r#"{"min":1,"max":[2]}"#,
        r#"{"min":-1,"max":2}"#,
        r#"{"min":-2,"max":-1}"#,
        r#"{"min":-1e-300,"max":2}"#,
        r#"{"min":2.0001,"max":2}"#,
        r#"{"min":1,"max":2,"currency":7}"#,
        r#"{"min":1,"max":2,"currency":["EUR"]}"#,
        r#"{"min":1,"max":2,"currency":"EUR\u0000"}"#,
    ];
    refused.extend(ranges.map(|range| format!(r#"{{"budget":{{"globalRange":{range}}}}}"#)));
    refused
        .iter()
        .map(|preferences| {
            let name = format!("{preferences} is a bad value");
            Case::rejected(&name, completion(preferences), Reason::BadValue)
        })
        .collect()
}

fn quality() -> Vec<Case> {
    let with = |metadata: &str| onboarding_envelope(&format!(r#"{{"profile":{{"metadata":{metadata}}}}}"#));
    let graded = |completeness: &str| with(&format!(r#"{{"dataQuality":{{"completeness":{completeness}}}}}"#));
    let mut cases = Vec::new();
    for (text, completeness) in [("0", 0.0), ("-0.0", 0.0), ("33.3", 33.3), ("100", 100.0)] {
        let expected = Expected::onboarding(vec![Section::Quality(Quality { completeness })]);
        cases.push(Case::onboarding(&format!("a completeness of {text} is kept"), graded(text), expected));
    }
    for text in ["-1", "100.01", "\"50\"", "true", "[]", "{}"] {
        cases.push(Case::rejected(&format!("a completeness of {text} is a bad value"), graded(text), Reason::BadValue));
    }
    for metadata in ["7", "[]", r#"{"dataQuality":7}"#, r#"{"dataQuality":[]}"#] {
        cases.push(Case::rejected(&format!("metadata of {metadata} is a bad value"), with(metadata), Reason::BadValue));
    }
    for metadata in
        ["null", "{}", r#"{"dataQuality":null}"#, r#"{"dataQuality":{}}"#, r#"{"dataQuality":{"completeness":null}}"#]
    {
        let name = format!("metadata of {metadata} carries no quality");
        cases.push(Case::onboarding(&name, with(metadata), Expected::onboarding(vec![])));
    }
    cases
}

fn dates_of_birth() -> Vec<Case> {
    let born = |date: &str| {
        update_envelope(&format!(r#"{{"updatedAt":"{NOW_TEXT}","profile":{{"firstName":7,"dateOfBirth":{date}}}}}"#))
    };
    let demographics = |year, month, day| {
        let date_of_birth = CalendarDate { year, month, day };
        vec![Section::Demographics(Demographics { date_of_birth })]
    };
    let full = format!(
        r#"{{"updatedAt":"{NOW_TEXT}","profile":{{"dateOfBirth":"1980-02-29"}},"preferences":{{"climate":{{}},"travel":null}}}}"#
    );
    let mut both = vec![Section::Climate(Climate::default())];
    both.extend(demographics(1980, 2, 29));
    let mut cases = vec![
        Case::update("a date of birth is kept", born(r#""1980-02-29""#), Expected::update(demographics(1980, 2, 29))),
        Case::update("a date of birth is the first ten characters", born(r#""1999-12-31T23:00:00-05:00""#), {
            Expected::update(demographics(1999, 12, 31))
        }),
        Case::update("an update's sections are kept before its date of birth", update_envelope(&full), {
            Expected::update(both)
        }),
    ];
    for date in [
        "7",
        "true",
        "[]",
        "{}",
        "\"\"",
        "\"1981-02-29\"",
        "\"29/02/1980\"",
        "\"1980-2-29\"",
        "\" 1980-02-29\"",
        "\"1980-02-2é\"",
    ] {
        let expected = Expected::Rejected(Reason::BadValue);
        cases.push(Case::update(&format!("a date of birth of {date} is a bad value"), born(date), expected));
    }
    cases
}
