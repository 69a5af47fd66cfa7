//! How the table of settings is built: one declaration gives a setting its field, key, variable, flag, help and bounds.

use super::value::{Shape, Value};

/// The prefix of segmenter's own environment variables; unknown ones are errors.
pub(super) const ENV_PREFIX: &str = "SEGMENTER_";

/// A declaration's facts about a setting besides its name, type and help.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spec {
    default: Option<&'static str>,
    required: bool,
    env: Option<&'static str>,
    flag: Option<&'static str>,
    range: Option<(&'static str, &'static str)>,
}

/// A setting with a default.
pub(super) const fn default(text: &'static str) -> Spec {
    Spec { default: Some(text), ..optional() }
}

/// A setting that must be set.
pub(super) const fn required() -> Spec {
    Spec { required: true, ..optional() }
}

/// A setting that may be absent.
pub(super) const fn optional() -> Spec {
    Spec { default: None, required: false, env: None, flag: None, range: None }
}

impl Spec {
    /// Another variable than `SEGMENTER_<KEY>`.
    pub(super) const fn env(self, name: &'static str) -> Self {
        Self { env: Some(name), ..self }
    }

    /// Another flag than `--<key>`.
    pub(super) const fn flag(self, name: &'static str) -> Self {
        Self { flag: Some(name), ..self }
    }

    /// The least and the greatest value, both allowed.
    pub(super) const fn range(self, least: &'static str, greatest: &'static str) -> Self {
        Self { range: Some((least, greatest)), ..self }
    }
}

/// One setting, as the flags, the variables, the file, the documentation and `config show` need it.
#[derive(Debug)]
pub struct Setting {
    /// The path in the configuration file, `section.name`.
    pub key: &'static str,
    pub section: &'static str,
    /// One sentence or two.
    pub help: String,
    /// The values it accepts, in words.
    pub kind: &'static str,
    pub shape: Shape,
    pub default: Option<&'static str>,
    pub required: bool,
    /// The least and the greatest value, as text.
    pub range: Option<(&'static str, &'static str)>,
    /// The variable that holds the value; a table has none.
    pub env: Option<String>,
    /// The variable that names a file that holds the value: secrets only.
    pub env_file: Option<String>,
    /// The key, in the configuration file, of the path of a file that holds the value: secrets only.
    pub key_file: Option<String>,
    /// The flag of `serve`, without its dashes; a table has none. That of a secret is the path of a file that holds it: a
    /// command line is public.
    pub flag: Option<String>,
    /// The text with secrets masked.
    pub show: fn(&str) -> String,
}

impl Setting {
    pub(super) fn new<T: Value>(section: &'static str, key: &'static str, help: &str, spec: Spec) -> Self {
        let env = spec.env.map_or_else(|| ENV_PREFIX.to_owned() + &key.to_uppercase().replace('.', "_"), str::to_owned);
        let flag = spec.flag.map_or_else(|| key.replace(['.', '_'], "-"), str::to_owned);
        let (is_table, is_secret) = (T::SHAPE == Shape::Table, T::SHAPE == Shape::Secret);
        Self {
            key,
            section,
            help: help.trim().to_owned(),
            kind: T::KIND,
            shape: T::SHAPE,
            default: spec.default,
            required: spec.required,
            range: spec.range,
            env_file: is_secret.then(|| format!("{env}_FILE")),
            key_file: is_secret.then(|| format!("{key}_file")),
            env: (!is_table).then_some(env),
            flag: (!is_table).then(|| if is_secret { flag + "-file" } else { flag }),
            show: T::show,
        }
    }
}

/// Declares the sections of the configuration: their structs, how each is read, and the table [`SETTINGS`].
macro_rules! settings {
    ($(
        $(#[doc = $section_help:literal])+
        $section:ident: $Section:ident {
            $( $(#[doc = $help:literal])+ $field:ident: $Type:ty = $spec:expr, )+
        }
    )+) => {
        $(
            $(#[doc = $section_help])+
            #[derive(Debug, Clone)]
            pub struct $Section { $( $(#[doc = $help])+ pub $field: $Type, )+ }

            impl Section for $Section {
                fn read(reader: &mut Reader<'_>) -> Option<Self> {
                    // All are read before the first missing one returns, so that every error is found.
                    $( let $field = reader.read(concat!(stringify!($section), ".", stringify!($field))); )+
                    let section = Self { $( $field: $field?, )+ };
                    section.check(reader);
                    Some(section)
                }
            }
        )+

        /// Everything that can be configured, valid as a whole.
        #[derive(Debug, Clone)]
        pub struct Config { $( $(#[doc = $section_help])+ pub $section: $Section, )+ }

        impl Section for Config {
            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                $( let $section = $Section::read(reader); )+
                let config = Self { $( $section: $section?, )+ };
                config.check(reader);
                Some(config)
            }
        }

        /// The table of settings, in the order of the documentation.
        pub(crate) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| vec![$( $(
            Setting::new::<$Type>(
                stringify!($section),
                concat!(stringify!($section), ".", stringify!($field)),
                concat!($($help),+),
                $spec,
            ),
        )+ )+]);

        /// Name and meaning of each section.
        pub(crate) static SECTIONS: &[(&str, &str)] = &[$( (stringify!($section), concat!($($section_help),+)) ),+];
    };
}
pub(super) use settings;
