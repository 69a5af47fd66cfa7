//! What the table of settings is made of: one declaration gives a setting its field, key, variable, flag, help and bounds.

use super::value::Value;

/// The prefix of the environment variables that are ours alone; unknown ones are errors.
pub const ENV_PREFIX: &str = "SEGMENTER_";

/// What a declaration says of a setting besides its name, type and help.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    default: Option<&'static str>,
    required: bool,
    env: Option<&'static str>,
    flag: Option<&'static str>,
    range: Option<(&'static str, &'static str)>,
}

/// A setting that has a value if nobody sets it.
pub(super) const fn default(text: &'static str) -> Spec {
    Spec { default: Some(text), ..optional() }
}

/// A setting that somebody must set.
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

/// One setting, with all that the flags, the variables, the file, the documentation and `config show` need to know of it.
#[derive(Debug)]
pub struct Setting {
    /// The path in the configuration file, `section.name`.
    pub key: &'static str,
    pub section: &'static str,
    /// One sentence or two.
    pub help: String,
    /// What may stand there, in words.
    pub kind: &'static str,
    pub default: Option<&'static str>,
    pub required: bool,
    /// The least and the greatest value, as text.
    pub range: Option<(&'static str, &'static str)>,
    pub secret: bool,
    /// A flag that may stand without a value.
    pub switch: bool,
    pub list: bool,
    /// A table of the configuration file; neither a variable nor a flag.
    pub table: bool,
    env: String,
    flag: String,
    show: fn(&str) -> String,
}

impl Setting {
    pub(super) fn new<T: Value>(section: &'static str, key: &'static str, help: &str, spec: Spec) -> Self {
        let env = spec.env.map_or_else(|| ENV_PREFIX.to_owned() + &key.to_uppercase().replace('.', "_"), str::to_owned);
        let flag = spec.flag.map_or_else(|| key.replace(['.', '_'], "-"), str::to_owned);
        Self {
            key,
            section,
            help: help.trim().to_owned(),
            kind: T::KIND,
            default: spec.default,
            required: spec.required,
            range: spec.range,
            secret: T::SECRET,
            switch: T::SWITCH,
            list: T::LIST,
            table: T::TABLE,
            env,
            flag,
            show: T::show,
        }
    }

    /// The variable that holds the value.
    pub fn env(&self) -> Option<&str> {
        (!self.table).then_some(self.env.as_str())
    }

    /// The variable that names a file that holds the value: secrets only.
    pub fn env_file(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.env))
    }

    /// The key, in the configuration file, of the path of a file that holds the value: secrets only.
    pub fn key_file(&self) -> Option<String> {
        self.secret.then(|| format!("{}_file", self.key))
    }

    /// The flag, without its dashes. That of a secret is the path of a file that holds it: a command line is public.
    pub fn flag(&self) -> Option<String> {
        match (self.table, self.secret) {
            (true, _) => None,
            (false, true) => Some(format!("{}-file", self.flag)),
            (false, false) => Some(self.flag.clone()),
        }
    }

    /// `text` as people may see it.
    pub fn show(&self, text: &str) -> String {
        (self.show)(text)
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

            impl $crate::config::Section for $Section {
                fn read(reader: &mut $crate::config::sources::Reader<'_>) -> Option<Self> {
                    // All are read before any is missed, so that every error is found.
                    $( let $field = reader.read(concat!(stringify!($section), ".", stringify!($field))); )+
                    Some(Self { $( $field: $field?, )+ })
                }
            }
        )+

        /// Everything that can be configured, valid as a whole.
        #[derive(Debug, Clone)]
        pub struct Config { $( $(#[doc = $section_help])+ pub $section: $Section, )+ }

        impl $crate::config::Section for Config {
            fn read(reader: &mut $crate::config::sources::Reader<'_>) -> Option<Self> {
                $( let $section = <$Section as $crate::config::Section>::read(reader); )+
                Some(Self { $( $section: $section?, )+ })
            }
        }

        /// The table of settings, in the order of the documentation.
        pub static SETTINGS: std::sync::LazyLock<Vec<Setting>> = std::sync::LazyLock::new(|| vec![$( $(
            Setting::new::<$Type>(
                stringify!($section),
                concat!(stringify!($section), ".", stringify!($field)),
                concat!($($help),+),
                $spec,
            ),
        )+ )+]);

        /// Name and meaning of each section.
        pub static SECTIONS: &[(&str, &str)] = &[$( (stringify!($section), concat!($($section_help),+)) ),+];
    };
}
pub(super) use settings;
