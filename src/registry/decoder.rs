//! Decoding for commands that read topics: as in the live service, but an unavailable schema registry ends the command after
//! a minute.

use std::sync::Mutex;
use std::time::Duration;

use super::{Answer, Registry, decode_with};
use crate::codec::{Decoded, Limits, RawRecord};
use crate::runtime::halt::Halt;
use crate::runtime::stop::Stop;

/// Longer than the 30 s after which a missing schema is unknown.
const UNAVAILABLE_DEADLINE: Duration = Duration::from_secs(60);

/// The means of decoding.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// Has the schemas that records only name.
    pub registry: Option<Registry>,
    pub limits: Limits,
    pub stop: Stop,
}

impl Decoder {
    /// Decodes a record; `header` is the value of the header that may name its schema.
    ///
    /// # Errors
    /// The registry is unavailable, or a stop was requested meanwhile.
    pub async fn decode(&self, record: &RawRecord<'_>, header: Option<&[u8]>) -> Result<Decoded, Halt> {
        loop {
            let schema = match (decode_with(self.registry.as_ref(), record, header, &self.limits), &self.registry) {
                (Ok(decoded), _) => return Ok(decoded),
                (Err(schema), Some(registry)) => (schema, registry),
                (Err(schema), None) => return Err(Halt::Failed(format!("no registry is configured for {schema}"))),
            };
            let (schema, registry) = schema;
            let last = Mutex::new(String::new());
            let on_answer = |answer: &Answer| {
                if let (Answer::Unavailable(why), Ok(mut last)) = (answer, last.lock()) {
                    last.clone_from(why);
                }
            };
            tokio::select! {
                () = registry.learn(schema, on_answer) => {}
                () = tokio::time::sleep(UNAVAILABLE_DEADLINE) => {
                    let why = last.lock().map(|last| last.clone()).unwrap_or_default();
                    return Err(Halt::Unavailable(format!("the schema registry is unavailable: {why}")));
                }
                () = self.stop.requested() => return Err(Halt::Interrupted),
            }
        }
    }
}
