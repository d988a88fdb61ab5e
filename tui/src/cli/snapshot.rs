//! `blotter snapshot`: the screen of a living daemon, drawn once and printed. Pictures for the
//! documentation come from it, and so can a status line or a cron mail.

use std::collections::VecDeque;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::exit::Failure;
use super::output::print;
use super::{Context, block_on};
use crate::app::surroundings;
use crate::client::calls::Call;
use crate::client::http::Daemon;
use crate::effect::Effect;
use crate::model::{Model, Motion, Parts, Surroundings};
use crate::msg::Msg;
use crate::panes::Pane;
use crate::picture::{self, Paper};
use crate::theme::glyphs::Glyphs;
use crate::theme::{ColorDepth, Theme};
use crate::{update, view};

#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Columns and lines
    #[arg(long, default_value = "118x30", value_parser = parse_size)]
    size: (u16, u16),
    #[arg(long, value_enum, default_value = "open")]
    pane: PaneName,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// dark, light, high-contrast, colour-blind or mono
    #[arg(long, default_value = "dark")]
    theme: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PaneName {
    Open,
    History,
    Performance,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Ansi,
    Svg,
}

fn parse_size(text: &str) -> Result<(u16, u16), String> {
    let size = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    size.filter(|(width, height)| (1..=500).contains(width) && (1..=300).contains(height))
        .ok_or_else(|| "columns x lines, as in 80x24, at most 500x300".to_owned())
}

pub(super) fn run(context: &Context, args: &SnapshotArgs) -> Result<ExitCode, Failure> {
    let mut model = model(context, args);
    block_on(async {
        load(context, &context.daemon(), &mut model).await;
        Ok(())
    })?;
    let drawing = view::draw(&model);
    print(&match args.format {
        Format::Text => picture::text(&drawing.buffer),
        Format::Ansi => picture::ansi(&drawing.buffer),
        Format::Svg if args.theme == "light" => picture::svg(&drawing.buffer, Paper::Light),
        Format::Svg => picture::svg(&drawing.buffer, Paper::Dark),
    })
}

fn model(context: &Context, args: &SnapshotArgs) -> Model {
    let depth = match args.format {
        Format::Text => ColorDepth::None,
        Format::Ansi => surroundings::depth(&context.environment),
        Format::Svg => ColorDepth::Truecolor,
    };
    let parts = Parts {
        surroundings: Surroundings {
            depth,
            glyphs: Glyphs::Unicode,
            motion: Motion::Still,
            quiet: None,
            theme_follows: false,
            access: context.access(),
            shows_title: false,
            version: env!("CARGO_PKG_VERSION"),
        },
        theme: Theme::built_in(&args.theme, depth),
        keymap: context.config.keymap.clone(),
        refresh: context.config.refresh,
    };
    let now = context.clock.now();
    let mut model = Model::new(now, args.size, parts, surroundings::seed(now));
    model.pane = match args.pane {
        PaneName::Open => Pane::Open,
        PaneName::History => Pane::History,
        PaneName::Performance => Pane::Performance,
    };
    model
}

/// What the session does, one step after the other: greet, then load what it asks for.
async fn load(context: &Context, daemon: &Daemon, model: &mut Model) {
    let greeting = daemon.ask(&Call::Version).await;
    let effects = update::update(model, context.clock.now(), Msg::Greeted(greeting));
    answer(context, daemon, model, effects).await;
    let effects = update::update(model, context.clock.now(), Msg::Loaded(Ok(())));
    answer(context, daemon, model, effects).await;
}

async fn answer(context: &Context, daemon: &Daemon, model: &mut Model, effects: Vec<Effect>) {
    let mut calls: VecDeque<Call> = effects.into_iter().flat_map(calls_of).collect();
    while let Some(call) = calls.pop_front() {
        let result = Box::new(daemon.call(&call).await);
        let effects = update::update(model, context.clock.now(), Msg::Answered { call, result });
        calls.extend(effects.into_iter().flat_map(calls_of));
    }
}

/// What an effect asks the daemon. A picture follows no events.
fn calls_of(effect: Effect) -> Vec<Call> {
    match effect {
        Effect::Load(calls) => calls,
        Effect::Call(call) => vec![call],
        Effect::Greet
        | Effect::Export { .. }
        | Effect::OpenStream { .. }
        | Effect::CloseStream
        | Effect::OpenPrices { .. }
        | Effect::ClosePrices
        | Effect::Copy(_)
        | Effect::Ring { .. } => {
            vec![]
        }
        Effect::Title(_) | Effect::Redraw | Effect::Suspend | Effect::Quit => vec![],
    }
}
