//! What can be bought of an underlying: the list of expiries, then the strikes around the money with their
//! prices and greeks. Choosing fills a field of the form below; nothing is sent from here.

use std::time::Duration;

use blotter_shared::domain::OptionType;
use blotter_shared::protocol::prices::{ChainContract, ChainRow, OptionChain};
use chrono::NaiveDate;
use ratatui::layout::Rect;
use rust_decimal::Decimal;

use crate::format;
use crate::model::Model;
use crate::panes::list::Step;
use crate::theme::Role;
use crate::widgets::canvas::{Canvas, centred, line};
use crate::widgets::text;

/// The window over the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainPicker {
    pub symbol: String,
    /// Absent until the daemon has listed them.
    pub expirations: Option<Vec<NaiveDate>>,
    pub expiry_row: usize,
    /// Chosen: its strikes are shown.
    pub expiry: Option<NaiveDate>,
    pub chain: Option<OptionChain>,
    pub row: usize,
    pub side: OptionType,
    pub trouble: Option<String>,
    pub refresh_at: Option<Duration>,
}

/// An expiry nearer than this is not where a list begins.
const NEAR_DAYS: i64 = 7;
/// From here on calls and puts are side by side.
const BOTH_SIDES: u16 = 74;

impl ChainPicker {
    #[must_use]
    pub fn new(symbol: String) -> Self {
        Self {
            symbol,
            expirations: None,
            expiry_row: 0,
            expiry: None,
            chain: None,
            row: 0,
            side: OptionType::Call,
            trouble: None,
            refresh_at: None,
        }
    }

    /// Takes the list of expiries; the selection goes to the first that is not almost over.
    pub fn list(&mut self, expirations: Vec<NaiveDate>, today: NaiveDate) {
        let far = |day: &NaiveDate| (*day - today).num_days() >= NEAR_DAYS;
        self.expiry_row = expirations.iter().position(far).unwrap_or(0);
        self.trouble = expirations.is_empty().then(|| format!("No options of {} are listed.", self.symbol));
        self.expirations = Some(expirations);
    }

    /// Takes the strikes; the selection stays on its strike, or begins at the money.
    pub fn take(&mut self, chain: OptionChain) {
        let known = self.chain.as_ref().and_then(|chain| chain.rows.get(self.row)).map(|row| row.strike);
        let wanted = known.or(chain.at_the_money);
        let found = wanted.and_then(|strike| chain.rows.iter().position(|row| row.strike == strike));
        self.row = found.unwrap_or(chain.rows.len() / 2);
        self.trouble = chain.rows.is_empty().then(|| "No strikes are listed.".to_owned());
        self.chain = Some(chain);
    }

    pub fn step(&mut self, step: Step) {
        let count = match self.expiry {
            None => self.expirations.as_ref().map_or(0, Vec::len),
            Some(_) => self.chain.as_ref().map_or(0, |chain| chain.rows.len()),
        };
        let row = if self.expiry.is_none() { &mut self.expiry_row } else { &mut self.row };
        let last = count.saturating_sub(1);
        *row = match step {
            Step::Up(by) => row.saturating_sub(by),
            Step::Down(by) => row.saturating_add(by).min(last),
            Step::First => 0,
            Step::Last => last,
        };
    }

    /// The expiry under the selection.
    #[must_use]
    pub fn expiry_at(&self) -> Option<NaiveDate> {
        self.expirations.as_ref()?.get(self.expiry_row).copied()
    }

    /// The contract under the selection.
    #[must_use]
    pub fn contract(&self) -> Option<(&ChainRow, &ChainContract)> {
        let row = self.chain.as_ref()?.rows.get(self.row)?;
        let side = match self.side {
            OptionType::Call => row.call.as_ref(),
            OptionType::Put => row.put.as_ref(),
        };
        side.map(|contract| (row, contract))
    }

    pub fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
        let width = 100.min(area.width);
        let rows = match self.expiry {
            None => self.expirations.as_ref().map_or(1, Vec::len),
            Some(_) => self.chain.as_ref().map_or(1, |chain| chain.rows.len() + 1),
        };
        let height = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(4).max(7);
        let area = centred(area, width, height);
        let title = match self.expiry {
            None => format!("{}: expiry", text::clean(&self.symbol)),
            Some(day) => {
                let both = if width.saturating_sub(4) >= BOTH_SIDES { ": calls left, puts right" } else { "" };
                format!("{} {}{both}", text::clean(&self.symbol), format::expiry_long(day))
            }
        };
        let hint = if self.expiry.is_none() {
            "↑↓ · ↵ strikes · Esc back"
        } else {
            "↑↓ · ←→ side · ↵ take · Esc"
        };
        canvas.frame(area, &title, hint);
        let inside = Rect {
            x: area.x + 2,
            y: area.y + 1,
            width: area.width.saturating_sub(4),
            height: area.height.saturating_sub(2),
        };
        if let Some(trouble) = &self.trouble {
            for (row, words) in (0..inside.height).zip(text::wrap(&text::clean(trouble), inside.width)) {
                canvas.put(line(inside, row), 0, &words, Role::Warn);
            }
            return;
        }
        match (&self.expiry, &self.expirations, &self.chain) {
            (None, Some(days), _) => self.draw_expirations(canvas, inside, model, days),
            (Some(_), _, Some(chain)) => self.draw_chain(canvas, inside, chain),
            (None, None, _) | (Some(_), _, None) => {
                canvas.put(line(inside, 0), 0, "The daemon is asked …", Role::Muted);
            }
        }
    }

    fn draw_expirations(&self, canvas: &mut Canvas<'_>, area: Rect, model: &Model, days: &[NaiveDate]) {
        let today = format::exchange_date(model.trading_now());
        let top = top_of(self.expiry_row, area.height);
        for (row, (index, day)) in (0..area.height).zip(days.iter().enumerate().skip(top)) {
            let row = line(area, row);
            let left = (*day - today).num_days();
            let words = format!("{}  {:<4}{left:>5} d", format::expiry_long(*day), day.format("%a"));
            mark(canvas, row, index == self.expiry_row);
            canvas.put(row, 2, &words, if left <= 1 { Role::Warn } else { Role::Text });
        }
    }

    fn draw_chain(&self, canvas: &mut Canvas<'_>, area: Rect, chain: &OptionChain) {
        let last = line(area, area.height.saturating_sub(1));
        let money = chain.underlying.map_or("price unknown".to_owned(), |price| format!("at {}", format::price(price)));
        let about = text::clean(&format!("{} {money}", chain.symbol));
        let at = format::clock_s(chain.at);
        let wordings = [format!("{about}, {} as of {at}", chain.mode), format!("{about}, as of {at}"), about];
        let fits = wordings.iter().find(|words| text::width(words) <= area.width);
        canvas.put(last, 0, fits.map_or("", String::as_str), Role::Muted);
        let sides: &[OptionType] = match (area.width >= BOTH_SIDES, self.side) {
            (true, _) => &[OptionType::Call, OptionType::Put],
            (false, OptionType::Call) => &[OptionType::Call],
            (false, OptionType::Put) => &[OptionType::Put],
        };
        let columns = Columns { sides, cells: cells_of(sides, chain) };
        draw_heading(canvas, line(area, 0), columns);
        let shown = area.height.saturating_sub(2);
        let top = top_of(self.row, shown);
        for (offset, (index, row)) in (1..=shown).zip(chain.rows.iter().enumerate().skip(top)) {
            let is_money = chain.at_the_money == Some(row.strike);
            self.draw_strike(canvas, line(area, offset), (index, row, is_money), columns);
        }
    }

    fn draw_strike(
        &self,
        canvas: &mut Canvas<'_>,
        area: Rect,
        (index, row, is_money): (usize, &ChainRow, bool),
        columns: Columns<'_>,
    ) {
        let is_selected = index == self.row;
        let sides = columns.sides;
        let mut x = 2;
        for side in sides {
            let (contract, is_here) = match side {
                OptionType::Call => (row.call.as_ref(), self.side == OptionType::Call),
                OptionType::Put => (row.put.as_ref(), self.side == OptionType::Put),
            };
            if *side == OptionType::Put && sides.len() > 1 {
                x = draw_price_of(canvas, area, x, row.strike, is_money);
            }
            if is_selected && is_here {
                let width = columns.width().min(area.width.saturating_sub(x));
                canvas.tint(Rect { x: area.x + x, width, ..area }, Role::Selected);
            }
            let next = draw_side(canvas, area, x, (contract, columns));
            if is_selected && is_here {
                canvas.put(area, x, "▸", Role::Accent);
            }
            x = next;
        }
        if sides.len() == 1 {
            draw_price_of(canvas, area, x, row.strike, is_money);
        }
    }
}

/// The first row of a list of which `rows` fit, so that the selected one is in the middle.
fn top_of(selected: usize, rows: u16) -> usize {
    selected.saturating_sub(usize::from(rows / 2))
}

fn mark(canvas: &mut Canvas<'_>, row: Rect, is_selected: bool) {
    canvas.put(row, 0, if is_selected { "▸" } else { " " }, Role::Accent);
}

/// Bid, ask, delta, IV, open interest: five figures of a side.
static CELLS: [(&str, u16); 5] = [("BID", 7), ("ASK", 7), ("DELTA", 6), ("IV", 5), ("OI", 7)];
const STRIKE_WIDTH: u16 = 10;

/// Prices of a thousand and more need the room of the open interest.
static DEAR: [(&str, u16); 4] = [("BID", 9), ("ASK", 9), ("DELTA", 6), ("IV", 5)];

/// What is drawn of a strike.
#[derive(Clone, Copy)]
struct Columns<'a> {
    sides: &'a [OptionType],
    cells: &'static [(&'static str, u16)],
}

impl Columns<'_> {
    /// Cells of a side.
    fn width(self) -> u16 {
        self.cells.iter().map(|(_, width)| *width).sum()
    }
}

/// A single side is for a phone: there the open interest makes room for the strike.
fn cells_of(sides: &[OptionType], chain: &OptionChain) -> &'static [(&'static str, u16)] {
    let is_dear = |contract: &ChainContract| contract.bid.max(contract.ask) >= Some(Decimal::ONE_THOUSAND);
    if chain.rows.iter().flat_map(|row| row.call.iter().chain(&row.put)).any(is_dear) {
        return &DEAR;
    }
    let (without, _) = CELLS.split_at(CELLS.len() - 1);
    if sides.len() == 1 { without } else { &CELLS }
}

fn draw_heading(canvas: &mut Canvas<'_>, row: Rect, Columns { sides, cells }: Columns<'_>) {
    let mut x = 2;
    for side in sides {
        if *side == OptionType::Put && sides.len() > 1 {
            canvas.put(row, x, &format!("{:^9}", "STRIKE"), Role::Heading);
            x += STRIKE_WIDTH;
        }
        for (title, width) in cells {
            x = canvas.put(row, x, &format!("{title:>width$}", width = usize::from(*width)), Role::Heading);
        }
    }
    if let [side] = sides {
        canvas.put(row, x, &format!("  {}S", side.as_str()), Role::Strong);
    }
}

fn draw_price_of(canvas: &mut Canvas<'_>, row: Rect, x: u16, strike: Decimal, is_money: bool) -> u16 {
    let words = strike.normalize().to_string();
    let words = if is_money { format!("›{words}‹") } else { words };
    canvas.put(row, x, &format!("{words:^9}"), if is_money { Role::Accent } else { Role::Strong });
    x + STRIKE_WIDTH
}

fn draw_side(
    canvas: &mut Canvas<'_>,
    row: Rect,
    x: u16,
    (contract, columns): (Option<&ChainContract>, Columns<'_>),
) -> u16 {
    let unknown = || format::UNKNOWN.to_owned();
    let figures = contract.map_or_else(
        || std::array::from_fn(|_| unknown()),
        |contract| {
            [
                contract.bid.map_or_else(unknown, format::price),
                contract.ask.map_or_else(unknown, format::price),
                contract.delta.map_or_else(unknown, |delta| format!("{:.2}", delta.round_dp(2))),
                contract.iv.map_or_else(unknown, |iv| format!("{}", (iv * Decimal::ONE_HUNDRED).round())),
                contract.open_interest.map_or_else(unknown, |count| count.to_string()),
            ]
        },
    );
    let role =
        contract.map_or(Role::Muted, |contract| if contract.quality.is_sound() { Role::Text } else { Role::Muted });
    let mut at = x;
    for ((_, width), words) in columns.cells.iter().zip(figures) {
        at = canvas.put(row, at, &format!("{words:>width$}", width = usize::from(*width)), role);
    }
    at
}
