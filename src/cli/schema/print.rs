//! `segmenter schema print`: a contract, as in the folder `schemas`.

use std::io::Write;

use serde_json::Value;

use super::asyncapi::asyncapi;
use super::{Contract, PrintArgs};
use crate::codec::{json_schema, segment_changed};
use crate::config::TopicsConfig;
use crate::domain::event::Kind;
use crate::http::openapi;
use crate::runtime::exit::Exit;

const MADE_BY: &str = "# Made by `segmenter schema print asyncapi > schemas/asyncapi.yaml`; a test keeps it so.\n";

pub(super) fn run(args: &PrintArgs, topics: &TopicsConfig, out: &mut impl Write) -> anyhow::Result<Exit> {
    let text = match args.contract {
        Contract::Asyncapi => MADE_BY.to_owned() + &yaml_serde::to_string(&asyncapi(topics)?)?,
        Contract::Openapi => openapi()?,
        Contract::OnboardingCompleted => pretty(&json_schema(Kind::OnboardingCompleted))?,
        Contract::ProfileUpdated => pretty(&json_schema(Kind::ProfileUpdated))?,
        Contract::SegmentChanged => pretty(&segment_changed::json_schema()?)?,
    };
    write!(out, "{text}")?;
    Ok(Exit::Ok)
}

fn pretty(schema: &Value) -> serde_json::Result<String> {
    serde_json::to_string_pretty(schema).map(|text| text + "\n")
}
