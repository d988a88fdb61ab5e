//! What lies over the panes, as a stack: the topmost gets the keys. Toasts and banners lie beside
//! the stack: they never take a key except that Esc dismisses an error.

pub mod banners;
pub mod chain;
pub mod confirm;
pub mod export;
pub mod figures;
pub mod form;
pub mod help;
pub mod messages;
pub mod notices;
pub mod palette;
pub mod story;
pub mod token;

use chain::ChainPicker;
use confirm::Confirm;
use export::ExportDialog;
use form::Form;
use messages::Inbox;
use palette::Palette;
use story::Story;
use token::TokenForm;

use crate::panes::settings::model::SettingsForm;

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Overlay {
    /// The list of keys, scrolled by so many lines.
    Help {
        top: u16,
    },
    /// The alarms that are open, and every message of the session.
    Messages(Inbox),
    Settings(SettingsForm),
    Confirm(Confirm),
    Export(ExportDialog),
    Palette(Palette),
    /// Something is typed for a trade.
    Form(Box<Form>),
    Story(Box<Story>),
    /// A token is typed.
    Token(Box<TokenForm>),
    /// What can be bought, over the form of a new trade.
    Chain(Box<ChainPicker>),
    /// Every figure of the performance, scrolled by so many lines.
    Figures {
        top: u16,
    },
}

impl Overlay {
    /// What is typed for a trade, if this is such a form.
    pub fn form_mut(&mut self) -> Option<&mut Form> {
        let Self::Form(form) = self else { return None };
        Some(form)
    }

    /// The token that is typed, if this is its window.
    pub fn token_mut(&mut self) -> Option<&mut TokenForm> {
        let Self::Token(form) = self else { return None };
        Some(form)
    }
}
