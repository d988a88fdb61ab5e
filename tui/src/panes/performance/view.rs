//! How performance looks.

use ratatui::layout::Rect;

use crate::model::Model;
use crate::panes::empty;
use crate::widgets::canvas::Canvas;

pub fn draw(canvas: &mut Canvas<'_>, area: Rect, model: &Model) {
    empty::performance(canvas, area, model);
}
