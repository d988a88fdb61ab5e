//! What a message makes of the model, and what is to be done about it. No clock, no randomness, no
//! input or output: the same messages at the same times always end in the same model.

mod adopt;
mod answers;
pub mod attention;
pub mod chain;
pub mod errands;
pub mod exit_form;
pub mod inbox;
pub mod keys;
pub mod looks;
mod moving;
mod orders;
mod settings_form;
mod token_form;
mod tools;
mod trade_form;
mod typed;
pub use adopt::unclaimed;
pub(crate) use orders::what_waits;
pub use typed::contract as contract_of;

use crate::client::calls::{Call, CallError};
use crate::client::export::ExportSaid;
use crate::client::session::{Input, Order};
use crate::clock::Now;
use crate::effect::Effect;
use crate::input::decode::{Scheme, TerminalEvent, Wheel};
use crate::model::Model;
use crate::msg::{Msg, StreamSaid};
use crate::overlays::notices::Level;
use crate::panes::list::Step;
use crate::panes::{Pane, history, open, performance};
use crate::theme::Background;
use crate::view::layout;
use crate::widgets::canvas::Target;

/// Takes a message and gives the deeds that follow.
pub fn update(model: &mut Model, now: Now, msg: Msg) -> Vec<Effect> {
    model.now = now;
    model.notices.expire(now);
    let title = title(model);
    let mut effects = handle(model, msg);
    effects.extend(on_time(model));
    trade_form::follow(model);
    inbox::settle(model);
    effects.extend(looks::follow(model));
    effects.extend(chain::follow(model));
    errands::note_asked(model, &effects);
    settle(model);
    let new_title = self::title(model);
    if new_title != title {
        effects.extend(new_title.map(Effect::Title));
    }
    effects
}

/// The first deeds of a client.
pub fn start(model: &Model) -> Vec<Effect> {
    let mut effects = vec![Effect::Greet];
    effects.extend(title(model).map(Effect::Title));
    effects
}

fn handle(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Terminal(event) => terminal(model, event),
        Msg::Resized { width, height } => {
            (model.width, model.height) = (width, height);
            vec![Effect::Redraw]
        }
        Msg::Wake => vec![],
        Msg::Resumed => vec![Effect::Redraw],
        Msg::SuspendRefused => {
            model.notices.say(
                model.now,
                Level::Warn,
                "Not suspended: blotter is the first program of this session, and nothing could wake it.",
            );
            vec![]
        }
        Msg::Greeted(result) => greeted(model, result),
        Msg::Answered { call, result } => answers::answered(model, &call, *result),
        Msg::Loaded(result) => {
            model.is_loading = false;
            let orders = model.session.step(model.now, Input::Loaded(result));
            let mut effects = carry_out(model, orders);
            if !model.is_cut_off() {
                effects.extend(errands::all(model));
            }
            effects
        }
        Msg::Export(said) => {
            exported(model, said);
            vec![]
        }
        Msg::Stream { generation, said } if generation == model.generation => stream(model, said),
        Msg::Stream { .. } => vec![],
        Msg::Prices { generation, said } => {
            looks::prices_came(model, generation, said);
            vec![]
        }
    }
}

fn terminal(model: &mut Model, event: TerminalEvent) -> Vec<Effect> {
    match event {
        TerminalEvent::Key(chord) => keys::on_key(model, chord),
        TerminalEvent::Paste(text) => {
            keys::on_paste(model, &text);
            vec![]
        }
        TerminalEvent::Click { x, y } => click(model, x, y),
        TerminalEvent::Wheel(Wheel::Up) => moving::scroll(model, Step::Up(3)),
        TerminalEvent::Wheel(Wheel::Down) => moving::scroll(model, Step::Down(3)),
        TerminalEvent::Background { red, green, blue } => {
            let brightness = u32::from(red) * 299 + u32::from(green) * 587 + u32::from(blue) * 114;
            model.adopt_background(if brightness > 127_500 { Background::Light } else { Background::Dark });
            vec![]
        }
        TerminalEvent::ColorScheme(Scheme::Dark) => {
            model.adopt_background(Background::Dark);
            vec![]
        }
        TerminalEvent::ColorScheme(Scheme::Light) => {
            model.adopt_background(Background::Light);
            vec![]
        }
        TerminalEvent::Ready => vec![],
    }
}

fn click(model: &mut Model, x: u16, y: u16) -> Vec<Effect> {
    match crate::view::hit(model, x, y) {
        Some(Target::Act(action)) => keys::act_or_dialog(model, action),
        Some(Target::Row(id)) if model.overlays.is_empty() => keys::click_row(model, id),
        Some(Target::Row(_)) | None => vec![],
    }
}

fn greeted(model: &mut Model, result: Result<blotter_shared::protocol::health::Version, CallError>) -> Vec<Effect> {
    let result = result.and_then(|version| {
        crate::client::http::protocol_matches(version.protocol)?;
        model.data.version = Some(version);
        Ok(())
    });
    let orders = model.session.step(model.now, Input::Greeted(result));
    carry_out(model, orders)
}

fn exported(model: &mut Model, said: ExportSaid) {
    match said {
        ExportSaid::Progress { bytes } => model.exporting = Some(bytes),
        ExportSaid::Done { path, bytes } => {
            model.exporting = None;
            let words = format!("Exported {} to {}", crate::format::size(bytes), crate::widgets::text::clean(&path));
            model.notices.say(model.now, Level::Info, words);
        }
        ExportSaid::Failed(reason) => {
            model.exporting = None;
            model.notices.say(model.now, Level::Warn, format!("Not exported: {reason}"));
        }
    }
}

fn stream(model: &mut Model, said: StreamSaid) -> Vec<Effect> {
    match said {
        StreamSaid::Item(item) => answers::streamed(model, item),
        StreamSaid::Ended(_) => {
            let orders = model.session.step(model.now, Input::StreamEnded);
            carry_out(model, orders)
        }
    }
}

/// What is due because time passed.
fn on_time(model: &mut Model) -> Vec<Effect> {
    let orders = model.session.step(model.now, Input::Wake);
    let mut effects = carry_out(model, orders);
    model.flashes.expire(model.now.since_start);
    effects.extend(attention::on_time(model));
    effects.extend(errands::due(model));
    if model.reload_at.is_some_and(|at| model.now.since_start >= at) {
        model.reload_at = None;
        let orders = model.session.step(model.now, Input::MustReload);
        effects.extend(carry_out(model, orders));
    }
    effects
}

/// Turns the session's orders into effects.
fn carry_out(model: &mut Model, orders: Vec<Order>) -> Vec<Effect> {
    orders.into_iter().map(|order| effect_of(model, order)).collect()
}

fn effect_of(model: &mut Model, order: Order) -> Effect {
    match order {
        Order::Greet => Effect::Greet,
        Order::LoadAll => {
            model.is_loading = true;
            Effect::Load(everything(model))
        }
        Order::OpenStream => {
            model.generation += 1;
            Effect::OpenStream { generation: model.generation, last_event_id: model.data.seq }
        }
        Order::CloseStream => {
            model.is_loading = false;
            Effect::CloseStream
        }
        Order::Check => Effect::Call(Call::SyncStatus { version: model.data.seq.unwrap_or(0) }),
    }
}

/// What the screen stands on, the positions first: no more than the daemon answers at once. The other panes are
/// asked for when it is through, each on its own ([`errands`]).
fn everything(model: &Model) -> Vec<Call> {
    let missed = Call::SyncStatus { version: model.data.seq.unwrap_or(0) };
    vec![Call::OpenTrades, Call::Settings, Call::Health, Call::Market, Call::Alarms, Call::Accounts, missed]
}

/// Keeps selection and scrolling where they belong after any change.
fn settle(model: &mut Model) {
    let viewport = layout::list_lines(model);
    match model.pane {
        Pane::Open => {
            model.open.arrange(model.data.open.as_ref());
            let mut list = model.open.list.clone();
            let trade = |row: usize| model.open.trade(model.open_trades(), row);
            let height = |row: usize| trade(row).map_or(1, |trade| open::view::height(model, trade));
            list.settle(model.open.rows(), viewport, height);
            model.open.list = list;
        }
        Pane::History => {
            let trades = model.history.trades();
            let mut list = model.history.list.clone();
            let height = |row: usize| trades.get(row).map_or(1, |trade| history::view::height(model, trade));
            list.settle(&model.history.rows(), viewport, height);
            model.history.list = list;
        }
        Pane::Performance => {
            let hidden = performance::view::hidden_rows(model);
            model.performance.top = model.performance.top.min(hidden);
        }
    }
}

fn title(model: &Model) -> Option<String> {
    if !model.surroundings.shows_title {
        return None;
    }
    let mode = layout::broker_mode(model).map(|mode| format!("{mode} ")).unwrap_or_default();
    Some(match &model.data.open {
        Some(open) => format!("blotter: {mode}{} open", open.len()),
        None => "blotter".to_owned(),
    })
}
